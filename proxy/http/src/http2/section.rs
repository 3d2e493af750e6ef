//! A field section as it is decoded: what RFC 9113 §8.2 and §8.3 ask of it is judged, the rest becomes lines.
//!
//! Nothing that could end a line or a part of the request line gets in: names are tokens in lower case, values hold no control
//! byte, pseudo-header fields neither a control byte nor a space.

use super::hpack::Sink;
use crate::{Range32, scan};

/// A list this many times too large is not decoded to its end.
const ENOUGH: usize = 8;

/// What a section is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Of {
    /// A request's head.
    #[default]
    Request,
    /// The trailers of its body.
    Trailers,
    /// A stream that is closed: decoded for the table's sake alone.
    Nobody,
}

/// The pseudo-header fields of a request, and `host`.
const METHOD: usize = 0;
const SCHEME: usize = 1;
const PATH: usize = 2;
const AUTHORITY: usize = 3;
const PROTOCOL: usize = 4;
const HOST: usize = 5;
const PARTS: usize = 6;

/// A field section, made to be reused.
#[derive(Default)]
pub struct Section {
    of: Of,
    /// The bytes of `parts`.
    text: Vec<u8>,
    parts: [Option<Range32>; PARTS],
    /// Lines of `host`.
    hosts: u32,
    /// Field lines, `cookie` and `host` left out.
    lines: Vec<u8>,
    /// The value of `cookie`, its crumbs joined.
    cookie: Vec<u8>,
    has_cookie: bool,
    begun: bool,
    size: usize,
    most: usize,
    fault: Option<&'static str>,
}

impl Section {
    /// Makes it ready for a section whose list counts at most `most` bytes (RFC 9113 §6.5.2: 32 and its own a field).
    pub fn begin(&mut self, of: Of, most: usize) {
        self.of = of;
        self.text.clear();
        self.parts = [None; PARTS];
        self.hosts = 0;
        self.lines.clear();
        self.cookie.clear();
        self.has_cookie = false;
        self.begun = false;
        self.size = 0;
        self.most = most;
        self.fault = None;
    }

    /// Gives its memory back.
    pub fn shrink(&mut self) {
        *self = Section::default();
    }

    /// Whether the list is larger than allowed; what is past the limit was left out.
    pub fn is_over(&self) -> bool {
        self.size > self.most
    }

