//! The DNS server: its zones, and the records that follow the balancer's health.

use super::document::networks;
use super::listen::sockets;
use super::pools::Pools;
use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::{
    Dns, DnsAccess, DnsAllDown, DnsPolicy, DnsRecord, DnsRrl, DnsSecondary, DnsStatic, DnsTarget,
    DnsZone,
};
use seawall_diag::{Diagnostic, Span};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const DNS: Shape = Shape {
    what: "`dns`",
    fields: &["listen", "dot", "threads", "rrl", "cookies", "zones"],
    not_yet: &["doq", "doh"],
};
const ZONE: Shape = Shape {
    what: "a zone",
    fields: &[
        "name",
        "file",
        "records",
        "transfer",
        "secondary",
        "update",
        "notify",
        "dnssec",
    ],
    not_yet: &[],
};
const RECORD: Shape = Shape {
    what: "a record",
    fields: &[
        "name",
        "type",
        "ttl",
        "policy",
        "targets",
        "all_down",
        "value",
        "min_up",
        "degraded_ttl",
        "count",
        "last_resort",
    ],
    not_yet: &["key"],
};
const TARGET: Shape = Shape {
    what: "a target",
    fields: &["address", "up", "weight", "nets"],
    not_yet: &["geo", "at"],
};
const RRL: Shape = Shape {
    what: "`rrl`",
    fields: &["rate", "slip", "exempt"],
    not_yet: &[],
};
const COOKIES: Shape = Shape {
    what: "`cookies`",
    fields: &["secrets"],
    not_yet: &[],
};
const TRANSFER: Shape = Shape {
    what: "`transfer`",
    fields: &["to", "key"],
    not_yet: &[],
};
const UPDATE: Shape = Shape {
    what: "`update`",
    fields: &["from", "key"],
    not_yet: &[],
};
const SECONDARY: Shape = Shape {
    what: "`secondary`",
    fields: &["from", "key", "catalog"],
    not_yet: &[],
};
const KEY: Shape = Shape {
    what: "a key",
    fields: &["file"],
    not_yet: &[],
};
const UP: Shape = Shape {
    what: "`up`",
    fields: &["pool"],
    not_yet: &["check"],
};

/// Time to live of a record that follows health, unless said otherwise: short, since it is meant to change.
const TTL: Duration = Duration::from_secs(30);

/// Answers a second for each network and answer, and which of those over it are sent truncated. Where nothing is said
/// the loopback is not limited: nobody forges from there.
const RRL_RATE: u16 = 200;
const RRL_SLIP: u16 = 2;
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Time to live of other records written here, unless said otherwise.
const STATIC_TTL: Duration = Duration::from_secs(300);

/// Reads `dns`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, pools: &Pools) -> Option<Dns> {
    let fields = reader.open(node, &DNS)?;
    let listen = match fields.get("listen") {
        Some(node) => sockets(reader, node),
        None => {
            reader.missing(fields.at, "`dns`", "listen");
            Vec::new()
        }
    };
    let mut zones: Vec<DnsZone> = Vec::new();
    if let Some(node) = fields.get("zones") {
        for node in reader.list(node) {
            let Some(zone) = zone(reader, node, pools) else {
                continue;
            };
            if let Some(first) = zones.iter().find(|z| z.name == zone.name) {
                let d = Diagnostic::error(
                    "duplicate",
                    zone.at,
                    format!("the zone `{}` is written twice", zone.name),
                );
                reader.found.push(d.related(first.at, "first written here"));
            }
            zones.push(zone);
        }
    }
    let threads = fields
        .get("threads")
        .and_then(|n| reader.integer(n, 1, 64))
        .map(|n| n as usize);
    let rrl = match fields.get("rrl") {
        Some(node) if node.is_off() => None,
        Some(node) => rrl(reader, node),
        None => Some(DnsRrl {
            rate: RRL_RATE,
            slip: RRL_SLIP,
            exempt: LOOPBACK.iter().filter_map(|n| n.parse().ok()).collect(),
        }),
    };
    let cookies = fields.get("cookies");
    let cookie_secrets = cookies
        .filter(|n| n.scalar().is_none())
        .and_then(|n| reader.open(n, &COOKIES)?.get("secrets"))
        .and_then(|n| Some((reader.path(n)?, n.at)));
    let dot = fields
        .get("dot")
        .map(|n| sockets(reader, n))
        .unwrap_or_default();
    Some(Dns {
        listen,
        dot,
        threads,
        rrl,
        cookies: cookies.is_none_or(|n| !n.is_off()),
        cookie_secrets,
        zones,
    })
}

