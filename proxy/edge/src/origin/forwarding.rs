//! What an origin is told of the way a request took: `X-Forwarded-*`, `Forwarded` (RFC 7239), `X-Real-IP`, `Via`
//! (RFC 9110 §7.6.3). What a client claims of itself counts only when it is a trusted proxy.

use crate::{pipeline::Cx, tx::Tx};
use seawall_conf::model::Forwarding;
use seawall_http::{Name, Version, encode};
use std::{io::Write, net::IpAddr};

/// What a client without a trusted proxy may not claim.
pub(super) const CLAIMS: u128 = super::mask(&[
    Name::Forwarded,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedProto,
    Name::XRealIp,
    Name::XRequestId,
]);

/// How often our own name may stand in `Via` of a request: proxies of one name may follow each other, a loop goes on.
pub const LOOPS_MAX: usize = 5;

/// The known fields that are not passed on as they come.
pub(super) fn dropped(forwarding: &Forwarding, trusted: bool) -> u128 {
    let mut set = 0;
    if forwarding.guarded && !trusted {
        set |= CLAIMS;
    }
    if forwarding.x {
        set |= super::mask(&[
            Name::XForwardedFor,
            Name::XForwardedHost,
            Name::XForwardedPort,
            Name::XForwardedProto,
            Name::XRequestId,
        ]);
    }
    if forwarding.rfc7239 {
        set |= Name::Forwarded.bit();
    }
    if forwarding.real_ip {
        set |= Name::XRealIp.bit();
    }
    if forwarding.via.is_some() {
        set |= Name::Via.bit();
    }
    set
}

/// Whether a field is a claim in CGI's clothes: `X_Forwarded_For` becomes the same variable as `X-Forwarded-For`.
pub(super) fn is_claim_in_disguise(name: &[u8]) -> bool {
    if memchr::memchr(b'_', name).is_none() {
        return false;
    }
    let dashed: smallvec::SmallVec<[u8; 32]> = name
        .iter()
        .map(|b| if *b == b'_' { b'-' } else { *b })
        .collect();
    let known = Name::lookup(&dashed);
    known != Name::Other && CLAIMS & known.bit() != 0
}

/// Whether a request has been here too often.
pub fn is_loop(tx: &Tx, forwarding: &Forwarding) -> bool {
    let fields = tx.fields();
    let Some(name) = forwarding.via.as_ref().filter(|_| fields.has(Name::Via)) else {
        return false;
    };
    let ours = |member: &&[u8]| {
        let mut words = member.split(|b| *b == b' ').filter(|w| !w.is_empty());
        words.nth(1) == Some(name.as_bytes())
    };
    fields.list(Name::Via).filter(ours).count() >= LOOPS_MAX
}

/// Appends what is told.
pub(super) fn push(cx: &Cx<'_>, forwarding: &Forwarding, trusted: bool, out: &mut Vec<u8>) {
    let (tx, info) = (&*cx.tx, &cx.client.info);
    let said = |name: Name| tx.fields().get(name).filter(|_| trusted);
    let scheme: &[u8] = if info.tls { b"https" } else { b"http" };
    let own_host = tx.head.host.of(tx.rb.bytes());
    if forwarding.x {
        out.extend_from_slice(b"X-Forwarded-For: ");
        if trusted {
            for value in tx.fields().all(Name::XForwardedFor) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
        }
        out.extend_from_slice(info.peer_text.as_bytes());
        out.extend_from_slice(b"\r\n");
        let proto = said(Name::XForwardedProto).unwrap_or(scheme);
        encode::field(out, b"X-Forwarded-Proto", proto);
        let host = said(Name::XForwardedHost).unwrap_or(own_host);
        if !host.is_empty() {
            encode::field(out, b"X-Forwarded-Host", host);
        }
        match (said(Name::XForwardedPort), info.local) {
            (Some(port), _) => encode::field(out, b"X-Forwarded-Port", port),
            (None, Some(local)) => {
                out.extend_from_slice(b"X-Forwarded-Port: ");
                out.extend_from_slice(itoa::Buffer::new().format(local.port()).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            (None, None) => {}
        }
        if tx.has_id {
            encode::field(out, b"X-Request-Id", &tx.id);
        }
    }
    if forwarding.real_ip {
        encode::field(out, b"X-Real-IP", tx.client_text(info).as_bytes());
    }
    if forwarding.rfc7239 {
        push_forwarded(cx, trusted, scheme, own_host, out);
    }
    if let Some(name) = &forwarding.via {
        out.extend_from_slice(b"Via: ");
        for value in tx.fields().all(Name::Via) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(match tx.head.version {
            Version::Http10 => b"1.0 ",
            _ => b"1.1 ",
        });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// `Forwarded: for=...;host=...;proto=...`, behind what a trusted proxy said.
fn push_forwarded(cx: &Cx<'_>, trusted: bool, scheme: &[u8], host: &[u8], out: &mut Vec<u8>) {
    let (tx, info) = (&*cx.tx, &cx.client.info);
    out.extend_from_slice(b"Forwarded: ");
    if trusted {
        for value in tx.fields().all(Name::Forwarded) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    let _ = match info.peer.map(|p| p.ip()) {
        // An IPv6 address has colons and brackets, which stand in quotes (RFC 7239 §6).
        Some(IpAddr::V6(ip)) => write!(out, "for=\"[{ip}]\""),
        Some(IpAddr::V4(ip)) => write!(out, "for={ip}"),
        None => write!(out, "for=unknown"),
    };
    // A host with a port has a colon; quotes and backslashes are no part of one.
    if !host.is_empty() && !host.iter().any(|b| matches!(b, b'"' | b'\\')) {
        out.extend_from_slice(b";host=");
        if encode::is_token(host) {
            out.extend_from_slice(host);
        } else {
            out.push(b'"');
            out.extend_from_slice(host);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(scheme);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_in_disguise() {
        for name in ["X_Forwarded_For", "x-real_ip", "X_FORWARDED-PROTO"] {
            assert!(is_claim_in_disguise(name.as_bytes()), "{name}");
        }
        for name in ["X-Forwarded-For", "X_Other", "a_b", ""] {
            assert!(!is_claim_in_disguise(name.as_bytes()), "{name}");
        }
    }
}
