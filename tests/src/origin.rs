//! An origin that does what it is told, and remembers what it was asked.

use crate::{Gate, PATIENCE, free_address};
use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Method.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// `HTTP/1.1`
    pub version: String,
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
    /// The body, its framing taken away.
    pub body: Vec<u8>,
    /// Whether the body came in chunks.
    pub chunked: bool,
    /// The lines behind the last chunk.
    pub trailers: Vec<String>,
    /// Which of the origin's connections it came on, from 1.
    pub connection: usize,
}

impl Received {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// How often a field stands in the head.
    pub fn count(&self, name: &str) -> usize {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .count()
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for the next request.
    Keep,
    /// It is closed.
    Close,
}

/// A script's hold on the connection.
pub struct Exchange<'a> {
    stream: &'a TcpStream,
    reader: &'a mut BufReader<TcpStream>,
}

impl Exchange<'_> {
    /// Sends bytes as they are; a client that has gone is the script's end, not a failure.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        (&mut &*self.stream).write_all(bytes.as_ref()).is_ok()
    }

    /// So many bytes of what follows the request; fewer where the other side ends before.
    pub fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.reader.take(count as u64).read_to_end(&mut bytes);
        bytes
    }

    /// Says that nothing more will be sent; what comes can still be read.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits until the other side closes.
    pub fn until_closed(&mut self) {
        let mut rest = [0; 1024];
        while matches!((&mut &*self.stream).read(&mut rest), Ok(n) if n > 0) {}
    }
}

type Script = Arc<dyn Fn(&Received, &mut Exchange<'_>) -> Then + Send + Sync>;

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, Script>>,
    received: Mutex<Vec<Received>>,
    sockets: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// A server on the loopback. Unless told otherwise it answers with 200 and the request's head as body; closed when
/// dropped.
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Origin {
    /// Starts on an address of its own.
    pub fn start() -> Self {
        Self::at(free_address())
    }

    /// Starts on this address.
    ///
    /// # Panics
    /// When it is taken.
    pub fn at(address: SocketAddr) -> Self {
        Self::prepared(address, |_| ())
    }

    /// Starts on this address, with its scripts there before the first request.
    ///
    /// # Panics
    /// When it is taken.
    pub fn prepared(address: SocketAddr, prepare: impl FnOnce(&Self)) -> Self {
        let listener = TcpListener::bind(address)
            .unwrap_or_else(|e| panic!("the origin's address {address}: {e}"));
        let state = Arc::new(State::default());
        let shared = state.clone();
        let origin = Self { address, state };
        prepare(&origin);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let shared = shared.clone();
                thread::spawn(move || {
                    let _ = serve(&shared, &stream, number);
                    // Also after what could not be understood: nobody is to wait for an answer.
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests for a path with these bytes, head and body as they stand.
    pub fn answer(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.script(path, move |_, exchange| {
            exchange.send(&bytes);
            Then::Keep
        });
    }

    /// Answers requests for a path with these bytes and closes.
    pub fn answer_and_close(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.script(path, move |_, exchange| {
            exchange.send(&bytes);
            Then::Close
        });
    }

    /// Answers 200 with `body`, its length and these field lines (each with its CR LF).
    pub fn serve(&self, path: &str, fields: &str, body: &str) {
        self.answer(
            path,
            format!(
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
    }

    /// As [`serve`](Self::serve), but only when the gate is open.
    pub fn serve_after(&self, gate: &Gate, path: &str, fields: &str, body: &str) {
        let bytes = format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let gate = gate.clone();
        self.script(path, move |_, exchange| {
            gate.pass();
            exchange.send(&bytes);
            Then::Keep
        });
    }

    /// Does this for requests for a path.
    pub fn script(
        &self,
        path: &str,
        script: impl Fn(&Received, &mut Exchange<'_>) -> Then + Send + Sync + 'static,
    ) {
        held(&self.state.scripts).insert(path.to_owned(), Arc::new(script));
    }

    /// Every request so far whose body was read to its end.
    pub fn received(&self) -> Vec<Received> {
        held(&self.state.received).clone()
    }

    /// How often a path was asked for.
    pub fn hits(&self, path: &str) -> usize {
        held(&self.state.received)
            .iter()
            .filter(|r| r.path() == path)
            .count()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Received {
        held(&self.state.received)
            .last()
            .cloned()
            .expect("a request reached the origin")
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Closes the listener and every connection.
    pub fn stop(&self) {
        if self.state.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        // The accepting thread looks at the flag when somebody comes.
        let _ = TcpStream::connect(self.address);
        self.close_connections();
    }

    /// Closes every connection; new ones are taken as before.
    pub fn close_connections(&self) {
        held(&self.state.sockets)
            .drain(..)
            .for_each(|s| drop(s.shutdown(Shutdown::Both)));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(state: &State, stream: &TcpStream, number: usize) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE * 4))?;
    stream.set_nodelay(true)?;
    held(&state.sockets).push(stream.try_clone()?);
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader, number)? {
        let script = held(&state.scripts).get(request.path()).cloned();
        held(&state.received).push(request.clone());
        let mut exchange = Exchange {
            stream,
            reader: &mut reader,
        };
        let then = match script {
            Some(script) => script(&request, &mut exchange),
            None => echo(&request, &mut exchange),
        };
        if then == Then::Close {
            break;
        }
    }
    Ok(())
}

fn echo(request: &Received, exchange: &mut Exchange<'_>) -> Then {
    let mut body = format!(
        "{} {} {}\n",
        request.method, request.target, request.version
    );
    for (name, value) in &request.fields {
        body.push_str(&format!("{name}: {value}\n"));
    }
    let length = body.len();
    let sent = if request.method == "HEAD" { "" } else { &body };
    exchange.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{sent}"
    ));
    Then::Keep
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// `None` when the other side has closed between two requests.
fn read_request(reader: &mut impl BufRead, connection: usize) -> io::Result<Option<Received>> {
    let first = read_line(reader)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split(' ').map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    let mut request = Received {
        method: next(),
        target: next(),
        version: next(),
        connection,
        ..Received::default()
    };
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        request
            .fields
            .push((name.to_owned(), value.trim().to_owned()));
    }
    request.chunked = request
        .field("Transfer-Encoding")
        .is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    if request.chunked {
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            let start = request.body.len();
            request.body.resize(start + size, 0);
            reader.read_exact(&mut request.body[start..])?;
            read_line(reader)?;
        }
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                break;
            }
            request.trailers.push(line);
        }
    } else if let Some(length) = request.field("Content-Length") {
        request.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}
