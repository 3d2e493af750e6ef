//! The chunked coding (RFC 9112 §7.1), read strictly.
//!
//! Sizes are hexadecimal digits alone, lines end with CRLF, extensions are read over within a limit, trailers are kept apart. The white space that the RFC's
//! grammar lets a recipient tolerate before an extension is refused: no client that we know sends it, and readers have disagreed about it.

use crate::{BodyError, Name, body::Decoded, limits, scan};

/// Where in the framing the next byte lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum At {
    /// Before the first digit of a size.
    Size,
    /// After so many digits.
    Digits(u8),
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
    Done,
}

#[derive(Clone, Debug)]
pub(crate) struct Chunked {
    at: At,
    /// Of the chunk: what is known of its size, then what is left of its data.
    left: u64,
    /// Data that the chunks to come may have in all.
    allowed: u64,
    /// Of the body, so far.
    extension_bytes: u32,
    trailer_lines: u16,
    /// Of the body, those left out included.
    trailer_bytes: usize,
    /// Where in `trailers` the current line starts.
    line_at: usize,
    trailers: Vec<u8>,
}

impl Default for Chunked {
    fn default() -> Chunked {
        Chunked {
            at: At::Size,
            left: 0,
            allowed: limits::LENGTH,
            extension_bytes: 0,
            trailer_lines: 0,
            trailer_bytes: 0,
            line_at: 0,
            trailers: Vec::new(),
        }
    }
}

impl Chunked {
    /// A body of more than this is an error as soon as a chunk says so.
    pub fn limit(&mut self, bytes: u64) {
        self.allowed = bytes;
    }

    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    pub fn trailers(&self) -> &[u8] {
        self.trailers.get(..self.line_at).unwrap_or_default()
    }

    /// Framing up to the data, one run of data, and the framing after it up to the next data.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut at = self.framing(input, 0)?;
        let mut data = at..at;
        if self.at == At::Data {
            let rest = input.len() - at;
            let take = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
            self.left -= take as u64;
            data = at..at + take;
            at += take;
            if self.left == 0 {
                self.at = At::DataCr;
                at = self.framing(input, at)?;
            }
        }
        Ok(Decoded { consumed: at, data })
    }

    /// Reads framing from `at` on; returns where data starts or the input or the body ends.
    fn framing(&mut self, input: &[u8], mut at: usize) -> Result<usize, BodyError> {
        while let Some(&byte) = input.get(at) {
            if matches!(self.at, At::Data | At::Done) {
                break;
            }
            self.at = self.step(byte)?;
            at += 1;
        }
        Ok(at)
    }

    #[inline]
    fn step(&mut self, byte: u8) -> Result<At, BodyError> {
        match self.at {
            At::Size => {
                self.left = 0;
                self.digit(byte, 0)?.ok_or(BodyError::ChunkSize)
            }
            At::Digits(count) => match self.digit(byte, count)? {
                Some(next) => Ok(next),
                None if byte == b';' => self.extension(byte),
                None if byte == b'\r' => Ok(At::SizeLf),
                None if byte == b'\n' => Err(BodyError::ChunkLineEnd),
                None => Err(BodyError::ChunkSize),
            },
            At::Extension => self.extension(byte),
            At::SizeLf => {
                let next = if self.left == 0 {
                    At::Trailer
                } else {
                    // Known before the data come: nobody waits for what will be refused.
                    self.allowed = self
                        .allowed
                        .checked_sub(self.left)
                        .ok_or(BodyError::TooLarge)?;
                    At::Data
                };
                want(byte, b'\n', next)
            }
            At::DataCr => want(byte, b'\r', At::DataLf),
            At::DataLf => want(byte, b'\n', At::Size),
            At::Trailer if byte == b'\r' => Ok(At::LastLf),
            At::Trailer | At::TrailerLine => self.trailer(byte),
            At::TrailerLf => {
                want(byte, b'\n', At::Trailer)?;
                self.end_trailer()
            }
            At::LastLf => want(byte, b'\n', At::Done),
            // `framing` stops here.
            At::Data | At::Done => Ok(self.at),
        }
    }

    /// `None` when `byte` is no digit.
    fn digit(&mut self, byte: u8, count: u8) -> Result<Option<At>, BodyError> {
        let Some(digit) = (byte as char).to_digit(16) else {
            return Ok(None);
        };
        if count == limits::CHUNK_DIGITS {
            return Err(BodyError::ChunkSize);
        }
        if self.left > limits::LENGTH >> 4 {
            return Err(BodyError::ChunkTooLarge);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(Some(At::Digits(count + 1)))
    }

    fn extension(&mut self, byte: u8) -> Result<At, BodyError> {
        match byte {
            b'\r' => return Ok(At::SizeLf),
            b'\n' => return Err(BodyError::ChunkLineEnd),
            _ if scan::is_control(byte) => return Err(BodyError::Extension),
            _ => {}
        }
        self.extension_bytes += 1;
        if self.extension_bytes > limits::EXTENSION_BYTES {
            return Err(BodyError::ExtensionsTooLarge);
        }
        Ok(At::Extension)
    }

    fn trailer(&mut self, byte: u8) -> Result<At, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > limits::TRAILER_BYTES {
            return Err(BodyError::TrailersTooLarge);
        }
        match byte {
            b'\r' => Ok(At::TrailerLf),
            b'\n' => Err(BodyError::ChunkLineEnd),
            _ if scan::is_control(byte) => Err(BodyError::Trailer),
            _ => {
                self.trailers.push(byte);
                Ok(At::TrailerLine)
            }
        }
    }

    /// A whole line lies in `trailers` from `line_at` on.
    fn end_trailer(&mut self) -> Result<At, BodyError> {
        self.trailer_lines += 1;
        if self.trailer_lines > limits::TRAILER_LINES {
            return Err(BodyError::TrailersTooLarge);
        }
        let line = self.trailers.get(self.line_at..).unwrap_or_default();
        let colon = scan::token_end(line, 0);
        if colon == 0 || line.get(colon) != Some(&b':') {
            return Err(BodyError::Trailer);
        }
        if forbidden(Name::lookup(line.get(..colon).unwrap_or_default())) {
            self.trailers.truncate(self.line_at);
        } else {
            self.trailers.extend_from_slice(b"\r\n");
            self.line_at = self.trailers.len();
        }
        Ok(At::Trailer)
    }
}

