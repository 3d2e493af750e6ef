//! The request's head: its line, its fields, its cookies, the arguments of its query.

use std::net::IpAddr;

use super::{Store, TooManyArgs};
use crate::program::Program;
use crate::transform::url_decode;
use crate::variable::Source;

/// A request's head as the client sent it.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// Who asks.
    pub client: IpAddr,
    /// `GET`.
    pub method: &'a [u8],
    /// The path and the query, not decoded.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The header fields in order, names in the case they came in.
    pub fields: &'a [(&'a [u8], &'a [u8])],
}

/// What is known of a request beside its head. All of it is optional.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Seconds since 1970.
    pub now_s: u64,
    /// Tells requests apart, in logs and to people.
    pub unique_id: &'a [u8],
    /// The client's port.
    pub client_port: u16,
    /// Where it connected to.
    pub server: Option<std::net::SocketAddr>,
}

impl Store {
    /// Adds a request's head.
    pub(crate) fn load_head(
        &mut self,
        head: &RequestLine<'_>,
        program: &Program,
    ) -> Result<(), TooManyArgs> {
        let limits = &program.limits;
        let target = without_host(head.target);
        let question = memchr::memchr(b'?', target);
        let path = target
            .get(..question.unwrap_or(target.len()))
            .unwrap_or_default();
        let query = question.and_then(|at| target.get(at + 1..));
        self.push_text(Source::Method, head.method);
        self.push_text(Source::Protocol, head.protocol);
        self.push_text(Source::UriRaw, head.target);
        self.push_decoded(Source::Uri, target);
        // ModSecurity looks for the question mark after decoding, so that %3F ends its file name; the origin's does not
        // end there.
        self.push_decoded(Source::Filename, path);
        if program.uses(Source::Basename) {
            self.push_basename();
        }
        self.push_text(Source::QueryString, query.unwrap_or_default());
        self.push_line(head);
        self.push_address(head.client);
        for (name, value) in head.fields {
            let (name, value) = (self.place(name), self.place(value));
            self.push(Source::Headers, name, value);
        }
        for (_, value) in head
            .fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"))
        {
            self.load_cookies(value);
        }
        if program.uses(Source::ServerName) {
            self.push_server_name();
        }
        if program.uses(Source::FullRequest) || program.uses(Source::FullRequestLength) {
            self.push_full_request(head, program);
        }
        let args = self.load_form(Source::ArgsGet, query.unwrap_or_default(), limits);
        self.load_args_size();
        args
    }

    /// Adds what is known of a request beside its head, as far as rules ask for it.
    pub(crate) fn load_surroundings(&mut self, around: &Surroundings<'_>, program: &Program) {
        let days = around.now_s / 86_400;
        let (year, month, day) = crate::request::calendar(days);
        let (hour, minute, second) = (
            around.now_s / 3600 % 24,
            around.now_s / 60 % 60,
            around.now_s % 60,
        );
        let address = around.server.map(|s| s.ip().to_canonical().to_string());
        let texts: [(Source, &dyn Fn() -> String); 13] = [
            (Source::RemotePort, &|| around.client_port.to_string()),
            (Source::ServerAddr, &|| address.clone().unwrap_or_default()),
            (Source::ServerPort, &|| {
                around.server.map_or(0, |s| s.port()).to_string()
            }),
            (Source::Duration, &|| "0".to_owned()),
            (Source::Time, &|| {
                format!("{hour:02}:{minute:02}:{second:02}")
            }),
            (Source::TimeEpoch, &|| around.now_s.to_string()),
            (Source::TimeYear, &|| year.to_string()),
            (Source::TimeMonth, &|| month.to_string()),
            (Source::TimeDay, &|| day.to_string()),
            (Source::TimeWeekday, &|| ((days + 4) % 7).to_string()),
            (Source::TimeHour, &|| hour.to_string()),
            (Source::TimeMinute, &|| minute.to_string()),
            (Source::TimeSecond, &|| second.to_string()),
        ];
        for (source, text) in texts {
            if program.uses(source) {
                self.push_text(source, text().as_bytes());
            }
        }
        if program.uses(Source::UniqueId) {
            self.push_text(Source::UniqueId, around.unique_id);
        }
    }

