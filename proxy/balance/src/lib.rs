//! Pools of servers: which one a request goes to, which ones are left out, how often a request may be retried, who
//! waits, and who asks too often.
//!
//! # Why our own
//! The pieces that decide together (active checks, passive ejection, draining, queues, budgets, the choice itself)
//! must see one state, carry it over a reload, and answer the DNS server's question "is this pool up" from it. So they
//! live in one small crate that knows neither sockets nor configuration.
//!
//! # Shape
//! Everything is sans-io: the caller hands in `now` and a random number and performs what it is told. A request runs
//! through [`Breaker::allow`], [`Pool::on_request`], [`Pool::pick_with`] (which gives a [`Lease`] that counts it in
//! flight until dropped, or says that it should [`wait`](Pool::wait)), [`Pool::report`] and [`Breaker::report`], and,
//! should it fail, [`retryable`], [`Pool::allow_retry`], [`Backoff`], and `pick_with` again with what it has [`Tried`].
//! A slow one may ask its [`Hedge`]. A checker follows a [`CheckSchedule`] and tells [`Pool::check_result`]. What changes
//! comes back as a [`Transition`], for the log. Sessions are bound by [`StickyIds`] or a [`StickyTable`]; rates and
//! connections are limited by [`limit`].
//!
//! The hot path takes no lock and allocates nothing: the choice runs over an immutable rotation of the servers in
//! use, which is rebuilt on the first pick after a change of state. A change is rare and takes a mutex. `cargo bench -p
//! seawall-balance` says what each decision costs: some 20 to 50 ns.
//!
//! On a reload [`Pool::new`] is given the previous pool: servers with the same address go on with the same counts,
//! health, weight set at run time and ejection, also seen by the requests that finish on the old pool.
//!
//! # Order of preference
//! 1. the server that the request's session is bound to;
//! 2. a primary whose ejection has run out, for one request at a time, which proves it or not (where keys decide: for a
//!    request whose key belongs there);
//! 3. primaries in use; 4. backups in use;
//! 5. servers that only passive ejection keeps out, unless others are merely full: ejection is a guess, and a guess must
//!    not turn the last chance away.
//!
//! A server that its active check calls down or that is configured `down` is never picked, one that is drained only for
//! its own sessions, one at its `max_conns` never.
//!
//! # Limits
//! Named in [`limits`]. Tested by simulations over 256 seeds in `tests/simulation`; `SEAWALL_SEED=n` replays one.

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
