//! How much of a thing a client may ask for.

use super::Template;
use seawall_diag::Span;
use std::time::Duration;

/// A limit on the rate of requests.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Where it was written: what is written once is counted once, whoever inherits it.
    pub at: Span,
    /// Requests with the same value are counted together; an empty value is not counted.
    pub key: Template,
    /// So many requests ...
    pub rate: u32,
    /// ... in this time.
    pub per: Duration,
    /// More that may come at once (default 0).
    pub burst: u32,
    /// So many of the burst pass at once, the others wait for the rate; `None` (the default): all pass at once.
    pub delay: Option<u32>,
    /// Answer to those refused (default 429).
    pub status: u16,
    /// Only counted and logged.
    pub dry_run: bool,
    /// Keys remembered at once (default 65,536, each 24 bytes); the least busy one makes room.
    pub keys: usize,
}
