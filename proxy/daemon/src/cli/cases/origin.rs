//! Origins that record what they are sent and answer as a case says: HTTP/1, and FastCGI in as far as it is asked.

use super::client::{find, joined, unchunked};
use seawall_conf::{
    cases::{self, Origin},
    model::Protocol,
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    runtime::Handle,
};

/// The largest request that is read.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A server that is replaced.
pub struct Recording {
    /// Its pool.
    pub pool: String,
    /// Its address as it is written.
    pub server: String,
    /// Where it listens instead.
    pub path: PathBuf,
    /// What is spoken.
    pub protocol: Protocol,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Which of the recordings.
    pub at: usize,
    /// Method.
    pub method: String,
    /// Path and arguments.
    pub target: String,
    /// Fields, or parameters.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// All of them.
pub struct Origins {
    recordings: Vec<Recording>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: Option<Origin>,
    named: Vec<(String, Origin)>,
    seen: Vec<Seen>,
}

impl Origins {
    /// For these servers.
    pub fn new(recordings: Vec<Recording>) -> Self {
        Self {
            recordings,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens in the place of every server.
    pub fn listen(self: Arc<Self>, control: &Handle) -> io::Result<()> {
        let _inside = control.enter();
        for (at, recording) in self.recordings.iter().enumerate() {
            let listener = UnixListener::bind(&recording.path)?;
            let origins = self.clone();
            control.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let origins = origins.clone();
                    // A connection that breaks is the client's business.
                    tokio::spawn(async move { drop(origins.serve(at, stream).await) });
                }
            });
        }
        Ok(())
    }

    /// A test begins: what origins answer, later layers over earlier ones. What was seen is forgotten.
    pub fn begin(&self, layers: &[&cases::Origins]) {
        *self.state() = State::default();
        layers.iter().for_each(|layer| self.add(layer));
    }

    /// What they answer from now on; what was seen is forgotten.
    pub fn add(&self, layer: &cases::Origins) {
        let mut state = self.state();
        state.seen.clear();
        if let Some(all) = &layer.all {
            state.all = Some(all.clone());
        }
        for (name, origin) in &layer.named {
            state.named.retain(|(n, _)| *n != name.value);
            state.named.push((name.value.clone(), origin.clone()));
        }
    }

    /// Pool and server of an address that the pipeline tells, and what that server saw last.
    pub fn of(&self, address: &str) -> Option<(&Recording, Option<Seen>)> {
        let path = address.strip_prefix("unix:").unwrap_or(address);
        let at = self.recordings.iter().position(|r| {
            let own = r.path.to_string_lossy();
            own == path || path.strip_suffix(':') == Some(&*own)
        })?;
        let seen = self.state().seen.iter().rev().find(|s| s.at == at).cloned();
        Some((self.recordings.get(at)?, seen))
    }

    /// Whether there is a pool of this name.
    pub fn has_pool(&self, name: &str) -> bool {
        self.recordings.iter().any(|r| r.pool == name)
    }

    async fn serve(&self, at: usize, mut stream: UnixStream) -> io::Result<()> {
        let Some(recording) = self.recordings.get(at) else {
            return Ok(());
        };
        let mut held = Vec::new();
        loop {
            let (seen, request_id) = match recording.protocol {
                Protocol::Http => (http(&mut stream, &mut held).await?, 0),
                Protocol::FastCgi => fastcgi(&mut stream, &mut held).await?,
            };
            let head_only = seen.method == "HEAD";
            let answer = self.answer(recording, Seen { at, ..seen });
            let Origin::Answers {
                status,
                headers,
                body,
            } = answer
            else {
                return Ok(());
            };
            let composed = match recording.protocol {
                Protocol::Http => composed(status, &headers, &body, head_only),
                Protocol::FastCgi => fastcgi_answer(request_id, status, &headers, &body),
            };
            stream.write_all(&composed).await?;
            if recording.protocol == Protocol::FastCgi {
                return stream.shutdown().await;
            }
        }
    }

    fn answer(&self, recording: &Recording, seen: Seen) -> Origin {
        let mut state = self.state();
        state.seen.push(seen);
        let named = state.named.iter().find(|(n, _)| *n == recording.pool);
        let origin = named.map(|(_, o)| o).or(state.all.as_ref());
        origin.cloned().unwrap_or_else(|| Origin::Answers {
            status: 200,
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: format!("{}\n", recording.pool),
        })
    }
}

