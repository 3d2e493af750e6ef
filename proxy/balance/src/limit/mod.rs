//! Limits on the rate of requests and the number of connections by key, exact across threads and of bounded memory.
//!
//! A [`LimiterTable`] holds what is known of each key; a [`Gcra`] or a [`LeakyBucket`] says what is allowed, and comes
//! with each question, so that several limits may stand on one table (as `limit_req` does on `limit_req_zone`).

mod connections;
mod gcra;
mod leaky;
mod rate;

pub use connections::{ConnectionGuard, ConnectionLimit};
pub use gcra::Gcra;
pub use leaky::LeakyBucket;
pub use rate::{Decision, Delay, Limit, LimiterTable, Verdict};
