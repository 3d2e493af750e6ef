//! Records: eight bytes of header, content, padding (specification §3.3).

use std::ops::Range;
use thiserror::Error;

/// The id of the one request of a connection.
pub const REQUEST_ID: u16 = 1;

/// Content of the records written here, at most: the greatest multiple of eight that the header can say.
pub const CONTENT_BYTES: usize = 65_528;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;
const RESPONDER: u8 = 1;
const KEEP_CONN: u8 = 1;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// Appends a header; `length` is at most [`CONTENT_BYTES`].
fn header(out: &mut Vec<u8>, kind: u8, length: usize) {
    let [id_high, id_low] = REQUEST_ID.to_be_bytes();
    let length = length.min(CONTENT_BYTES) as u16;
    let [high, low] = length.to_be_bytes();
    out.extend_from_slice(&[
        VERSION,
        kind,
        id_high,
        id_low,
        high,
        low,
        padding(length.into()),
        0,
    ]);
}

/// Bytes up to the next multiple of eight.
fn padding(length: usize) -> u8 {
    (length.wrapping_neg() % 8) as u8
}

/// Appends records with all of `content`; none where it is empty, since an empty record ends a stream.
fn records(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    for part in content.chunks(CONTENT_BYTES) {
        header(out, kind, part.len());
        out.extend_from_slice(part);
        out.resize(out.len() + usize::from(padding(part.len())), 0);
    }
}

/// Begins a request; `keep` asks that the connection be kept after it.
pub fn begin(out: &mut Vec<u8>, keep: bool) {
    header(out, BEGIN_REQUEST, 8);
    let flags = if keep { KEEP_CONN } else { 0 };
    out.extend_from_slice(&[0, RESPONDER, flags, 0, 0, 0, 0, 0]);
}

/// Appends a name and a value to what [`params`] will send (§3.4): lengths of one byte, or four where the first is not enough.
pub fn param(pairs: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for length in [name.len(), value.len()] {
        match u8::try_from(length) {
            Ok(short @ 0..=127) => pairs.push(short),
            _ => {
                let long = (length.min(0x7fff_ffff) as u32) | 0x8000_0000;
                pairs.extend_from_slice(&long.to_be_bytes());
            }
        }
    }
    pairs.extend_from_slice(name);
    pairs.extend_from_slice(value);
}

/// Sends the parameters and their end.
pub fn params(out: &mut Vec<u8>, pairs: &[u8]) {
    records(out, PARAMS, pairs);
    header(out, PARAMS, 0);
}

/// Sends a piece of the body.
pub fn stdin(out: &mut Vec<u8>, body: &[u8]) {
    records(out, STDIN, body);
}

/// Ends the body.
pub fn stdin_end(out: &mut Vec<u8>) {
    header(out, STDIN, 0);
}

/// Why records cannot be read on. The connection is of no further use.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The first byte is not 1.
    #[error("unsupported FastCGI version")]
    Version,
    /// A record of a request that nobody sent.
    #[error("FastCGI record of another request")]
    RequestId,
    /// A kind that an application has no business to send.
    #[error("unexpected FastCGI record")]
    Kind,
    /// An end whose content has not eight bytes, or an unknown status.
    #[error("malformed FastCGI end of request")]
    End,
    /// Bytes after the end of the request.
    #[error("FastCGI record after the end of the request")]
    AfterEnd,
}

/// What an application says of the request at its end (§5.5).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// It was answered.
    Complete,
    /// The application takes one request at a time.
    CannotMultiplex,
    /// It has no room.
    Overloaded,
    /// It is no responder.
    UnknownRole,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Output, a range of the input.
    Stdout(Range<usize>),
    /// Error output, a range of the input.
    Stderr(Range<usize>),
    /// The request is over.
    End {
        /// The script's own status, 0 for success.
        app: u32,
        /// What became of the request.
        protocol: Protocol,
    },
}

/// Reads the records of one response; [`restart`](Self::restart) makes it ready for the next.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// A header, or the content of an end, as far as it has come.
    held: [u8; 8],
    have: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Header,
    Content {
        kind: u8,
        left: usize,
        padding: usize,
    },
    End {
        padding: usize,
    },
    Padding(usize),
    /// The padding of the last record.
    LastPadding(usize),
    Over,
}

