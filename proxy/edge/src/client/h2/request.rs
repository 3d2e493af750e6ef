//! A request's fields as a head of HTTP/1's shape, so that one parser, one set of rules and one set of steps judge both.
//!
//! [`Section`] has checked what RFC 9113 §8.2 and §8.3 say of names, values and pseudo-header fields, and has made lines of the
//! fields. Here is what else could be read in two ways: `:authority` beside `host`, a path that is none.

use crate::{io::ReadBuffer, tx::Tx};
use base64::Engine;
use seawall_http::{Framing, HeadLimits, Policy, Refusal, Version, http2::Section, parse_request};

/// Makes the request's head in `tx`, as if it had been read from an HTTP/1 connection. `whole` says that it has no body; `key`
/// makes a key for a WebSocket. Gives the length of the body, where the head says it.
pub(super) fn read(
    section: &Section,
    whole: bool,
    key: impl FnOnce() -> u128,
    policy: Policy,
    limits: &HeadLimits,
    tx: &mut Tx,
) -> Result<Option<u64>, Refusal> {
    tx.rb.clear();
    compose(section, key, &mut tx.rb)?;
    let Tx { rb, head, .. } = tx;
    if !parse_request(rb.bytes(), policy, limits, head)? || head.len != rb.len() {
        // A head that ends elsewhere holds a line break, which the section lets through nowhere.
        return Err(Refusal::ControlByte);
    }
    head.version = Version::Http2;
    head.keep_alive = true;
    // Only an extended CONNECT can have asked for one; what it sends is the tunnel's and no body.
    let tunnels = head.upgrade;
    let length = match head.framing {
        Framing::Length(n) if !tunnels => Some(n),
        _ => None,
    };
    head.framing = match (head.framing, whole) {
        _ if tunnels => Framing::None,
        (Framing::Length(n), _) => Framing::Length(n),
        (_, true) => Framing::None,
        // Its end is the stream's: towards an origin of HTTP/1 it is chunked.
        (_, false) => Framing::Chunked,
    };
    // What the parser was shown said HTTP/1.1; logs say what it was.
    let version = head.target.end as usize + 1;
    if let Some(said) = rb.bytes_mut().get_mut(version..version + 8) {
        said.copy_from_slice(b"HTTP/2.0");
    }
    Ok(length)
}

/// Writes the head.
fn compose(
    section: &Section,
    key: impl FnOnce() -> u128,
    out: &mut ReadBuffer,
) -> Result<(), Refusal> {
    if section.is_over() {
        return Err(Refusal::HeadTooLarge);
    }
    let host = host(section)?;
    let protocol = section.protocol();
    let (method, target) = match (section.method(), protocol) {
        (_, Some(_)) => (&b"GET"[..], target(section)?),
        (b"CONNECT", None) => (&b"CONNECT"[..], host),
        (method, None) => (method, target(section)?),
    };
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend(part));
    put(&[method, b" ", target, b" HTTP/1.1\r\nhost: ", host, b"\r\n"]);
    if let Some(protocol) = protocol {
        // What an extended CONNECT is in HTTP/1: an upgrade (RFC 8441 §5).
        put(&[b"connection: Upgrade\r\nupgrade: ", protocol, b"\r\n"]);
        // A stream needs no key, an origin of HTTP/1 does.
        if protocol.eq_ignore_ascii_case(b"websocket") {
            let key = base64::engine::general_purpose::STANDARD.encode(key().to_le_bytes());
            put(&[b"sec-websocket-key: ", key.as_bytes(), b"\r\n"]);
        }
    }
    put(&[section.lines()]);
    if let Some(cookie) = section.cookie() {
        put(&[b"cookie: ", cookie, b"\r\n"]);
    }
    put(&[b"\r\n"]);
    Ok(())
}

/// Path and query, or `*`.
fn target(section: &Section) -> Result<&[u8], Refusal> {
    if !matches!(section.scheme(), Some(b"http" | b"https")) {
        return Err(Refusal::BadScheme);
    }
    // Anything else would be an absolute-form or authority-form target in HTTP/1, and name another host.
    match section.path() {
        path @ [b'/', ..] => Ok(path),
        b"*" if section.method() == b"OPTIONS" => Ok(b"*"),
        _ => Err(Refusal::BadTarget),
    }
}

/// `:authority`, which `host` may repeat but not contradict (RFC 9113 §8.3.1).
fn host(section: &Section) -> Result<&[u8], Refusal> {
    let (field, hosts) = section.host();
    if hosts > 1 {
        return Err(Refusal::HostRepeated);
    }
    let authority = section.authority().filter(|text| !text.is_empty());
    match (authority, field) {
        (Some(authority), None) => Ok(authority),
        (Some(authority), Some(field)) if authority.eq_ignore_ascii_case(field) => Ok(field),
        (Some(_), Some(_)) => Err(Refusal::HostMismatch),
        (None, Some(field)) => Ok(field),
        (None, None) => Err(Refusal::HostMissing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_http::http2::{Of, hpack::Sink};

    fn composed(fields: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut section = Section::default();
        section.begin(Of::Request, 10_000);
        for (name, value) in fields {
            section.field(name.as_bytes(), value.as_bytes(), false);
        }
        assert_eq!(section.fault(), None);
        let mut out = ReadBuffer::new();
        compose(&section, || 7, &mut out)?;
        Ok(String::from_utf8(out.bytes().to_vec()).unwrap())
    }

    fn get(authority: &str, path: &str, more: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":path", path)];
        if !authority.is_empty() {
            fields.push((":authority", authority));
        }
        fields.extend_from_slice(more);
        composed(&fields)
    }

    #[test]
    fn a_request_reads_like_http1() {
        assert_eq!(
            get("a.test", "/x?y=1", &[("accept", "*/*")]).unwrap(),
            "GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn an_extended_connect_is_an_upgrade() {
        let request = composed(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "a.test"),
            (":path", "/chat"),
            ("sec-websocket-key", "mine"),
            ("sec-websocket-version", "13"),
        ]);
        assert_eq!(
            request.unwrap(),
            "GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: BwAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
        );
    }

    #[test]
    fn crumbs_are_joined_into_one_cookie() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        let head = get("a.test", "/", &crumbs).unwrap();
        assert!(head.contains("\r\ncookie: a=1; b=2; c=3\r\n\r\n"), "{head}");
    }

    #[test]
    fn a_host_may_repeat_the_authority_and_not_contradict_it() {
        let with = |host: &str| get("a.test", "/", &[("host", host)]);
        assert!(with("A.test").is_ok());
        assert_eq!(with("b.test"), Err(Refusal::HostMismatch));
        let twice = [("host", "a.test"), ("host", "a.test")];
        assert_eq!(get("a.test", "/", &twice), Err(Refusal::HostRepeated));
        assert_eq!(get("", "/", &[]), Err(Refusal::HostMissing));
        assert!(get("", "/", &[("host", "a.test")]).is_ok());
    }

    #[test]
    fn a_target_is_a_path() {
        for path in ["x", "http://b.test/", "*", "?a"] {
            assert_eq!(get("a.test", path, &[]), Err(Refusal::BadTarget), "{path}");
        }
    }
}
