//! Connections to a pool's servers: how many idle ones are kept, and TLS.

use crate::model::{Pool, PoolTls};
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::{Node, Value};

const KEEPALIVE_SHAPE: Shape = Shape {
    what: "`keepalive`",
    fields: &["connections", "timeout"],
    not_yet: &["requests"],
};
const TLS: Shape = Shape {
    what: "`tls`",
    fields: &["ca", "sni", "verify"],
    not_yet: &["certificate", "key", "crl", "versions"],
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
    }
    pool.tls = Some(tls);
}
