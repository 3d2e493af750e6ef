//! A request's fields as a head of HTTP/1's shape, so that one parser, one set of rules and one set of steps judge both.
//!
//! h2 has checked what RFC 9113 §8.2 and §8.3 say of names, the order of pseudo-header fields and the fields of a
//! connection. Here is what else could be read in two ways: `:authority` beside `host`, a path that is none, values with
//! white space around them, cookies in crumbs.

use base64::Engine;
use http::{HeaderMap, Method, header, request::Parts};
use seawall_http::Refusal;

/// Why a request cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered with the refusal's status.
    Refused(Refusal),
    /// Its stream is reset with PROTOCOL_ERROR (RFC 9113 §8.1.1), and this is said in the log.
    Malformed(&'static str),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

/// Writes the head into `out`, which must be empty. `key` makes a key for a WebSocket.
pub(super) fn compose(
    parts: &Parts,
    key: impl FnOnce() -> u128,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let host = host(parts)?;
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let method = match protocol {
        Some(_) => "GET",
        None => parts.method.as_str(),
    };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    if parts.method == Method::CONNECT && protocol.is_none() {
        out.extend_from_slice(host);
    } else {
        out.extend_from_slice(target(parts)?);
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(host);
    out.extend_from_slice(b"\r\n");
    if let Some(protocol) = protocol {
        upgrade(protocol.as_str().as_bytes(), key, out)?;
    }
    for (name, value) in &parts.headers {
        // A key of the client's own means nothing here (RFC 8441 §5).
        if name == header::COOKIE
            || name == header::HOST
            || (protocol.is_some() && name == header::SEC_WEBSOCKET_KEY)
        {
            continue;
        }
        line(name.as_str().as_bytes(), value.as_bytes(), out)?;
    }
    cookies(&parts.headers, out)?;
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// What an extended CONNECT is in HTTP/1: an upgrade (RFC 8441 §5). A stream needs no key, an origin of HTTP/1 does.
fn upgrade(protocol: &[u8], key: impl FnOnce() -> u128, out: &mut Vec<u8>) -> Result<(), Fault> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if protocol.is_empty() || !protocol.iter().all(is_token) {
        return Err(Fault::Malformed(":protocol is no token"));
    }
    line(b"connection", b"Upgrade", out)?;
    line(b"upgrade", protocol, out)?;
    if protocol.eq_ignore_ascii_case(b"websocket") {
        let key = base64::engine::general_purpose::STANDARD.encode(key().to_le_bytes());
        line(b"sec-websocket-key", key.as_bytes(), out)?;
    }
    Ok(())
}

/// Path and query, or `*`.
fn target(parts: &Parts) -> Result<&[u8], Fault> {
    if let Some(scheme) = parts.uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        return Err(Refusal::BadScheme.into());
    }
    let path = parts.uri.path_and_query().map_or("", |p| p.as_str());
    // Anything else would be an absolute-form or authority-form target in HTTP/1, and name another host.
    match path.as_bytes() {
        [b'/', ..] => Ok(path.as_bytes()),
        b"*" if parts.method == Method::OPTIONS => Ok(b"*"),
        _ => Err(Refusal::BadTarget.into()),
    }
}

/// `:authority`, which `host` may repeat but not contradict (RFC 9113 §8.3.1).
fn host(parts: &Parts) -> Result<&[u8], Fault> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let field = hosts.next().map(|h| h.as_bytes());
    if hosts.next().is_some() {
        return Err(Refusal::HostRepeated.into());
    }
    match (parts.uri.authority(), field) {
        (Some(authority), None) => Ok(authority.as_str().as_bytes()),
        (Some(authority), Some(field))
            if authority.as_str().as_bytes().eq_ignore_ascii_case(field) =>
        {
            Ok(field)
        }
        (Some(_), Some(_)) => Err(Refusal::HostMismatch.into()),
        (None, Some(field)) => Ok(field),
        (None, None) => Err(Refusal::HostMissing.into()),
    }
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    // RFC 9113 §8.2.1: an intermediary that trims would make another message of it.
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
        return Err(Fault::Malformed("white space around a field value"));
    }
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Cookies come in crumbs for the sake of compression and go on as one line (RFC 9113 §8.2.3).
fn cookies(headers: &HeaderMap, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let Some(first) = crumbs.next() else {
        return Ok(());
    };
    line(b"cookie", first.as_bytes(), out)?;
    for crumb in crumbs {
        out.truncate(out.len().saturating_sub(2));
        out.extend_from_slice(b"; ");
        let at = out.len();
        line(b"", crumb.as_bytes(), out)?;
        // `line` wrote ": " before the crumb.
        out.drain(at..at + 2);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn composed(request: http::request::Builder) -> Result<String, Fault> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut out = Vec::new();
        compose(&parts, || 7, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    fn get(uri: &str) -> http::request::Builder {
        Request::builder().uri(uri)
    }

    #[test]
    fn a_request_reads_like_http1() {
        assert_eq!(
            composed(get("https://a.test/x?y=1").header("accept", "*/*")).unwrap(),
            "GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn an_extended_connect_is_an_upgrade() {
        let request = Request::connect("https://a.test/chat")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-key", "mine")
            .header("sec-websocket-version", "13");
        assert_eq!(
            composed(request).unwrap(),
            "GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: BwAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        let odd = Request::connect("https://a.test/")
            .extension(h2::ext::Protocol::from_static("a\r\nb: c"));
        assert!(matches!(composed(odd), Err(Fault::Malformed(_))));
    }

    #[test]
    fn crumbs_are_joined_into_one_cookie() {
        let request = get("https://a.test/")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("cookie", "c=3");
        let head = composed(request).unwrap();
        assert!(head.contains("\r\ncookie: a=1; b=2; c=3\r\n\r\n"), "{head}");
    }

    #[test]
    fn a_host_may_repeat_the_authority_and_not_contradict_it() {
        let with = |host: &str| composed(get("https://a.test/").header("host", host));
        assert!(with("A.test").is_ok());
        assert_eq!(with("b.test"), Err(Refusal::HostMismatch.into()));
        let twice = get("https://a.test/").header("host", "a.test");
        assert_eq!(
            composed(twice.header("host", "a.test")),
            Err(Refusal::HostRepeated.into())
        );
        assert_eq!(composed(get("/")), Err(Refusal::HostMissing.into()));
    }

    #[test]
    fn white_space_around_a_value_is_malformed() {
        for value in [" x", "x\t"] {
            let made = composed(get("https://a.test/").header("x", value));
            assert!(matches!(made, Err(Fault::Malformed(_))));
        }
    }
}