impl Decoder {
    /// Ready for the next response.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether the last record has been read whole.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes what it can of `input`, at most one event: bytes taken, and the event. Called again with what is left until
    /// nothing is taken and nothing comes.
    ///
    /// # Errors
    /// What is no FastCGI. It must not be called again then.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), RecordError> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match self.state {
                State::Over if rest.is_empty() => return Ok((taken, None)),
                State::Over => return Err(RecordError::AfterEnd),
                State::Padding(left) | State::LastPadding(left) => {
                    let skipped = left.min(rest.len());
                    taken += skipped;
                    let last = matches!(self.state, State::LastPadding(_));
                    self.state = match (left - skipped, last) {
                        (0, false) => State::Header,
                        (0, true) => State::Over,
                        (left, false) => State::Padding(left),
                        (left, true) => State::LastPadding(left),
                    };
                    if left > skipped || last {
                        return Ok((taken, None));
                    }
                }
                State::Content {
                    kind,
                    left,
                    padding,
                } => {
                    let used = left.min(rest.len());
                    if used == 0 && left > 0 {
                        return Ok((taken, None));
                    }
                    let range = taken..taken + used;
                    taken += used;
                    self.state = if used == left {
                        State::Padding(padding)
                    } else {
                        State::Content {
                            kind,
                            left: left - used,
                            padding,
                        }
                    };
                    if used > 0 {
                        let event = match kind {
                            STDOUT => Event::Stdout(range),
                            _ => Event::Stderr(range),
                        };
                        return Ok((taken, Some(event)));
                    }
                }
                State::Header => {
                    taken += self.hold(rest);
                    if self.have < HEADER_BYTES {
                        return Ok((taken, None));
                    }
                    self.have = 0;
                    self.state = next(self.held)?;
                }
                State::End { padding } => {
                    taken += self.hold(rest);
                    if self.have < HEADER_BYTES {
                        return Ok((taken, None));
                    }
                    self.have = 0;
                    self.state = if padding == 0 {
                        State::Over
                    } else {
                        State::LastPadding(padding)
                    };
                    return Ok((taken, Some(end(self.held)?)));
                }
            }
        }
    }

    /// Puts bytes to those of an unfinished header.
    fn hold(&mut self, input: &[u8]) -> usize {
        let free = self.held.get_mut(self.have..).unwrap_or_default();
        let n = free.len().min(input.len());
        if let (Some(free), Some(from)) = (free.get_mut(..n), input.get(..n)) {
            free.copy_from_slice(from);
        }
        self.have += n;
        n
    }
}

fn next(header: [u8; 8]) -> Result<State, RecordError> {
    let [version, kind, id_high, id_low, high, low, padding, _] = header;
    if version != VERSION {
        return Err(RecordError::Version);
    }
    if u16::from_be_bytes([id_high, id_low]) != REQUEST_ID {
        return Err(RecordError::RequestId);
    }
    let left = usize::from(u16::from_be_bytes([high, low]));
    let padding = usize::from(padding);
    match kind {
        STDOUT | STDERR => Ok(State::Content {
            kind,
            left,
            padding,
        }),
        END_REQUEST if left == HEADER_BYTES => Ok(State::End { padding }),
        END_REQUEST => Err(RecordError::End),
        _ => Err(RecordError::Kind),
    }
}

