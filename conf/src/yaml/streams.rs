//! Streams: what is carried as it is, over TCP or UDP.

use super::{
    document::networks,
    listen::addresses,
    log,
    pools::Pools,
    read::{Fields, Reader, Shape},
    sites::host,
    tree::{Node, Value},
};
use crate::model::{
    Address, Listener, ProxyProtocol, ProxyVersion, Stream, StreamTimeouts, StreamTo,
};
use ipnet::IpNet;
use seawall_diag::{Diagnostic, Span};

pub(super) const STREAM: Shape = Shape {
    what: "a stream",
    fields: &[
        "listen",
        "protocol",
        "to",
        "names",
        "accept_proxy",
        "proxy_protocol",
        "allow",
        "deny",
        "timeouts",
        "connections",
        "responses",
        "log",
    ],
    not_yet: &["tls"],
};

pub(super) const TIMEOUTS: Shape = Shape {
    what: "`timeouts` of a stream",
    fields: &["connect", "tunnel_idle", "first_byte"],
    not_yet: &[],
};

pub(super) const FROM: Shape = Shape {
    what: "`proxy_protocol`",
    fields: &["from"],
    not_yet: &[],
};

/// Reads `streams`. No address may be listened on twice, by streams or by `listen`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    listeners: &[Listener],
    pools: &mut Pools,
) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    for node in reader.list(node) {
        let Some(stream) = stream(reader, node, pools) else {
            continue;
        };
        for (address, at) in &stream.listen {
            let http = listeners.iter().filter(|_| !stream.udp);
            let before = http.map(|l| (&l.address, l.at)).chain(
                streams
                    .iter()
                    .filter(|s| s.udp == stream.udp)
                    .flat_map(|s| s.listen.iter().map(|(a, at)| (a, *at))),
            );
            if let Some((_, first)) = before.into_iter().find(|(a, _)| *a == address) {
                let d = Diagnostic::error("duplicate", *at, "this address is listened on already");
                reader.found.push(d.related(first, "first written here"));
            }
        }
        streams.push(stream);
    }
    streams
}

