//! Error codes.

use std::fmt;

/// Why a stream or a connection ends (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// Nothing is wrong.
    pub const NO_ERROR: Code = Code(0);
    /// A rule was broken that has no code of its own.
    pub const PROTOCOL_ERROR: Code = Code(1);
    /// The fault is ours.
    pub const INTERNAL_ERROR: Code = Code(2);
    /// More was sent than the window takes.
    pub const FLOW_CONTROL_ERROR: Code = Code(3);
    /// A frame on a stream that is closed.
    pub const STREAM_CLOSED: Code = Code(5);
    /// A frame of a length that it cannot have.
    pub const FRAME_SIZE_ERROR: Code = Code(6);
    /// Nothing was done for the request; it may be sent again.
    pub const REFUSED_STREAM: Code = Code(7);
    /// The stream is not wanted any more.
    pub const CANCEL: Code = Code(8);
    /// The compression's state is lost.
    pub const COMPRESSION_ERROR: Code = Code(9);
    /// The peer costs too much.
    pub const ENHANCE_YOUR_CALM: Code = Code(11);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Code::NO_ERROR => "NO_ERROR",
            Code::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Code::INTERNAL_ERROR => "INTERNAL_ERROR",
            Code::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Code::STREAM_CLOSED => "STREAM_CLOSED",
            Code::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Code::REFUSED_STREAM => "REFUSED_STREAM",
            Code::CANCEL => "CANCEL",
            Code::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Code::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Code(other) => return write!(f, "{other:#x}"),
        })
    }
}
