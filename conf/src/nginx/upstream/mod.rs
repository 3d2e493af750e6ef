//! `upstream` blocks, and the pools that `proxy_pass` makes of them and of addresses.

mod server;
mod sticky;

use crate::address;
use crate::model::{Balance, Eject, Pool, PoolTls, Protocol, Queue, Reach, Retry, Server, Wire};
use crate::nginx::read::Reader;
use crate::nginx::tree::Directive;
use seawall_diag::{Diagnostic, Span};
use std::{net::SocketAddr, time::Duration};

/// Idle connections kept for each worker where `keepalive` says nothing (nginx 1.29.7).
const KEEPALIVE: usize = 32;

/// All pools: upstreams in plain, then those that `proxy_pass` asked for.
#[derive(Default)]
pub(crate) struct Upstreams {
    pub(crate) pools: Vec<Pool>,
    named: usize,
}

impl Upstreams {
    /// Reads every `upstream`.
    pub(crate) fn read(reader: &mut Reader<'_>, http: &Directive) -> Self {
        let mut all = Upstreams::default();
        let named = |name: &'static str| http.children().filter(move |d| d.name() == name);
        let resolver: Vec<SocketAddr> = named("resolver")
            .flat_map(|d| resolver(reader, d))
            .collect();
        for d in named("upstream") {
            let name = d.arg(0);
            if let Some(first) = all.pools.iter().find(|p| p.name.eq_ignore_ascii_case(name)) {
                let finding = Diagnostic::error(
                    "nginx-duplicate",
                    d.at(),
                    format!("duplicate upstream \"{name}\""),
                );
                reader
                    .found
                    .push(finding.related(first.at, "first written here"));
                continue;
            }
            let mut pool = upstream(reader, d, name);
            if pool.resolver.is_empty() {
                pool.resolver.clone_from(&resolver);
            }
            all.pools.push(pool);
        }
        all.named = all.pools.len();
        all
    }

    /// The pool of a `proxy_pass`: the upstream of that name, or the address itself, in plain or over TLS.
    pub(crate) fn pool(&mut self, at: Span, authority: &str, origin: &address::Origin) -> usize {
        // nginx verifies nothing unless told to (proxy_ssl_verify).
        let tls = origin.tls.then(PoolTls::default);
        self.pool_over(at, authority, origin, tls, false)
    }

    /// The same, where TLS and the version of HTTP are said by whoever asks.
    pub(crate) fn pool_over(
        &mut self,
        at: Span,
        authority: &str,
        origin: &address::Origin,
        tls: Option<PoolTls>,
        http2: bool,
    ) -> usize {
        let upstream = self
            .pools
            .iter()
            .take(self.named)
            .find(|p| p.name.eq_ignore_ascii_case(authority));
        let name = upstream.map_or_else(
            || match &origin.address {
                crate::model::Address::Unix(path) => format!("unix:{}", path.display()),
                _ => authority.to_owned(),
            },
            |p| p.name.clone(),
        );
        if let Some(known) = self
            .pools
            .iter()
            .position(|p| p.name == name && p.tls == tls && p.wire.http2 == http2)
        {
            return known;
        }
        let mut pool = match upstream {
            Some(pool) => pool.clone(),
            None => {
                let mut pool = empty(at, &name);
                pool.servers.push(server(at, origin.address.clone()));
                pool
            }
        };
        pool.tls = tls;
        pool.wire.http2 = http2;
        self.pools.push(pool);
        self.pools.len() - 1
    }

    /// What an origin that requests name is reached by: every upstream, and a pool without servers for all others.
    pub(crate) fn reach(
        &mut self,
        at: Span,
        text: &str,
        tls: Option<PoolTls>,
        http2: bool,
        resolver: &[SocketAddr],
    ) -> Reach {
        let upstreams: Vec<String> = self
            .pools
            .iter()
            .take(self.named)
            .map(|p| p.name.clone())
            .collect();
        let names = upstreams
            .into_iter()
            .map(|name| {
                let origin = address::Origin {
                    address: crate::model::Address::Name(name.clone(), 80),
                    tls: tls.is_some(),
                    http2: false,
                    uri: String::new(),
                    authority: name.clone(),
                };
                let pool = self.pool_over(at, &name, &origin, tls.clone(), http2);
                (name, pool)
            })
            .collect();
        let mut pool = empty(at, text);
        pool.tls = tls;
        pool.wire.http2 = http2;
        pool.resolver = resolver.to_vec();
        pool.retry.attempts = 1000;
        self.pools.push(pool);
        Reach {
            pool: self.pools.len() - 1,
            names,
        }
    }

    /// Whether an upstream has this name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.pools
            .iter()
            .take(self.named)
            .any(|p| p.name.eq_ignore_ascii_case(name))
    }
}

fn empty(at: Span, name: &str) -> Pool {
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
        queue: Queue {
            size: 0,
            timeout: Duration::from_secs(60),
        },
        breaker: None,
        hedge: None,
        sticky: None,
        // Each server has its own max_fails.
        eject: Eject {
            after: 1,
            ratio: None,
            for_: Duration::from_secs(10),
            at_longest: Duration::from_secs(10),
            at_most_percent: 100,
        },
        // proxy_next_upstream error timeout, on every server once.
        retry: Retry {
            connect: true,
            timeout: true,
            statuses: Vec::new(),
            invalid: true,
            non_idempotent: false,
            idempotency_key: false,
            methods: Vec::new(),
            attempts: 1,
            budget_percent: 100,
            backoff: Duration::ZERO,
            backoff_max: Duration::ZERO,
            within: Duration::ZERO,
        },
        keepalive: KEEPALIVE,
        keepalive_timeout: Duration::from_secs(60),
        tls: None,
        wire: Wire::default(),
    }
}

