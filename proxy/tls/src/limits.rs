//! Every bound of this crate, in one place.

use std::time::Duration;

/// Certificates in one chain, leaf included.
pub const CHAIN_MAX: usize = 16;

/// Bytes of an OCSP response to be stapled: a handshake carries it.
pub const OCSP_BYTES_MAX: usize = 16 * 1024;

/// Sessions remembered for each listener for clients of TLS 1.2 that take no tickets.
pub const SESSIONS_MAX: usize = 4096;

/// Bytes of a DNS name (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 253;

/// How long the internal CA's root is valid.
pub const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// How long a certificate of the internal CA is valid; it is renewed after two thirds.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far before now validity begins, for clients whose clock is behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Names in one certificate of the internal CA.
pub const LEAF_NAMES_MAX: usize = 100;

/// Certificates of the internal CA kept in memory; past this they are issued anew.
pub const ISSUED_MAX: usize = 1024;

/// Bytes of the internal CA's file.
pub const CA_FILE_BYTES_MAX: u64 = 64 * 1024;
