//! The request as HTTP/1 text, taken apart into fields of HTTP/2 (RFC 9113 §8.3.1).

use super::fields::fields as field_map;
use http::{HeaderMap, Method, Request, Uri, header, uri::PathAndQuery};

/// The request of a head that [`crate::origin::build`] made; `None` where something in it cannot be said in HTTP/2.
pub(super) fn request(head: &[u8], tls: bool) -> Option<Request<()>> {
    let end = memchr::memchr(b'\n', head)?;
    let (line, lines) = head.split_at(end + 1);
    let mut words = line.trim_ascii_end().split(|b| *b == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let target = words.next()?;
    let mut fields = field_map(lines);
    let te = fields
        .get(header::TE)
        .is_some_and(|te| te.as_bytes() == b"trailers");
    if !te {
        fields.remove(header::TE);
    }
    let authority = fields.remove(header::HOST)?;
    let uri = Uri::builder()
        .scheme(if tls { "https" } else { "http" })
        .authority(authority.as_bytes())
        .path_and_query(path(target)?)
        .build()
        .ok()?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields;
    *request.version_mut() = http::Version::HTTP_2;
    Some(request)
}

/// What the `http` crate does not take in a path, though clients send it, is escaped: it means the same.
fn path(target: &[u8]) -> Option<PathAndQuery> {
    if let Ok(path) = PathAndQuery::try_from(target)
        && !target.contains(&b'#')
    {
        return Some(path);
    }
    let mut escaped = Vec::with_capacity(target.len() + 16);
    for &byte in target {
        match byte {
            b'#' | b'<' | b'>' | b'`' | b'"' | b'{' | b'}' | b'\\' | b'^' | b'|' | 127.. => {
                escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            _ => escaped.push(byte),
        }
    }
    PathAndQuery::try_from(escaped.as_slice()).ok()
}

/// Trailer lines as fields.
pub(super) fn trailers(lines: &[u8]) -> Option<HeaderMap> {
    let fields = field_map(lines);
    (!fields.is_empty()).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_becomes_pseudo_header_fields_and_fields() {
        let head = b"POST /a?b HTTP/1.1\r\nHost: a.test:1\r\nConnection: TE\r\nTE: trailers\r\nX-A: 1\r\n\r\n";
        let request = request(head, true).unwrap();
        assert_eq!(request.uri(), "https://a.test:1/a?b");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers().len(), 2, "{request:?}");
    }

    #[test]
    fn what_a_uri_cannot_hold_is_escaped() {
        let head = b"GET /<a>#b`\xff HTTP/1.1\r\nHost: a.test\r\nTE: gzip\r\n\r\n";
        let request = request(head, false).unwrap();
        assert_eq!(request.uri(), "http://a.test/%3Ca%3E%23b%60%FF");
        assert!(request.headers().is_empty());
    }

    #[test]
    fn a_request_without_a_host_or_a_target_is_none() {
        assert!(request(b"GET / HTTP/1.1\r\n\r\n", false).is_none());
        assert!(request(b"GET\r\nHost: a.test\r\n\r\n", false).is_none());
    }
}
