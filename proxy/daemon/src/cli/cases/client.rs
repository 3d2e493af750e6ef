//! The client of a test: one request on a connection of its own, and its answer as it came.

use rustls::pki_types::ServerName;
use seawall_conf::cases::Request;
use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The longest that nothing comes.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A port of the loopback.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields in order.
    pub headers: Vec<(String, String)>,
    /// Body, without its framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// All values of a field, joined by commas (RFC 9110 §5.3).
    pub fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }
}

/// All values of a field, joined by commas.
pub fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.as_str())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Sends a request; `None` where the connection was closed without an answer.
///
/// # Errors
/// The connection could not be made, or what came is no HTTP.
pub fn send(
    door: &Door,
    from: IpAddr,
    request: &Request,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Option<Answer>, String> {
    let text = |e: io::Error| e.to_string();
    let mut plain = connect(door).map_err(text)?;
    plain.write_all(proxied(from).as_bytes()).map_err(text)?;
    let mut stream = match request.tls {
        false => plain,
        true => {
            let name = host(&request.authority).to_owned();
            let name = ServerName::try_from(name).map_err(|e| e.to_string())?;
            let session = rustls::ClientConnection::new(tls.clone(), name);
            let session = session.map_err(|e| e.to_string())?;
            Box::new(rustls::StreamOwned::new(session, plain))
        }
    };
    stream.write_all(&composed(request)).map_err(text)?;
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    match read {
        Err(e) if bytes.is_empty() && e.kind() != io::ErrorKind::UnexpectedEof => {
            Err(e.to_string())
        }
        _ if bytes.is_empty() => Ok(None),
        _ => parse(&bytes, request.method == "HEAD").map(Some),
    }
}

fn connect(door: &Door) -> io::Result<Box<dyn Stream>> {
    Ok(match door {
        Door::Tcp(address) => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(SILENCE_MAX))?;
            Box::new(stream)
        }
        Door::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(SILENCE_MAX))?;
            Box::new(stream)
        }
    })
}

/// Who the client is (the PROXY protocol, version 1).
fn proxied(from: IpAddr) -> String {
    let (family, to) = match from {
        IpAddr::V4(_) => ("TCP4", "127.0.0.1"),
        IpAddr::V6(_) => ("TCP6", "::1"),
    };
    format!("PROXY {family} {from} {to} 40000 443\r\n")
}

/// Without the port and the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host)
}

fn composed(request: &Request) -> Vec<u8> {
    let says = |name: &str| joined(&request.headers, name).is_some();
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if !says("host") {
        out += &format!("Host: {}\r\n", request.authority);
    }
    for (name, value) in &request.headers {
        out += &format!("{name}: {value}\r\n");
    }
    if !says("connection") {
        out += "Connection: close\r\n";
    }
    let body = request.body.as_deref().unwrap_or_default();
    if request.body.is_some() && !says("content-length") && !says("transfer-encoding") {
        out += &format!("Content-Length: {}\r\n", body.len());
    }
    out += "\r\n";
    out += body;
    out.into_bytes()
}

/// Interim answers are skipped; the body is what its framing says.
fn parse(mut bytes: &[u8], bodiless: bool) -> Result<Answer, String> {
    loop {
        let end = find(bytes, b"\r\n\r\n").ok_or("the answer ends within its head")?;
        let (head, rest) = bytes.split_at(end);
        let rest = rest.get(4..).unwrap_or_default();
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let status: u16 = status.ok_or("the answer has no status line")?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        if (100..200).contains(&status) && status != 101 {
            bytes = rest;
            continue;
        }
        let chunked = joined(&headers, "transfer-encoding").is_some();
        let length = joined(&headers, "content-length").and_then(|l| l.parse::<usize>().ok());
        let body = match (bodiless, chunked, length) {
            (true, ..) => Vec::new(),
            (_, true, _) => unchunked(rest),
            (_, _, Some(length)) => rest.get(..length).unwrap_or(rest).to_vec(),
            (_, _, None) => rest.to_vec(),
        };
        return Ok(Answer {
            status,
            headers,
            body,
        });
    }
}

/// The pieces of a chunked body, as far as they came.
pub fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let (line, after) = rest.split_at(end);
        let after = after.get(2..).unwrap_or_default();
        let size = String::from_utf8_lossy(line);
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16)
            .unwrap_or(0)
            .min(after.len());
        if size == 0 {
            break;
        }
        body.extend_from_slice(after.get(..size).unwrap_or_default());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

/// Where a text begins.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whatever_its_framing() {
        let answer = parse(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\na: 2\r\n\r\n\
              3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            false,
        )
        .unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"abcde"[..])
        );
        assert_eq!(answer.header("A").as_deref(), Some("1, 2"));
        let answer = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", false).unwrap();
        assert_eq!(answer.body, b"ab");
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true).unwrap();
        assert!(head.body.is_empty());
        assert!(parse(b"HTTP/1.1 200 OK\r\n", false).is_err());
        assert!(parse(b"SSH\r\n\r\n", false).is_err());
    }

    #[test]
    fn a_name_is_asked_for_without_its_port() {
        for (authority, name) in [
            ("a.test", "a.test"),
            ("a.test:8443", "a.test"),
            ("[::1]:443", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(authority), name);
        }
    }
}
