//! The DNS server and its zones.

pub(super) mod records;

use crate::model::{
    Dns, DnsAccess, DnsPolicy, DnsQueryLog, DnsRecord, DnsRrl, DnsSecondary, DnsZone,
};
use crate::yaml::document::{databases, networks};
use crate::yaml::listen::sockets;
use crate::yaml::pools::Pools;
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::Node;
use records::{Record, record};
use seawall_diag::{Diagnostic, Span};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub(super) const DNS: Shape = Shape {
    what: "`dns`",
    fields: &[
        "listen",
        "dot",
        "doq",
        "threads",
        "rrl",
        "cookies",
        "geo",
        "proxy_protocol",
        "query_log",
        "resolver",
        "zones",
    ],
    not_yet: &[],
};
pub(super) const QUERY_LOG: Shape = Shape {
    what: "`query_log`",
    fields: &["path", "sample"],
    not_yet: &[],
};
pub(super) const ZONE: Shape = Shape {
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
pub(super) const RRL: Shape = Shape {
    what: "`rrl`",
    fields: &["rate", "slip", "exempt"],
    not_yet: &[],
};
pub(super) const COOKIES: Shape = Shape {
    what: "`cookies`",
    fields: &["secrets"],
    not_yet: &[],
};
pub(super) const TRANSFER: Shape = Shape {
    what: "`transfer`",
    fields: &["to", "key"],
    not_yet: &[],
};
pub(super) const UPDATE: Shape = Shape {
    what: "`update`",
    fields: &["from", "key"],
    not_yet: &[],
};
pub(super) const SECONDARY: Shape = Shape {
    what: "`secondary`",
    fields: &["from", "key", "catalog"],
    not_yet: &[],
};
/// Answers a second for each network and answer, and which of those over it are sent truncated. Where nothing is said
/// the loopback is not limited: nobody forges from there.
const RRL_RATE: u16 = 200;
const RRL_SLIP: u16 = 2;
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Reads `dns`; `shared` are the databases of places that every room may ask.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    pools: &mut Pools,
    shared: &[(PathBuf, Span)],
) -> Option<Dns> {
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
        .and_then(|n| reader.secret_file(n));
    let dot = fields
        .get("dot")
        .map(|n| sockets(reader, n))
        .unwrap_or_default();
    let doq = fields
        .get("doq")
        .map(|n| sockets(reader, n))
        .unwrap_or_default();
    apart(reader, &listen, &doq);
    let geo = fields.get("geo").map(|n| databases(reader, n));
    let geo = geo.unwrap_or_else(|| shared.to_vec());
    if geo.is_empty() {
        without_places(reader, &zones);
    }
    let proxies = fields.get("proxy_protocol").filter(|n| !n.is_off());
    let proxies = proxies.and_then(|n| crate::yaml::streams::proxy_protocol(reader, n));
    let query_log = fields.get("query_log").filter(|n| !n.is_off());
    let query_log = query_log.and_then(|n| query_log_of(reader, n));
    let resolver = fields
        .get("resolver")
        .map(|n| servers(reader, n))
        .unwrap_or_default();
    Some(Dns {
        listen,
        dot,
        doq,
        proxies: proxies.map(|p| p.from).unwrap_or_default(),
        query_log,
        resolver,
        geo,
        threads,
        rrl,
        cookies: cookies.is_none_or(|n| !n.is_off()),
        cookie_secrets,
        zones,
    })
}

/// Plain datagrams and QUIC's cannot be told apart at one address.
fn apart(reader: &mut Reader<'_>, listen: &[(SocketAddr, Span)], doq: &[(SocketAddr, Span)]) {
    for (address, at) in doq {
        if let Some((_, first)) = listen.iter().find(|(plain, _)| plain == address) {
            let d = Diagnostic::error(
                "duplicate",
                *at,
                format!("{address} takes plain datagrams already"),
            );
            let d = d.help("the port of DNS over QUIC is 853: \"192.0.2.10:853\"");
            reader.found.push(d.related(*first, "written here"));
        }
    }
}

/// A path, or a path and how many queries a line stands for.
fn query_log_of(reader: &mut Reader<'_>, node: &Node) -> Option<DnsQueryLog> {
    let (path, sample) = match node.scalar() {
        Some(_) => (Some(node), None),
        None => {
            let fields = reader.open(node, &QUERY_LOG)?;
            if fields.get("path").is_none() {
                reader.missing(fields.at, "`query_log`", "path");
            }
            (fields.get("path"), fields.get("sample"))
        }
    };
    let sample = sample.and_then(|n| reader.integer(n, 1, 1_000_000));
    let path = path?;
    Some(DnsQueryLog {
        path: reader.path(path)?,
        at: path.at,
        sample: sample.unwrap_or(1) as u32,
    })
}

/// Records that choose by place where no place is known: all clients would get the same.
fn without_places(reader: &mut Reader<'_>, zones: &[DnsZone]) {
    let records = zones.iter().flat_map(|z| &z.records);
    let by_place = |r: &&DnsRecord| match r.policy {
        DnsPolicy::Nearest => true,
        DnsPolicy::Geo => r.targets.iter().any(|t| !t.areas.is_empty()),
        _ => false,
    };
    for record in records.filter(by_place) {
        reader.invalid(
            record.at,
            "nothing tells where clients are",
            "name a database beside `dns`, or in it: geo: GeoLite2-City.mmdb",
        );
    }
}

fn zone(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<DnsZone> {
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
    let (mut records, mut statics, mut aliases) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(node) = fields.get("records") {
        for node in reader.list(node) {
            match record(reader, node, pools) {
                Some(Record::Dynamic(record)) => records.push(record),
                Some(Record::Static(record)) => statics.push(record),
                Some(Record::Alias(record)) => aliases.push(record),
                None => {}
            }
        }
    }
    let dnssec = fields
        .get("dnssec")
        .and_then(|n| crate::yaml::dnssec::read(reader, n));
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
        aliases,
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
    reader.secret_file(node)
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

pub(super) fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
