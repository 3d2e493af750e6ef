//! `lists`: networks, autonomous systems and countries under a name; and how `allow` and `deny` name them.

use super::read::{Reader, Shape};
use super::rooms::Names;
use super::tree::{Node, Value};
use crate::model::{List, Who};
use ipnet::IpNet;
use seawall_diag::{Diagnostic, Span};
use std::net::IpAddr;

pub(super) const LIST: Shape = Shape {
    what: "a list",
    fields: &["files", "networks", "asns", "countries", "status"],
    not_yet: &[],
};

/// What is answered to whom a list denies.
const STATUS: u16 = 403;

/// Reads `lists`; a path, or several, is a list of these files.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, has_places: bool) -> Vec<List> {
    let mut all = Vec::new();
    for (key, node) in reader.entries(node, "`lists`") {
        let mut list = List {
            at: key.at,
            name: key.name.clone(),
            files: Vec::new(),
            networks: Vec::new(),
            systems: Vec::new(),
            countries: Vec::new(),
            status: STATUS,
        };
        match node.value {
            Value::Map(_) => fill(reader, node, has_places, &mut list),
            _ => list.files = files(reader, node),
        }
        all.push(list);
    }
    all
}

fn fill(reader: &mut Reader<'_>, node: &Node, has_places: bool, list: &mut List) {
    let Some(fields) = reader.open(node, &LIST) else {
        return;
    };
    if let Some(node) = fields.get("files") {
        list.files = files(reader, node);
    }
    if let Some(node) = fields.get("networks") {
        list.networks = super::document::networks(reader, node);
    }
    for node in fields.get("asns").map_or(&[][..], |n| reader.list(n)) {
        if let Some(text) = reader.string(node) {
            list.systems.extend(system(reader, node.at, text));
        }
    }
    for node in fields.get("countries").map_or(&[][..], |n| reader.list(n)) {
        if let Some(text) = reader.string(node) {
            list.countries.extend(country(reader, node.at, text));
        }
    }
    if let Some(status) = fields
        .get("status")
        .and_then(|n| reader.integer(n, 400, 599))
    {
        list.status = status as u16;
    }
    if list.files.is_empty() && list.networks.is_empty() && !list.needs_places() {
        let help = "write { files: drop.txt }, or `networks`, `asns`, `countries`";
        reader.invalid(node.at, "a list of nobody", help);
    }
    if list.needs_places() && !has_places {
        without_places(reader, node.at);
    }
}

fn files(reader: &mut Reader<'_>, node: &Node) -> Vec<(std::path::PathBuf, Span)> {
    super::document::databases(reader, node)
}

fn without_places(reader: &mut Reader<'_>, at: Span) {
    let message = "nothing tells the countries and systems of addresses";
    let help = "name a database at the top of the configuration: geo: GeoLite2-Country.mmdb";
    reader
        .found
        .push(Diagnostic::error("no-places", at, message).help(help));
}

/// `64500`, also written `AS64500`.
fn system(reader: &mut Reader<'_>, at: Span, text: &str) -> Option<u32> {
    let digits = text
        .strip_prefix("AS")
        .or_else(|| text.strip_prefix("as"))
        .unwrap_or(text);
    let number = digits.parse().ok();
    if number.is_none() {
        let message = format!("`{text}` is no autonomous system");
        reader.invalid(at, message, "write its number: 64500");
    }
    number
}

/// Two letters (ISO 3166-1).
fn country(reader: &mut Reader<'_>, at: Span, text: &str) -> Option<[u8; 2]> {
    let letters: Option<[u8; 2]> = text.as_bytes().try_into().ok();
    let letters = letters.filter(|l| l.iter().all(u8::is_ascii_alphabetic));
    if letters.is_none() {
        let message = format!("`{text}` is no country");
        reader.invalid(at, message, "write its two letters: DE");
    }
    letters.map(|l| l.map(|b| b.to_ascii_uppercase()))
}

/// Whom `allow` and `deny` name: networks, `list:NAME`, `country:DE`, `asn:64500`.
pub(crate) fn whom(reader: &mut Reader<'_>, node: &Node, names: &Names<'_>) -> Vec<Who> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        let by_place = match text.split_once(':') {
            Some(("list", name)) => {
                let list = reader.resolve(node.at, name, "list", &names.lists);
                all.extend(list.map(Who::List));
                continue;
            }
            Some(("country", code)) => country(reader, node.at, code).map(Who::Country),
            Some(("asn", number)) => system(reader, node.at, number).map(Who::System),
            _ => {
                let network = text.parse::<IpNet>();
                match network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                    Ok(network) => all.push(Who::Net(network.trunc())),
                    Err(_) => reader.invalid(
                        node.at,
                        format!("`{text}` is no network"),
                        "write 10.0.0.0/8, 192.0.2.1, list:NAME, country:DE or asn:64500",
                    ),
                }
                continue;
            }
        };
        if by_place.is_some() && !names.has_places {
            without_places(reader, node.at);
        }
        all.extend(by_place);
    }
    all
}
