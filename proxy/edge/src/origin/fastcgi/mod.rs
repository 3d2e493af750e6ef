//! FastCGI, spoken beneath the HTTP/1 exchange.
//!
//! A request to an application is a [`Job`]: records that are ready, and how long its body will be. [`FastCgiIo`] sends it,
//! wraps the body into records, and gives the answer back as an HTTP/1 response. So everything that holds for an origin
//! holds for an application too: choice of a server, retries, deadlines, limits, the checks on heads and bodies, the
//! cache. What is particular to it is here and in `seawall_http::fastcgi`.
//!
//! Connections are closed after each request unless `keep_conn` says otherwise: php-fpm gives each connection a process
//! of its own, and an idle one would hold it.

mod io;
mod job;
mod params;

pub use io::{FastCgiIo, Told};
pub use job::is_job;
pub use params::build;
