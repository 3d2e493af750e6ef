//! HTTP/2 to origins (RFC 9113): gRPC, `h2c://`, and `protocol: h2` over TLS.
//!
//! The `h2` crate speaks the protocol; here is what a proxy needs around it. A thread keeps its own connections, each
//! carrying up to [`STREAMS_MAX`] requests at once. The request is the same text that an HTTP/1 origin would get, taken
//! apart into fields; the response's fields are put together into a head that the same parser judges as an HTTP/1
//! origin's, so that everything behind it (caches, filters, logs) knows one kind of response.
//!
//! Both directions stream at once: a response may begin, and end, while the request's body is still on its way. What an
//! origin has not processed (a GOAWAY below the stream, REFUSED_STREAM) is asked of it again on another connection.
//!
//! Limits: [`STREAMS_MAX`], [`WINDOW_BYTES`], [`HEAD_BYTES`], and h2's own against floods of resets and small frames.

mod connections;
mod exchange;
mod fields;
mod request;
mod response;

pub use connections::Connections;
pub(super) use exchange::{Asking, exchange};
pub(super) use response::Incoming;

/// Requests at once on one connection; an origin may allow fewer (SETTINGS_MAX_CONCURRENT_STREAMS).
pub const STREAMS_MAX: usize = 100;
/// Bytes of a response that an origin may send ahead of the client's reading (SETTINGS_INITIAL_WINDOW_SIZE).
pub const WINDOW_BYTES: u32 = 256 * 1024;
/// The same for all streams of a connection together.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes of a response's head or trailers (SETTINGS_MAX_HEADER_LIST_SIZE).
pub const HEAD_BYTES: u32 = 64 * 1024;
/// Bytes of a request's body that wait for an origin's window.
pub const UPLOAD_BYTES: usize = 64 * 1024;
