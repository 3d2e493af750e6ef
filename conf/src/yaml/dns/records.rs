//! Records that are written in the configuration: as they are, or by the balancer's health.

use super::is_label;
use crate::model::{DnsAlias, DnsAllDown, DnsArea, DnsPolicy, DnsRecord, DnsStatic, DnsTarget};
use crate::yaml::document::networks;
use crate::yaml::pools::Pools;
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::Node;
use seawall_diag::Span;
use std::net::IpAddr;
use std::time::Duration;

pub(in crate::yaml) const RECORD: Shape = Shape {
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
pub(in crate::yaml) const TARGET: Shape = Shape {
    what: "a target",
    fields: &["address", "up", "weight", "nets", "geo", "at"],
    not_yet: &[],
};
pub(in crate::yaml) const UP: Shape = Shape {
    what: "`up`",
    fields: &["pool", "check"],
    not_yet: &[],
};

pub(in crate::yaml) const GEO: Shape = Shape {
    what: "`geo`",
    fields: &["country", "continent", "asn"],
    not_yet: &[],
};

const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// Time to live of a record that follows health, unless said otherwise: short, since it is meant to change.
const TTL: Duration = Duration::from_secs(30);

/// Time to live of other records written here, unless said otherwise.
const STATIC_TTL: Duration = Duration::from_secs(300);

/// Time to live of what an ALIAS answers, unless said otherwise, and the most there may be: what it names may change
/// at any time.
const ALIAS_TTL: Duration = Duration::from_secs(60);
const ALIAS_TTL_MAX: Duration = Duration::from_secs(3600);

/// A record of a zone.
pub(super) enum Record {
    /// Its answer depends on health.
    Dynamic(DnsRecord),
    /// It is as it is.
    Static(DnsStatic),
    /// It has the addresses of another name.
    Alias(DnsAlias),
}

/// Reads a record.
pub(super) fn record(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<Record> {
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
        if rtype.is_some_and(|t| t.eq_ignore_ascii_case("ALIAS")) {
            return alias(reader, value.at, name, ttl, &values).map(Record::Alias);
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
        Some(node) => reader.choice(node, &[("A", "A"), ("AAAA", "AAAA")], &["CNAME"])?,
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
            ("geo", DnsPolicy::Geo),
            ("nearest", DnsPolicy::Nearest),
            ("nets", DnsPolicy::Nets),
            ("hash", DnsPolicy::Hash),
            ("multi", DnsPolicy::Multi),
        ];
        policy = reader.choice(node, &known, &[])?;
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

/// `{ type: ALIAS, value: NAME }`.
fn alias(
    reader: &mut Reader<'_>,
    at: Span,
    name: String,
    ttl: Option<Duration>,
    values: &[String],
) -> Option<DnsAlias> {
    let target = match values {
        [target] => target.trim_end_matches('.').to_ascii_lowercase(),
        _ => String::new(),
    };
    if target.len() > 253 || !target.split('.').all(is_label) {
        reader.invalid(
            at,
            "an ALIAS names one host",
            "write its whole name: value: shop.cdn.test",
        );
        return None;
    }
    let ttl = ttl.unwrap_or(ALIAS_TTL);
    if ttl > ALIAS_TTL_MAX {
        let message = "what an ALIAS answers may be kept for an hour at most";
        reader.invalid(at, message, "write ttl: 1h or less");
    }
    Some(DnsAlias {
        at,
        name,
        target,
        ttl: ttl.min(ALIAS_TTL_MAX),
    })
}

fn target(
    reader: &mut Reader<'_>,
    node: &Node,
    rtype: &str,
    pools: &mut Pools,
) -> Option<DnsTarget> {
    if node.scalar().is_some() {
        return Some(DnsTarget {
            address: ip(reader, node, rtype)?,
            up_pool: None,
            weight: 1,
            nets: Vec::new(),
            areas: Vec::new(),
            place: None,
        });
    }
    let fields = reader.open(node, &TARGET)?;
    let Some(address) = fields.get("address") else {
        reader.missing(fields.at, "a target", "address");
        return None;
    };
    let address = ip(reader, address, rtype)?;
    let up_pool = fields.get("up").filter(|n| !n.is_off());
    let up_pool = up_pool.and_then(|n| up(reader, n, pools));
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
        areas: fields
            .get("geo")
            .map_or_else(Vec::new, |n| areas(reader, n)),
        place: fields.get("at").and_then(|n| place(reader, n)),
    })
}

/// What says whether a target is up: a pool, or a check of its own.
fn up(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<usize> {
    let fields = reader.open(node, &UP)?;
    match (fields.get("pool"), fields.get("check")) {
        (Some(pool), None) => {
            let name = reader.string(pool)?;
            reader.resolve(pool.at, name, "pool", &pools.names())
        }
        (None, Some(check)) => pools.check(reader, check),
        (Some(_), Some(check)) => {
            reader.invalid(
                check.at,
                "a target is up by a pool or by a check, not by both",
                "leave one of them out",
            );
            None
        }
        (None, None) => {
            reader.missing(fields.at, "`up`", "pool");
            None
        }
    }
}

/// Where clients are that a target is for.
fn areas(reader: &mut Reader<'_>, node: &Node) -> Vec<DnsArea> {
    let Some(fields) = reader.open(node, &GEO) else {
        return Vec::new();
    };
    let mut areas = Vec::new();
    for node in fields.get("country").map_or(&[][..], |n| reader.list(n)) {
        areas.extend(letters(reader, node, None).map(DnsArea::Country));
    }
    for node in fields.get("continent").map_or(&[][..], |n| reader.list(n)) {
        areas.extend(letters(reader, node, Some(&CONTINENTS)).map(DnsArea::Continent));
    }
    for node in fields.get("asn").map_or(&[][..], |n| reader.list(n)) {
        let number = reader.integer(node, 1, u64::from(u32::MAX));
        areas.extend(number.map(|n| DnsArea::Asn(n as u32)));
    }
    areas
}

/// A code of two letters, in upper case.
fn letters(reader: &mut Reader<'_>, node: &Node, known: Option<&[&str]>) -> Option<[u8; 2]> {
    let text = reader.string(node)?.to_ascii_uppercase();
    let code: Option<[u8; 2]> = text.as_bytes().try_into().ok();
    let fits = |c: &[u8; 2]| {
        c.iter().all(u8::is_ascii_uppercase) && known.is_none_or(|k| k.contains(&text.as_str()))
    };
    let code = code.filter(fits);
    if code.is_none() {
        let help = match known {
            Some(known) => format!("write one of {}", known.join(", ")),
            None => "write two letters of ISO 3166: DE".to_owned(),
        };
        reader.invalid(node.at, format!("`{text}` is no such code"), help);
    }
    code
}

/// Latitude and longitude, in ten-thousandths of a degree.
fn place(reader: &mut Reader<'_>, node: &Node) -> Option<(i32, i32)> {
    let parts: Vec<f64> = reader
        .list(node)
        .iter()
        .filter_map(|n| reader.string(n))
        .flat_map(|text| text.split(','))
        .filter_map(|part| part.trim().parse().ok())
        .collect();
    let in_bounds = |value: f64, most: f64| (-most..=most).contains(&value);
    match parts[..] {
        [north, east] if in_bounds(north, 90.0) && in_bounds(east, 180.0) => Some((
            (north * 10_000.0).round() as i32,
            (east * 10_000.0).round() as i32,
        )),
        _ => {
            reader.invalid(
                node.at,
                "this is no place",
                "write degrees north and east: at: [52.52, 13.41]",
            );
            None
        }
    }
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