fn stream(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<Stream> {
    let fields = reader.open(node, &STREAM)?;
    let words = [("tcp", false), ("udp", true)];
    let udp = fields
        .get("protocol")
        .and_then(|n| reader.choice(n, &words, &[]))
        .unwrap_or(false);
    let listen = listen(reader, &fields, udp);
    let to = to(reader, &fields, pools, udp)?;
    let name = listen.first().map(|(a, _)| shown(a)).unwrap_or_default();
    let accept_proxy = fields
        .get("accept_proxy")
        .filter(|n| !n.is_off())
        .and_then(|n| proxy_protocol(reader, n));
    let versions = [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
    let stream = Stream {
        at: fields.at,
        name,
        listen,
        udp,
        access: access(reader, &fields),
        to,
        proxy_protocol: fields
            .get("proxy_protocol")
            .filter(|n| !n.is_off())
            .and_then(|n| reader.choice(n, &versions, &[])),
        timeouts: timeouts(reader, &fields, udp),
        connections: fields
            .get("connections")
            .and_then(|n| reader.integer(n, 1, 10_000_000))
            .map(|n| n as usize),
        responses: fields
            .get("responses")
            .and_then(|n| reader.integer(n, 0, u64::MAX)),
        log: fields
            .get("log")
            .filter(|n| !n.is_off())
            .map(|n| log::of_stream(reader, n))
            .unwrap_or_default(),
        accept_proxy,
    };
    only_for(reader, &fields, udp);
    Some(stream)
}

/// What makes no sense over the stream's protocol is refused, not ignored.
fn only_for(reader: &mut Reader<'_>, fields: &Fields<'_>, udp: bool) {
    let (words, help): (&[&str], _) = if udp {
        (
            &["accept_proxy", "names"],
            "leave it out, or write protocol: tcp",
        )
    } else {
        (&["responses"], "leave it out, or write protocol: udp")
    };
    for word in words {
        if let Some(at) = fields.key(word).filter(|_| fields.get(word).is_some()) {
            let message = format!("`{word}` is not for this protocol");
            reader.invalid(at, message, help);
        }
    }
    if udp
        && let Some(node) = fields.get("proxy_protocol")
        && node.scalar() == Some("v1")
    {
        reader.invalid(node.at, "version 1 has no word for datagrams", "write v2");
    }
}

fn listen(reader: &mut Reader<'_>, fields: &Fields<'_>, udp: bool) -> Vec<(Address, Span)> {
    let Some(node) = fields.get("listen") else {
        reader.missing(fields.at, "a stream", "listen");
        return Vec::new();
    };
    let mut all: Vec<(Address, Span)> = Vec::new();
    for node in reader.list(node) {
        for address in addresses(reader, node) {
            if udp && !matches!(address, Address::Ip(_)) {
                reader.invalid(
                    node.at,
                    "datagrams need an IP address and a port",
                    "write \"192.0.2.10:53\"",
                );
                continue;
            }
            all.push((address, node.at));
        }
    }
    all
}

fn shown(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name(host, port) => format!("{host}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn to(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    pools: &mut Pools,
    udp: bool,
) -> Option<StreamTo> {
    let to = fields.get("to").filter(|n| !n.is_off());
    let other = match to {
        Some(node) => Some(pool(reader, node, pools, udp)?),
        None => None,
    };
    let Some(node) = fields.get("names") else {
        if other.is_none() {
            reader.missing(fields.at, "a stream", "to");
        }
        return other.map(StreamTo::Pool);
    };
    let mut names = Vec::new();
    for (key, node) in reader.entries(node, "`names`") {
        let Some(name) = host(reader, &key.name, key.at) else {
            continue;
        };
        if let Some(pool) = pool(reader, node, pools, udp) {
            names.push((name, pool));
        }
    }
    Some(StreamTo::ByName { names, other })
}

/// A pool of plain servers: a stream is carried as it is, so there is nobody to speak TLS.
fn pool(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools, udp: bool) -> Option<usize> {
    let text = reader.string(node)?;
    if text.contains("://") {
        reader.invalid(
            node.at,
            "a stream is carried as it is: a scheme says nothing here",
            "write the address alone: 10.0.0.5:5432",
        );
        return None;
    }
    let index = pools.target(reader, node.at, text)?;
    let pool = pools.all.get(index)?;
    if pool.tls.is_some() {
        reader.invalid(
            node.at,
            format!("the servers of `{}` are asked over TLS", pool.name),
            "a stream is carried as it is: name a pool without `tls`",
        );
        return None;
    }
    let by_path = pool
        .servers
        .iter()
        .any(|s| matches!(s.address, Address::Unix(_)));
    if udp && by_path {
        reader.invalid(
            node.at,
            format!(
                "`{}` has a unix socket, which takes no datagrams here",
                pool.name
            ),
            "name a pool of IP addresses",
        );
        return None;
    }
    Some(index)
}

fn access(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<(bool, IpNet)> {
    let mut list = |name: &str, allowed: bool| -> Vec<(bool, IpNet)> {
        let nets = fields.get(name).map(|n| networks(reader, n));
        nets.into_iter().flatten().map(|n| (allowed, n)).collect()
    };
    let denied = list("deny", false);
    let allowed = list("allow", true);
    let closed = !allowed.is_empty();
    let mut all = [denied, allowed].concat();
    if closed {
        // Who is allowed is named: nobody else is.
        let everybody = ["0.0.0.0/0", "::/0"].map(|n| n.parse::<IpNet>());
        all.extend(everybody.into_iter().flatten().map(|n| (false, n)));
    }
    all
}

fn timeouts(reader: &mut Reader<'_>, fields: &Fields<'_>, udp: bool) -> StreamTimeouts {
    let mut timeouts = StreamTimeouts::defaults(udp);
    let Some(fields) = fields
        .get("timeouts")
        .and_then(|n| reader.open(n, &TIMEOUTS))
    else {
        return timeouts;
    };
    for (name, held) in [
        ("connect", &mut timeouts.connect),
        ("tunnel_idle", &mut timeouts.idle),
        ("first_byte", &mut timeouts.first),
    ] {
        if let Some(value) = fields.get(name).and_then(|n| reader.duration(n)) {
            *held = value;
        }
    }
    timeouts
}

/// `{ from: [networks] }`, or the networks alone: who connects here, and says before each connection who it is from.
pub(crate) fn proxy_protocol(reader: &mut Reader<'_>, node: &Node) -> Option<ProxyProtocol> {
    let node = match node.value {
        Value::Map(_) => {
            let fields = reader.open(node, &FROM)?;
            match fields.get("from") {
                Some(node) => node,
                None => {
                    reader.missing(fields.at, "`proxy_protocol`", "from");
                    return None;
                }
            }
        }
        _ => node,
    };
    let from = networks(reader, node);
    Some(ProxyProtocol {
        believe: from.clone(),
        from,
    })
}
