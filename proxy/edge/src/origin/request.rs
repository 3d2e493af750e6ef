//! The request as an origin gets it.

use super::forwarding;
use crate::{
    pipeline::Cx,
    plan::{HeaderSet, InterimPlan, ProxyPlan, UriPlan},
    template::Scope,
    tx::{Asked, Interims, Tx},
};
use seawall_http::{Framing, Name, encode, uri};

/// What is not passed on: the hop's own, and what is made anew.
const DROPPED: u128 =
    super::ONE_HOP | super::mask(&[Name::Expect, Name::Host, Name::Http2Settings]);

/// Conditions and ranges of the client: not part of a request that fills a cache.
const CONDITIONS: u128 = super::mask(&[
    Name::IfMatch,
    Name::IfNoneMatch,
    Name::IfModifiedSince,
    Name::IfUnmodifiedSince,
    Name::IfRange,
    Name::Range,
]);

/// How the client's conditions are treated.
pub enum Conditional<'a> {
    /// Passed on.
    Client,
    /// Replaced by validators of a stored response; both may be absent.
    Validators(Option<&'a [u8]>, Option<&'a [u8]>),
    /// Replaced by a range of our own: its first and its last byte.
    Part(u64, u64),
}

impl Conditional<'_> {
    /// Whether the answer is for everybody: it is asked for without anything that one client wants of it.
    pub fn fills(&self) -> bool {
        !matches!(self, Conditional::Client)
    }
}

/// What could be built.
pub enum Built {
    /// The request stands in the buffer.
    Ready,
    /// A value from the client would change the request's meaning: 400.
    Ambiguous,
}

fn has(set: u128, name: Name) -> bool {
    set & name.bit() != 0
}

/// Builds the request head for an origin into `out`. `length` is the body's length when it is known.
pub fn build(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    conditional: &Conditional<'_>,
    length: Option<u64>,
    out: &mut Vec<u8>,
) -> Built {
    if let Some(plan) = &proxy.fastcgi {
        return super::fastcgi::build(cx, proxy, plan, conditional, length, out);
    }
    name_origin(cx.tx, proxy);
    out.clear();
    // A fill asks for the whole answer, whatever its first client wanted of it.
    match (conditional, &proxy.method) {
        (_, Some(method)) => method.render(&cx.scope(), out),
        (Conditional::Client, None) => out.extend_from_slice(cx.tx.method_text()),
        // What has a body goes with the method that it came with.
        (_, None) if length.is_some() => out.extend_from_slice(cx.tx.method_text()),
        (_, None) => out.extend_from_slice(b"GET"),
    }
    if proxy.method.is_some() && !encode::is_token(out) {
        return Built::Ambiguous;
    }
    out.push(b' ');
    let before = out.len();
    push_target(cx, proxy, out);
    if !is_target(out.get(before..).unwrap_or_default()) {
        return Built::Ambiguous;
    }
    out.extend_from_slice(if proxy.http11 {
        b" HTTP/1.1\r\n"
    } else {
        b" HTTP/1.0\r\n"
    });
    if !push_lines(cx, proxy, conditional, out) {
        return Built::Ambiguous;
    }
    match (length, cx.tx.head.framing) {
        (Some(n), _) => encode::content_length(out, n),
        (None, _) if proxy.no_body => {}
        (None, Framing::Length(n)) => encode::content_length(out, n),
        (None, Framing::Chunked) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (None, _) => {}
    }
    let fills = conditional.fills();
    push_connection(cx.tx, proxy, fills, out);
    out.extend_from_slice(b"\r\n");
    Built::Ready
}

/// Appends the field lines that an origin gets, but for the body's length and what concerns the hop alone; false if a value
/// would end its line.
pub(super) fn push_lines(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    conditional: &Conditional<'_>,
    out: &mut Vec<u8>,
) -> bool {
    if !push_host(cx, proxy, out) {
        return false;
    }
    let trusted = cx.client.info.peer.is_some_and(|p| cx.plan.trusts(p.ip()));
    let mut dropped = DROPPED | proxy.set_known | proxy.withheld.known;
    dropped |= forwarding::dropped(&proxy.forwarding, trusted);
    let trace = cx.tx.trace;
    if trace.is_set {
        dropped |= Name::Traceparent.bit();
        if !trace.is_continued() {
            dropped |= Name::Tracestate.bit();
        }
    }
    if conditional.fills() {
        dropped |= CONDITIONS;
    }
    // What a fill is asked with is what its key knows: codings in their one form, and nothing that changes the meaning beside it.
    let fills = cx.site.yaml && conditional.fills();
    if fills {
        dropped |= Name::AcceptEncoding.bit();
        if !has(proxy.set_known, Name::AcceptEncoding) {
            seawall_cache::push_accept_encoding(&cx.tx.fields(), out);
        }
    }
    if !proxy.no_fields {
        push_fields(cx.tx, proxy, dropped, fills, out);
    }
    if let Conditional::Validators(etag, modified) = conditional {
        if let Some(etag) = etag {
            encode::field(out, b"If-None-Match", etag);
        }
        if let Some(modified) = modified {
            encode::field(out, b"If-Modified-Since", modified);
        }
    }
    if let Conditional::Part(first, last) = conditional {
        let range = format!("bytes={first}-{last}");
        encode::field(out, b"Range", range.as_bytes());
    }
    forwarding::push(cx, &proxy.forwarding, trusted, out);
    if trace.is_set {
        trace.push(out);
    }
    if let Some(device) = cx.tx.device {
        encode::field(out, b"X-Device", device.as_bytes());
    }
    if let Some(country) = &cx.tx.country {
        encode::field(out, b"X-Country", country);
    }
    let scope = cx.scope();
    if !push_set(&proxy.set_headers, &scope, out) || !push_set(&proxy.add_headers, &scope, out) {
        return false;
    }
    for (name, value) in cx.tx.granted.iter().flat_map(|g| &g.request) {
        encode::field(out, name, value);
    }
    true
}

