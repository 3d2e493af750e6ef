//! The engines under seeds, on a clock of their own: 256 worlds each, and then real threads.
//!
//! `SEAWALL_SEED=n cargo test -p seawall-balance --test simulation -- --nocapture NAME` replays one seed and says what
//! happens in it. A seed that fails is printed, the one that fails soonest.

mod breaker;
mod budget;
mod checks;
mod ejection;
mod hashing;
mod judge;
mod latency;
mod limiter;
mod options;
mod queue;
mod ramp;
mod seeds;
mod shares;
mod threads;
mod world;
