//! Every limit of this crate, with its default.

/// Limits of one head.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with its first line, its last empty line and empty lines before it, in bytes. Past it: 431.
    pub head_bytes: usize,
    /// Field lines. Past it: 431.
    pub fields: usize,
    /// The request target, in bytes. Past it: 414.
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            head_bytes: 65_536,
            fields: 128,
            target_bytes: 16_384,
        }
    }
}

/// Empty lines before a request line that [`Policy::Rfc`](crate::Policy::Rfc) skips (RFC 9112 §2.2 asks for at least one).
pub const EMPTY_LINES: usize = 4;

/// The largest `Content-Length` and chunk size: what a file can have, and nginx's limit.
pub const LENGTH: u64 = i64::MAX as u64;

/// Hexadecimal digits of a chunk size, leading zeros included.
pub const CHUNK_DIGITS: u8 = 16;

/// Bytes of chunk extensions in a whole body (RFC 9112 §7.1.1 asks for such a limit).
pub const EXTENSION_BYTES: u32 = 16_384;

/// Bytes of a body's trailer section.
pub const TRAILER_BYTES: usize = 8_192;

/// Lines of a body's trailer section.
pub const TRAILER_LINES: u16 = 64;