fn zone(reader: &mut Reader<'_>, node: &Node, pools: &Pools) -> Option<DnsZone> {
    let fields = reader.open(node, &ZONE)?;
    let mut at = fields.at;
    let mut name = String::new();
    match fields.get("name") {
        Some(node) => {
            at = node.at;
            name = reader
                .string(node)?
                .trim_end_matches('.')
                .to_ascii_lowercase();
            if name.is_empty() || !name.split('.').all(is_label) {
                reader.invalid(
                    node.at,
                    "this is no zone's name",
                    "write a name such as shop.test",
                );
            }
        }
        None => reader.missing(at, "a zone", "name"),
    }
    let file = fields.get("file").and_then(|n| reader.path(n));
    let (mut records, mut statics) = (Vec::new(), Vec::new());
    if let Some(node) = fields.get("records") {
        for node in reader.list(node) {
            match record(reader, node, pools) {
                Some(Record::Dynamic(record)) => records.push(record),
                Some(Record::Static(record)) => statics.push(record),
                None => {}
            }
        }
    }
    let dnssec = fields
        .get("dnssec")
        .and_then(|n| super::dnssec::read(reader, n));
    let secondary = fields
        .get("secondary")
        .filter(|n| !n.is_off())
        .and_then(|n| secondary(reader, n));
    if file.is_none() && statics.is_empty() && secondary.is_none() {
        reader.missing(at, "a zone", "file");
    }
    if let Some(key) = fields.key("file").filter(|_| secondary.is_some()) {
        reader.invalid(
            key,
            "a zone that is copied has no file of its own",
            "take out `file` or `secondary`",
        );
    }
    let transfer = fields
        .get("transfer")
        .filter(|n| !n.is_off())
        .and_then(|n| access(reader, n, &TRANSFER, "to"));
    let update = fields
        .get("update")
        .filter(|n| !n.is_off())
        .and_then(|n| access(reader, n, &UPDATE, "from"));
    let notify = fields
        .get("notify")
        .filter(|n| !n.is_off())
        .map(|n| servers(reader, n))
        .unwrap_or_default();
    Some(DnsZone {
        at,
        name,
        file,
        records,
        dnssec,
        statics,
        transfer,
        notify,
        update,
        secondary,
    })
}

fn rrl(reader: &mut Reader<'_>, node: &Node) -> Option<DnsRrl> {
    let fields = reader.open(node, &RRL)?;
    let number = |reader: &mut Reader<'_>, field, least, otherwise| {
        let node = fields.get(field);
        node.and_then(|n| reader.integer(n, least, 10_000))
            .map_or(otherwise, |n| n as u16)
    };
    Some(DnsRrl {
        rate: number(reader, "rate", 1, RRL_RATE),
        slip: number(reader, "slip", 0, RRL_SLIP),
        exempt: fields
            .get("exempt")
            .map(|n| networks(reader, n))
            .unwrap_or_default(),
    })
}

/// Who may: addresses, a key, or both. Neither is nobody, which is no use.
fn access(
    reader: &mut Reader<'_>,
    node: &Node,
    shape: &'static Shape,
    field: &str,
) -> Option<DnsAccess> {
    let fields = reader.open(node, shape)?;
    let nets = fields
        .get(field)
        .map(|n| networks(reader, n))
        .unwrap_or_default();
    let key = fields.get("key").and_then(|n| key(reader, n));
    if nets.is_empty() && key.is_none() {
        reader.missing(fields.at, shape.what, field);
    }
    Some(DnsAccess { nets, key })
}

fn key(reader: &mut Reader<'_>, node: &Node) -> Option<(PathBuf, Span)> {
    let fields = reader.open(node, &KEY)?;
    match fields.get("file") {
        Some(file) => Some((reader.path(file)?, file.at)),
        None => {
            reader.missing(fields.at, "a key", "file");
            None
        }
    }
}

fn secondary(reader: &mut Reader<'_>, node: &Node) -> Option<DnsSecondary> {
    let fields = reader.open(node, &SECONDARY)?;
    let from = match fields.get("from") {
        Some(node) => servers(reader, node),
        None => {
            reader.missing(fields.at, "`secondary`", "from");
            Vec::new()
        }
    };
    let key = fields.get("key").and_then(|n| key(reader, n));
    let catalog = fields
        .get("catalog")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    Some(DnsSecondary { from, key, catalog })
}

/// Addresses of other servers, at port 53 unless said.
fn servers(reader: &mut Reader<'_>, node: &Node) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for node in reader.list(node) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        let address = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        match address {
            Ok(address) => found.push(address),
            Err(_) => reader.invalid(
                node.at,
                format!("`{text}` is no address of a server"),
                "write 192.0.2.53 or \"192.0.2.53:5353\"",
            ),
        }
    }
    found
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

enum Record {
    Dynamic(DnsRecord),
    Static(DnsStatic),
}

