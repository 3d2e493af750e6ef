//! A response as it came off the wire, and how it was delimited.

use crate::client::Stream;
use std::io::{self, Read};

/// A whole response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// `HTTP/1.1`
    pub version: String,
    /// Status.
    pub status: u16,
    /// Field lines in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// The content, its framing taken away.
    pub body: Vec<u8>,
    /// Whether it came in chunks.
    pub chunked: bool,
    /// The lines behind the last chunk.
    pub trailers: Vec<String>,
    /// Whether it ended only with the connection.
    pub until_close: bool,
}

impl Response {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The first value of a field, empty where there is none.
    pub fn has(&self, name: &str) -> &str {
        self.field(name).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the cache says that it answered from its store.
    pub fn is_hit(&self) -> bool {
        self.has("Cache-Status").contains("; hit")
    }

    /// Whether the server said that it closes the connection.
    pub fn says_close(&self) -> bool {
        self.has("Connection").eq_ignore_ascii_case("close")
    }

    /// Reads one response; `bodiless` is for answers to HEAD.
    ///
    /// # Errors
    /// What the socket says, `UnexpectedEof` for a response that broke off, `InvalidData` for what is not HTTP.
    pub fn read(stream: &mut Buffered, bodiless: bool) -> io::Result<Self> {
        let mut response = Self::default();
        response.read_head(stream)?;
        let none = bodiless || matches!(response.status, 100..=199 | 204 | 304);
        response.chunked = response
            .has("Transfer-Encoding")
            .eq_ignore_ascii_case("chunked");
        if none {
            return Ok(response);
        }
        if response.chunked {
            while response.read_chunk(stream)? {}
            return Ok(response);
        }
        match response.field("Content-Length").map(str::parse::<usize>) {
            Some(Ok(length)) => {
                response.body = vec![0; length];
                stream.read_exact(&mut response.body)?;
            }
            Some(Err(e)) => return Err(io::Error::new(io::ErrorKind::InvalidData, e)),
            None => {
                response.until_close = true;
                stream.read_to_end(&mut response.body)?;
            }
        }
        Ok(response)
    }

    /// Reads a head alone: the body is taken off the stream by whoever asks for it piece by piece.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_head(&mut self, stream: &mut Buffered) -> io::Result<()> {
        let bad =
            |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {line:?}"));
        let line = stream.line()?;
        let mut words = line.splitn(3, ' ');
        self.version = words.next().unwrap_or_default().to_owned();
        self.status = words
            .next()
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| bad(&line))?;
        self.fields.clear();
        loop {
            let line = stream.line()?;
            if line.is_empty() {
                return Ok(());
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
            self.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Reads one chunk onto the body; false after the last.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_chunk(&mut self, stream: &mut Buffered) -> io::Result<bool> {
        let line = stream.line()?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("no chunk size: {line:?}"),
            )
        })?;
        if size == 0 {
            loop {
                let line = stream.line()?;
                if line.is_empty() {
                    return Ok(false);
                }
                self.trailers.push(line);
            }
        }
        let start = self.body.len();
        self.body.resize(start + size, 0);
        stream.read_exact(&mut self.body[start..])?;
        let end = stream.line()?;
        if !end.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("after a chunk: {end:?}"),
            ));
        }
        Ok(true)
    }
}

/// A stream read line by line and byte by byte, without reading past what is asked for being lost.
pub struct Buffered {
    /// The stream.
    pub stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    at: usize,
}

impl Buffered {
    /// Reads from `stream`.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            at: 0,
        }
    }

    /// A line without its CR LF.
    ///
    /// # Errors
    /// `UnexpectedEof` where there is none, `InvalidData` where it ends with LF alone.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            self.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line that ends with LF alone",
            )),
        }
    }
}

impl Read for Buffered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            self.buffer.resize(64 * 1024, 0);
            self.at = 0;
            let read = self.stream.read(&mut self.buffer);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let n = out.len().min(self.buffer.len() - self.at);
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