/// What concerns the hop alone: an upgrade and trailers where the client asked for them, the connection's end where it
/// is not kept.
fn push_connection(tx: &Tx, proxy: &ProxyPlan, fills: bool, out: &mut Vec<u8>) {
    let close = !proxy.keepalive && !has(proxy.set_known, Name::Connection);
    let upgrade = !fills && proxy.pass_upgrade && tx.head.upgrade && may_upgrade(tx);
    let trailers = !fills && proxy.pass_request_trailers && tx.takes_trailers();
    if !(close || upgrade || trailers) {
        return;
    }
    let options: [(bool, &[u8]); 3] = [(upgrade, b"upgrade"), (trailers, b"TE"), (close, b"close")];
    let said = options.iter().filter(|(said, _)| *said);
    let said: smallvec::SmallVec<[&[u8]; 3]> = said.map(|(_, option)| *option).collect();
    encode::field(out, b"Connection", &said.join(&b", "[..]));
    if upgrade {
        for value in tx.fields().all(Name::Upgrade) {
            encode::field(out, b"Upgrade", value);
        }
    }
    if trailers {
        encode::field(out, b"TE", b"trailers");
        for value in tx.fields().all(Name::Trailer) {
            encode::field(out, b"Trailer", value);
        }
    }
}

/// Whether none of the protocols that the client offers is HTTP itself or TLS: in such a tunnel whole requests would
/// pass by the routes, the rules and the logs.
fn may_upgrade(tx: &Tx) -> bool {
    const REFUSED: [&[u8]; 5] = [b"h2c", b"h2", b"h3", b"http", b"tls"];
    tx.fields().list(Name::Upgrade).all(|protocol| {
        let name = protocol.split(|b| *b == b'/').next().unwrap_or_default();
        !REFUSED
            .iter()
            .any(|r| r.eq_ignore_ascii_case(seawall_http::trim(name)))
    })
}

/// What the request in `sent` asks for besides a response.
pub fn asked(cx: &Cx<'_>, proxy: &ProxyPlan, sent: &[u8]) -> Asked {
    let tx = &*cx.tx;
    Asked {
        upgrade: tx.head.upgrade && may_upgrade(tx) && says(sent, b"upgrade:"),
        interim: match &proxy.interim {
            InterimPlan::Never => Interims::Never,
            InterimPlan::Always => Interims::Always,
            InterimPlan::When(conditions) => {
                let mut value = Vec::new();
                let holds = conditions.iter().any(|condition| {
                    value.clear();
                    condition.render(&cx.scope(), &mut value);
                    !matches!(value.as_slice(), b"" | b"0")
                });
                if holds {
                    Interims::EarlyHints
                } else {
                    Interims::Never
                }
            }
        },
        splices: false,
    }
}

