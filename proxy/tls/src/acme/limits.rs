//! Every bound of ACME, in one place.

use std::time::Duration;

/// One request to the CA, from connecting to the last byte.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// One order, from the account to the certificate; past it the order is given up and tried again later.
pub const ORDER_TIME_MAX: Duration = Duration::from_secs(600);

/// How long a CA may take to validate, or to issue.
pub const POLL_TIME_MAX: Duration = Duration::from_secs(240);

/// Bytes of one answer of the CA; a longer one is an error.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Orders under way at once, whatever the number of certificates.
pub const ORDERS_MAX: usize = 8;

/// Names in one certificate; Let's Encrypt's bound.
pub const NAMES_MAX: usize = 100;

/// Events a certificate's timeline remembers; older ones are forgotten.
pub const EVENTS_MAX: usize = 100;

/// Bytes of an event's text; what a CA says beyond that is cut.
pub const EVENT_BYTES_MAX: usize = 600;

/// The first pause after a failure; it doubles with each. Five failed validations an hour are what Let's Encrypt
/// forgives, and 2, 4, 8, 16, 32 minutes are just past that.
pub const PAUSE_MIN: Duration = Duration::from_secs(120);

/// The longest pause, also for a `Retry-After` that asks for more.
pub const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Failures at one CA in a row before the next one is tried.
pub const FAILURES_BEFORE_FALLBACK: u32 = 2;

/// How often a CA is asked when it would like the certificate to be renewed (RFC 9773), at least and at most.
pub const RENEWAL_INFO_MIN: Duration = Duration::from_secs(3600);
/// See [`RENEWAL_INFO_MIN`].
pub const RENEWAL_INFO_MAX: Duration = Duration::from_secs(24 * 3600);

/// Aliases followed from `_acme-challenge.NAME` to a name in a zone of ours.
pub const ALIASES_MAX: usize = 8;

/// Bytes of a stored certificate or account.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The longest sleep: a clock that is set must not be noticed much later.
pub const SLEEP_MAX: Duration = Duration::from_secs(600);
