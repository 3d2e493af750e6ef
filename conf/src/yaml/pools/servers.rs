//! The servers of a pool.

use super::server;
use crate::address::{self, OriginError};
use crate::model::{Address, Pool, PoolTls, Server, Source, SourceKind};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};
use seawall_diag::Span;
use std::net::SocketAddr;

pub(in crate::yaml) const SERVER: Shape = Shape {
    what: "a server",
    fields: &[
        "address",
        "srv",
        "file",
        "resolve",
        "weight",
        "backup",
        "down",
        "drain",
        "max_conns",
        "slow_start",
        "id",
    ],
    not_yet: &[],
};

pub(super) fn read_servers(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    let mut plain_and_tls = [None, None];
    let mut versions = [None, None];
    for node in reader.list(node) {
        let fields = match node.value {
            Value::Map(_) => match reader.open(node, &SERVER) {
                Some(fields) => Some(fields),
                None => continue,
            },
            _ => None,
        };
        if let Some(fields) = &fields
            && let Some(found) = source(reader, fields)
        {
            if let Some(source) = found {
                pool.sources.push(source);
            }
            continue;
        }
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
        let Some((address, Scheme { tls, http2 })) =
            reader.string(at).and_then(|t| origin(reader, at.at, t))
        else {
            continue;
        };
        plain_and_tls[usize::from(tls)] = Some(at.at);
        versions[usize::from(http2)] = Some(at.at);
        let mut server = server(at.at, address);
        let mut all = false;
        if let Some(fields) = fields {
            server_fields(reader, fields, &mut server);
            all = fields.get("resolve").is_some_and(|n| resolve(reader, n));
        }
        match (&server.address, all) {
            (Address::Name(name, port), true) => pool.sources.push(Source {
                kind: SourceKind::Name(name.clone(), *port),
                server,
            }),
            _ => pool.servers.push(server),
        }
    }
    if let [Some(plain), Some(_)] = plain_and_tls {
        reader.invalid(
            plain,
            "a pool's servers speak either all TLS or none",
            "write `https://` before this one too",
        );
    }
    if let [Some(other), Some(_)] = versions {
        reader.invalid(
            other,
            "a pool's servers speak either all HTTP/2 or none",
            "write `h2c://`, `grpc://` or `grpcs://` before this one too",
        );
    }
    pool.wire.http2 = versions[1].is_some();
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

/// What is written in place of an address: SRV records, or a file. The inner `None` is an error that was reported.
fn source(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Option<Source>> {
    let (kind, at) = if let Some(node) = fields.get("srv") {
        let text = reader.string(node).unwrap_or_default().to_owned();
        let fits = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if text.is_empty() || text.len() > 253 || !fits {
            reader.invalid(
                node.at,
                format!("`{text}` is no name of a service"),
                "write srv: _http._tcp.shop.test",
            );
            return Some(None);
        }
        (SourceKind::Srv(text), node.at)
    } else if let Some(node) = fields.get("file") {
        let Some(path) = reader.path(node) else {
            return Some(None);
        };
        (SourceKind::File(path), node.at)
    } else {
        return None;
    };
    for other in ["address", "resolve", "id", "srv", "file"] {
        let is_own = matches!(
            (&kind, other),
            (SourceKind::Srv(_), "srv") | (SourceKind::File(_), "file")
        );
        if !is_own && let Some(at) = fields.key(other) {
            reader.invalid(
                at,
                format!("`{other}` does not stand beside what finds servers"),
                "make it two entries",
            );
        }
    }
    let mut server = server(at, Address::Name(String::new(), 0));
    server_fields(reader, *fields, &mut server);
    Some(Some(Source { kind, server }))
}

/// Whether every address of a name is a server: `resolve: all`.
fn resolve(reader: &mut Reader<'_>, node: &Node) -> bool {
    reader
        .choice(node, &[("all", true), ("first", false)], &[])
        .unwrap_or(false)
}

/// `resolver`: addresses of name servers, the port 53 unless said.
pub(crate) fn resolver(reader: &mut Reader<'_>, node: &Node) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        match address::host_port(text, Some(53)) {
            Ok(Address::Ip(address)) => all.push(address),
            _ => reader.invalid(
                node.at,
                format!("`{text}` is no address of a name server"),
                "write resolver: [192.0.2.53, \"[::1]:5353\"]",
            ),
        }
    }
    all
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
    server.drain = fields
        .get("drain")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    if let Some(max) = fields
        .get("max_conns")
        .and_then(|n| reader.integer(n, 0, 1_000_000))
    {
        server.max_conns = max as u32;
    }
    if let Some(time) = fields.get("slow_start").and_then(|n| reader.duration(n)) {
        server.slow_start = time;
    }
    server.id = fields.get("id").and_then(|n| id(reader, n));
    server.down = fields
        .get("down")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
}

/// What an origin's scheme says.
pub(super) struct Scheme {
    pub(super) tls: bool,
    pub(super) http2: bool,
}

/// An origin's address and what its scheme says; a path in it is refused.
pub(super) fn origin(reader: &mut Reader<'_>, at: Span, text: &str) -> Option<(Address, Scheme)> {
    match address::origin(text, None) {
        Ok(origin) if origin.uri.is_empty() || origin.uri == "/" => {
            let scheme = Scheme {
                tls: origin.tls,
                http2: origin.http2,
            };
            Some((reader.located(at, origin.address)?, scheme))
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

/// What a cookie or route may call a server: a token.
fn id(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    let fits = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if text.is_empty() || text.len() > 32 || !fits {
        reader.invalid(
            node.at,
            format!("`{text}` is no id of a server"),
            "write up to 32 letters, digits, `-`, `_` and `.`",
        );
        return None;
    }
    Some(text.to_owned())
}
