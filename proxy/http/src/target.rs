//! The four forms of a request target (RFC 9112 §3.2).

use crate::{
    Method, Policy, Range32, Refusal,
    host::{split_host_port, valid_host, valid_host_loose},
};

/// A target taken apart; positions are those of the whole buffer.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Target {
    /// Of absolute-form and authority-form.
    pub authority: Range32,
    /// Path and query.
    pub path: Range32,
    /// Where the `?` is.
    pub query_at: Option<u32>,
}

/// Takes apart the target at `start..end` of `buf`.
pub(crate) fn parse(
    buf: &[u8],
    start: usize,
    end: usize,
    method: Method,
    policy: Policy,
) -> Result<Target, Refusal> {
    let text = buf.get(start..end).unwrap_or_default();
    match text {
        _ if method == Method::Connect => authority_form(text, start, policy),
        [b'/', ..] => Ok(with_path(text, start, start, policy)),
        b"*" if method == Method::Options && policy == Policy::Rfc => Ok(Target {
            path: Range32::new(start, end),
            ..Target::default()
        }),
        [first, ..] if first.is_ascii_alphabetic() => absolute_form(text, start, policy),
        _ => Err(Refusal::BadTarget),
    }
}

/// Path and query from `from` on; `text` is the target that starts at `start`.
fn with_path(text: &[u8], start: usize, from: usize, policy: Policy) -> Target {
    let mut path = text.get(from - start..).unwrap_or_default();
    // A fragment was refused by the scan under `Rfc`; nginx cuts it off.
    if policy == Policy::Nginx
        && let Some(hash) = memchr::memchr(b'#', path)
    {
        path = path.get(..hash).unwrap_or_default();
    }
    Target {
        authority: Range32::default(),
        path: Range32::new(from, from + path.len()),
        query_at: memchr::memchr(b'?', path).map(|at| (from + at) as u32),
    }
}

/// `CONNECT host:port`
fn authority_form(text: &[u8], start: usize, policy: Policy) -> Result<Target, Refusal> {
    match authority(text, policy)? {
        (_, Some(_)) => Ok(Target {
            authority: Range32::new(start, start + text.len()),
            ..Target::default()
        }),
        _ => Err(Refusal::BadTarget),
    }
}

/// `http://host[:port][/path][?query]`
fn absolute_form(text: &[u8], start: usize, policy: Policy) -> Result<Target, Refusal> {
    let colon = memchr::memchr(b':', text).ok_or(Refusal::BadTarget)?;
    let (scheme, rest) = text.split_at(colon);
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let scheme_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if !scheme.iter().all(scheme_byte) || !rest.starts_with(b"://") {
        return Err(Refusal::BadTarget);
    }
    if !known && policy == Policy::Rfc {
        return Err(Refusal::BadScheme);
    }
    let from = colon + 3;
    let rest = text.get(from..).unwrap_or_default();
    let len = rest
        .iter()
        .position(|&byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    authority(rest.get(..len).unwrap_or_default(), policy)?;
    let at = start + from;
    Ok(Target {
        authority: Range32::new(at, at + len),
        ..with_path(text, start, at + len, policy)
    })
}

/// Judges an authority, and takes its port off.
fn authority(text: &[u8], policy: Policy) -> Result<(&[u8], Option<u16>), Refusal> {
    if text.contains(&b'@') {
        return Err(Refusal::UserinfoInTarget);
    }
    host_of(text, policy).ok_or(Refusal::BadAuthority)
}

/// Host and port of a `Host` or an authority, as far as `policy` accepts them.
pub(crate) fn host_of(text: &[u8], policy: Policy) -> Option<(&[u8], Option<u16>)> {
    let (host, port) = split_host_port(text)?;
    let valid = match policy {
        Policy::Rfc => valid_host(host),
        Policy::Nginx => valid_host_loose(host),
    };
    valid.then_some((host, port))
}