fn want(byte: u8, wanted: u8, next: At) -> Result<At, BodyError> {
    match byte == wanted {
        true => Ok(next),
        false => Err(BodyError::ChunkLineEnd),
    }
}

/// Names that never count in trailers: they would change what was decided with the head (RFC 9110 §6.5.1).
fn forbidden(name: Name) -> bool {
    name.is_hop_by_hop()
        || matches!(
            name,
            Name::Host
                | Name::ContentLength
                | Name::ContentType
                | Name::ContentEncoding
                | Name::ContentRange
                | Name::Authorization
                | Name::Cookie
                | Name::SetCookie
                | Name::CacheControl
                | Name::Expect
                | Name::Range
                | Name::MaxForwards
                | Name::Age
                | Name::Date
                | Name::Expires
                | Name::Location
                | Name::RetryAfter
                | Name::Vary
                | Name::Forwarded
                | Name::XForwardedFor
                | Name::XForwardedHost
                | Name::XForwardedProto
                | Name::XRealIp
        )
}

#[cfg(test)]
mod tests {
    use crate::{BodyDecoder, BodyError, Framing, limits};

    /// The data and the trailers of `wire`, read in pieces of `piece` bytes, and how much of it was the body.
    fn read(wire: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>, usize), BodyError> {
        let mut body = BodyDecoder::new(Framing::Chunked);
        let (mut data, mut at) = (Vec::new(), 0);
        while !body.is_done() && at < wire.len() {
            let input = &wire[at..wire.len().min(at.saturating_add(piece))];
            let found = body.decode(input)?;
            assert!(found.consumed > 0 && found.data.end <= found.consumed);
            data.extend_from_slice(&input[found.data.clone()]);
            at += found.consumed;
        }
        body.on_eof()?;
        Ok((data, body.trailers().to_vec(), at))
    }