fn end([a, b, c, d, protocol, ..]: [u8; 8]) -> Result<Event, RecordError> {
    let protocol = match protocol {
        0 => Protocol::Complete,
        1 => Protocol::CannotMultiplex,
        2 => Protocol::Overloaded,
        3 => Protocol::UnknownRole,
        _ => return Err(RecordError::End),
    };
    Ok(Event::End {
        app: u32::from_be_bytes([a, b, c, d]),
        protocol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as an application may send it, with any padding.
    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let [high, low] = (content.len() as u16).to_be_bytes();
        let mut out = vec![1, kind, 0, 1, high, low, padding, 0];
        out.extend_from_slice(content);
        out.resize(out.len() + usize::from(padding), 0xaa);
        out
    }

    const OVER: [u8; 8] = [0, 0, 0, 7, 0, 0, 0, 0];

    fn answer() -> Vec<u8> {
        let mut all = record(STDERR, b"warning\n", 3);
        all.extend(record(STDOUT, b"Status: 200\n\nhello", 255));
        all.extend(record(STDOUT, b"", 0));
        all.extend(record(STDOUT, &[b'x'; 65_535], 1));
        all.extend(record(END_REQUEST, &OVER, 5));
        all
    }

    /// Output, error output and the end.
    type Read = (Vec<u8>, Vec<u8>, Option<u32>);

    /// What is read of bytes that are cut into pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Result<Read, RecordError> {
        let mut decoder = Decoder::default();
        let (mut stdout, mut stderr, mut over) = (Vec::new(), Vec::new(), None);
        for chunk in bytes.chunks(piece) {
            let mut rest = chunk;
            loop {
                let (taken, event) = decoder.decode(rest)?;
                match &event {
                    Some(Event::Stdout(r)) => stdout.extend_from_slice(&rest[r.clone()]),
                    Some(Event::Stderr(r)) => stderr.extend_from_slice(&rest[r.clone()]),
                    Some(Event::End { app, .. }) => over = Some(*app),
                    None => {}
                }
                rest = &rest[taken..];
                if taken == 0 && event.is_none() {
                    break;
                }
            }
            assert!(rest.is_empty(), "everything is taken");
        }
        assert_eq!(decoder.is_over(), over.is_some());
        Ok((stdout, stderr, over))
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_output() {
        let all = answer();
        let whole = read(&all, all.len()).unwrap();
        assert!(whole.0.starts_with(b"Status: 200\n\nhelloxxx"));
        assert_eq!(
            (whole.0.len(), whole.1.as_slice(), whole.2),
            (18 + 65_535, &b"warning\n"[..], Some(7))
        );
        for piece in [1, 2, 3, 7, 8, 9, 31, 1000, 65_536] {
            assert_eq!(read(&all, piece).unwrap(), whole, "{piece}");
        }
    }

    #[test]
    fn what_an_application_has_no_business_to_send_is_refused() {
        for (bytes, error) in [
            (vec![2, STDOUT, 0, 1, 0, 0, 0, 0], RecordError::Version),
            (vec![1, STDOUT, 0, 2, 0, 0, 0, 0], RecordError::RequestId),
            (vec![1, STDOUT, 0, 0, 0, 0, 0, 0], RecordError::RequestId),
            (vec![1, STDIN, 0, 1, 0, 0, 0, 0], RecordError::Kind),
            (vec![1, 11, 0, 1, 0, 8, 0, 0], RecordError::Kind),
            (record(END_REQUEST, b"short", 0), RecordError::End),
            (
                record(END_REQUEST, &[0, 0, 0, 0, 9, 0, 0, 0], 0),
                RecordError::End,
            ),
            (
                [record(END_REQUEST, &OVER, 0), vec![1]].concat(),
                RecordError::AfterEnd,
            ),
            (b"HTTP/1.1 200 OK\r\n".to_vec(), RecordError::Version),
        ] {
            assert_eq!(read(&bytes, 3), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn a_connection_that_is_kept_reads_the_next_answer() {
        let mut decoder = Decoder::default();
        for _ in 0..2 {
            let over = record(END_REQUEST, &OVER, 0);
            let (taken, event) = decoder.decode(&over).unwrap();
            assert_eq!(taken, over.len());
            assert!(matches!(
                event,
                Some(Event::End {
                    app: 7,
                    protocol: Protocol::Complete
                })
            ));
            decoder.restart();
        }
    }

    #[test]
    fn what_is_written_is_aligned_and_says_its_lengths() {
        let mut out = Vec::new();
        begin(&mut out, true);
        assert_eq!(out, [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        let mut pairs = Vec::new();
        param(&mut pairs, b"A", b"bc");
        assert_eq!(pairs, b"\x01\x02Abc");
        pairs.clear();
        param(&mut pairs, b"N", &[b'v'; 128]);
        assert_eq!(pairs[..5], [1, 0x80, 0, 0, 128]);
        out.clear();
        params(&mut out, b"\x01\x02Abc");
        assert_eq!(out[..8], [1, PARAMS, 0, 1, 0, 5, 3, 0]);
        assert_eq!(out.len(), 8 + 5 + 3 + 8, "padded, then the empty one");
        out.clear();
        stdin(&mut out, b"");
        assert!(out.is_empty(), "an empty record would end the stream");
        stdin(&mut out, &vec![b'x'; CONTENT_BYTES + 1]);
        assert_eq!(out.len(), 8 + CONTENT_BYTES + 8 + 8);
        stdin_end(&mut out);
        assert_eq!(out[out.len() - 8..], [1, STDIN, 0, 1, 0, 0, 0, 0]);
    }
}
