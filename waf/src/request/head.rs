//! The request's head: its line, its fields, its cookies, the arguments of its query.

use std::net::IpAddr;

use super::{Store, TooManyArgs};
use crate::program::Source;
use crate::transform::url_decode;

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

/// How a body is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// `application/x-www-form-urlencoded`: ModSecurity's URLENCODED.
    Form,
    /// `application/json` and anything `+json`.
    Json,
}

/// How a body of this content type is parsed, if it is.
pub(crate) fn body_kind(content_type: &[u8]) -> Option<BodyKind> {
    let media = content_type
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Some(BodyKind::Form);
    }
    let suffix = media
        .len()
        .checked_sub(5)
        .and_then(|at| media.get(at..))
        .unwrap_or_default();
    let json = [&b"application/json"[..], b"text/json"]
        .iter()
        .any(|m| media.eq_ignore_ascii_case(m));
    (json || suffix.eq_ignore_ascii_case(b"+json")).then_some(BodyKind::Json)
}

impl Store {
    /// Adds a request's head.
    pub(crate) fn load_head(
        &mut self,
        head: &RequestLine<'_>,
        args_max: usize,
    ) -> Result<(), TooManyArgs> {
        let question = memchr::memchr(b'?', head.target);
        let path = head
            .target
            .get(..question.unwrap_or(head.target.len()))
            .unwrap_or_default();
        let query = question.and_then(|at| head.target.get(at + 1..));
        self.push_text(Source::Method, head.method);
        self.push_text(Source::Protocol, head.protocol);
        self.push_text(Source::UriRaw, head.target);
        self.push_decoded(Source::Uri, head.target);
        // ModSecurity looks for the question mark after decoding, so that %3F ends its file name; the origin's does not
        // end there.
        self.push_decoded(Source::Filename, path);
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
        let args = self.load_form(Source::ArgsGet, query.unwrap_or_default(), args_max);
        self.load_args_size();
        args
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
