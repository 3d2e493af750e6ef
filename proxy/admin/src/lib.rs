//! The admin API: what the daemon is doing, and the few things one may ask of it while it runs.
//!
//! The API knows nothing of the daemon but the trait [`Control`]; who may ask what is decided in one place, [`Door`],
//! before a route is looked at:
//!
//! | door | who | may |
//! |---|---|---|
//! | unix socket | root, the worker's own user, one user the configuration names (by the peer uid the kernel tells) | everything |
//! | TCP, no tokens configured | anybody who reaches the address | GET and HEAD, with a `Host` that is `localhost`, a loopback address or the address itself |
//! | TCP, with tokens | who shows one | reading, and what its scopes say; without one only the page itself and `/live` |
//! | metrics | anybody who reaches the address | GET and HEAD of `/metrics` and `/live` |
//!
//! A page on the web that lets its own name point to 127.0.0.1 (DNS rebinding) is stopped by the check of `Host`, one that
//! posts across origins by the checks of `Origin` and `Sec-Fetch-Site`; there is no CORS and no cookie. Errors are RFC 9457 problems.
//! Endpoints are listed once ([`ENDPOINTS`]); the router and the OpenAPI document are made of that table. What changes something
//! is recorded before it is answered ([`AuditLog`]).
//!
//! Connections carry one request each: that keeps limits simple, and nobody scrapes often enough to notice. Limits:
//! [`BODY_BYTES_MAX`], [`HEAD_BYTES_MAX`], [`HEAD_TIME_MAX`], [`CONNECTIONS_MAX`], [`CONNECTION_TIME_MAX`]. Tested in `tests/`.

mod answers;
mod audit;
mod changes;
mod codes;
mod configuration;
mod control;
mod door;
mod endpoints;
mod events;
mod openapi;
mod page;
mod problem;
mod routes;
mod serve;
mod tokens;
mod waf;
mod zones;

pub use audit::{
    AuditError, AuditLog, Entry, Head, LINE_BYTES_MAX, SEGMENT_BYTES_MAX, TAIL_MAX, sha256_hex,
    time_text, verify,
};
pub use codes::{Codes, WrongCode};
pub use configuration::CONFIRM_MAX;
pub use control::{
    AdminState, CacheQuery, ConfigRefusal, Control, PurgeOrder, PurgeOutcome, PurgeRefusal,
    PurgeWhat, PutConfig, ReloadError, ReloadOutcome, ServerChange, ShownConfig,
};
pub use door::{Caller, Door};
pub use endpoints::{ENDPOINTS, Endpoint, Verb};
pub use events::{Watch, Watched};
pub use openapi::document as openapi;
pub use problem::Problem;
pub use routes::{BODY_BYTES_MAX, BODY_TIME_MAX, CONFIGURATION_BYTES_MAX, router};
pub use serve::{
    CONNECTION_TIME_MAX, CONNECTIONS_MAX, Error, HEAD_BYTES_MAX, HEAD_TIME_MAX, STREAM_TIME_MAX,
    serve_metrics, serve_tcp, serve_unix,
};
pub use tokens::{BadLine, Bearer, Made, MakeError, Refused, Scope, Tokens, make as make_token};
pub use zones::{ZoneChange, ZoneRefusal};
