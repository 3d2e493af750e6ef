//! What variables are worth.

use super::{
    Scope,
    request::{argument, cookie, line_value, remote_user, request_line},
    variable::{Proxied, Variable},
};
use crate::{
    tx::{ConnInfo, Tx},
    whereabouts,
};
use seawall_http::Name;
use std::{io::Write, os::unix::ffi::OsStrExt};

fn decimal(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Seconds with three digits, as nginx prints times.
fn seconds(ms: u64, out: &mut Vec<u8>) {
    decimal(ms / 1000, out);
    let ms = ms % 1000;
    out.extend_from_slice(&[
        b'.',
        b'0' + (ms / 100) as u8,
        b'0' + (ms / 10 % 10) as u8,
        b'0' + (ms % 10) as u8,
    ]);
}

/// Of a connection without a header, everything but the peer is empty.
fn proxied(what: Proxied, conn: &ConnInfo, out: &mut Vec<u8>) {
    let header = conn.proxied.as_ref().map(|p| &p.header);
    let peer = conn.proxied.as_ref().map_or(conn.peer, |p| p.from);
    let (address, port) = match what {
        Proxied::Addr => (header.and_then(|h| h.source()), false),
        Proxied::Port => (header.and_then(|h| h.source()), true),
        Proxied::ServerAddr => (header.and_then(|h| h.destination()), false),
        Proxied::ServerPort => (header.and_then(|h| h.destination()), true),
        Proxied::RealAddr => (peer, false),
        Proxied::RealPort => (peer, true),
        Proxied::Value(kind) => {
            out.extend_from_slice(header.and_then(|h| h.value(kind)).unwrap_or_default());
            return;
        }
    };
    match address {
        Some(address) if port => decimal(address.port().into(), out),
        Some(address) => {
            let _ = write!(out, "{}", address.ip());
        }
        None => {}
    }
}

/// Appends what a variable is worth.
pub(super) fn value(variable: &Variable, scope: &Scope<'_>, out: &mut Vec<u8>) {
    use Variable::*;
    let (tx, conn) = (scope.tx, scope.conn);
    match variable {
        Host => match (tx.host.as_slice(), scope.site) {
            (b"", Some(site)) => out.extend_from_slice(site.name.as_bytes()),
            (host, _) => out.extend_from_slice(host),
        },
        Uri => out.extend_from_slice(tx.uri()),
        FastCgiScriptName => out.extend_from_slice(&tx.script().0),
        FastCgiPathInfo => out.extend_from_slice(tx.script().1),
        Https if conn.tls => out.extend_from_slice(b"on"),
        Https => {}
        RequestUri => out.extend_from_slice(tx.request_uri()),
        Args => out.extend_from_slice(tx.args()),
        IsArgs if !tx.args().is_empty() => out.push(b'?'),
        IsArgs => {}
        Method => out.extend_from_slice(tx.method_text()),
        Scheme => out.extend_from_slice(if conn.tls { b"https" } else { b"http" }),
        ServerName => out.extend_from_slice(scope.site.map_or("", |s| &s.name).as_bytes()),
        ServerPort => decimal(conn.local.map_or(0, |a| a.port().into()), out),
        ServerAddr => {
            if let Some(local) = conn.local {
                let _ = write!(out, "{}", local.ip());
            }
        }
        Protocol => out.extend_from_slice(match tx.head.version {
            seawall_http::Version::Http10 => b"HTTP/1.0",
            seawall_http::Version::Http11 => b"HTTP/1.1",
            seawall_http::Version::Http2 => b"HTTP/2.0",
        }),
        RemoteAddr => out.extend_from_slice(tx.client_text(conn).as_bytes()),
        ClientIp => out.extend_from_slice(tx.client_text(conn).as_bytes()),
        RemotePort => {
            if let Some(peer) = conn.peer {
                decimal(peer.port().into(), out);
            }
        }
        RemoteUser => remote_user(tx, out),
        Request => request_line(tx, out),
        Status => {
            // On the way to an error page it is the page's.
            let n = if tx.status == 0 {
                tx.redirected.status
            } else {
                tx.status
            };
            out.extend_from_slice(&[
                b'0' + (n / 100 % 10) as u8,
                b'0' + (n / 10 % 10) as u8,
                b'0' + (n % 10) as u8,
            ]);
        }
        BodyBytesSent => decimal(tx.body_sent, out),
        BytesSent => decimal(tx.sent, out),
        RequestLength => decimal(tx.head.len as u64 + tx.body_read, out),
        RequestTime => seconds(tx.moment_ms().saturating_sub(tx.started_ms), out),
        Msec => seconds(tx.moment_ms(), out),
        TimeLocal => scope.clock.clf(tx.moment_ms(), out),
        TimeIso8601 => iso8601(tx.moment_ms() / 1000, out),
        UpstreamAddr => joined(tx, out, |t, out| {
            out.extend_from_slice(t.address.as_bytes())
        }),
        UpstreamStatus => joined(tx, out, |t, out| match t.status {
            0 => out.extend_from_slice(b"502"),
            n => decimal(n.into(), out),
        }),
        UpstreamResponseTime => {
            let last = tx.tries.last().filter(|t| t.status != 0).map(|t| t.began);
            joined(tx, out, |t, out| match last {
                // The last one goes on until its response has been passed on whole.
                Some(began) if t.began == began => seconds(began.elapsed().as_millis() as u64, out),
                _ => seconds(t.ms, out),
            })
        }
        UpstreamHeaderTime => joined(tx, out, |t, out| match t.status {
            0 => out.push(b'-'),
            _ => seconds(t.ms, out),
        }),
        UpstreamConnectTime => joined(tx, out, |t, out| match t.connect_ms {
            None => out.push(b'-'),
            Some(ms) => seconds(ms.into(), out),
        }),
        TraceId | SpanId | ParentSpanId | TraceSampled if !tx.trace.is_set => {}
        TraceId => out.extend_from_slice(&tx.trace.id),
        SpanId => out.extend_from_slice(&tx.trace.span),
        ParentSpanId if tx.trace.is_continued() => out.extend_from_slice(&tx.trace.parent),
        ParentSpanId => {}
        TraceSampled => out.push(if tx.trace.sampled { b'1' } else { b'0' }),
        RateStatus => out.extend_from_slice(tx.rate_status.as_bytes()),
        PlacesStatus => out.extend_from_slice(tx.places_status.as_bytes()),
        // The key of a slice is made from that of its head, and a fill sets its own `Range`.
        SliceRange => {}
        UpstreamCacheStatus => out.extend_from_slice(tx.cache.as_bytes()),
        ProxyHost => out.extend_from_slice(tx.proxy_host.as_bytes()),
        ProxyPort => decimal(tx.proxy_port.into(), out),
        ProxyAddXForwardedFor => {
            for value in tx.fields().all(Name::XForwardedFor) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
            // nginx adds whom it takes for the client, ours whom it talks to.
            let yaml = scope.site.is_none_or(|s| s.yaml);
            let client = if yaml {
                &conn.peer_text
            } else {
                tx.client_text(conn)
            };
            out.extend_from_slice(client.as_bytes());
        }
        Hostname => out.extend_from_slice(scope.process.hostname.as_bytes()),
        Pid => decimal(scope.process.pid.into(), out),
        Connection => decimal(conn.serial, out),
        ConnectionRequests => decimal(conn.requests, out),
        RequestId if tx.has_id => out.extend_from_slice(&tx.id),
        RequestId => {}
        ContentType => {
            out.extend_from_slice(tx.fields().get(Name::ContentType).unwrap_or_default())
        }
        ContentLength => {
            out.extend_from_slice(tx.fields().get(Name::ContentLength).unwrap_or_default())
        }
        NginxVersion => out.extend_from_slice(b"1.31.3"),
        HttpHost => out.extend_from_slice(tx.head.host.of(tx.rb.bytes())),
        Http(name) => {
            let mut separator: &[u8] = b"";
            for value in tx.fields().all(*name) {
                out.extend_from_slice(separator);
                out.extend_from_slice(value);
                separator = if *name == Name::Cookie { b"; " } else { b", " };
            }
        }
        HttpOther(name) => out.extend_from_slice(tx.fields().find(name).unwrap_or_default()),
        SentHttp(name) => out.extend_from_slice(line_value(tx.sent_head(), name)),
        UpstreamHttp(name) => {
            if let Some(head) = &tx.origin.head {
                out.extend_from_slice(
                    head.fields(tx.origin.rb.bytes())
                        .find(name)
                        .unwrap_or_default(),
                );
            }
        }
        RequestBody => out.extend_from_slice(tx.body_kept.as_deref().unwrap_or_default()),
        RequestBodyFile => {
            if let Some(file) = &tx.body_file {
                out.extend_from_slice(file.path().as_os_str().as_bytes());
            }
        }
        RequestCompletion if tx.completed => out.extend_from_slice(b"OK"),
        RequestCompletion => {}
        ConnectionTime => seconds(tx.moment_ms().saturating_sub(conn.since_ms), out),
        Http2 if tx.head.version == seawall_http::Version::Http2 => {
            out.extend_from_slice(if conn.tls { b"h2" } else { b"h2c" });
        }
        Http2 => {}
        UpstreamCookie(name) => {
            if let Some(head) = &tx.origin.head {
                let fields = head.fields(tx.origin.rb.bytes());
                let found = fields.all(Name::SetCookie).find_map(|set| {
                    let pair = set.split(|b| *b == b';').next()?;
                    pair.strip_prefix(&**name)?.strip_prefix(b"=")
                });
                out.extend_from_slice(found.unwrap_or_default());
            }
        }
        Arg(name) => out.extend_from_slice(argument(tx.args(), name)),
        Cookie(name) => out.extend_from_slice(cookie(tx, name).unwrap_or_default()),
        Proxied(what) => proxied(*what, conn, out),
        Variable::Placed(what, places) => what.render(places, tx.client, out),
        Variable::Whereabouts(what) => whereabouts::render(*what, tx.root.as_deref(), scope, out),
        Claim(at) => {
            let granted = tx.granted.as_ref();
            let claim = granted.and_then(|granted| granted.claims.get(*at)?.as_deref());
            out.extend_from_slice(claim.unwrap_or_default());
        }
        Capture(group) => out.extend_from_slice(tx.captures.get(*group)),
        Variable::Computed(computed) => computed.render(scope, out),
        User(slot) => {
            if let Some(Some(value)) = tx.user.get(*slot) {
                out.extend_from_slice(value);
            }
        }
    }
}

fn joined(tx: &Tx, out: &mut Vec<u8>, each: impl Fn(&crate::tx::Try, &mut Vec<u8>)) {
    for (i, attempt) in tx.tries.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        each(attempt, out);
    }
}

/// A moment as ISO 8601, of `date`'s kind: with the zone's offset.
pub(crate) fn iso8601(unix_s: u64, out: &mut Vec<u8>) {
    // From "23/Nov/2026:18:32:51 +0000" and the numeric month of the error log's form.
    let text = seawall_http::date::nginx_error(unix_s);
    let mut t = text;
    t.iter_mut().for_each(|b| match *b {
        b'/' => *b = b'-',
        b' ' => *b = b'T',
        _ => {}
    });
    out.extend_from_slice(&t);
    out.extend_from_slice(b"+00:00");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let mut out = Vec::new();
        seconds(12_034, &mut out);
        assert_eq!(out, b"12.034");
    }
}
