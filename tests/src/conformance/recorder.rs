//! An origin that reads requests by the letter of RFC 9112 and notes whatever could be read in two ways.

use crate::{PATIENCE, free_address};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A request that was whole.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// Values of Host.
    pub hosts: Vec<String>,
    /// Names and values in order.
    pub fields: Vec<(String, String)>,
    /// Body, its framing taken away.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    oddities: Vec<String>,
}

/// A server on the loopback that answers 200 to whatever it can read and records it.
pub struct Recorder {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts on an address of its own.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        Self::at(free_address())
    }

    /// Starts on this address.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the recorder's address");
        let state = Arc::new(Mutex::new(State::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (state.clone(), stopped.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                thread::spawn(move || {
                    Connection::new(stream, shared).serve();
                });
            }
        });
        Self {
            address,
            state,
            stopped,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come since the last call: whole requests, and what was odd about them.
    pub fn take(&self) -> (Vec<Recorded>, Vec<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (
            std::mem::take(&mut state.requests),
            std::mem::take(&mut state.oddities),
        )
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

struct Connection {
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    buffer: Vec<u8>,
}

/// A head or a body that ended with the connection: nobody takes it for a request.
struct Ended;

impl Connection {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>) -> Self {
        let _ = stream.set_read_timeout(Some(PATIENCE * 4));
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            state,
            buffer: Vec::new(),
        }
    }

    fn serve(mut self) {
        while let Ok(request) = self.request() {
            let head = request.method == "HEAD";
            self.state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .requests
                .push(request);
            let answer: &[u8] = if head {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            };
            if self.stream.write_all(answer).is_err() {
                break;
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn odd(&self, what: impl Into<String>) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .oddities
            .push(what.into());
    }

    fn fill(&mut self) -> Result<(), Ended> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(n) if n > 0 => {
                self.buffer.extend_from_slice(&piece[..n]);
                Ok(())
            }
            _ => Err(Ended),
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, Ended> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// A line without its CR LF; another ending is odd.
    fn line(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            if let Some(at) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                if line.pop_if(|b| *b == b'\r').is_none() {
                    self.odd("a line that ends in a bare LF");
                }
                if line.iter().any(|b| matches!(b, 0 | b'\r')) {
                    self.odd("CR or NUL within a line");
                }
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn request(&mut self) -> Result<Recorded, Ended> {
        let line = self.line()?;
        let mut request = Recorded::default();
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        match words.as_slice() {
            [method, target, b"HTTP/1.1" | b"HTTP/1.0"] if !target.is_empty() => {
                request.method = String::from_utf8_lossy(method).into_owned();
                request.target = String::from_utf8_lossy(target).into_owned();
                if !method.iter().all(|b| is_token(*b)) || method.is_empty() {
                    self.odd("a method that is no token");
                }
                if target.iter().any(|b| *b <= b' ' || *b == 127) {
                    self.odd("a control character in the target");
                }
            }
            _ => {
                self.odd(format!("request line \"{}\"", line.escape_ascii()));
                return Err(Ended);
            }
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            self.field(&line, &mut request);
        }
        self.body(&mut request)?;
        Ok(request)
    }

    fn field(&self, line: &[u8], request: &mut Recorded) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return self.odd(format!(
                "a field line without a colon: \"{}\"",
                line.escape_ascii()
            ));
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            self.odd(format!("a field name \"{}\"", name.escape_ascii()));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let value = String::from_utf8_lossy(value.trim_ascii()).into_owned();
        if name.eq_ignore_ascii_case("host") {
            request.hosts.push(value.clone());
        }
        request.fields.push((name, value));
    }

    fn body(&mut self, request: &mut Recorded) -> Result<(), Ended> {
        let all = |wanted: &str| -> Vec<String> {
            request
                .fields
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.clone())
                .collect()
        };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        if request.hosts.len() != 1 {
            self.odd(format!("{} Host fields", request.hosts.len()));
        }
        if lengths.len() + codings.len() > 1 {
            self.odd(format!(
                "Content-Length {lengths:?} with Transfer-Encoding {codings:?}"
            ));
        }
        if let Some(coding) = codings.first() {
            if coding != "chunked" {
                self.odd(format!("Transfer-Encoding \"{coding}\""));
            }
            return self.chunks(request);
        }
        if let Some(length) = lengths.first() {
            let Some(count) = digits(length.as_bytes(), 10) else {
                self.odd(format!("Content-Length \"{length}\""));
                return Err(Ended);
            };
            request.body = self.take(count)?;
        }
        Ok(())
    }

    fn chunks(&mut self, request: &mut Recorded) -> Result<(), Ended> {
        loop {
            let line = self.line()?;
            let Some(size) = digits(&line, 16) else {
                self.odd(format!("a chunk size line \"{}\"", line.escape_ascii()));
                return Err(Ended);
            };
            if size == 0 {
                break;
            }
            let data = self.take(size)?;
            request.body.extend(data);
            if self.take(2)? != b"\r\n" {
                self.odd("a chunk that does not end in CR LF");
                return Err(Ended);
            }
        }
        while !self.line()?.is_empty() {}
        Ok(())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A number of digits only, and not too large to be one.
fn digits(text: &[u8], radix: u32) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    usize::from_str_radix(text, radix).ok()
}