async fn more(stream: &mut UnixStream, held: &mut Vec<u8>) -> io::Result<()> {
    if held.len() > REQUEST_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match stream.read_buf(held).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The next request of a connection.
async fn http(stream: &mut UnixStream, held: &mut Vec<u8>) -> io::Result<Seen> {
    let end = loop {
        match find(held, b"\r\n\r\n") {
            Some(end) => break end,
            None => more(stream, held).await?,
        }
    };
    let head = String::from_utf8_lossy(held.get(..end).unwrap_or_default()).into_owned();
    held.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next(), words.next());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    if joined(&headers, "expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = if joined(&headers, "transfer-encoding").is_some() {
        while !(held.starts_with(b"0\r\n\r\n") || find(held, b"\r\n0\r\n\r\n").is_some()) {
            more(stream, held).await?;
        }
        unchunked(&std::mem::take(held))
    } else {
        let length = joined(&headers, "content-length").and_then(|l| l.parse().ok());
        let length = length.unwrap_or(0);
        while held.len() < length {
            more(stream, held).await?;
        }
        held.drain(..length).collect()
    };
    Ok(Seen {
        at: 0,
        method: method.unwrap_or_default().to_owned(),
        target: target.unwrap_or_default().to_owned(),
        headers,
        body,
    })
}

fn composed(status: u16, headers: &[(String, String)], body: &str, head_only: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} As Told\r\n");
    for (name, value) in headers {
        out += &format!("{name}: {value}\r\n");
    }
    if joined(headers, "content-length").is_none() && !matches!(status, 204 | 304) {
        out += &format!("Content-Length: {}\r\n", body.len());
    }
    out += "\r\n";
    if !head_only && !matches!(status, 204 | 304) {
        out += body;
    }
    out.into_bytes()
}

/// Records of FastCGI (its specification, version 1.0, §8).
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const END_REQUEST: u8 = 3;

async fn fastcgi(stream: &mut UnixStream, held: &mut Vec<u8>) -> io::Result<(Seen, u16)> {
    let (mut params, mut body) = (Vec::new(), Vec::new());
    loop {
        while held.len() < 8 {
            more(stream, held).await?;
        }
        let head: Vec<u8> = held.drain(..8).collect();
        let byte = |i: usize| head.get(i).copied().unwrap_or(0);
        let length = usize::from(u16::from_be_bytes([byte(4), byte(5)]));
        let whole = length + usize::from(byte(6));
        while held.len() < whole {
            more(stream, held).await?;
        }
        let mut content: Vec<u8> = held.drain(..whole).collect();
        content.truncate(length);
        match byte(1) {
            PARAMS => params.extend(content),
            STDIN if length == 0 => {
                let headers = pairs(&params);
                let value = |name: &str| joined(&headers, name).unwrap_or_default();
                let seen = Seen {
                    at: 0,
                    method: value("REQUEST_METHOD"),
                    target: value("REQUEST_URI"),
                    headers,
                    body,
                };
                return Ok((seen, u16::from_be_bytes([byte(2), byte(3)])));
            }
            STDIN => body.extend(content),
            _ => {}
        }
    }
}

/// Names and values, each with its length before it: one byte, or four with the first bit set.
fn pairs(mut rest: &[u8]) -> Vec<(String, String)> {
    fn length(rest: &mut &[u8]) -> Option<usize> {
        let (first, after) = rest.split_first()?;
        if first & 0x80 == 0 {
            *rest = after;
            return Some(usize::from(*first));
        }
        let four: [u8; 4] = rest.get(..4)?.try_into().ok()?;
        *rest = rest.get(4..)?;
        Some((u32::from_be_bytes(four) & 0x7fff_ffff) as usize)
    }
    fn text(rest: &mut &[u8], length: usize) -> Option<String> {
        let text = String::from_utf8_lossy(rest.get(..length)?).into_owned();
        *rest = rest.get(length..)?;
        Some(text)
    }
    let mut all = Vec::new();
    while let (Some(name), Some(value)) = (length(&mut rest), length(&mut rest)) {
        match (text(&mut rest, name), text(&mut rest, value)) {
            (Some(name), Some(value)) => all.push((name, value)),
            _ => break,
        }
    }
    all
}

fn fastcgi_answer(id: u16, status: u16, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut text = format!("Status: {status}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text += body;
    let mut out = Vec::new();
    let [high, low] = id.to_be_bytes();
    for piece in text.as_bytes().chunks(usize::from(u16::MAX)) {
        let [a, b] = (piece.len() as u16).to_be_bytes();
        out.extend_from_slice(&[1, STDOUT, high, low, a, b, 0, 0]);
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&[1, STDOUT, high, low, 0, 0, 0, 0]);
    out.extend_from_slice(&[1, END_REQUEST, high, low, 0, 8, 0, 0]);
    out.extend_from_slice(&[0; 8]);
    out
}
