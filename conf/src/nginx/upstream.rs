//! `upstream` blocks, and the pools that `proxy_pass` makes of them and of addresses.

use super::read::Reader;
use super::tree::Directive;
use crate::address::{self, OriginError};
use crate::model::{Balance, Eject, Pool, PoolTls, Protocol, Retry, Server};
use seawall_diag::{Diagnostic, Span};
use std::time::Duration;

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
    pub(crate) fn read<'d>(
        reader: &mut Reader<'_>,
        directives: impl Iterator<Item = &'d Directive>,
    ) -> Self {
        let mut all = Upstreams::default();
        for d in directives {
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
            all.pools.push(upstream(reader, d, name));
        }
        all.named = all.pools.len();
        all
    }

    /// The pool of a `proxy_pass`: the upstream of that name, or the address itself, in plain or over TLS.
    pub(crate) fn pool(&mut self, at: Span, authority: &str, origin: &address::Origin) -> usize {
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
            .position(|p| p.name == name && p.tls.is_some() == origin.tls)
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
        // nginx verifies nothing unless told to (proxy_ssl_verify).
        pool.tls = origin.tls.then(PoolTls::default);
        self.pools.push(pool);
        self.pools.len() - 1
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
        servers: Vec::new(),
        health: None,
        // Each server has its own max_fails.
        eject: Eject {
            after: 1,
            for_: Duration::from_secs(10),
            at_most_percent: 100,
        },
        // proxy_next_upstream error timeout, on every server once.
        retry: Retry {
            connect: true,
            timeout: true,
            statuses: 0,
            attempts: 1,
            budget_percent: 100,
        },
        keepalive: KEEPALIVE,
        keepalive_timeout: Duration::from_secs(60),
        tls: None,
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
    }
}

fn upstream(reader: &mut Reader<'_>, d: &Directive, name: &str) -> Pool {
    let mut pool = empty(d.args.first().map_or(d.at(), |w| w.at), name);
    for child in d.children() {
        match child.name() {
            "server" => pool.servers.extend(read_server(reader, child)),
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
            "random" => match (child.arg(0), child.arg(1)) {
                ("two", "" | "least_conn") => pool.balance = Balance::P2c,
                _ => reader.not_yet(child.at(), "\"random\" other than \"random two\""),
            },
            _ => {}
        }
    }
    if pool.servers.is_empty() {
        reader.error(d.at(), "no servers are inside upstream");
    } else if pool.servers.iter().all(|s| s.backup) {
        // nginx counts only those that are no backups.
        reader.error(d.at(), format!("no servers in upstream \"{name}\""));
    }
    pool.retry.attempts = pool.servers.len().clamp(1, 1000) as u32;
    pool
}

fn read_server(reader: &mut Reader<'_>, d: &Directive) -> Option<Server> {
    let word = d.args.first()?;
    let address = match address::origin(&word.text, Some(80)) {
        Ok(origin) if origin.uri.is_empty() && !word.text.contains("://") => origin.address,
        Ok(_) | Err(OriginError::NotYet(_)) => {
            reader.error(
                word.at,
                format!("invalid host in upstream \"{}\"", word.text),
            );
            return None;
        }
        Err(OriginError::Invalid(message)) => {
            reader.error(word.at, message.replace(" in \"", " in upstream \""));
            return None;
        }
    };
    let mut server = server(word.at, address);
    for word in d.args.iter().skip(1) {
        let text = word.text.as_str();
        match text.split_once('=') {
            None if text == "backup" => server.backup = true,
            None if text == "down" => server.down = true,
            None if matches!(text, "resolve" | "drain") => {
                reader.not_yet(word.at, &format!("\"{text}\""))
            }
            Some(("weight", n)) => match reader.number_word(word, n) {
                Some(0) => reader.invalid_parameter(word),
                Some(n) => server.weight = n.min(65_535) as u32,
                None => {}
            },
            Some(("max_fails", n)) => {
                server.max_fails = reader.number_word(word, n).map(|n| n as u32)
            }
            Some(("fail_timeout", time)) => server.fail_timeout = reader.duration_word(word, time),
            Some(("max_conns", "0")) => {}
            Some(("max_conns" | "slow_start" | "route" | "service", _)) => {
                reader.not_yet(
                    word.at,
                    &format!("\"{}\"", text.split('=').next().unwrap_or_default()),
                );
            }
            _ => reader.invalid_parameter(word),
        }
    }
    Some(server)
}
