//! Frames: their first nine bytes, and those that are sent.

use super::Code;

/// Bytes of a frame's head (RFC 9113 §4.1).
pub const HEAD_BYTES: usize = 9;

/// The longest payload: the protocol's smallest maximum, which ours is and which every peer takes (RFC 9113 §4.2).
pub const FRAME_BYTES: usize = 16 * 1024;

/// The largest window (RFC 9113 §6.9.1).
pub const MOST_WINDOW: i64 = (1 << 31) - 1;

/// Frame types (RFC 9113 §6).
#[allow(missing_docs)]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
#[allow(missing_docs)]
pub mod flag {
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of its payload.
    pub len: usize,
    /// Its type, one of [`kind`] or unknown.
    pub kind: u8,
    /// Its [`flag`]s.
    pub flags: u8,
    /// Its stream; 0 is the connection. The reserved bit is left out.
    pub stream: u32,
}

impl FrameHead {
    /// Reads the head at the start of `bytes`; `None` when it is not whole.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<FrameHead> {
        let &[a, b, c, kind, flags, w, x, y, z] = bytes.first_chunk::<HEAD_BYTES>()?;
        Some(FrameHead {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([w & 0x7f, x, y, z]),
        })
    }

    /// Whether all bits of a flag are set.
    #[inline]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Its nine bytes.
    #[inline]
    pub fn bytes(&self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [w, x, y, z] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, w, x, y, z]
    }

    /// Appends it.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

/// The payload of DATA or HEADERS without padding (RFC 9113 §6.1).
///
/// # Errors
/// The code of the connection's error.
pub fn unpadded<'a>(head: &FrameHead, payload: &'a [u8]) -> Result<&'a [u8], Code> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(Code::FRAME_SIZE_ERROR)?;
    let kept = rest.len().checked_sub(usize::from(padding));
    kept.and_then(|n| rest.get(..n)).ok_or(Code::PROTOCOL_ERROR)
}

fn short<const N: usize>(kind: u8, flags: u8, stream: u32, payload: [u8; N], out: &mut Vec<u8>) {
    let head = FrameHead {
        len: N,
        kind,
        flags,
        stream,
    };
    head.write(out);
    out.extend_from_slice(&payload);
}

/// Appends RST_STREAM.
pub fn reset(stream: u32, code: Code, out: &mut Vec<u8>) {
    short(kind::RST_STREAM, 0, stream, code.0.to_be_bytes(), out);
}

/// Appends WINDOW_UPDATE.
pub fn window_update(stream: u32, by: u32, out: &mut Vec<u8>) {
    short(kind::WINDOW_UPDATE, 0, stream, by.to_be_bytes(), out);
}

/// Appends PING, or the answer to one.
pub fn ping(flags: u8, payload: [u8; 8], out: &mut Vec<u8>) {
    short(kind::PING, flags, 0, payload, out);
}

/// Appends GOAWAY: streams past `last` were not looked at.
pub fn goaway(last: u32, code: Code, out: &mut Vec<u8>) {
    let [a, b, c, d] = last.to_be_bytes();
    let [w, x, y, z] = code.0.to_be_bytes();
    short(kind::GOAWAY, 0, 0, [a, b, c, d, w, x, y, z], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written_without_its_reserved_bit() {
        let head = FrameHead {
            len: 0x01_02_03,
            kind: 0x42,
            flags: 0x81,
            stream: 0x7fff_fffd,
        };
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        assert_eq!(FrameHead::parse(&bytes), Some(head));
        bytes[5] |= 0x80;
        assert_eq!(FrameHead::parse(&bytes), Some(head));
        assert_eq!(FrameHead::parse(&bytes[..8]), None);
    }

    #[test]
    fn padding_is_taken_off_and_judged() {
        let padded = FrameHead {
            len: 4,
            kind: kind::DATA,
            flags: flag::PADDED,
            stream: 1,
        };
        assert_eq!(unpadded(&padded, b"\x02ab\0\0"), Ok(&b"ab"[..]));
        assert_eq!(unpadded(&padded, b"\x02\0\0"), Ok(&b""[..]));
        assert_eq!(unpadded(&padded, b"\x03\0\0"), Err(Code::PROTOCOL_ERROR));
        assert_eq!(unpadded(&padded, b""), Err(Code::FRAME_SIZE_ERROR));
        let plain = FrameHead { flags: 0, ..padded };
        assert_eq!(unpadded(&plain, b"\x03\0\0"), Ok(&b"\x03\0\0"[..]));
    }

    #[test]
    fn frames_that_are_sent_have_their_payload() {
        let mut out = Vec::new();
        goaway(7, Code::ENHANCE_YOUR_CALM, &mut out);
        assert_eq!(out, b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x07\0\0\0\x0b");
        out.clear();
        window_update(3, 0x0102_0304, &mut out);
        assert_eq!(out, b"\0\0\x04\x08\0\0\0\0\x03\x01\x02\x03\x04");
    }
}
