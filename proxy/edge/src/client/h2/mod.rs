//! HTTP/2 clients: the state machine of a connection over the frames and the compression of [`seawall_http::http2`].
//!
//! A connection is one task, a request another, kept for the next one as long as the connection is busy. A request has the
//! same [`Client`](super::Client) and transaction as one of HTTP/1, so every step, template, rule and cache key works
//! unchanged: its fields become lines while they are decoded, then a head of HTTP/1's shape ([`request`]) that passes the same
//! parser, and the lines of its response are encoded as they stand. Between them stands [`Stream`], a way of
//! [`Io`](crate::io::Io): bytes of the request's body in, bytes of the response's out.
//!
//! Streams write their frames into one buffer ([`session::Out`]) as the client's windows and its room allow; the connection's
//! task writes it once a poll, when all streams that were ready have spoken. A response each would be a system call
//! and a TLS record each.
//!
//! What costs the client nothing is counted by [`Watch`](watch::Watch), frame by frame, before it is looked at.
//!
//! Memory that one connection can hold, with the default limits: 1 MiB of request bodies not yet taken (the connection's
//! window), [`session::OUT_BYTES`] and a frame not yet written, a frame being read, 4 KiB of compression, and a block of
//! `limits.head_bytes` with a list of twice that for a head on its way.

mod connection;
mod counters;
mod frames;
mod hub;
mod request;
mod resets;
mod session;
mod stream;
mod task;
mod watch;

pub use connection::serve;
pub use counters::Http2Counters;
pub use stream::Stream;

/// Bytes of a request's body that a client may send before they are taken.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all requests of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
