//! How much of a thing a client may ask for.

use super::{LogLevel, Template};
use seawall_diag::Span;
use std::time::Duration;

/// A limit on the rate of requests.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Where it was written (nginx: its zone): what is written once is counted once, whoever inherits it.
    pub at: Span,
    /// The zone's name in nginx.conf, for logs.
    pub zone: Option<String>,
    /// Counted as nginx counts, `per` a second or a minute: a leaky bucket of milliseconds, and nothing of it is said
    /// to clients.
    pub leaky: bool,
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
    /// Whether also those who pass are told of it (`RateLimit`).
    pub fields: bool,
    /// How refusals are logged; waits one level lower.
    pub log_level: LogLevel,
}

/// A limit on the requests that are served at once (nginx: `limit_conn`).
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    /// Where it was written (nginx: its zone): what is written once is counted once, whoever inherits it.
    pub at: Span,
    /// The zone's name in nginx.conf, for logs.
    pub zone: Option<String>,
    /// Requests with the same value are counted together; an empty value is not counted.
    pub key: Template,
    /// So many at once, 1 to 65,535.
    pub max: u32,
    /// Answer to those refused (default 503).
    pub status: u16,
    /// Only counted and logged.
    pub dry_run: bool,
    /// Keys counted at once (default 65,536); requests of more are refused.
    pub keys: usize,
    /// How refusals are logged.
    pub log_level: LogLevel,
}
