//! A client for the admin API, no larger than the API needs: one request, one bounded JSON answer, over a unix socket or
//! plain TCP to the loopback.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long the daemon may be silent: a reload compiles rules and reads certificates.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// The time to connect over TCP.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where the admin API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A unix socket.
    Unix(PathBuf),
    /// `ADDRESS:PORT`
    Tcp(String),
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            ensure!(!path.is_empty(), "unix: needs a path");
            return Ok(Target::Unix(path.into()));
        }
        let Some(rest) = text.strip_prefix("http://") else {
            bail!("\"{text}\" is neither unix:PATH nor http://ADDRESS:PORT");
        };
        let authority = rest.trim_end_matches('/');
        ensure!(
            !authority.contains('/'),
            "\"{text}\" has a path; only http://ADDRESS:PORT is meant"
        );
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Target::Tcp(if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        }))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
            Target::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}

/// What the API said.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its JSON; null where there is none.
    pub body: Value,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Target {
    /// Asks once.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let host = match self {
            Target::Unix(_) => "localhost",
            Target::Tcp(authority) => authority,
        };
        let head = self.head(method, path, "application/json", body.len(), host);
        let request = format!("{head}{body}");
        exchange(self.connect(SILENCE_MAX)?, request.as_bytes())
    }

    /// Asks once with a text.
    pub fn send(&self, method: &str, path: &str, text: &str) -> anyhow::Result<Answer> {
        let host = match self {
            Target::Unix(_) => "localhost",
            Target::Tcp(authority) => authority,
        };
        let head = self.head(method, path, "application/yaml", text.len(), host);
        exchange(
            self.connect(SILENCE_MAX)?,
            format!("{head}{text}").as_bytes(),
        )
    }

    /// Events of a stream, each handed to `each` until it says that it has enough (false), or the stream ends.
    pub fn follow(
        &self,
        path: &str,
        mut each: impl FnMut(&str, &str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let host = match self {
            Target::Unix(_) => "localhost",
            Target::Tcp(authority) => authority,
        };
        let head = self.head("GET", path, "application/json", 0, host);
        let mut stream = self.connect(SILENCE_MAX)?;
        stream.write_all(head.as_bytes())?;
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let refused = !line.starts_with("HTTP/1.1 200 ");
        ensure!(!refused, "the daemon answered: {}", line.trim_end());
        let mut event = String::new();
        loop {
            line.clear();
            // Pieces of the transfer coding stand in lines of their own: a hexadecimal length says nothing here.
            if (&mut lines).take(ANSWER_BYTES_MAX).read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ")
                && !each(&std::mem::take(&mut event), data)?
            {
                return Ok(());
            }
        }
    }

    fn head(&self, method: &str, path: &str, kind: &str, length: usize, host: &str) -> String {
        let mut token = String::new();
        for (variable, field) in [(TOKEN, "Authorization: Bearer"), (CODE, "Seawall-Code:")] {
            if let (Target::Tcp(_), Ok(value)) = (self, std::env::var(variable))
                && !value.contains(['\r', '\n'])
            {
                token += &format!("{field} {value}\r\n");
            }
        }
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: application/json\r\n{token}\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )
    }

    fn connect(&self, silence: Duration) -> anyhow::Result<Box<dyn Stream>> {
        Ok(match self {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(silence))?;
                Box::new(stream)
            }
            Target::Tcp(authority) => {
                let address = authority
                    .to_socket_addrs()?
                    .next()
                    .context("the name has no address")?;
                let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
                stream.set_read_timeout(Some(silence))?;
                Box::new(stream)
            }
        })
    }
}

/// A connection to the API.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// The variable of the environment that holds a token, for TCP.
const TOKEN: &str = "SEAWALL_TOKEN";

/// The variable with the code of a token that asks for one.
const CODE: &str = "SEAWALL_CODE";

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> anyhow::Result<Answer> {
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 <= ANSWER_BYTES_MAX,
        "the answer is longer than {ANSWER_BYTES_MAX} bytes"
    );
    parse(&bytes)
}

/// An answer with `Connection: close`: the body is what follows the head.
fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("the answer ends within its head")?;
    let (head, body) = bytes.split_at(end);
    let head = std::str::from_utf8(head).context("the answer's head is not text")?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok());
    let status = status.context("the answer is not HTTP/1.1")?;
    let body = body.get(4..).unwrap_or_default();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).context("not JSON")?
    };
    Ok(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_written() {
        assert_eq!(
            "unix:/run/a.sock".parse::<Target>().unwrap(),
            Target::Unix("/run/a.sock".into())
        );
        assert_eq!(
            "http://127.0.0.1:9180/".parse::<Target>().unwrap(),
            Target::Tcp("127.0.0.1:9180".into())
        );
        assert_eq!(
            "http://localhost".parse::<Target>().unwrap(),
            Target::Tcp("localhost:80".into())
        );
        for wrong in ["", "unix:", "https://x", "/run/a.sock", "http://x:1/path"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_status_and_json() {
        let answer =
            parse(b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 13\r\n\r\n{\"title\":\"x\"}")
                .unwrap();
        assert_eq!((answer.status, answer.is_success()), (422, false));
        assert_eq!(answer.body["title"], "x");
        for broken in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 2\xff0 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nno",
        ] {
            assert!(parse(broken).is_err());
        }
    }

    #[test]
    fn an_answer_past_the_limit_is_refused() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        impl Write for Endless {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert!(
            exchange(Endless, b"GET")
                .unwrap_err()
                .to_string()
                .contains("longer than")
        );
    }
}
