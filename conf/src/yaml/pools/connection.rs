//! Connections to a pool's servers: how many idle ones are kept, and TLS.

use crate::model::{CertificateFiles, Pool, PoolTls, Protocol, ProxyVersion};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};

pub(in crate::yaml) const KEEPALIVE_SHAPE: Shape = Shape {
    what: "`keepalive`",
    fields: &["connections", "timeout"],
    not_yet: &["requests"],
};
pub(in crate::yaml) const TLS: Shape = Shape {
    what: "`tls`",
    fields: &["ca", "sni", "verify", "certificate", "key", "crl"],
    not_yet: &["versions"],
};

pub(super) fn keepalive(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    if node.is_off() {
        pool.keepalive = 0;
    } else if let Value::Scalar { .. } = node.value {
        connections(reader, node, pool);
    } else if let Some(fields) = reader.open(node, &KEEPALIVE_SHAPE) {
        if let Some(node) = fields.get("connections") {
            connections(reader, node, pool);
        }
        pool.keepalive_timeout = fields
            .get("timeout")
            .and_then(|n| reader.duration(n))
            .unwrap_or(pool.keepalive_timeout);
    }
}

/// Idle connections that each worker thread keeps.
fn connections(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    if let Some(n) = reader.integer(node, 0, 65_535) {
        pool.keepalive = n as usize;
    }
}

pub(super) fn tls(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    if node.is_off() {
        if pool.tls.is_some() {
            reader.invalid(
                node.at,
                "servers with `https://` speak TLS",
                "write `http://`, or leave `tls` out",
            );
        }
        return;
    }
    let mut tls = PoolTls {
        verify: true,
        ..PoolTls::default()
    };
    let is_true = node.scalar().is_some_and(|t| matches!(t, "true" | "on"));
    if !is_true && let Some(fields) = reader.open(node, &TLS) {
        tls.ca = fields.get("ca").and_then(|n| Some((reader.path(n)?, n.at)));
        tls.sni = fields
            .get("sni")
            .and_then(|n| reader.string(n))
            .map(str::to_owned);
        tls.verify = fields
            .get("verify")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(true);
        tls.crl = fields
            .get("crl")
            .and_then(|n| Some((reader.path(n)?, n.at)));
        let mut file = |name: &str| {
            let node = fields.get(name)?;
            reader.secret_file(node)
        };
        tls.identity = match (file("certificate"), file("key")) {
            (Some(certificate), Some(key)) => Some(CertificateFiles {
                certificate,
                key,
                ocsp: None,
            }),
            (None, None) => None,
            (Some((_, at)), None) | (None, Some((_, at))) => {
                reader.invalid(at, "a certificate and its key go together", "write both");
                None
            }
        };
    }
    pool.tls = Some(tls);
}

/// `protocol` and `proxy_protocol`.
pub(super) fn wire(reader: &mut Reader<'_>, fields: &Fields<'_>, pool: &mut Pool) {
    if let Some(node) = fields.get("protocol") {
        let words = [
            ("http", (Protocol::Http, false)),
            ("http1", (Protocol::Http, false)),
            ("h2", (Protocol::Http, true)),
            ("grpc", (Protocol::Http, true)),
            ("fastcgi", (Protocol::FastCgi, false)),
        ];
        if let Some((protocol, http2)) = reader.choice(node, &words, &[]) {
            pool.protocol = protocol;
            pool.wire.http2 = http2;
        }
    }
    if let Some(node) = fields.get("proxy_protocol").filter(|n| !n.is_off()) {
        let words = [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
        pool.wire.proxy_protocol = reader.choice(node, &words, &[]);
        if pool.wire.http2 && pool.wire.proxy_protocol.is_some() {
            reader.invalid(
                node.at,
                "one HTTP/2 connection carries many clients: a PROXY header would name one of them",
                "write `protocol: http1`, or leave `proxy_protocol` out",
            );
        }
    }
}
