//! HTTP/2 clients: the `h2` crate for frames, states and HPACK; ours are the limits, the head that the steps see, and when
//! bytes are written.
//!
//! A connection is one task, a stream another. A stream's task has the same [`Client`](super::Client) and transaction as an
//! HTTP/1 request, so every step, template, rule and cache key works unchanged: its fields become a head of HTTP/1's shape
//! ([`request`]) that passes the same parser, and the lines of its response become fields again ([`response`]). Between them
//! stands [`Stream`], a way of [`Io`](crate::io::Io): bytes of the request's body in, bytes of the response's out.
//!
//! h2 flushes after every response, which would be a system call and a TLS record each. Its writer here
//! ([`deferred`]) only collects; the connection's task drains it once a poll, when all streams that were ready have spoken.
//!
//! What h2 does not limit is counted by [`Watch`] on the read side, frame by frame, before h2 sees it.
//!
//! Memory that one connection can hold, with the default limits: 1 MiB of request bodies not yet taken (the connection's
//! window), [`STREAM_BUFFER_BYTES`] of response for each of 100 streams, [`deferred::OUT_BYTES`] not yet written, and twice
//! `limits.head_bytes` for a head on its way.

mod connection;
mod counters;
mod deferred;
mod hub;
mod request;
mod response;
mod stream;
mod task;
mod watch;

pub use connection::serve;
pub use counters::Http2Counters;
pub use response::fields as field_map;
pub use stream::Stream;

/// What a connection of HTTP/2 begins with (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a request's body that a client may send before they are taken.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all requests of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of a response that wait for the connection.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;
