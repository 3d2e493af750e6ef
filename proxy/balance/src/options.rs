//! What a pool is made of, as plain values.

use std::time::Duration;

/// How a server is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Smooth weighted round robin: with weights 5, 1, 1 the order is `a a b a c a a` (nginx's default).
    RoundRobin,
    /// Of two servers drawn at random by weight, the one with fewer requests in flight for its weight.
    P2c,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Names the server in logs and across reloads; not parsed here.
    pub address: String,
    /// Its share; 0 counts as 1.
    pub weight: u32,
    /// Used only when no primary can be.
    pub backup: bool,
    /// Never used.
    pub down: bool,
    /// Failures in a row after which it is ejected; 0 never. `None`: the pool's [`Eject::after`].
    pub max_fails: Option<u32>,
    /// For how long; does not grow with repeats, as in nginx. `None`: the pool's [`Eject::for_`], which does.
    pub fail_timeout: Option<Duration>,
}

impl ServerOptions {
    /// A server with weight 1 and no exceptions.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            weight: 1,
            backup: false,
            down: false,
            max_fails: None,
            fail_timeout: None,
        }
    }
}

/// Passive ejection: leaving out a server whose answers to real requests fail.
#[derive(Clone, Copy, Debug)]
pub struct Eject {
    /// Failures in a row; 0 switches it off.
    pub after: u32,
    /// How long the first ejection lasts; the n-th in a row lasts n times as long, up to
    /// [`EJECTION_GROWTH_MAX`](crate::limits::EJECTION_GROWTH_MAX).
    pub for_: Duration,
    /// Share of the pool's servers that may be ejected at once, in percent. One may always be (if the share is not 0),
    /// the last one in use never.
    pub at_most_percent: u8,
}

impl Default for Eject {
    fn default() -> Self {
        Self {
            after: 5,
            for_: Duration::from_secs(10),
            at_most_percent: 50,
        }
    }
}

/// A pool.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Its name, for the log.
    pub name: String,
    /// How a server is chosen.
    pub algorithm: Algorithm,
    /// Its servers; their order gives the indexes of the API.
    pub servers: Vec<ServerOptions>,
    /// Whether servers are actively checked. They start as up, and the first check's result counts at once.
    pub checked: bool,
    /// Successes in a row that make a server up again; 0 counts as 1.
    pub rise: u32,
    /// Failures in a row that make it down; 0 counts as 1.
    pub fall: u32,
    /// Passive ejection.
    pub eject: Eject,
    /// Retries as a share of requests, in percent; 0 allows none. More than 100 is allowed.
    pub retry_budget_percent: u8,
    /// Tries of one request in all; the caller counts them.
    pub retry_attempts: u32,
}

impl PoolOptions {
    /// A pool with the defaults of the configuration: no checks, ejection after 5 failures, two tries, a budget of 20 %.
    pub fn new(name: impl Into<String>, algorithm: Algorithm, servers: Vec<ServerOptions>) -> Self {
        Self {
            name: name.into(),
            algorithm,
            servers,
            checked: false,
            rise: 2,
            fall: 2,
            eject: Eject::default(),
            retry_budget_percent: 20,
            retry_attempts: 2,
        }
    }
}
