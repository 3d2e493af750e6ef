//! The worker: everything that touches the network, composed.
//!
//! Signals, the protocol with the keeper and privileges are done with when [`run`] is called; see [`crate::keeper`]. From
//! here on there are the edge's worker threads, the DNS server's, and a control runtime for checks, the API, watching.

mod admin;
mod aliases;
mod cached;
mod certificates;
mod check;
mod chores;
mod configurations;
mod dns;
mod dnssec;
mod host;
mod idle;
mod leave;
mod life;
mod query_log;
mod shown;
mod signals;
mod status;
mod taken;
mod turns;
mod waf;
mod watch;
mod zones;

pub use check::{check, check_by, compile_dry};
pub use life::run;

use crate::{configuration::Source, log::ErrorLog};

/// What a worker knows when it starts.
pub struct WorkerOptions {
    /// The configuration to load, again at each reload.
    pub source: Source,
    /// The error log; its file is exchanged behind the scenes when logs are rotated.
    pub log: ErrorLog,
    /// How many workers this keeper started before.
    pub generation: u64,
    /// An address that somebody else has is waited for.
    pub patient: bool,
}
