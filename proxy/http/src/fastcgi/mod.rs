//! FastCGI (the 1.0 specification) as a client of one responder, sans-io: records out and in, and the CGI response
//! (RFC 3875 §6) that they carry as an HTTP/1 head.
//!
//! One request runs on a connection at a time, with the id [`REQUEST_ID`]: applications multiplex in theory only. What an
//! application sends is as hostile as any origin: each fault is a [`RecordError`] or a [`CgiError`].

mod cgi;
mod record;

pub use cgi::{CgiError, CgiFraming, CgiHead, CgiRequest, HEAD_BYTES, http_head};
pub use record::{
    CONTENT_BYTES, Decoder, Event, Protocol, REQUEST_ID, RecordError, begin, param, params, stdin,
    stdin_end,
};
