//! `stream { }` (ngx_stream_core_module, _proxy, _upstream, _access, _ssl_preread, _map, _realip).
//!
//! A `server` becomes one stream for its TCP addresses and one for its UDP addresses. A `proxy_pass` with a variable is
//! understood where the variable is a `map` of `$ssl_preread_server_name`: that is what it is written for.

use super::lex::Word;
use super::listen;
use super::log::Logs;
use super::read::{Reader, is_on};
use super::tree::Directive;
use super::upstream::Upstreams;
use crate::address::{self, OriginError};
use crate::model::{
    AccessLog, Address, Config, HostName, LogTo, Pool, ProxyProtocol, ProxyVersion, Stream,
    StreamTimeouts, StreamTo,
};
use ipnet::IpNet;
use seawall_diag::{Diagnostic, Span};
use std::time::Duration;

/// Parameters of `listen` that tune the socket and nothing else.
const TUNING: &[&str] = &[
    "reuseport",
    "deferred",
    "bind",
    "ipv6only=on",
    "so_keepalive=on",
    "so_keepalive=off",
    "multipath",
];
const TUNING_VALUES: &[&str] = &[
    "backlog=",
    "rcvbuf=",
    "sndbuf=",
    "setfib=",
    "fastopen=",
    "accept_filter=",
    "so_keepalive=",
];

/// What a level says, inherited by the servers within.
#[derive(Clone)]
struct Level {
    connect: Duration,
    idle: Duration,
    first: Duration,
    proxy_protocol: bool,
    preread: bool,
    responses: Option<u64>,
    access: Vec<(bool, IpNet)>,
    real_ip_from: Vec<IpNet>,
    log: Vec<AccessLog>,
    next: bool,
}

/// `map $ssl_preread_server_name $variable { }`
struct Map<'d> {
    variable: &'d str,
    source: &'d str,
    directive: &'d Directive,
}

/// Lowers the block into `config.streams`, its upstreams into `config.pools`.
pub(crate) fn lower(reader: &mut Reader<'_>, block: &Directive, config: &mut Config) {
    let children = |name: &'static str| block.children().filter(move |d| d.name() == name);
    let mut logs = Logs::default();
    children("log_format").for_each(|d| logs.format(reader, d));
    let mut upstreams = Upstreams::read(reader, block);
    let maps: Vec<Map<'_>> = children("map")
        .map(|d| Map {
            source: d.arg(0),
            variable: d.arg(1),
            directive: d,
        })
        .collect();
    let outer = Level {
        connect: Duration::from_secs(60),
        idle: Duration::from_secs(600),
        first: Duration::from_secs(30),
        proxy_protocol: false,
        preread: false,
        responses: None,
        access: Vec::new(),
        real_ip_from: Vec::new(),
        log: Vec::new(),
        next: true,
    }
    .enter(reader, block, &mut logs);
    let first_pool = config.pools.len();
    let mut streams = Vec::new();
    for d in children("server") {
        let level = outer.clone().enter(reader, d, &mut logs);
        server(reader, d, &level, &maps, &mut upstreams, &mut streams);
    }
    twice(reader, &streams, config);
    // An upstream of the same name in `http` is another one.
    for pool in &mut upstreams.pools {
        if config.pools.iter().any(|p| p.name == pool.name) {
            pool.name.push_str(" (stream)");
        }
    }
    config.pools.append(&mut upstreams.pools);
    for stream in &mut streams {
        match &mut stream.to {
            StreamTo::Pool(at) => *at += first_pool,
            StreamTo::ByName { names, other } => {
                names.iter_mut().for_each(|(_, at)| *at += first_pool);
                other.iter_mut().for_each(|at| *at += first_pool);
            }
        }
    }
    config.streams = streams;
}

/// An address belongs to one server, of HTTP or of streams.
fn twice(reader: &mut Reader<'_>, streams: &[Stream], config: &Config) {
    for (i, stream) in streams.iter().enumerate() {
        for (address, at) in &stream.listen {
            let earlier = streams.iter().take(i).filter(|s| s.udp == stream.udp);
            let first = earlier
                .flat_map(|s| &s.listen)
                .find(|(a, _)| a == address)
                .map(|(_, at)| *at);
            let http = config.listeners.iter().filter(|_| !stream.udp);
            let http = http.filter(|l| l.address == *address).map(|l| l.at).next();
            if let Some(first) = first.or(http) {
                let shown = listen::show(address);
                let message = format!("duplicate \"{shown}\" address and port pair");
                let finding = Diagnostic::error("nginx-duplicate", *at, message);
                reader
                    .found
                    .push(finding.related(first, "first written here"));
            }
        }
    }
}

