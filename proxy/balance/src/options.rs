//! What a pool is made of, as plain values.

use crate::{
    breaker::BreakerOptions,
    hedge::HedgeOptions,
    limits::{BUDGET_RETRIES_PER_S_MIN, EJECTION_LONGEST},
};
use std::time::Duration;

/// How a server is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Smooth weighted round robin: with weights 5, 1, 1 the order is `a a b a c a a` (nginx's default).
    RoundRobin,
    /// The server with the fewest requests in flight for its weight; round robin among equals (nginx's `least_conn`).
    LeastConn,
    /// Of two servers drawn at random by weight, the one with fewer requests in flight for its weight.
    P2c,
    /// Of two servers drawn at random by weight, the one with the lower product of latency and requests in flight for
    /// its weight. The latency is a moving average that jumps up at once and comes down slowly (Finagle's peak EWMA).
    Ewma,
    /// By the client's network, as nginx's `ip_hash` has it: the key is [`ip_key`](crate::ip_key).
    IpHash,
    /// By a key on a ketama ring (nginx's `hash ... consistent`): the key is [`hash_key`](crate::hash_key). A server
    /// that comes or goes moves only its own share of keys.
    Hash,
    /// At random by weight (nginx's `random`).
    Random,
    /// nginx's name for [`P2c`](Self::P2c): `random two least_conn`.
    RandomTwo,
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
    /// Drained by configuration: see [`Pool::drain`](crate::Pool::drain).
    pub drain: bool,
    /// Requests in flight at once, over all threads and generations of the pool; 0 for no limit.
    pub max_conns: u32,
    /// After a recovery (by check, request or end of an ejection) its weight grows linearly from a hundredth to the
    /// whole over this time; zero for at once. Not at the first start. As in nginx, choices by key know no slow start.
    pub slow_start: Duration,
    /// Failures in a row after which it is ejected; 0 never, not by [`Eject::ratio`] either. `None`: the pool's
    /// [`Eject::after`].
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
            drain: false,
            max_conns: 0,
            slow_start: Duration::ZERO,
            max_fails: None,
            fail_timeout: None,
        }
    }
}

/// Passive ejection: leaving out a server whose answers to real requests fail.
#[derive(Clone, Copy, Debug)]
pub struct Eject {
    /// Failures in a row; 0 switches this rule off.
    pub after: u32,
    /// Share of errors in a window; `None` switches this rule off.
    pub ratio: Option<EjectRatio>,
    /// How long the first ejection lasts; each that follows without a long good time between lasts twice as long as
    /// the one before.
    pub for_: Duration,
    /// The longest of these (but never less than `for_`).
    pub at_longest: Duration,
    /// Share of the pool's servers that may be ejected at once, in percent. One may always be (if the share is not 0),
    /// the last one in use never.
    pub at_most_percent: u8,
}

/// Ejection by the share of errors: catches a server that fails on half of its requests, never many in a row.
///
/// Any 5xx but 501 and 505 is an error here: where so many come, they speak of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectRatio {
    /// Errors of all requests in the window, in percent, from which on it is ejected.
    pub percent: u8,
    /// Fewer requests than this in the window prove nothing.
    pub min_requests: u32,
    /// The window.
    pub window: Duration,
}

impl Default for Eject {
    fn default() -> Self {
        Self {
            after: 5,
            ratio: None,
            for_: Duration::from_secs(10),
            at_longest: EJECTION_LONGEST,
            at_most_percent: 50,
        }
    }
}

impl Default for EjectRatio {
    fn default() -> Self {
        Self {
            percent: 50,
            min_requests: 20,
            window: Duration::from_secs(10),
        }
    }
}

/// The queue of requests that found every server at its `max_conns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// How many may wait, at most [`QUEUE_SIZE_MAX`](crate::limits::QUEUE_SIZE_MAX); 0 for none.
    pub size: u32,
    /// How long one waits; the caller's to enforce, by dropping its [`Ticket`](crate::Ticket).
    pub timeout: Duration,
}

impl Default for QueueOptions {
    /// No queue. The timeout is nginx's.
    fn default() -> Self {
        Self {
            size: 0,
            timeout: Duration::from_secs(60),
        }
    }
}

/// What an actively checked server is taken for before its first check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// In use: a start waits for nothing.
    #[default]
    Up,
    /// Not in use until a check succeeds (nginx's `mandatory`).
    Down,
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
    /// Whether servers are actively checked. The first check's result counts at once.
    pub checked: bool,
    /// What they are before that.
    pub initial: Initial,
    /// Successes in a row that make a server up again; 0 counts as 1.
    pub rise: u32,
    /// Failures in a row that make it down; 0 counts as 1.
    pub fall: u32,
    /// Passive ejection.
    pub eject: Eject,
    /// Waiting for a server below its `max_conns`.
    pub queue: QueueOptions,
    /// Whether requests that are bound to a draining server still reach it, so that its sessions may end.
    pub sticky_while_draining: bool,
    /// The circuit breaker around the whole pool.
    pub breaker: Option<BreakerOptions>,
    /// Retries as a share of requests, in percent; 0 allows none. More than 100 is allowed.
    pub retry_budget_percent: u8,
    /// Retries in each second that are granted even where there is little traffic.
    pub retry_min_per_s: u32,
    /// Tries of one request in all; the caller counts them.
    pub retry_attempts: u32,
    /// A second request beside a slow one.
    pub hedge: Option<HedgeOptions>,
    /// Drives the jitter of the breaker's open times: random, so that edges with one configuration do not keep step.
    pub seed: u64,
}

impl PoolOptions {
    /// A pool with the defaults of the configuration: no checks, ejection after 5 failures, two tries, a budget of 20 %,
    /// no queue, breaker or hedging.
    pub fn new(name: impl Into<String>, algorithm: Algorithm, servers: Vec<ServerOptions>) -> Self {
        Self {
            name: name.into(),
            algorithm,
            servers,
            checked: false,
            initial: Initial::Up,
            rise: 2,
            fall: 2,
            eject: Eject::default(),
            queue: QueueOptions::default(),
            sticky_while_draining: false,
            breaker: None,
            retry_budget_percent: 20,
            retry_min_per_s: BUDGET_RETRIES_PER_S_MIN,
            retry_attempts: 2,
            hedge: None,
            seed: 0,
        }
    }
}
