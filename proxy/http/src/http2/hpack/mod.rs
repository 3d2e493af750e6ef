//! HPACK (RFC 7541): the compression of fields.
//!
//! The decoder is whole. The encoder uses the static table and literals alone: a response's fields differ from those of the next
//! one where it matters, and neither a table to search nor Huffman's code pays for itself in time against the few bytes
//! that it saves. It has no state, but for one thing to say when a client shrinks the table (RFC 7541 §4.2).

mod decode;
mod encode;
mod huffman;
mod integer;
mod table;

pub use decode::{Decoder, HpackError, Sink};
pub use encode::{EMPTY_TABLE, fields, status};

/// Bytes of the dynamic table: the default, which is not announced (RFC 9113 §6.5.2).
pub const TABLE_BYTES: usize = 4096;
