//! A small HTTP/1.1 client that hides nothing.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

#[derive(Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: String,
    body: String,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            headers: String::new(),
            body: String::new(),
        }
    }

    pub fn head(path: &str) -> Self {
        Self {
            method: "HEAD",
            ..Self::get(path)
        }
    }

    pub fn form(path: &str, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>()
        };
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        Self {
            method: "POST",
            ..Self::get(path)
        }
        .header("content-type", "application/x-www-form-urlencoded")
        .body(&body.join("&"))
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn send(&self, to: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(to).unwrap();
        self.write(&mut stream, "close");
        Response::read(&mut BufReader::new(stream), self.method).unwrap()
    }

    pub fn write(&self, stream: &mut TcpStream, connection: &str) {
        let host = if self.headers.contains("host:") {
            String::new()
        } else {
            "host: 127.0.0.1\r\n".to_owned()
        };
        let head = format!(
            "{} {} HTTP/1.1\r\n{host}connection: {connection}\r\ncontent-length: {}\r\n{}\r\n{}",
            self.method,
            self.path,
            self.body.len(),
            self.headers,
            self.body
        );
        stream.write_all(head.as_bytes()).unwrap();
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Framed by Content-Length alone: everything the shop sends has one, or has no body.
    pub fn read(from: &mut impl BufRead, method: &str) -> std::io::Result<Self> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status =
            status.ok_or_else(|| std::io::Error::other(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut response = Self {
            status,
            headers,
            body: Vec::new(),
        };
        let length = response
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if method != "HEAD" && status != 304 {
            response.body =
                vec![0; length.unwrap_or_else(|| panic!("no Content-Length: {response:?}"))];
            from.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// What follows `mark` up to the next quote.
    pub fn quoted_after(&self, mark: &str) -> String {
        let text = self.text();
        let (_, rest) = text
            .split_once(mark)
            .unwrap_or_else(|| panic!("no {mark:?} in\n{text}"));
        rest.split('"').next().unwrap().to_owned()
    }
}
