//! Pools of servers, named ones and those made of an address.

mod check;
pub(super) mod connection;
pub(super) mod health;
pub(super) mod load;
pub(super) mod resilience;
pub(crate) mod servers;
pub(super) mod sticky;

use super::read::{Fields, Reader, Shape};
use super::tree::{Key, Node, Value};
use crate::model::{Address, Balance, Pool, PoolTls, Protocol, Server, SourceKind, Wire};
use seawall_diag::Span;
use servers::{origin, read_servers};
use std::time::Duration;

pub(in crate::yaml) const POOL: Shape = Shape {
    what: "a pool",
    fields: &[
        "balance",
        "hash",
        "servers",
        "resolver",
        "health",
        "eject",
        "retry",
        "protocol",
        "proxy_protocol",
        "queue",
        "breaker",
        "hedge",
        "sticky",
        "keepalive",
        "tls",
    ],
    not_yet: &[],
};
pub(in crate::yaml) const HASH: Shape = Shape {
    what: "`hash`",
    fields: &["key"],
    not_yet: &[],
};

/// Idle connections kept for each worker thread unless said otherwise.
pub(crate) const KEEPALIVE: usize = 32;

/// All pools.
#[derive(Default)]
pub(crate) struct Pools {
    pub(crate) all: Vec<Pool>,
    /// How many of them have a name.
    named: usize,
}

impl Pools {
    /// The names that may be used.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.all
            .iter()
            .take(self.named)
            .map(|p| p.name.as_str())
            .collect()
    }

    /// A pool's name.
    pub(crate) fn name(&self, pool: usize) -> &str {
        self.all.get(pool).map_or("", |p| p.name.as_str())
    }

    /// The port of a pool's first server, or its scheme's.
    pub(crate) fn port(&self, pool: usize) -> u16 {
        let pool = self.all.get(pool);
        let source = pool.and_then(|p| p.sources.first());
        if let Some(SourceKind::Name(_, port)) = source.map(|s| &s.kind) {
            return *port;
        }
        match pool.and_then(|p| p.servers.first()).map(|s| &s.address) {
            Some(Address::Ip(address)) => address.port(),
            Some(Address::Name(_, port)) => *port,
            _ if pool.is_some_and(|p| p.tls.is_some()) => 443,
            _ => 80,
        }
    }

    /// The pool that `to` means: a name, or an address, which has a port, a scheme or `unix:`.
    pub(crate) fn target(
        &mut self,
        reader: &mut Reader<'_>,
        at: Span,
        text: &str,
    ) -> Option<usize> {
        if !text.contains([':', '/']) {
            return reader.resolve(at, text, "pool", &self.names());
        }
        if let Some(known) = self
            .all
            .iter()
            .skip(self.named)
            .position(|p| p.name == text)
        {
            return Some(self.named + known);
        }
        let (address, scheme) = origin(reader, at, text)?;
        let mut pool = anonymous(at, text, address);
        pool.wire.http2 = scheme.http2;
        pool.tls = scheme.tls.then(|| PoolTls {
            verify: true,
            ..PoolTls::default()
        });
        self.all.push(pool);
        Some(self.all.len() - 1)
    }
}

/// A pool of one server, with every default.
pub(crate) fn anonymous(at: Span, name: &str, address: Address) -> Pool {
    Pool {
        servers: vec![server(at, address)],
        ..empty(at, name)
    }
}

/// A pool without servers, with every default.
pub(crate) fn empty(at: Span, name: &str) -> Pool {
    Pool {
        at,
        name: name.to_owned(),
        protocol: Protocol::Http,
        balance: Balance::RoundRobin,
        hash_key: None,
        servers: Vec::new(),
        sources: Vec::new(),
        resolver: Vec::new(),
        health: None,
        eject: resilience::EJECT_DEFAULT,
        retry: resilience::retry_default(),
        queue: load::QUEUE_DEFAULT,
        breaker: None,
        hedge: None,
        sticky: None,
        keepalive: KEEPALIVE,
        keepalive_timeout: Duration::from_secs(60),
        tls: None,
        wire: Wire::default(),
    }
}

