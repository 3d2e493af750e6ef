//! The servers of a pool.

use super::server;
use crate::address::{self, OriginError};
use crate::model::{Address, Pool, PoolTls, Server};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};
use seawall_diag::Span;

const SERVER: Shape = Shape {
    what: "a server",
    fields: &["address", "weight", "backup", "down"],
    not_yet: &["slow_start", "max_conns", "resolve", "drain", "id"],
};

pub(super) fn read_servers(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    let mut plain_and_tls = [None, None];
    for node in reader.list(node) {
        let fields = match node.value {
            Value::Map(_) => match reader.open(node, &SERVER) {
                Some(fields) => Some(fields),
                None => continue,
            },
            _ => None,
        };
        let at = match &fields {
            Some(fields) => match fields.get("address") {
                Some(node) => node,
                None => {
                    reader.missing(fields.at, "a server", "address");
                    continue;
                }
            },
            None => node,
        };
        let Some((address, tls)) = reader.string(at).and_then(|t| origin(reader, at.at, t)) else {
            continue;
        };
        plain_and_tls[usize::from(tls)] = Some(at.at);
        let mut server = server(at.at, address);
        if let Some(fields) = fields {
            server_fields(reader, fields, &mut server);
        }
        pool.servers.push(server);
    }
    if let [Some(plain), Some(_)] = plain_and_tls {
        reader.invalid(
            plain,
            "a pool's servers speak either all TLS or none",
            "write `https://` before this one too",
        );
    }
    if plain_and_tls == [None, None]
        && matches!(&node.value, Value::List(items) if items.is_empty())
    {
        reader.invalid(
            node.at,
            "a pool without servers",
            "write servers: [\"127.0.0.1:3000\"]",
        );
    }
    if plain_and_tls[1].is_some() {
        pool.tls = Some(PoolTls {
            verify: true,
            ..PoolTls::default()
        });
    }
}

fn server_fields(reader: &mut Reader<'_>, fields: Fields<'_>, server: &mut Server) {
    if let Some(weight) = fields
        .get("weight")
        .and_then(|n| reader.integer(n, 1, 65_535))
    {
        server.weight = weight as u32;
    }
    server.backup = fields
        .get("backup")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    server.down = fields
        .get("down")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
}

/// An origin's address and whether TLS is spoken to it; a path in it is refused.
pub(super) fn origin(reader: &mut Reader<'_>, at: Span, text: &str) -> Option<(Address, bool)> {
    match address::origin(text, None) {
        Ok(origin) if origin.uri.is_empty() || origin.uri == "/" => {
            Some((reader.located(at, origin.address)?, origin.tls))
        }
        Ok(origin) => {
            let message = format!("an address has no path, but this has `{}`", origin.uri);
            reader.invalid(
                at,
                message,
                "write the path as `rewrite: { add: /path }` on the route",
            );
            None
        }
        Err(OriginError::NotYet(what)) => {
            reader.not_yet(at, what);
            None
        }
        Err(OriginError::Invalid(message)) => {
            reader.invalid(
                at,
                message,
                "write 127.0.0.1:3000, \"[::1]:3000\", https://name or unix:/path",
            );
            None
        }
    }
}
