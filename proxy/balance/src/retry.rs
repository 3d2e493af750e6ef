//! Which failures are worth another try, and how long to wait before it.
//!
//! A request whose bytes have reached a server may have been carried out: only one that may be carried out twice
//! (RFC 9110 §9.2.2, or a POST or PATCH with an `Idempotency-Key`) is sent again. One that reached nobody always may.

use crate::{limits::BACKOFF_MAX, random, report::Outcome};
use std::time::Duration;

/// What is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection could be made.
    pub connect: bool,
    /// No answer in time.
    pub timeout: bool,
    /// The connection broke, or what came was not HTTP.
    pub broken: bool,
    /// Statuses of answers.
    pub statuses: Statuses,
    /// Requests that are not idempotent and have reached a server, too (nginx's `non_idempotent`).
    pub non_idempotent: bool,
}

impl Default for RetryOn {
    /// Everything transient: failed connections, timeouts, broken answers, 502, 503 and 504.
    fn default() -> Self {
        Self {
            connect: true,
            timeout: true,
            broken: true,
            statuses: Statuses::none().with(502).with(503).with(504),
            non_idempotent: false,
        }
    }
}

/// A set of statuses that may be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses(u16);

/// Those that may be in the set. Of the 4xx: too early and too many requests are transient, 403 and 404 may be another
/// server's to answer (nginx's `http_403`, `http_404`). The others, 400 before all, say that the request is wrong.
const RETRYABLE: [u16; 9] = [403, 404, 425, 429, 500, 502, 503, 504, 507];

impl Statuses {
    /// The empty set.
    pub fn none() -> Self {
        Self(0)
    }

    /// The set with this status, too; unchanged when such an answer is never tried again.
    #[must_use]
    pub fn with(self, status: u16) -> Self {
        Self(self.0 | Self::bit(status))
    }

    /// Whether a status could be in a set at all.
    pub fn is_allowed(status: u16) -> bool {
        Self::bit(status) != 0
    }

    /// Whether it is in this one.
    pub fn contains(self, status: u16) -> bool {
        self.0 & Self::bit(status) != 0
    }

    fn bit(status: u16) -> u16 {
        let at = RETRYABLE.iter().position(|&allowed| allowed == status);
        at.map_or(0, |at| 1 << at)
    }
}

/// Whether a request may be carried out twice. `has_key`: it carries an `Idempotency-Key`, and the operator says that
/// the origin honours it.
pub fn is_idempotent(method: &[u8], has_key: bool) -> bool {
    match method {
        b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE" => true,
        b"POST" | b"PATCH" => has_key,
        _ => false,
    }
}

/// Whether a request may be tried again. `idempotent` as [`is_idempotent`] has it; `sent`: some of its bytes have gone
/// to the server, which an answer proves.
///
/// Pure: attempts and the budget are counted elsewhere.
pub fn retryable(on: &RetryOn, idempotent: bool, outcome: &Outcome, sent: bool) -> bool {
    let (wanted, sent) = match *outcome {
        Outcome::ConnectFailed => (on.connect, sent),
        Outcome::TimedOut => (on.timeout, sent),
        Outcome::Broken => (on.broken, sent),
        Outcome::Answered { status, .. } => (on.statuses.contains(status), true),
    };
    wanted && (!sent || idempotent || on.non_idempotent)
}

/// The wait before a retry: exponential, with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry; zero for none at all.
    pub base: Duration,
    /// The longest wait before any, at most [`BACKOFF_MAX`].
    pub cap: Duration,
}

impl Default for Backoff {
    /// None: another server is tried at once.
    fn default() -> Self {
        Self {
            base: Duration::ZERO,
            cap: Duration::from_secs(1),
        }
    }
}

impl Backoff {
    /// The wait before the n-th retry, from 0: anything up to `base` doubled n times, and up to the cap.
    pub fn delay(&self, retry: u32, random: u64) -> Duration {
        let doubled = self
            .base
            .saturating_mul(1u32.checked_shl(retry).unwrap_or(u32::MAX));
        random::within(doubled.min(self.cap).min(BACKOFF_MAX), random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Outcome {
        Outcome::Answered {
            status,
            latency: Duration::ZERO,
        }
    }

    #[test]
    fn by_default_only_what_is_transient_is_tried_again() {
        let on = RetryOn::default();
        for status in 100..600 {
            let wanted = matches!(status, 502..=504);
            assert_eq!(retryable(&on, true, &answered(status), true), wanted);
        }
        for outcome in [Outcome::ConnectFailed, Outcome::TimedOut, Outcome::Broken] {
            assert!(retryable(&on, true, &outcome, true));
        }
    }

    #[test]
    fn a_wrong_request_is_never_tried_again_whatever_is_configured() {
        let statuses = (0..=999).fold(Statuses::none(), Statuses::with);
        let on = RetryOn {
            statuses,
            ..RetryOn::default()
        };
        for status in [200, 304, 400, 401, 405, 411, 413, 422, 431, 501, 505] {
            assert!(!retryable(&on, true, &answered(status), true), "{status}");
            assert!(!Statuses::is_allowed(status));
        }
        assert!(
            retryable(&on, true, &answered(404), true),
            "nginx's http_404"
        );
    }

    #[test]
    fn what_may_not_be_carried_out_twice_is_not_sent_twice() {
        let on = RetryOn::default();
        for outcome in [Outcome::Broken, Outcome::TimedOut] {
            assert!(!retryable(&on, false, &outcome, true));
            assert!(retryable(&on, false, &outcome, false), "nobody has seen it");
        }
        assert!(retryable(&on, false, &Outcome::ConnectFailed, false));
        // Who answers has seen it, whatever the caller believes.
        assert!(!retryable(&on, false, &answered(503), false));
        let careless = RetryOn {
            non_idempotent: true,
            ..on
        };
        assert!(retryable(&careless, false, &answered(503), true));
    }

    #[test]
    fn a_cause_that_is_switched_off_is_final() {
        let off = RetryOn {
            connect: false,
            timeout: false,
            broken: false,
            statuses: Statuses::none(),
            non_idempotent: true,
        };
        for outcome in [
            Outcome::ConnectFailed,
            Outcome::TimedOut,
            Outcome::Broken,
            answered(503),
        ] {
            assert!(!retryable(&off, true, &outcome, false));
        }
    }

    #[test]
    fn methods_by_rfc_9110() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert!(is_idempotent(method.as_bytes(), false), "{method}");
        }
        for method in ["POST", "PATCH"] {
            assert!(!is_idempotent(method.as_bytes(), false));
            assert!(is_idempotent(method.as_bytes(), true));
        }
        // Methods are case-sensitive, and of an unknown one nothing is known.
        for method in ["get", "CONNECT", "LOCK", ""] {
            assert!(!is_idempotent(method.as_bytes(), true), "{method}");
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_with_full_jitter() {
        let backoff = Backoff {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(50),
        };
        let longest: Vec<_> = (0..5)
            .map(|retry| backoff.delay(retry, u64::MAX).as_millis())
            .collect();
        assert_eq!(longest, [10, 20, 40, 50, 50]);
        assert_eq!(backoff.delay(3, 0), Duration::ZERO);
        let half = backoff.delay(0, u64::MAX / 2);
        assert!(half > Duration::from_micros(4_990) && half < Duration::from_micros(5_010));
    }

    #[test]
    fn absurd_waits_are_held_within_the_limit() {
        let backoff = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        assert!(backoff.delay(u32::MAX, u64::MAX) <= BACKOFF_MAX);
        assert_eq!(Backoff::default().delay(9, u64::MAX), Duration::ZERO);
    }
}
