//! HTTP/2 (RFC 9113) sans-io: frames, settings, error codes, field sections and their compression.
//!
//! A stream's fields are not kept as a map: [`Section`] judges them as they are decoded and writes them as the lines that a
//! head of HTTP/1 has, so that one parser, [`parse_request`](crate::parse_request), sees every request. A response's lines are
//! encoded as they stand ([`hpack::fields`]). What depends on a connection's state (streams, windows, deadlines) is not here.
//!
//! Limits: a frame is at most [`FRAME_BYTES`], a compressed integer fits 32 bits, a list of fields is the caller's limit and is
//! counted while it is decoded, so that a small block cannot name a large field without end (RFC 7541 §7.3).

mod code;
mod frame;
pub mod hpack;
mod section;
mod settings;

pub use code::Code;
pub use frame::{
    FRAME_BYTES, FrameHead, HEAD_BYTES, MOST_WINDOW, flag, goaway, kind, ping, reset, unpadded,
    window_update,
};
pub use section::{Of, Section};
pub use settings::{Changes, acknowledge, announce, setting};

/// What a connection of HTTP/2 begins with (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
