//! The admin API: what the daemon is doing, and the few things one may ask of it while it runs.
//!
//! The API knows nothing of the daemon but the trait [`Control`]; who may ask what is decided in one place, [`Door`],
//! before a route is looked at:
//!
//! | door | who | may |
//! |---|---|---|
//! | unix socket | root, the worker's own user, one user the configuration names (by the peer uid the kernel tells) | everything |
//! | TCP | anybody who reaches the address | GET and HEAD, with a `Host` that is `localhost`, a loopback address or the address itself |
//! | metrics | anybody who reaches the address | GET and HEAD of `/metrics` and `/live` |
//!
//! A page on the web that lets its own name point to 127.0.0.1 (DNS rebinding) is stopped by the check of `Host`, one that
//! posts across origins by the check of `Origin`; there is no CORS and no cookie. Errors are RFC 9457 problems.
//!
//! Connections carry one request each: that keeps limits simple, and nobody scrapes often enough to notice. Limits:
//! [`BODY_BYTES_MAX`], [`HEAD_BYTES_MAX`], [`HEAD_TIME_MAX`], [`CONNECTIONS_MAX`], [`CONNECTION_TIME_MAX`]. Tested in `tests/`.

mod certificates;
mod control;
mod door;
mod page;
mod problem;
mod routes;
mod serve;
mod waf;
mod zones;

pub use control::{
    AdminState, CacheQuery, Control, PurgeOrder, PurgeOutcome, PurgeRefusal, PurgeWhat,
    ReloadError, ReloadOutcome, ServerChange,
};
pub use door::Door;
pub use problem::Problem;
pub use routes::{BODY_BYTES_MAX, BODY_TIME_MAX, router};
pub use serve::{
    CONNECTION_TIME_MAX, CONNECTIONS_MAX, Error, HEAD_BYTES_MAX, HEAD_TIME_MAX, serve_metrics,
    serve_tcp, serve_unix,
};
pub use zones::{ZoneChange, ZoneRefusal};