fn server(at: Span, address: crate::model::Address) -> Server {
    Server {
        at,
        address,
        weight: 1,
        backup: false,
        down: false,
        max_fails: Some(1),
        fail_timeout: Some(Duration::from_secs(10)),
        drain: false,
        max_conns: 0,
        slow_start: Duration::ZERO,
        id: None,
    }
}

fn upstream(reader: &mut Reader<'_>, d: &Directive, name: &str) -> Pool {
    let mut pool = empty(d.args.first().map_or(d.at(), |w| w.at), name);
    for child in d.children() {
        match child.name() {
            "server" => server::read(reader, child, &mut pool),
            "keepalive" => {
                let word = child.args.first();
                if let Some(n) = word.and_then(|w| reader.number_word(w, &w.text)) {
                    pool.keepalive = n.min(65_535) as usize;
                }
                if let Some(word) = child.args.get(1).filter(|w| w.text != "local") {
                    reader.invalid_parameter(word);
                }
            }
            "keepalive_timeout" => {
                pool.keepalive_timeout = reader.duration(child).unwrap_or(pool.keepalive_timeout)
            }
            "sticky" => pool.sticky = sticky::read(reader, child),
            "queue" => queue(reader, child, &mut pool),
            "resolver" => pool.resolver = resolver(reader, child),
            _ => {
                if let Some(balance) = balance(reader, child, &mut pool) {
                    if pool.balance != Balance::RoundRobin {
                        let message = "load balancing method redefined";
                        let warning = Diagnostic::warning("nginx-duplicate", child.at(), message);
                        reader.found.push(warning);
                    }
                    pool.balance = balance;
                }
            }
        }
    }
    // nginx's `drain` keeps the sessions a server has.
    if let Some(sticky) = &mut pool.sticky {
        sticky.while_draining = true;
    }
    let primaries = pool.sources.iter().map(|s| &s.server);
    let has_primary = primaries.chain(&pool.servers).any(|s| !s.backup);
    if pool.servers.is_empty() && pool.sources.is_empty() {
        reader.error(d.at(), "no servers are inside upstream");
    } else if !has_primary {
        // nginx counts only those that are no backups.
        reader.error(d.at(), format!("no servers in upstream \"{name}\""));
    }
    // Every server once; what a name stands for is not known yet.
    pool.retry.attempts = match pool.sources.len() {
        0 => pool.servers.len().clamp(1, 1000) as u32,
        _ => 1000,
    };
    pool
}

/// A directive that says how a server is chosen.
fn balance(reader: &mut Reader<'_>, d: &Directive, pool: &mut Pool) -> Option<Balance> {
    Some(match d.name() {
        "least_conn" => Balance::LeastConn,
        "ip_hash" => Balance::IpHash,
        "hash" => {
            let word = d.args.first()?;
            pool.hash_key = Some(reader.template(word));
            if let Some(word) = d.args.get(1).filter(|w| w.text != "consistent") {
                reader.invalid_parameter(word);
            }
            Balance::Hash
        }
        "random" => match (d.arg(0), d.arg(1)) {
            ("", _) => Balance::Random,
            ("two", "" | "least_conn") => Balance::P2c,
            ("two", method) if method.starts_with("least_time") => Balance::Ewma,
            (word, method) => {
                let bad = usize::from(word == "two" && !method.is_empty());
                if let Some(word) = d.args.get(bad) {
                    reader.invalid_parameter(word);
                }
                return None;
            }
        },
        "least_time" => {
            let known = |text: &str| matches!(text, "header" | "last_byte" | "inflight");
            if let Some(word) = d.args.iter().find(|w| !known(&w.text)) {
                reader.invalid_parameter(word);
            }
            Balance::Ewma
        }
        _ => return None,
    })
}

/// `queue number [timeout=time]`
fn queue(reader: &mut Reader<'_>, d: &Directive, pool: &mut Pool) {
    if let Some(word) = d.args.first()
        && let Some(size) = reader.number_word(word, &word.text)
    {
        pool.queue.size = size.min(65_536) as u32;
    }
    if let Some(word) = d.args.get(1) {
        match word.text.strip_prefix("timeout=") {
            Some(time) => {
                let time = reader.duration_word(word, time);
                pool.queue.timeout = time.unwrap_or(pool.queue.timeout);
            }
            None => reader.invalid_parameter(word),
        }
    }
}

/// `resolver address ... [valid=time] [ipv4=on|off] [ipv6=on|off] [status_zone=zone]`
fn resolver(reader: &mut Reader<'_>, d: &Directive) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for word in &d.args {
        if let Some((name, _)) = word.text.split_once('=') {
            match name {
                "ipv4" | "ipv6" | "status_zone" => {}
                // Names are asked for again when their own time is over.
                "valid" => {}
                _ => reader.invalid_parameter(word),
            }
            continue;
        }
        match address::host_port(&word.text, Some(53)) {
            Ok(crate::model::Address::Ip(address)) => all.push(address),
            Ok(_) => reader.not_yet(word.at, "a name server that is a name"),
            Err(message) => reader.error(word.at, message.replace(" in \"", " in resolver \"")),
        }
    }
    all
}
