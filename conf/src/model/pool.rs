//! Pools: servers, how one is chosen, and what is done when one fails.

use super::Address;
use seawall_diag::Span;
use std::{path::PathBuf, time::Duration};

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
    /// Its servers.
    pub servers: Vec<Server>,
    /// The active check.
    pub health: Option<HealthCheck>,
    /// Passive ejection.
    pub eject: Eject,
    /// Retries.
    pub retry: Retry,
    /// Idle connections that each worker thread keeps to all servers together; 0 keeps none (default 32; nginx:
    /// `keepalive`).
    pub keepalive: usize,
    /// How long an idle connection is kept (default 60 s).
    pub keepalive_timeout: Duration,
    /// TLS to its servers; `None` is plain.
    pub tls: Option<PoolTls>,
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
    /// The less loaded of two random ones.
    P2c,
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
}

/// TLS to an origin.
#[derive(Clone, Debug, Default)]
pub struct PoolTls {
    /// The name to ask for and to verify; the server's name when absent.
    pub sni: Option<String>,
    /// PEM of the CAs trusted; the system's when absent.
    pub ca: Option<(PathBuf, Span)>,
    /// Whether the certificate is verified: true from YAML, false from nginx.conf (`proxy_ssl_verify off`).
    pub verify: bool,
}

/// An active HTTP check.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// Requested with GET; 2xx and 3xx are healthy.
    pub path: String,
    /// Host header; the server's address when absent.
    pub host: Option<String>,
    /// Time between checks (default 2 s), jittered by a tenth.
    pub interval: Duration,
    /// The longest a check may take (default 1 s).
    pub timeout: Duration,
    /// Failures in a row that make it down (default 2).
    pub fall: u32,
    /// Successes in a row that make it up again (default 2).
    pub rise: u32,
}

/// Passive ejection.
#[derive(Clone, Copy, Debug)]
pub struct Eject {
    /// Failures in a row (default 5); 0 switches it off.
    pub after: u32,
    /// For how long (default 10 s).
    pub for_: Duration,
    /// Share of the pool that may be out, in percent (default 50).
    pub at_most_percent: u8,
}

/// Retries on another server.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// After a connection that could not be made.
    pub connect: bool,
    /// After a timeout.
    pub timeout: bool,
    /// Status codes that are retried, as bits: 502 = 1, 503 = 2, 504 = 4, 500 = 8.
    pub statuses: u8,
    /// Tries in all (default 2; nginx: every server).
    pub attempts: u32,
    /// Retries as a share of requests, in percent (default 20).
    pub budget_percent: u8,
}