    fn fault(wire: &str) -> BodyError {
        let whole = read(wire.as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(read(wire.as_bytes(), 1).unwrap_err(), whole, "{wire:?}");
        whole
    }

    #[test]
    fn chunks_extensions_and_trailers_are_told_apart_in_any_pieces() {
        let wire = b"3\r\nabc\r\n00A;x=\"y\";z\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nContent-Length: 9\r\nX-B:\r\n\r\nGET /";
        for piece in 1..wire.len() {
            let (data, trailers, end) = read(wire, piece).unwrap();
            assert_eq!(data, b"abc0123456789");
            assert_eq!(trailers, b"X-Sum: 1\r\nX-B:\r\n");
            assert_eq!(&wire[end..], b"GET /");
        }
    }

    #[test]
    fn a_last_chunk_is_taken_with_the_data_before_it() {
        let mut body = BodyDecoder::new(Framing::Chunked);
        let found = body.decode(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
        assert_eq!((found.consumed, found.data), (13, 3..6));
        assert!(body.is_done() && body.remaining_hint() == Some(0));
    }

    #[test]
    fn sizes_are_hexadecimal_digits_alone() {
        for wire in [
            " 3\r\nabc",
            "3 \r\nabc",
            "3\t;x\r\n",
            "0x3\r\nabc",
            "+3\r\n",
            "-1\r\n",
            "\r\n",
            ";x\r\n",
            "g\r\n",
            "3,\r\n",
            "3\0\r\n",
        ] {
            assert_eq!(fault(wire), BodyError::ChunkSize, "{wire:?}");
        }
        assert_eq!(fault("00000000000000001\r\n"), BodyError::ChunkSize);
        assert_eq!(fault("8000000000000000\r\n"), BodyError::ChunkTooLarge);
        assert_eq!(fault("7fffffffffffffff\r\nabc"), BodyError::Truncated);
    }

    #[test]
    fn lines_end_with_crlf() {
        for wire in [
            "3\nabc\r\n",
            "3\rabc",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "3\r\nabc\rx",
            "3;x\nabc",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\nA: b\n\r\n",
        ] {
            assert_eq!(fault(wire), BodyError::ChunkLineEnd, "{wire:?}");
        }
    }

    #[test]
    fn a_body_that_stops_early_is_truncated_wherever_it_stops() {
        let wire = b"3;e\r\nabc\r\n0\r\nA: b\r\n\r\n";
        for end in 0..wire.len() {
            assert_eq!(read(&wire[..end], 4).unwrap_err(), BodyError::Truncated);
        }
        assert!(read(wire, 4).is_ok());
    }

    #[test]
    fn extensions_and_trailers_have_limits() {
        let within = format!(
            "1;{}\r\na\r\n0\r\n\r\n",
            "x".repeat(limits::EXTENSION_BYTES as usize - 1)
        );
        assert!(read(within.as_bytes(), 4096).is_ok());
        let many = "1;xxxxxxxxxxxxxxx\r\na\r\n".repeat(limits::EXTENSION_BYTES as usize / 16 + 1);
        assert_eq!(fault(&many), BodyError::ExtensionsTooLarge);
        let lines = format!(
            "0\r\n{}\r\n",
            "A: b\r\n".repeat(limits::TRAILER_LINES as usize)
        );
        assert!(read(lines.as_bytes(), 4096).is_ok());
        let lines = format!(
            "0\r\n{}\r\n",
            "A: b\r\n".repeat(limits::TRAILER_LINES as usize + 1)
        );
        assert_eq!(fault(&lines), BodyError::TrailersTooLarge);
        let long = format!("0\r\nA: {}\r\n\r\n", "x".repeat(limits::TRAILER_BYTES));
        assert_eq!(fault(&long), BodyError::TrailersTooLarge);
        let dropped = format!(
            "0\r\n{}\r\n",
            format!("Host: {}\r\n", "x".repeat(400)).repeat(30)
        );
        assert_eq!(fault(&dropped), BodyError::TrailersTooLarge);
    }

    #[test]
    fn trailers_and_extensions_without_form_are_refused() {
        for wire in [
            "0\r\nnocolon\r\n\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\n A: b\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\nA: \0\r\n\r\n",
        ] {
            assert_eq!(fault(wire), BodyError::Trailer, "{wire:?}");
        }
        assert_eq!(fault("1;\0\r\na"), BodyError::Extension);
    }
}
