//! Pools of servers, named ones and those made of an address.

mod connection;
mod health;
mod resilience;
mod servers;

use super::read::{Reader, Shape};
use super::tree::{Key, Node, Value};
use crate::model::{Address, Balance, Eject, Pool, PoolTls, Protocol, Retry, Server};
use seawall_diag::Span;
use servers::{origin, read_servers};
use std::time::Duration;

const POOL: Shape = Shape {
    what: "a pool",
    fields: &[
        "balance",
        "servers",
        "health",
        "eject",
        "retry",
        "keepalive",
        "tls",
        "protocol",
    ],
    not_yet: &[
        "sticky",
        "hash",
        "queue",
        "breaker",
        "hedge",
        "discover",
        "proxy_protocol",
        "http2",
        "max_conns",
    ],
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

    /// The port of a pool's first server, or its scheme's.
    pub(crate) fn port(&self, pool: usize) -> u16 {
        let pool = self.all.get(pool);
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
        let (address, tls) = origin(reader, at, text)?;
        let mut pool = anonymous(at, text, address);
        pool.tls = tls.then(|| PoolTls {
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
        servers: Vec::new(),
        health: None,
        eject: Eject {
            after: 5,
            for_: Duration::from_secs(10),
            at_most_percent: 50,
        },
        retry: Retry {
            connect: true,
            timeout: false,
            statuses: 0,
            attempts: 2,
            budget_percent: 20,
        },
        keepalive: KEEPALIVE,
        keepalive_timeout: Duration::from_secs(60),
        tls: None,
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
    if let Some(node) = fields.get("protocol") {
        let words = [("http", Protocol::Http), ("fastcgi", Protocol::FastCgi)];
        pool.protocol = reader.choice(node, &words, &[]).unwrap_or_default();
    }
    if let Some(node) = fields.get("balance") {
        let words = [("round_robin", Balance::RoundRobin), ("p2c", Balance::P2c)];
        let later = [
            "least_conn",
            "ewma",
            "least_time",
            "ip_hash",
            "hash",
            "random",
        ];
        pool.balance = reader
            .choice(node, &words, &later)
            .unwrap_or(Balance::RoundRobin);
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
    if let Some(node) = fields.get("keepalive") {
        connection::keepalive(reader, node, &mut pool);
    }
    if let Some(node) = fields.get("tls") {
        connection::tls(reader, node, &mut pool);
    }
    Some(pool)
}
