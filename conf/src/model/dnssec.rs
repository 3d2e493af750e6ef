//! How a zone is signed.

use seawall_diag::Span;
use std::{net::SocketAddr, time::Duration};

/// The algorithm of new keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnssecAlgorithm {
    /// Number 13.
    #[default]
    EcdsaP256Sha256,
    /// Number 15.
    Ed25519,
}

/// How a zone says that something is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnssecDenial {
    /// By names.
    #[default]
    Nsec,
    /// By hashes of names.
    Nsec3,
}

/// `dnssec` of a zone.
#[derive(Clone, Debug)]
pub struct Dnssec {
    /// Where it was written.
    pub at: Span,
    /// The algorithm of keys; those of another one are replaced by a rollover.
    pub algorithm: DnssecAlgorithm,
    /// How it denies.
    pub denial: DnssecDenial,
    /// Whether one key signs all.
    pub single_key: bool,
    /// How long a KSK, or the single key, is used; `None` for ever.
    pub ksk_lifetime: Option<Duration>,
    /// How long a ZSK is used; `None` for ever.
    pub zsk_lifetime: Option<Duration>,
    /// How long signatures hold.
    pub validity: Duration,
    /// How long before their end they are made anew.
    pub refresh: Duration,
    /// TTL of the keys.
    pub dnskey_ttl: Duration,
    /// How long secondaries take to follow.
    pub propagation: Duration,
    /// How long the parent's DS lives in caches.
    pub parent_ttl: Duration,
    /// Servers that are asked for the parent's DS; the system's resolver where there is none.
    pub parent: Vec<SocketAddr>,
}
