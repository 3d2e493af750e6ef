//! Pools of servers: which one a request goes to, which ones are left out, and how often a request may be retried.
//!
//! # Why our own
//! The pieces that decide together (active checks, passive ejection, draining, the retry budget, the choice itself)
//! must see one state, carry it over a reload, and answer the DNS server's question "is this pool up" from it. So they
//! live in one small crate that knows neither sockets nor configuration.
//!
//! # Shape
//! Everything is sans-io: the caller hands in `now` and a random number and performs what it is told. A request runs
//! through [`Pool::on_request`], [`Pool::pick`] (which gives a [`Lease`] that counts it in flight until dropped),
//! [`Pool::report`], and, should it fail, [`Pool::allow_retry`] and `pick` again with what it has [`Tried`]. A checker
//! follows a [`CheckSchedule`] and tells [`Pool::check_result`]. What changes comes back as a [`Transition`], for the
//! log.
//!
//! The hot path takes no lock and allocates nothing: the choice runs over an immutable rotation of the servers in
//! use, which is rebuilt on the first pick after a change of state. A change is rare and takes a mutex.
//!
//! On a reload [`Pool::new`] is given the previous pool: servers with the same address go on with the same counts,
//! health and ejection, also seen by the requests that finish on the old pool.
//!
//! # Order of preference
//! 1. a primary whose ejection has run out, for one request at a time, which proves it or not;
//! 2. primaries in use; 3. backups in use;
//! 4. servers that only passive ejection keeps out: it is a guess, and a guess must not turn the last chance away.
//!
//! A server that its active check calls down, that is drained or configured `down` is never picked.
//!
//! # Limits
//! Named in [`limits`]. Tested by simulations over 256 seeds in `tests/`.

mod breaker;
mod budget;
mod checks;
mod choose;
mod ewma;
mod health;
mod hedge;
mod ip_hash;
mod lease;
pub mod limit;
pub mod limits;
mod moment;
mod options;
mod pick;
mod pool;
mod queue;
mod random;
mod ratio;
mod report;
mod retry;
mod ring;
mod rotation;
mod server;
mod sticky;
mod table;
mod transition;
mod tried;
mod view;

pub use breaker::{Allow, Breaker, BreakerOptions, BreakerState};
pub use checks::{CheckOptions, CheckSchedule};
pub use hedge::{Hedge, HedgeAfter, HedgeOptions};
pub use ip_hash::ip_key;
pub use lease::Lease;
pub use moment::epoch;
pub use options::{
    Algorithm, Eject, EjectRatio, Initial, PoolOptions, QueueOptions, ServerOptions,
};
pub use pick::{Choice, Picked};
pub use pool::Pool;
pub use queue::Ticket;
pub use report::Outcome;
pub use retry::{Backoff, RetryOn, Statuses, is_idempotent, retryable};
pub use ring::hash_key;
pub use server::{Counters, Server, ServerState};
pub use sticky::{StickyIds, StickyTable};
pub use transition::{Ejection, Transition};
pub use tried::Tried;
