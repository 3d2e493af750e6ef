//! The DNS server: its zones, and the records that follow the balancer's health.

use super::listen::sockets;
use super::pools::Pools;
use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::{Dns, DnsPolicy, DnsRecord, DnsTarget, DnsZone};
use seawall_diag::{Diagnostic, Span};
use std::net::IpAddr;
use std::time::Duration;

const DNS: Shape = Shape {
    what: "`dns`",
    fields: &["listen", "zones"],
    not_yet: &["rrl", "cookies", "dot", "doq", "doh"],
};
const ZONE: Shape = Shape {
    what: "a zone",
    fields: &["name", "file", "records", "dnssec"],
    not_yet: &["transfer", "secondary", "update", "notify"],
};
const RECORD: Shape = Shape {
    what: "a record",
    fields: &["name", "type", "ttl", "policy", "targets", "all_down"],
    not_yet: &["nets", "key", "count"],
};
const TARGET: Shape = Shape {
    what: "a target",
    fields: &["address", "up"],
    not_yet: &["weight", "geo", "nets"],
};
const UP: Shape = Shape {
    what: "`up`",
    fields: &["pool"],
    not_yet: &["check"],
};

/// Time to live of a record that follows health, unless said otherwise: short, since it is meant to change.
const TTL: Duration = Duration::from_secs(30);

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
    Some(Dns { listen, zones })
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
    let file = match fields.get("file") {
        Some(node) => reader.path(node).unwrap_or_default(),
        None => {
            reader.missing(at, "a zone", "file");
            Default::default()
        }
    };
    let mut records = Vec::new();
    if let Some(node) = fields.get("records") {
        records = reader
            .list(node)
            .iter()
            .filter_map(|n| record(reader, n, pools))
            .collect();
    }
    let dnssec = fields
        .get("dnssec")
        .and_then(|n| super::dnssec::read(reader, n));
    Some(DnsZone {
        at,
        name,
        file,
        records,
        dnssec,
    })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn record(reader: &mut Reader<'_>, node: &Node, pools: &Pools) -> Option<DnsRecord> {
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
    let rtype = match fields.get("type") {
        Some(node) => reader.choice(node, &[("A", "A"), ("AAAA", "AAAA")], &["CNAME", "ALIAS"])?,
        None => "A",
    };
    let ttl = fields
        .get("ttl")
        .and_then(|n| reader.duration(n))
        .unwrap_or(TTL);
    if let Some(node) = fields.get("policy") {
        let later = ["weighted", "geo", "nets", "nearest", "hash", "multi"];
        reader.choice(node, &[("failover", DnsPolicy::Failover)], &later);
    }
    if let Some(node) = fields.get("all_down") {
        reader.choice(
            node,
            &[("serve_all", ())],
            &["serve_none", "serve_first", "nodata"],
        );
    }
    let mut targets = Vec::new();
    match fields.get("targets") {
        Some(node) => {
            for node in reader.list(node) {
                targets.extend(target(reader, node, rtype, pools));
            }
        }
        None => reader.missing(at, "a record", "targets"),
    }
    Some(DnsRecord {
        at,
        name,
        rtype: rtype.to_owned(),
        ttl,
        policy: DnsPolicy::Failover,
        targets,
    })
}

fn target(reader: &mut Reader<'_>, node: &Node, rtype: &str, pools: &Pools) -> Option<DnsTarget> {
    if node.scalar().is_some() {
        return Some(DnsTarget {
            address: ip(reader, node, rtype)?,
            up_pool: None,
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
    Some(DnsTarget { address, up_pool })
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
