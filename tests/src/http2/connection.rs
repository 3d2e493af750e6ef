//! A connection that sends the frames it is given and waits for an outcome.

use super::{
    Frame,
    frame::{self, ACK, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS},
    hpack,
};
use crate::{PATIENCE, Stream};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// What a server says of a stream or the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A response's status.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    GoAway(u32),
    /// The connection's end.
    Closed,
    /// An answer to our PING.
    Pong,
}

/// Nothing came in time.
#[derive(Debug)]
struct Silence;

/// A connection of HTTP/2.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects and says nothing.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn silent(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address)
            .unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_nodelay(true).expect("an option");
        Self::over(Box::new(socket))
    }

    /// Over a stream that is there already.
    pub fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Waits at most so long for each frame from now on.
    pub fn wait_at_most(&self, limit: std::time::Duration) {
        let _ = self.stream.socket().set_read_timeout(Some(limit));
    }

    /// Connects, says the preface and SETTINGS without a dynamic table, and takes the server's SETTINGS.
    ///
    /// # Panics
    /// When the server does not answer like a server of HTTP/2.
    pub fn open(address: SocketAddr) -> Self {
        let mut connection = Self::silent(address);
        connection.begin();
        connection
    }

    /// As [`open`](Self::open), on this connection.
    ///
    /// # Panics
    /// As there.
    pub fn begin(&mut self) {
        self.send(PREFACE).send(frame::settings(&[(1, 0)]));
        let first = self.frame().expect("the server's SETTINGS");
        assert_eq!((first.kind, first.flags & ACK), (SETTINGS, 0), "{first:?}");
        self.send(frame::frame(SETTINGS, ACK, 0, b""));
    }

    /// Sends bytes; a server that has closed already is seen when it is listened to.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self
            .stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.stream.flush());
        self
    }

    /// The next frame; `None` at the connection's end.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn frame(&mut self) -> Option<Frame> {
        self.try_next().expect("the server says nothing")
    }

    /// The next frame, or the connection's end; an error when nothing comes.
    fn try_next(&mut self) -> Result<Option<Frame>, Silence> {
        loop {
            if let Some((head, rest)) = self.buffer.split_at_checked(9) {
                let length =
                    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if rest.len() >= length {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                        payload: rest[..length].to_vec(),
                    };
                    self.buffer.drain(..9 + length);
                    return Ok(Some(frame));
                }
            }
            let mut more = [0; 16 * 1024];
            match self.stream.read(&mut more) {
                Ok(0) => return Ok(None),
                Ok(n) => self.buffer.extend_from_slice(&more[..n]),
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Err(Silence);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// What the server says next that matters; SETTINGS, windows and DATA are passed over.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn said(&mut self) -> Said {
        self.try_said().expect("the server says nothing")
    }

    /// As [`said`](Self::said); `None` when nothing comes.
    pub fn try_said(&mut self) -> Option<Said> {
        loop {
            let Some(frame) = self.try_next().ok()? else {
                return Some(Said::Closed);
            };
            match frame.kind {
                HEADERS => return Some(Said::Status(hpack::status(&frame.payload).unwrap_or(0))),
                RST_STREAM => return Some(Said::Reset(frame.number(0))),
                GOAWAY => return Some(Said::GoAway(frame.number(4))),
                PING if frame.flags & ACK != 0 => return Some(Said::Pong),
                PING => {
                    let pong = frame::frame(PING, ACK, 0, &frame.payload);
                    self.send(pong);
                }
                SETTINGS if frame.flags & ACK == 0 => {
                    self.send(frame::frame(SETTINGS, ACK, 0, b""));
                }
                _ => {}
            }
        }
    }

    /// Reads until the server has ended a stream.
    ///
    /// # Panics
    /// When the connection ends before it.
    pub fn until_ended(&mut self, stream: u32) {
        loop {
            let frame = self.frame().expect("another frame");
            let ends =
                matches!(frame.kind, frame::DATA | HEADERS) && frame.flags & frame::END_STREAM != 0;
            if frame.stream == stream && ends {
                return;
            }
        }
    }

    /// The next frame of a kind.
    ///
    /// # Panics
    /// When the connection ends before it comes.
    pub fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().expect("another frame");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Everything that is said until the connection ends.
    pub fn rest(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        loop {
            all.push(self.said());
            if all.last() == Some(&Said::Closed) {
                return all;
            }
        }
    }
}