    fn push_basename(&mut self) {
        let name = self.first(Source::Filename, None).unwrap_or_default();
        let slash = name.iter().rposition(|b| matches!(b, b'/' | b'\\'));
        let base = slash.and_then(|at| name.get(at + 1..)).unwrap_or_default();
        let base = base.to_vec();
        self.push_text(Source::Basename, &base);
    }

    fn push_server_name(&mut self) {
        let host = self
            .first(Source::Headers, Some(b"host"))
            .unwrap_or_default();
        // A colon within brackets is part of an address.
        let end = host.iter().rposition(|b| *b == b':');
        let end = end.filter(|at| !host.get(*at..).unwrap_or_default().contains(&b']'));
        let name = host.get(..end.unwrap_or(host.len())).unwrap_or_default();
        let name = name.to_vec();
        self.push_text(Source::ServerName, &name);
    }

    fn push_full_request(&mut self, head: &RequestLine<'_>, program: &Program) {
        let start = self.buffer.len();
        let line = self.first(Source::Line, None).unwrap_or_default().to_vec();
        self.buffer.extend_from_slice(&line);
        self.buffer.extend_from_slice(b"\n");
        for (name, value) in head.fields {
            self.buffer.extend_from_slice(name);
            self.buffer.extend_from_slice(b": ");
            self.buffer.extend_from_slice(value);
            self.buffer.extend_from_slice(b"\n");
        }
        self.buffer.extend_from_slice(b"\n");
        let value = self.since(start);
        let length = self.buffer.len() - start;
        if program.uses(Source::FullRequest) {
            self.push(Source::FullRequest, super::Place::default(), value);
        }
        self.push_text(Source::FullRequestLength, length.to_string().as_bytes());
    }

    /// A URI, decoded; a plus sign is itself outside of queries.
    fn push_decoded(&mut self, source: Source, text: &[u8]) {
        let start = self.buffer.len();
        let mut rest = text;
        while let Some(plus) = memchr::memchr(b'+', rest) {
            let (before, after) = rest.split_at(plus);
            url_decode(before, &mut self.buffer);
            self.buffer.push(b'+');
            rest = after.get(1..).unwrap_or_default();
        }
        url_decode(rest, &mut self.buffer);
        let value = self.since(start);
        self.push(source, super::Place::default(), value);
    }

    fn push_line(&mut self, head: &RequestLine<'_>) {
        let start = self.buffer.len();
        for (i, part) in [head.method, head.target, head.protocol]
            .into_iter()
            .enumerate()
        {
            if i > 0 {
                self.buffer.push(b' ');
            }
            self.buffer.extend_from_slice(part);
        }
        let value = self.since(start);
        self.push(Source::Line, super::Place::default(), value);
    }

    fn push_address(&mut self, client: IpAddr) {
        use std::io::Write;
        let start = self.buffer.len();
        // Writing to a vector cannot fail.
        let _ = write!(self.buffer, "{}", client.to_canonical());
        let value = self.since(start);
        self.push(Source::RemoteAddr, super::Place::default(), value);
    }

    /// Cookies are not decoded: no server decodes them.
    fn load_cookies(&mut self, field: &[u8]) {
        for cookie in field.split(|b| *b == b';') {
            let cookie = cookie.trim_ascii();
            if cookie.is_empty() {
                continue;
            }
            let (name, value) = match memchr::memchr(b'=', cookie) {
                Some(at) => (
                    cookie.get(..at).unwrap_or_default(),
                    cookie.get(at + 1..).unwrap_or_default(),
                ),
                None => (cookie, &b""[..]),
            };
            let (name, value) = (self.place(name), self.place(value));
            self.push(Source::Cookies, name, value);
        }
    }
}

/// A target without its scheme and host, should it have them (RFC 9112 §3.2.2).
fn without_host(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let rest = memchr::memmem::find(target.get(..16).unwrap_or(target), b"://")
        .and_then(|at| target.get(at + 3..));
    match rest.and_then(|rest| memchr::memchr2(b'/', b'?', rest).and_then(|at| rest.get(at..))) {
        Some(path) => path,
        None => target,
    }
}
