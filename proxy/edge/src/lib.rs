//! The pipeline: clients, steps, content, filters, origins.
//!
//! A connection belongs to one worker thread for its life. A request runs through the steps listed in [`Step`], on one
//! future, over one reused transaction, under one plan that it pins. What answers is a value chosen on the way; the
//! cache wraps the exchange with the origin. Nothing is looked up by name while a request runs: templates, routers,
//! header sets and metric handles are resolved when the plan is compiled.
//!
//! Limits: `seawall_conf::model::Limits` and `Timeouts`, and the named constants of each module. Tested by unit tests
//! beside the code and end to end by the crate `seawall-tests`.
#![forbid(unsafe_code)]

mod accept;
pub mod access;
mod aside;
mod backlog;
mod bots;
mod caching;
mod client;
mod clock;
mod content;
mod crowdsec;
mod detour;
pub mod discovery;
mod edge;
mod fetch;
mod filter;
mod health;
mod io;
mod limit;
mod local;
pub mod log;
mod metrics;
mod mirror;
mod origin;
mod otlp;
mod pipeline;
mod placed;
pub mod plan;
mod shared;
mod split;
mod spool;
mod step;
mod sticky;
mod stream;
mod tail;
mod template;
mod thread;
mod timer;
mod trace;
mod tx;
mod waf_audit;
mod waf_events;
mod waf_explain;
mod waf_log;
mod waf_response;
mod waf_shadow;
mod waf_step;
mod whereabouts;

pub use caching::{Account, CachedQuery, Course, Inspected, LIST_MAX, PurgeError, PurgeTarget};
pub use edge::{Edge, Host, LoadError};
pub use metrics::Metrics;
pub use shared::Shared;
pub use step::Step;
pub use tail::{WATCHERS_MAX, Watcher};
pub use waf_events::{Changed, EVENTS_MAX, WafEvent, WafEvents};
pub use waf_explain::{Excluded, ExplainError, Explained};