    /// What is malformed about it.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault.or_else(|| self.incomplete())
    }

    /// What a request lacks or has too much of (RFC 9113 §8.3.1, §8.5; RFC 8441 §4).
    fn incomplete(&self) -> Option<&'static str> {
        if self.of != Of::Request || self.is_over() {
            return None;
        }
        let has = |part: usize| self.part(part).is_some_and(|text| !text.is_empty());
        let named = |part: usize| self.part(part).is_some();
        if !has(METHOD) {
            return Some("no :method");
        }
        let connects = self.method() == b"CONNECT";
        if named(PROTOCOL) && !connects {
            return Some(":protocol without CONNECT");
        }
        if named(PROTOCOL) && !has(PROTOCOL) {
            return Some("an empty :protocol");
        }
        if connects && !named(PROTOCOL) {
            let more = named(SCHEME) || named(PATH) || !named(AUTHORITY);
            return more.then_some("CONNECT is to have :authority alone");
        }
        if !has(SCHEME) {
            return Some("no :scheme");
        }
        if !has(PATH) {
            return Some("no :path");
        }
        None
    }

    fn part(&self, part: usize) -> Option<&[u8]> {
        let range = (*self.parts.get(part)?)?;
        Some(range.of(&self.text))
    }

    /// `:method`.
    pub fn method(&self) -> &[u8] {
        self.part(METHOD).unwrap_or_default()
    }

    /// `:scheme`.
    pub fn scheme(&self) -> Option<&[u8]> {
        self.part(SCHEME)
    }

    /// `:path`.
    pub fn path(&self) -> &[u8] {
        self.part(PATH).unwrap_or_default()
    }

    /// `:authority`.
    pub fn authority(&self) -> Option<&[u8]> {
        self.part(AUTHORITY)
    }

    /// `:protocol` (RFC 8441).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.part(PROTOCOL)
    }

    /// The first `host`, and how many there are.
    pub fn host(&self) -> (Option<&[u8]>, u32) {
        (self.part(HOST), self.hosts)
    }

    /// Field lines in order, `name: value` and CR LF each; without `host` and `cookie`.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The value of `cookie`: crumbs, sent apart for the sake of compression, joined (RFC 9113 §8.2.3).
    pub fn cookie(&self) -> Option<&[u8]> {
        self.has_cookie.then_some(self.cookie.as_slice())
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if self.of != Of::Request {
            return Err("a pseudo-header field in trailers");
        }
        if self.begun {
            return Err("a pseudo-header field behind a field");
        }
        let part = match name {
            b":method" => METHOD,
            b":scheme" => SCHEME,
            b":path" => PATH,
            b":authority" => AUTHORITY,
            b":protocol" => PROTOCOL,
            _ => return Err("an unknown pseudo-header field"),
        };
        if value.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
            return Err("white space or a control byte in a pseudo-header field");
        }
        if matches!(part, METHOD | PROTOCOL) && scan::token_end(value, 0) < value.len() {
            return Err(":method or :protocol is no token");
        }
        match self.keep(part, value) {
            true => Ok(()),
            false => Err("a pseudo-header field twice"),
        }
    }

    /// Keeps a part; false if there is one already.
    fn keep(&mut self, part: usize, value: &[u8]) -> bool {
        let start = self.text.len();
        let range = Range32::new(start, start + value.len());
        match self.parts.get_mut(part) {
            Some(slot @ None) => *slot = Some(range),
            _ => return false,
        }
        self.text.extend_from_slice(value);
        true
    }

    fn regular(&mut self, name: &[u8], value: &[u8], listed: bool) -> Result<(), &'static str> {
        self.begun = true;
        if !listed && !is_lower_token(name) {
            return Err("a field name that is no token in lower case");
        }
        if scan::value_end(value, 0) < value.len() {
            return Err("a control byte in a field value");
        }
        // RFC 9113 §8.2.1: an intermediary that trims would make another message of it.
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
            return Err("white space around a field value");
        }
        match name {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => return Err("a field of a connection of HTTP/1"),
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => {
                return Err("te of something else than trailers");
            }
            b"cookie" if self.of == Of::Request => {
                if std::mem::replace(&mut self.has_cookie, true) {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
                return Ok(());
            }
            b"host" if self.of == Of::Request => {
                self.hosts += 1;
                self.keep(HOST, value);
                return Ok(());
            }
            // A key of the client's own means nothing in a stream (RFC 8441 §5).
            b"sec-websocket-key" if self.parts.get(PROTOCOL).is_some_and(Option::is_some) => {
                return Ok(());
            }
            _ => {}
        }
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Sink for Section {
    fn field(&mut self, name: &[u8], value: &[u8], listed: bool) -> bool {
        self.size = self.size.saturating_add(name.len() + value.len() + 32);
        if self.is_over() {
            return self.size <= self.most.saturating_mul(ENOUGH);
        }
        if self.fault.is_some() || self.of == Of::Nobody {
            return true;
        }
        let taken = match name {
            [b':', ..] => self.pseudo(name, value),
            _ => self.regular(name, value, listed),
        };
        self.fault = taken.err();
        true
    }
}

fn is_lower_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|&byte| scan::is_token_byte(byte) && !byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a.test"),
        (":path", "/x?y"),
    ];

    fn section(of: Of, fields: &[(&str, &str)]) -> Section {
        let mut section = Section::default();
        section.begin(of, 1000);
        for (name, value) in fields {
            assert!(section.field(name.as_bytes(), value.as_bytes(), false));
        }
        section
    }

    fn with(name: &str, value: &str) -> Section {
        section(Of::Request, &[&GET[..], &[(name, value)]].concat())
    }

    #[test]
    fn a_request_has_its_parts_and_its_lines() {
        let mut fields = GET.to_vec();
        fields.extend([
            ("cookie", "a=1"),
            ("accept", "*/*"),
            ("cookie", "b=2"),
            ("host", "a.test"),
        ]);
        let section = section(Of::Request, &fields);
        assert_eq!(section.fault(), None);
        assert_eq!(
            (section.method(), section.path()),
            (&b"GET"[..], &b"/x?y"[..])
        );
        assert_eq!(section.authority(), Some(&b"a.test"[..]));
        assert_eq!(section.host(), (Some(&b"a.test"[..]), 1));
        assert_eq!(section.lines(), b"accept: */*\r\n");
        assert_eq!(section.cookie(), Some(&b"a=1; b=2"[..]));
    }

    #[test]
    fn what_could_become_another_request_is_malformed() {
        for (name, value) in [
            ("X", "y"),
            ("x y", "z"),
            ("", "z"),
            ("x:", "z"),
            ("x\r\ny", "z"),
            ("x", "a\r\nb: c"),
            ("x", "a\nb"),
            ("x", "a\0"),
            ("x", " a"),
            ("x", "a\t"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "x"),
            ("te", "gzip"),
            (":path", "/other"),
        ] {
            assert!(with(name, value).fault().is_some(), "{name:?}: {value:?}");
        }
        assert_eq!(with("te", "trailers").fault(), None);
        assert_eq!(with("x", "").fault(), None);
    }

    #[test]
    fn pseudo_header_fields_come_once_first_and_whole() {
        let malformed = |fields: &[(&str, &str)]| section(Of::Request, fields).fault().is_some();
        for n in [0, 1, 3] {
            let mut fields = GET.to_vec();
            fields.remove(n);
            assert!(malformed(&fields));
            fields.insert(n, (GET[n].0, ""));
            assert!(malformed(&fields));
            fields.insert(n, GET[n]);
            assert!(malformed(&fields));
        }
        assert!(malformed(&[]));
        assert!(malformed(&[&GET[..], &[(":status", "200")]].concat()));
        assert!(malformed(&[
            GET[0],
            GET[1],
            GET[2],
            (":path", "/x HTTP/1.1\r\n")
        ]));
        assert!(malformed(&[("a", "b"), GET[0], GET[1], GET[2], GET[3]]));
        assert!(malformed(&[&GET[..], &[(":protocol", "x")]].concat()));
        assert!(malformed(&[(":method", "G T"), GET[1], GET[2], GET[3]]));
        assert!(!malformed(&[(":method", "CONNECT"), (":authority", "a:1")]));
        assert!(malformed(&[(":method", "CONNECT")]));
        assert!(malformed(&[(":method", "CONNECT"), GET[2], GET[3]]));
    }

    #[test]
    fn trailers_are_lines_without_pseudo_header_fields() {
        let trailers = section(Of::Trailers, &[("x-sum", "1"), ("grpc-status", "0")]);
        assert_eq!(trailers.fault(), None);
        assert_eq!(trailers.lines(), b"x-sum: 1\r\ngrpc-status: 0\r\n");
        assert!(section(Of::Trailers, &[(":path", "/")]).fault().is_some());
    }

    #[test]
    fn a_list_past_its_limit_is_counted_and_left_out_until_it_is_a_bomb() {
        let mut section = Section::default();
        section.begin(Of::Request, 100);
        let mut taken = 0;
        while section.field(b"x", &[b'y'; 17], false) {
            taken += 1;
        }
        assert!(section.is_over());
        assert_eq!((taken, section.lines().len()), (16, 2 * 22));
    }
}