impl Level {
    fn enter(mut self, reader: &mut Reader<'_>, block: &Directive, logs: &mut Logs) -> Self {
        let mut own_access = Vec::new();
        let mut own_log: Option<Vec<AccessLog>> = None;
        for d in block.children() {
            match d.name() {
                "proxy_connect_timeout" => set(&mut self.connect, reader.duration(d)),
                "proxy_timeout" => set(&mut self.idle, reader.duration(d)),
                "preread_timeout" => set(&mut self.first, reader.duration(d)),
                "proxy_protocol" => self.proxy_protocol = is_on(d),
                "ssl_preread" => self.preread = is_on(d),
                "proxy_next_upstream" => self.next = is_on(d),
                "proxy_responses" => self.responses = reader.number(d),
                "allow" => own_access.extend(rule(reader, d, true)),
                "deny" => own_access.extend(rule(reader, d, false)),
                "set_real_ip_from" => self.real_ip_from.extend(network(reader, d.args.first())),
                "access_log" => {
                    logs.access(reader, d);
                    let log = logs.at(d.at()).and_then(|at| logs.all.get(at).cloned());
                    if log
                        .as_ref()
                        .is_some_and(|log| matches!(log.to, LogTo::Files(_)))
                    {
                        reader.not_yet(d.at(), "a stream's log path with variables");
                    }
                    own_log.get_or_insert_default().extend(log);
                }
                _ => {}
            }
        }
        // Lists are inherited only where a level has none of its own.
        if !own_access.is_empty() {
            self.access = own_access.concat();
        }
        if let Some(own) = own_log {
            self.log = own;
        }
        self
    }
}