/// Whether a head as it was sent has a line that begins so, in lower case.
pub(super) fn says(head: &[u8], prefix: &[u8]) -> bool {
    head.split(|b| *b == b'\n').any(|line| {
        line.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

/// From here on `$proxy_host` and `$proxy_port` speak of this origin.
pub fn name_origin(tx: &mut Tx, proxy: &ProxyPlan) {
    (tx.proxy_host, tx.proxy_port) = match tx.target.as_ref().filter(|_| proxy.dynamic.is_some()) {
        Some(target) => (target.host.clone(), target.port),
        None => (proxy.proxy_host.clone(), proxy.proxy_port),
    };
}

/// Appends the target that is asked of the origin.
pub fn push_target(cx: &Cx<'_>, proxy: &ProxyPlan, out: &mut Vec<u8>) {
    let tx = &*cx.tx;
    let target = tx.target.as_ref().filter(|_| proxy.dynamic.is_some());
    if let Some(uri) = target.and_then(|t| t.uri.as_ref()) {
        return out.extend_from_slice(uri);
    }
    match &proxy.uri {
        UriPlan::AsReceived if !tx.uri_changed && !tx.lacks_path() => {
            if tx.args_buf.is_none() {
                return out.extend_from_slice(tx.request_uri());
            }
            // Only the arguments were changed: the path stays as it came.
            out.extend_from_slice(tx.raw_path());
        }
        UriPlan::AsReceived => uri::escape_path(tx.uri(), out),
        UriPlan::ReplacePrefix { .. } if tx.redirected.rewritten => {
            uri::escape_path(tx.uri(), out);
        }
        UriPlan::ReplacePrefix { prefix, with } => {
            out.extend_from_slice(with);
            uri::escape_path(tx.uri().get(*prefix..).unwrap_or_default(), out);
        }
        UriPlan::Template(template) => {
            template.render(&cx.scope(), out);
            return;
        }
    }
    if !tx.args().is_empty() {
        out.push(b'?');
        out.extend_from_slice(tx.args());
    }
}

/// No spaces, no controls: what stands in a request line must not end it.
fn is_target(target: &[u8]) -> bool {
    !target.is_empty() && target.iter().all(|b| *b > b' ' && *b != 127)
}

fn push_host(cx: &Cx<'_>, proxy: &ProxyPlan, out: &mut Vec<u8>) -> bool {
    if has(proxy.set_known, Name::Host) {
        return true;
    }
    out.extend_from_slice(b"Host: ");
    let before = out.len();
    match &proxy.host {
        Some(template) => template.render(&cx.scope(), out),
        None => {
            let host = cx.tx.head.host.of(cx.tx.rb.bytes());
            out.extend_from_slice(if host.is_empty() {
                cx.site.name.as_bytes()
            } else {
                host
            });
        }
    }
    let sound = encode::is_field_value(out.get(before..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    sound
}

fn push_fields(tx: &Tx, proxy: &ProxyPlan, dropped: u128, fills: bool, out: &mut Vec<u8>) {
    let fields = tx.fields();
    let listed = if fields.has(Name::Connection) {
        Some(fields)
    } else {
        None
    };
    let others = proxy.set_headers.iter().any(|h| h.id == Name::Other);
    for (id, name, value) in fields.iter() {
        if has(dropped, id) {
            continue;
        }
        if id == Name::Other
            && others
            && proxy
                .set_headers
                .iter()
                .any(|h| h.name.eq_ignore_ascii_case(name))
        {
            continue;
        }
        if id == Name::Other
            && ((!proxy.withheld.others.is_empty() && proxy.withheld.has_other(name))
                || (proxy.forwarding.guarded && forwarding::is_claim_in_disguise(name)))
        {
            continue;
        }
        if id == Name::Other
            && (fills && is_unkeyed_override(name)
                || tx.device.is_some() && is_read_as(name, b"x-device")
                || tx.country.is_some() && is_read_as(name, b"x-country"))
        {
            continue;
        }
        if let Some(fields) = listed
            && fields
                .list(Name::Connection)
                .any(|option| option.eq_ignore_ascii_case(name))
        {
            continue;
        }
        encode::field(out, name, value);
    }
}

/// Whether frameworks take a field for another host, path or method than the request line's: no key knows them (web cache poisoning).
fn is_unkeyed_override(name: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 6] = [
        b"x-forwarded-",
        b"x-original-",
        b"x-rewrite-",
        b"x-http-method",
        b"x-method-override",
        b"x-host",
    ];
    BEGINNINGS.iter().any(|beginning| {
        let start = name.get(..beginning.len()).unwrap_or_default();
        is_read_as(start, beginning)
    })
}

/// Whether an application takes a name for another: CGI makes one variable of dashes and underscores.
fn is_read_as(name: &[u8], other: &[u8]) -> bool {
    let dashed = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let same = |(a, b): (&u8, &u8)| dashed(a).eq_ignore_ascii_case(b);
    name.len() == other.len() && name.iter().zip(other).all(same)
}

/// Fields of the configuration; false if one would end its line.
fn push_set(headers: &[HeaderSet], scope: &Scope<'_>, out: &mut Vec<u8>) -> bool {
    for header in headers {
        let start = out.len();
        out.extend_from_slice(&header.name);
        out.extend_from_slice(b": ");
        let value = out.len();
        header.value.render(scope, out);
        if out.len() == value {
            // An empty value removes the field (ngx_http_proxy_module, `proxy_set_header`).
            out.truncate(start);
            continue;
        }
        if !encode::is_field_value(out.get(value..).unwrap_or_default()) {
            return false;
        }
        out.extend_from_slice(b"\r\n");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_the_request_line_is_no_target() {
        assert!(is_target(b"/a?b=%20"));
        for bad in [&b""[..], b"/a b", b"/a\r\nX: y", b"/\x00", b"/\x7f"] {
            assert!(!is_target(bad), "{bad:?}");
        }
    }
}