fn record(reader: &mut Reader<'_>, node: &Node, pools: &Pools) -> Option<Record> {
    let fields = reader.open(node, &RECORD)?;
    let mut at = fields.at;
    let mut name = "@".to_owned();
    match fields.get("name") {
        Some(node) => {
            at = node.at;
            name = reader.string(node)?.to_ascii_lowercase();
            if name != "@"
                && !name
                    .split('.')
                    .enumerate()
                    .all(|(i, l)| is_label(l) || (i == 0 && l == "*"))
            {
                reader.invalid(
                    node.at,
                    "this is no owner's name",
                    "write it relative to the zone: www, or @ for the apex",
                );
            }
        }
        None => reader.missing(at, "a record", "name"),
    }
    if let Some(value) = fields.get("value") {
        let rtype = fields.get("type").and_then(|n| reader.string(n));
        let ttl = fields.get("ttl").and_then(|n| reader.duration(n));
        if rtype.is_none() {
            reader.missing(at, "a record with a `value`", "type");
        }
        let mut values = Vec::new();
        for node in reader.list(value) {
            values.extend(reader.string(node).map(str::to_owned));
        }
        return Some(Record::Static(DnsStatic {
            at: value.at,
            name,
            rtype: rtype?.to_owned(),
            ttl: ttl.unwrap_or(STATIC_TTL),
            values,
        }));
    }
    let rtype = match fields.get("type") {
        Some(node) => reader.choice(node, &[("A", "A"), ("AAAA", "AAAA")], &["CNAME", "ALIAS"])?,
        None => "A",
    };
    let ttl = fields
        .get("ttl")
        .and_then(|n| reader.duration(n))
        .unwrap_or(TTL);
    let mut policy = DnsPolicy::Failover;
    if let Some(node) = fields.get("policy") {
        let known = [
            ("failover", DnsPolicy::Failover),
            ("weighted", DnsPolicy::Weighted),
            ("nets", DnsPolicy::Nets),
            ("hash", DnsPolicy::Hash),
            ("multi", DnsPolicy::Multi),
        ];
        policy = reader.choice(node, &known, &["geo", "nearest"])?;
    }
    let mut all_down = DnsAllDown::ServeAll;
    if let Some(node) = fields.get("all_down") {
        let known = [("serve_all", false), ("serve_none", true)];
        if reader.choice(node, &known, &[])? {
            all_down = DnsAllDown::ServeNone;
        }
    }
    if let Some(node) = fields.get("last_resort") {
        let mut addresses = Vec::new();
        for node in reader.list(node) {
            addresses.extend(ip(reader, node, rtype));
        }
        all_down = DnsAllDown::LastResort(addresses);
    }
    let degraded_ttl = fields.get("degraded_ttl").and_then(|n| reader.duration(n));
    let min_up = fields.get("min_up").and_then(|n| reader.integer(n, 1, 64));
    let count = fields.get("count").and_then(|n| reader.integer(n, 1, 8));
    let mut targets = Vec::new();
    match fields.get("targets") {
        Some(node) => {
            for node in reader.list(node) {
                targets.extend(target(reader, node, rtype, pools));
            }
        }
        None => reader.missing(at, "a record", "targets"),
    }
    Some(Record::Dynamic(DnsRecord {
        at,
        name,
        rtype: rtype.to_owned(),
        ttl,
        degraded_ttl,
        policy,
        count: count.unwrap_or(8) as u8,
        min_up: min_up.unwrap_or(1) as usize,
        all_down,
        targets,
    }))
}

fn target(reader: &mut Reader<'_>, node: &Node, rtype: &str, pools: &Pools) -> Option<DnsTarget> {
    if node.scalar().is_some() {
        return Some(DnsTarget {
            address: ip(reader, node, rtype)?,
            up_pool: None,
            weight: 1,
            nets: Vec::new(),
        });
    }
    let fields = reader.open(node, &TARGET)?;
    let Some(address) = fields.get("address") else {
        reader.missing(fields.at, "a target", "address");
        return None;
    };
    let address = ip(reader, address, rtype)?;
    let up_pool = fields.get("up").filter(|n| !n.is_off()).and_then(|n| {
        let up = reader.open(n, &UP)?;
        let pool = up.get("pool")?;
        let name = reader.string(pool)?;
        reader.resolve(pool.at, name, "pool", &pools.names())
    });
    let weight = fields
        .get("weight")
        .and_then(|n| reader.integer(n, 0, 65_535));
    let nets = fields
        .get("nets")
        .map(|n| networks(reader, n))
        .unwrap_or_default();
    Some(DnsTarget {
        address,
        up_pool,
        weight: weight.unwrap_or(1) as u16,
        nets,
    })
}

fn ip(reader: &mut Reader<'_>, node: &Node, rtype: &str) -> Option<IpAddr> {
    let text = reader.string(node)?;
    let address: Option<IpAddr> = text.parse().ok();
    let fits = match address {
        Some(IpAddr::V4(_)) => rtype == "A",
        Some(IpAddr::V6(_)) => rtype == "AAAA",
        None => false,
    };
    if !fits {
        mismatch(reader, node.at, text, rtype);
    }
    address.filter(|_| fits)
}

fn mismatch(reader: &mut Reader<'_>, at: Span, text: &str, rtype: &str) {
    let family = if rtype == "A" { "an IPv4" } else { "an IPv6" };
    reader.invalid(
        at,
        format!("`{text}` is not {family} address"),
        format!("a record of type {rtype} needs one"),
    );
}