fn set(target: &mut Duration, value: Option<Duration>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn rule(reader: &mut Reader<'_>, d: &Directive, allowed: bool) -> Option<Vec<(bool, IpNet)>> {
    match d.arg(0) {
        // A client on a unix socket is nobody's network: it is let in by the socket's permissions.
        "unix:" => None,
        "all" => Some(everybody().into_iter().map(|n| (allowed, n)).collect()),
        _ => network(reader, d.args.first()).map(|n| vec![(allowed, n)]),
    }
}

/// Every address.
pub(crate) fn everybody() -> Vec<IpNet> {
    let all = ["0.0.0.0/0", "::/0"];
    all.iter().filter_map(|n| n.parse().ok()).collect()
}

/// A network or an address; `unix:` is none.
pub(crate) fn network(reader: &mut Reader<'_>, word: Option<&Word>) -> Option<IpNet> {
    let word = word.filter(|w| w.text != "unix:")?;
    let text = &word.text;
    let parsed = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    match parsed {
        Ok(network) => Some(network.trunc()),
        Err(_) => {
            reader.invalid_parameter(word);
            None
        }
    }
}

fn server(
    reader: &mut Reader<'_>,
    d: &Directive,
    level: &Level,
    maps: &[Map<'_>],
    upstreams: &mut Upstreams,
    streams: &mut Vec<Stream>,
) {
    let listens = listens(reader, d);
    let Some(pass) = d.children().find(|d| d.name() == "proxy_pass") else {
        return reader.error(d.at(), "no handler for server");
    };
    let Some(to) = pass_to(reader, pass, level, maps, upstreams) else {
        return;
    };
    for udp in [false, true] {
        let own: Vec<&Listen> = listens.iter().filter(|l| l.udp == udp).collect();
        let Some(first) = own.first() else { continue };
        if udp && level.proxy_protocol && own.iter().any(|l| l.udp) {
            // Version 1, which nginx would send in a datagram of its own, has no word for datagrams.
            reader.not_yet(pass.at(), "\"proxy_protocol\" to servers of datagrams");
        }
        let header = own.iter().any(|l| l.proxy_protocol);
        streams.push(Stream {
            at: d.at(),
            name: listen::show(&first.address),
            listen: own.iter().map(|l| (l.address.clone(), l.at)).collect(),
            udp,
            accept_proxy: header.then(|| ProxyProtocol {
                from: everybody(),
                believe: level.real_ip_from.clone(),
            }),
            access: level.access.clone(),
            to: to.clone(),
            proxy_protocol: (level.proxy_protocol && !udp).then_some(ProxyVersion::V1),
            timeouts: StreamTimeouts {
                connect: level.connect,
                idle: level.idle,
                first: level.first,
            },
            connections: None,
            responses: level.responses.filter(|_| udp),
            log: level.log.clone(),
        });
    }
}

struct Listen {
    address: Address,
    at: Span,
    udp: bool,
    proxy_protocol: bool,
}

fn listens(reader: &mut Reader<'_>, server: &Directive) -> Vec<Listen> {
    let mut all = Vec::new();
    for d in server.children().filter(|d| d.name() == "listen") {
        let Some(word) = d.args.first() else { continue };
        let text = match word.text.parse::<u16>() {
            Ok(port) if port > 0 => format!("*:{port}"),
            _ => word.text.clone(),
        };
        let addresses = match address::listen(&text) {
            Ok(addresses) => addresses,
            Err(message) => {
                reader.error(word.at, format!("{message} of the \"listen\" directive"));
                continue;
            }
        };
        let (mut udp, mut proxy_protocol) = (false, false);
        for word in d.args.iter().skip(1) {
            match word.text.as_str() {
                "udp" => udp = true,
                "proxy_protocol" => proxy_protocol = true,
                "ssl" | "ipv6only=off" => {
                    reader.not_yet(word.at, &format!("\"{}\" of \"listen\"", word.text))
                }
                t if TUNING.contains(&t) || TUNING_VALUES.iter().any(|v| t.starts_with(v)) => {}
                _ => reader.invalid_parameter(word),
            }
        }
        all.extend(addresses.into_iter().map(|address| Listen {
            address,
            at: word.at,
            udp,
            proxy_protocol,
        }));
    }
    if all.is_empty() && !server.children().any(|d| d.name() == "listen") {
        reader.error(server.at(), "no \"listen\" is defined for server");
    }
    all
}

fn pass_to(
    reader: &mut Reader<'_>,
    pass: &Directive,
    level: &Level,
    maps: &[Map<'_>],
    upstreams: &mut Upstreams,
) -> Option<StreamTo> {
    let word = pass.args.first()?;
    let Some(variable) = word.text.strip_prefix('$') else {
        return pool(reader, word, level, upstreams).map(StreamTo::Pool);
    };
    let map = maps
        .iter()
        .find(|m| m.variable.strip_prefix('$') == Some(variable));
    let Some(map) = map else {
        reader.not_yet(
            word.at,
            "a \"proxy_pass\" whose variable is no \"map\" of this block",
        );
        return None;
    };
    if !matches!(
        map.source,
        "$ssl_preread_server_name" | "${ssl_preread_server_name}"
    ) {
        reader.not_yet(
            map.directive.at(),
            "a \"map\" of anything but $ssl_preread_server_name",
        );
        return None;
    }
    if !level.preread {
        // nginx runs such a file, and every name is empty.
        let message = "without \"ssl_preread on\" the name is never read: every connection takes the map's default";
        let finding = Diagnostic::warning("nginx-preread", pass.at(), message);
        reader.found.push(finding);
        let fallback = map.directive.children().find(|d| d.name() == "default")?;
        return pool(reader, fallback.args.first()?, level, upstreams).map(StreamTo::Pool);
    }
    let hostnames = map.directive.children().any(|d| d.name() == "hostnames");
    let (mut names, mut other) = (Vec::new(), None);
    for entry in map.directive.children() {
        let Some(value) = entry.args.first() else {
            continue;
        };
        let index = pool(reader, value, level, upstreams)?;
        match entry.name() {
            "default" => other = Some(index),
            _ => names.extend(
                keys(reader, entry, hostnames)
                    .into_iter()
                    .map(|k| (k, index)),
            ),
        }
    }
    Some(StreamTo::ByName { names, other })
}

/// A map's key: a name, a wildcard where `hostnames` is said, or an expression.
fn keys(reader: &mut Reader<'_>, entry: &Directive, hostnames: bool) -> Vec<HostName> {
    let text = entry.name();
    let plain = text.strip_prefix('\\').unwrap_or(text);
    let mut names = Vec::new();
    if plain.is_empty() {
        names.push(HostName::Empty);
    } else if hostnames || plain.starts_with('~') {
        listen::name(reader, &entry.name, &mut names);
    } else {
        names.push(HostName::Exact(plain.to_ascii_lowercase()));
    }
    names
}

fn pool(
    reader: &mut Reader<'_>,
    word: &Word,
    level: &Level,
    upstreams: &mut Upstreams,
) -> Option<usize> {
    let port = upstreams.is_named(&word.text).then_some(80);
    let origin = match address::origin(&word.text, port) {
        Ok(origin) if origin.uri.is_empty() && !word.text.contains("://") => origin,
        Err(OriginError::Invalid(message)) => {
            let message = message.replace(" in \"", " in upstream \"");
            reader.error(word.at, message);
            return None;
        }
        _ => {
            reader.error(
                word.at,
                format!("invalid host in upstream \"{}\"", word.text),
            );
            return None;
        }
    };
    let index = upstreams.pool(word.at, &origin.authority, &origin);
    if let Some(pool) = upstreams.pools.get_mut(index) {
        carries(pool, level);
    }
    Some(index)
}

fn carries(pool: &mut Pool, level: &Level) {
    pool.retry.connect &= level.next;
}
