//! Pools: servers, how one is chosen, and what is done when one fails.

use super::{Address, Part, Pattern, PoolTls, Template, Wire};
use seawall_diag::Span;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// A pool of servers.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Where it was written.
    pub at: Span,
    /// Its name; for an address in place of a name, the address.
    pub name: String,
    /// What is spoken to its servers.
    pub protocol: Protocol,
    /// How a server is chosen.
    pub balance: Balance,
    /// What [`Balance::Hash`] hashes.
    pub hash_key: Option<Template>,
    /// Its servers, as far as they are written.
    pub servers: Vec<Server>,
    /// Where more of them are found.
    pub sources: Vec<Source>,
    /// Name servers that `sources` are asked of; the system's where there are none.
    pub resolver: Vec<SocketAddr>,
    /// The active check.
    pub health: Option<HealthCheck>,
    /// Passive ejection.
    pub eject: Eject,
    /// Retries.
    pub retry: Retry,
    /// Waiting for a server below its `max_conns`.
    pub queue: Queue,
    /// The circuit breaker.
    pub breaker: Option<Breaker>,
    /// A second request beside a slow one.
    pub hedge: Option<Hedge>,
    /// Sessions that stay with their server.
    pub sticky: Option<Sticky>,
    /// Idle connections that each worker thread keeps to all servers together; 0 keeps none (default 32; nginx:
    /// `keepalive`).
    pub keepalive: usize,
    /// How long an idle connection is kept (default 60 s).
    pub keepalive_timeout: Duration,
    /// TLS to its servers; `None` is plain.
    pub tls: Option<PoolTls>,
    /// What is spoken on its connections.
    pub wire: Wire,
}

/// What is spoken to the servers of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP.
    #[default]
    Http,
    /// FastCGI.
    FastCgi,
}

/// How a server is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round robin, as nginx.
    RoundRobin,
    /// The fewest requests in flight for its weight (nginx: `least_conn`).
    LeastConn,
    /// The less loaded of two random ones (nginx: `random two`).
    P2c,
    /// Of two random ones the one that answers sooner for what it has in flight (approximates nginx's `least_time`).
    Ewma,
    /// By the client's network (nginx: `ip_hash`).
    IpHash,
    /// By [`Pool::hash_key`], consistently (nginx: `hash ... consistent`).
    Hash,
    /// At random by weight.
    Random,
}

/// A server of a pool.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it was written.
    pub at: Span,
    /// Where it listens.
    pub address: Address,
    /// Its share, 1 by default.
    pub weight: u32,
    /// Used only when no other is up.
    pub backup: bool,
    /// Never used (nginx: `down`).
    pub down: bool,
    /// Failures in a row after which it is left out for `fail_timeout` (nginx: `max_fails`); `None`: the pool's `eject`.
    pub max_fails: Option<u32>,
    /// See `max_fails`.
    pub fail_timeout: Option<Duration>,
    /// Takes nothing new (nginx: `drain`).
    pub drain: bool,
    /// Requests at once; 0 is no limit.
    pub max_conns: u32,
    /// How long its weight takes to grow back after a recovery; zero is at once.
    pub slow_start: Duration,
    /// What a sticky cookie or route calls it (nginx: `route`); a keyed hash of its address when absent.
    pub id: Option<String>,
}

/// Where servers are found while the daemon runs.
#[derive(Clone, Debug)]
pub struct Source {
    /// What is asked.
    pub kind: SourceKind,
    /// What every server found there is, but for its address.
    pub server: Server,
}

/// Where servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// All addresses of a name, on this port (nginx: `server ... resolve`).
    Name(String, u16),
    /// The SRV records of a name (RFC 2782): the best priority are primaries, the others backups.
    Srv(String),
    /// A file of addresses, one a line, watched.
    File(PathBuf),
}

/// An active check.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// What is tried.
    pub kind: CheckKind,
    /// Another port than the server's.
    pub port: Option<u16>,
    /// Time between checks (default 2 s).
    pub interval: Duration,
    /// Time between checks of a server that is down (default: half of `interval`).
    pub fast_interval: Option<Duration>,
    /// How much of the time between checks is random, in percent (default 10).
    pub jitter_percent: u8,
    /// The longest a check may take (default 1 s).
    pub timeout: Duration,
    /// Failures in a row that make it down (default 2).
    pub fall: u32,
    /// Successes in a row that make it up again (default 2).
    pub rise: u32,
}

/// What a check tries.
#[derive(Clone, Debug)]
pub enum CheckKind {
    /// A connection, and a TLS handshake where the pool speaks TLS.
    Tcp,
    /// An HTTP request.
    Http(HttpCheck),
    /// The gRPC health protocol (`grpc.health.v1.Health/Check`) for a service; empty is the whole server.
    Grpc(String),
}

/// An HTTP check.
#[derive(Clone, Debug)]
pub struct HttpCheck {
    /// Method (default GET).
    pub method: String,
    /// Target.
    pub path: String,
    /// Host header; the server's address when absent.
    pub host: Option<String>,
    /// More fields.
    pub headers: Vec<(String, String)>,
    /// Ranges of statuses that are healthy, ends included (default 200 to 399).
    pub statuses: Vec<(u16, u16)>,
    /// What the first 64 KiB of the body must hold.
    pub body: Option<BodyExpected>,
}

/// What a check's body must hold.
#[derive(Clone, Debug)]
pub enum BodyExpected {
    /// A text.
    Contains(String),
    /// A match.
    Matches(Pattern),
}

