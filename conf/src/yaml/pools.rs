//! Pools of servers, named ones and those made of an address.

use super::read::{Fields, Reader, Shape};
use super::tree::{Key, Node, Value};
use crate::address::{self, OriginError};
use crate::model::{Address, Balance, Eject, HealthCheck, Pool, PoolTls, Retry, Server};
use seawall_diag::Span;
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
const SERVER: Shape = Shape {
    what: "a server",
    fields: &["address", "weight", "backup", "down"],
    not_yet: &["slow_start", "max_conns", "resolve", "drain", "id"],
};
const HEALTH: Shape = Shape {
    what: "a health check",
    fields: &["path", "host", "interval", "timeout", "fall", "rise"],
    not_yet: &["port", "status", "body", "method", "tcp", "grpc"],
};
const EJECT: Shape = Shape {
    what: "`eject`",
    fields: &["after", "for", "at_most"],
    not_yet: &[],
};
const RETRY: Shape = Shape {
    what: "`retry`",
    fields: &["when", "attempts", "budget"],
    not_yet: &["non_idempotent"],
};
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

/// What may be retried, as [`Retry`] holds it.
#[derive(Clone, Copy)]
enum When {
    Connect,
    Timeout,
    Status(u8),
}

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
        .and_then(|n| health(reader, n));
    if let Some(node) = fields.get("eject") {
        pool.eject = eject(reader, node, pool.eject);
    }
    if let Some(node) = fields.get("retry") {
        pool.retry = retry(reader, node, pool.retry);
    }
    if let Some(node) = fields.get("keepalive") {
        keepalive(reader, node, &mut pool);
    }
    if let Some(node) = fields.get("tls") {
        tls(reader, node, &mut pool);
    }
    Some(pool)
}

fn read_servers(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
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
fn origin(reader: &mut Reader<'_>, at: Span, text: &str) -> Option<(Address, bool)> {
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

fn health(reader: &mut Reader<'_>, node: &Node) -> Option<HealthCheck> {
    let mut check = HealthCheck {
        path: "/".into(),
        host: None,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        fall: 2,
        rise: 2,
    };
    let path = |reader: &mut Reader<'_>, node: &Node| {
        let text = reader.string(node)?;
        let fits = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            reader.invalid(
                node.at,
                format!("`{text}` is no path"),
                "write health: { path: /ready }",
            );
        }
        fits.then(|| text.to_owned())
    };
    if let Value::Scalar { .. } = node.value {
        check.path = path(reader, node)?;
        return Some(check);
    }
    let fields = reader.open(node, &HEALTH)?;
    if let Some(node) = fields.get("path") {
        check.path = path(reader, node)?;
    }
    check.host = fields
        .get("host")
        .and_then(|n| reader.string(n))
        .map(str::to_owned);
    if let Some(interval) = fields
        .get("interval")
        .and_then(|n| Some((n, reader.duration(n)?)))
    {
        let (node, interval) = interval;
        if interval < Duration::from_millis(10) {
            reader.invalid(node.at, "checks at least 10ms apart", "write interval: 2s");
        }
        check.interval = interval;
    }
    check.timeout = fields
        .get("timeout")
        .and_then(|n| reader.duration(n))
        .unwrap_or(check.timeout);
    check.fall = fields
        .get("fall")
        .and_then(|n| reader.integer(n, 1, 1000))
        .map_or(2, |n| n as u32);
    check.rise = fields
        .get("rise")
        .and_then(|n| reader.integer(n, 1, 1000))
        .map_or(2, |n| n as u32);
    Some(check)
}

fn eject(reader: &mut Reader<'_>, node: &Node, mut eject: Eject) -> Eject {
    if node.is_off() {
        return Eject { after: 0, ..eject };
    }
    let Some(fields) = reader.open(node, &EJECT) else {
        return eject;
    };
    if let Some(after) = fields
        .get("after")
        .and_then(|n| reader.integer(n, 0, 100_000))
    {
        eject.after = after as u32;
    }
    eject.for_ = fields
        .get("for")
        .and_then(|n| reader.duration(n))
        .unwrap_or(eject.for_);
    eject.at_most_percent = fields
        .get("at_most")
        .and_then(|n| reader.percent(n))
        .unwrap_or(eject.at_most_percent);
    eject
}

fn retry(reader: &mut Reader<'_>, node: &Node, mut retry: Retry) -> Retry {
    if node.is_off() {
        return Retry {
            connect: false,
            timeout: false,
            statuses: 0,
            attempts: 1,
            ..retry
        };
    }
    let Some(fields) = reader.open(node, &RETRY) else {
        return retry;
    };
    if let Some(node) = fields.get("when") {
        (retry.connect, retry.timeout, retry.statuses) = (false, false, 0);
        let words = [
            ("connect", When::Connect),
            ("timeout", When::Timeout),
            ("500", When::Status(8)),
            ("502", When::Status(1)),
            ("503", When::Status(2)),
            ("504", When::Status(4)),
        ];
        for node in reader.list(node) {
            match reader.choice(node, &words, &[]) {
                Some(When::Connect) => retry.connect = true,
                Some(When::Timeout) => retry.timeout = true,
                Some(When::Status(bit)) => retry.statuses |= bit,
                None => {}
            }
        }
    }
    if let Some(attempts) = fields
        .get("attempts")
        .and_then(|n| reader.integer(n, 1, 100))
    {
        retry.attempts = attempts as u32;
    }
    retry.budget_percent = fields
        .get("budget")
        .and_then(|n| reader.percent(n))
        .unwrap_or(retry.budget_percent);
    retry
}

fn keepalive(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
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

/// Idle connections are bounded for all pools of a thread together, so of numbers only zero has its effect.
fn connections(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
    match reader.integer(node, 0, 65_535) {
        Some(0) => pool.keepalive = 0,
        Some(_) => reader.not_yet(node.at, "a number of idle connections of one pool"),
        None => {}
    }
}

fn tls(reader: &mut Reader<'_>, node: &Node, pool: &mut Pool) {
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