/// A server with every default.
pub(crate) fn server(at: Span, address: Address) -> Server {
    Server {
        at,
        address,
        weight: 1,
        backup: false,
        down: false,
        max_fails: None,
        fail_timeout: None,
        drain: false,
        max_conns: 0,
        slow_start: Duration::ZERO,
        id: None,
    }
}

/// Reads `pools`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Pools {
    let mut pools = Pools::default();
    for (key, node) in reader.entries(node, "`pools`") {
        // A pool with errors keeps its name: who uses it has made no mistake.
        let pool = read_pool(reader, key, node).unwrap_or_else(|| empty(key.at, &key.name));
        pools.all.push(pool);
    }
    pools.named = pools.all.len();
    pools
}

fn read_pool(reader: &mut Reader<'_>, key: &Key, node: &Node) -> Option<Pool> {
    let mut pool = empty(key.at, &key.name);
    if key.name.contains([':', '/']) {
        reader.invalid(
            key.at,
            "a pool's name has neither `:` nor `/`",
            "they mark an address where `to` is written",
        );
    }
    // A pool that is only its servers.
    if !matches!(node.value, Value::Map(_)) {
        read_servers(reader, node, &mut pool);
        return Some(pool);
    }
    let fields = reader.open(node, &POOL)?;
    match fields.get("servers") {
        Some(node) => read_servers(reader, node, &mut pool),
        None => reader.missing(key.at, "a pool", "servers"),
    }
    balance(reader, &fields, &mut pool);
    if let Some(node) = fields.get("resolver") {
        pool.resolver = servers::resolver(reader, node);
    }
    pool.health = fields
        .get("health")
        .filter(|n| !n.is_off())
        .and_then(|n| health::health(reader, n));
    if pool.protocol == Protocol::FastCgi
        && let Some(at) = fields.key("health").filter(|_| pool.health.is_some())
    {
        reader.not_yet(at, "a check of FastCGI applications");
    }
    if let Some(node) = fields.get("eject") {
        pool.eject = resilience::eject(reader, node, pool.eject);
    }
    if let Some(node) = fields.get("retry") {
        pool.retry = resilience::retry(reader, node, pool.retry);
    }
    let on = |name| fields.get(name).filter(|n: &&Node| !n.is_off());
    if let Some(node) = on("queue") {
        pool.queue = load::queue(reader, node);
    }
    pool.breaker = on("breaker").and_then(|n| resilience::breaker(reader, n));
    pool.hedge = on("hedge").and_then(|n| load::hedge(reader, n));
    pool.sticky = on("sticky").and_then(|n| sticky::sticky(reader, n));
    if let Some(node) = fields.get("keepalive") {
        connection::keepalive(reader, node, &mut pool);
    }
    if let Some(node) = fields.get("tls") {
        connection::tls(reader, node, &mut pool);
    }
    connection::wire(reader, &fields, &mut pool);
    Some(pool)
}

fn balance(reader: &mut Reader<'_>, fields: &Fields<'_>, pool: &mut Pool) {
    if let Some(node) = fields.get("balance") {
        let words = [
            ("round_robin", Balance::RoundRobin),
            ("least_conn", Balance::LeastConn),
            ("p2c", Balance::P2c),
            ("ewma", Balance::Ewma),
            ("ip_hash", Balance::IpHash),
            ("hash", Balance::Hash),
            ("random", Balance::Random),
        ];
        pool.balance = reader.choice(node, &words, &[]).unwrap_or(pool.balance);
    }
    if let Some(node) = fields.get("hash") {
        pool.hash_key = match node.value {
            Value::Map(_) => reader
                .open(node, &HASH)
                .and_then(|f| f.get("key").and_then(|n| reader.template(n))),
            _ => reader.template(node),
        };
        // What is to be hashed says how.
        if fields.get("balance").is_none() {
            pool.balance = Balance::Hash;
        } else if pool.balance != Balance::Hash {
            reader.invalid(
                node.at,
                "`hash` stands with `balance: hash` only",
                "leave `balance` out",
            );
        }
    } else if pool.balance == Balance::Hash {
        reader.invalid(
            pool.at,
            "a pool with `balance: hash` says what is hashed",
            "write hash: { key: $request_uri }",
        );
    }
}