/// Passive ejection.
#[derive(Clone, Copy, Debug)]
pub struct Eject {
    /// Failures in a row (default 5); 0 switches it off.
    pub after: u32,
    /// Share of errors in a window; off when absent.
    pub ratio: Option<EjectRatio>,
    /// For how long (default 10 s); twice as long each time it repeats.
    pub for_: Duration,
    /// The longest of these (default 5 min).
    pub at_longest: Duration,
    /// Share of the pool that may be out, in percent (default 50).
    pub at_most_percent: u8,
}

/// Ejection by the share of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectRatio {
    /// Errors of all answers, in percent.
    pub percent: u8,
    /// Fewer requests in the window prove nothing (default 20).
    pub min_requests: u32,
    /// The window (default 10 s).
    pub window: Duration,
}

/// Retries on another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After a connection that could not be made, or that broke.
    pub connect: bool,
    /// After a timeout.
    pub timeout: bool,
    /// Statuses that are tried again: of 403, 404, 425, 429, 500, 502, 503, 504, 507.
    pub statuses: Vec<u16>,
    /// Also after an answer that is no HTTP (nginx: `invalid_header`).
    pub invalid: bool,
    /// Also what is not idempotent and was sent (nginx: `non_idempotent`).
    pub non_idempotent: bool,
    /// Also POST and PATCH with an `Idempotency-Key`.
    pub idempotency_key: bool,
    /// Only these methods; empty is every one that is idempotent.
    pub methods: Vec<String>,
    /// Tries in all (default 2; nginx: every server).
    pub attempts: u32,
    /// Retries as a share of requests, in percent (default 20).
    pub budget_percent: u8,
    /// The longest wait before the first retry, doubled for each that follows; zero is none (default).
    pub backoff: Duration,
    /// The longest wait before any (default 1 s).
    pub backoff_max: Duration,
    /// No retry begins later than this after the request; zero is no limit (nginx: `proxy_next_upstream_timeout`).
    pub within: Duration,
}

/// Waiting for a server below its `max_conns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many may wait; 0 is none, and a full pool answers 503 at once.
    pub size: u32,
    /// How long (default 60 s); then 503.
    pub timeout: Duration,
}

/// The circuit breaker of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures of all requests in the window, in percent, from which on it opens (default 50).
    pub failures_percent: u8,
    /// Fewer requests in the window prove nothing (default 20).
    pub min_requests: u32,
    /// The window (default 10 s).
    pub window: Duration,
    /// How long it stays open (default 5 s), jittered.
    pub open_for: Duration,
    /// How many requests probe when it is half open (default 3).
    pub probes: u32,
}

/// A second request beside a slow one: GET and HEAD only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// After how long without an answer; `None` is after what 95 of 100 answers take.
    pub after: Option<Duration>,
    /// Never sooner than this (default 1 ms).
    pub at_least: Duration,
    /// Second requests as a share of requests, in percent (default 5).
    pub budget_percent: u8,
}

/// Sessions that stay with their server.
#[derive(Clone, Debug)]
pub struct Sticky {
    /// How they are known.
    pub by: StickyBy,
    /// Whether a draining server still serves its sessions.
    pub while_draining: bool,
}

/// How a session's server is known.
#[derive(Clone, Debug)]
pub enum StickyBy {
    /// By a cookie of ours.
    Cookie(StickyCookie),
    /// By the `id` of a server, as the first of these values that is not empty says it.
    Route(Vec<Template>),
    /// By what the server itself says.
    Learn {
        /// What of an answer begins a session.
        create: Vec<LearnFrom>,
        /// What of a request tells it.
        lookup: Vec<Template>,
        /// How long an idle session is known (default 10 min).
        ttl: Duration,
        /// How many are known (default 65,536).
        sessions: usize,
    },
}

/// What of an answer begins a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LearnFrom {
    /// A cookie's value (`$upstream_cookie_NAME`).
    Cookie(String),
    /// A field's value (`$upstream_http_NAME`).
    Header(String),
}

impl LearnFrom {
    /// What of an answer a template names; `None` where it is no single variable that does.
    pub fn parse(template: &Template) -> Option<Self> {
        let [Part::Variable { name, .. }] = template.parts.as_slice() else {
            return None;
        };
        if let Some(cookie) = name.strip_prefix("upstream_cookie_") {
            return Some(Self::Cookie(cookie.to_owned()));
        }
        let header = name.strip_prefix("upstream_http_")?;
        Some(Self::Header(header.replace('_', "-")))
    }
}

/// The cookie of a sticky pool (RFC 6265).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyCookie {
    /// Its name.
    pub name: String,
    /// Max-Age; a session cookie when absent.
    pub ttl: Option<Duration>,
    /// Secure; when absent, where the client speaks TLS.
    pub secure: Option<bool>,
    /// HttpOnly (default true; nginx: false).
    pub http_only: bool,
    /// SameSite: `Strict`, `Lax` (default) or `None`; empty says nothing.
    pub same_site: &'static str,
    /// Path (default `/`); empty says nothing.
    pub path: String,
    /// Domain.
    pub domain: Option<String>,
}

/// Requests shared out between pools.
#[derive(Clone, Debug)]
pub struct Split {
    /// Pools (indexes into [`Config::pools`](super::Config::pools)) and their shares.
    pub targets: Vec<(usize, u32)>,
    /// What decides, so that who comes again meets the same pool; at random when absent or empty.
    pub by: Option<Template>,
}

/// A copy of requests for another pool, whose answer nobody reads.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Where it was written.
    pub at: Span,
    /// Index into [`Config::pools`](super::Config::pools).
    pub pool: usize,
    /// How many of the requests, in hundredths of a percent.
    pub share: u32,
    /// Which methods (default GET and HEAD).
    pub methods: Vec<String>,
}
