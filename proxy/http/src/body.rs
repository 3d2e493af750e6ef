//! Bodies off the wire: a decoder that is shown bytes and says which of them are data.
//!
//! It copies nothing: [`Decoded::data`] is a range of the input. It is called in a loop, also with the same unconsumed bytes and more after them, until
//! [`BodyDecoder::is_done`]; what lies behind the body is left alone, so that a pipelined request follows.

use std::ops::Range;

use thiserror::Error;

use crate::{Framing, chunked::Chunked};

/// Why a body cannot be read to its end. The connection is of no further use, and nothing of the message may be stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection ended before the body did.
    #[error("truncated")]
    Truncated,
    /// A chunk's size is no hexadecimal number, or has more than [`limits::CHUNK_DIGITS`](crate::limits::CHUNK_DIGITS) digits.
    #[error("bad-chunk-size")]
    ChunkSize,
    /// A chunk's size is past [`limits::LENGTH`](crate::limits::LENGTH).
    #[error("chunk-too-large")]
    ChunkTooLarge,
    /// A line of the chunked framing does not end with CRLF where it must, or a chunk's data is not followed by one.
    #[error("bad-chunk-line-end")]
    ChunkLineEnd,
    /// A control byte in a chunk's extensions.
    #[error("bad-chunk-extension")]
    Extension,
    /// More extensions than [`limits::EXTENSION_BYTES`](crate::limits::EXTENSION_BYTES) in one body.
    #[error("chunk-extensions-too-large")]
    ExtensionsTooLarge,
    /// A trailer line that is no `name: value`.
    #[error("bad-trailer")]
    Trailer,
    /// Trailers past [`limits::TRAILER_BYTES`](crate::limits::TRAILER_BYTES) or [`limits::TRAILER_LINES`](crate::limits::TRAILER_LINES).
    #[error("trailers-too-large")]
    TrailersTooLarge,
    /// A chunk announces more than [`BodyDecoder::limit`] allows.
    #[error("too-large")]
    TooLarge,
}

impl BodyError {
    /// The reason in kebab-case, for a log line and a counter's label.
    pub fn as_str(self) -> &'static str {
        match self {
            BodyError::Truncated => "truncated",
            BodyError::ChunkSize => "bad-chunk-size",
            BodyError::ChunkTooLarge => "chunk-too-large",
            BodyError::ChunkLineEnd => "bad-chunk-line-end",
            BodyError::Extension => "bad-chunk-extension",
            BodyError::ExtensionsTooLarge => "chunk-extensions-too-large",
            BodyError::Trailer => "bad-trailer",
            BodyError::TrailersTooLarge => "trailers-too-large",
            BodyError::TooLarge => "too-large",
        }
    }
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Decoded {
    /// Bytes of the input that are dealt with; do not show them again. 0 when there is nothing to do without more.
    pub consumed: usize,
    /// The data among them, within `input[..consumed]`; may be empty although framing was consumed.
    pub data: Range<usize>,
}

/// Reads one body. Small: a chunked body allocates only for trailers.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Bytes that are still to come; 0 when the body is over.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl BodyDecoder {
    /// A decoder for a body that is framed so.
    pub fn new(framing: Framing) -> BodyDecoder {
        let state = match framing {
            Framing::None => State::Length(0),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::default()),
            Framing::UntilClose => State::UntilClose,
        };
        BodyDecoder { state }
    }

    /// A chunked body of more than `bytes` is [`BodyError::TooLarge`] at the size line of the chunk that exceeds it; a length said in the head is
    /// known before its decoder is made. To be called before anything is decoded.
    pub fn limit(&mut self, bytes: u64) {
        if let State::Chunked(chunked) = &mut self.state {
            chunked.limit(bytes);
        }
    }

    /// Takes what it can use of `input`, at most one run of data. After an error it must not be called again.
    ///
    /// # Errors
    /// Faults of the chunked coding; the other framings have none.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let take = match &mut self.state {
            State::Length(left) => {
                let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= take as u64;
                take
            }
            State::UntilClose => input.len(),
            State::Chunked(chunked) => return chunked.decode(input),
        };
        Ok(Decoded {
            consumed: take,
            data: 0..take,
        })
    }

    /// Whether the whole body, trailers included, was read.
    #[inline]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.is_done(),
            State::UntilClose => false,
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] when the body is not complete by that.
    pub fn on_eof(&mut self) -> Result<(), BodyError> {
        if let State::UntilClose = self.state {
            self.state = State::Length(0);
        }
        self.is_done().then_some(()).ok_or(BodyError::Truncated)
    }

    /// Whether the body's length was said: all that comes until then is data.
    pub fn is_by_length(&self) -> bool {
        matches!(self.state, State::Length(_))
    }

    /// Says that so many bytes of data went past without being shown. Only where the length was said
    /// ([`is_by_length`](Self::is_by_length)), and never more than [`remaining_hint`](Self::remaining_hint).
    pub fn skip(&mut self, bytes: u64) {
        if let State::Length(left) = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// How many bytes of data are still to come, when that is known: not for a chunked body, nor up to the close.
    pub fn remaining_hint(&self) -> Option<u64> {
        match &self.state {
            State::Length(left) => Some(*left),
            State::Chunked(chunked) => chunked.is_done().then_some(0),
            State::UntilClose => None,
        }
    }

    /// The trailer lines as written, each with its CRLF; complete once the body is done. Names that must not come in trailers (RFC 9110 §6.5.1:
    /// framing, routing, authentication, content) are left out.
    pub fn trailers(&self) -> &[u8] {
        match &self.state {
            State::Chunked(chunked) => chunked.trailers(),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_leaves_what_follows_alone() {
        let mut body = BodyDecoder::new(Framing::Length(5));
        assert_eq!(body.remaining_hint(), Some(5));
        assert_eq!(body.decode(b"abc").unwrap().data, 0..3);
        assert_eq!(body.on_eof(), Err(BodyError::Truncated));
        let last = body.decode(b"deGET /").unwrap();
        assert_eq!((last.consumed, last.data), (2, 0..2));
        assert!(body.is_done());
        assert_eq!(body.decode(b"GET /").unwrap(), Decoded::default());
        assert_eq!(body.on_eof(), Ok(()));
    }

    #[test]
    fn a_chunk_past_the_limit_is_refused_before_its_data() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        body.limit(5);
        assert_eq!(body.decode(b"3\r\nabc\r\n").unwrap().data, 3..6);
        assert_eq!(body.decode(b"3\r\n"), Err(BodyError::TooLarge));
        let mut body = BodyDecoder::new(Framing::Chunked);
        body.limit(5);
        assert_eq!(body.decode(b"5\r\nabcde\r\n0\r\n\r\n").unwrap().data, 3..8);
    }

    #[test]
    fn no_body_is_done_at_once() {
        assert!(BodyDecoder::new(Framing::None).is_done());
        assert!(BodyDecoder::new(Framing::Length(0)).is_done());
    }

    #[test]
    fn a_body_without_length_is_done_at_the_close_only() {
        let mut body = BodyDecoder::new(Framing::UntilClose);
        assert_eq!(body.decode(b"abc").unwrap().consumed, 3);
        assert!(!body.is_done());
        assert_eq!(body.remaining_hint(), None);
        assert_eq!(body.on_eof(), Ok(()));
        assert!(body.is_done());
    }
}
