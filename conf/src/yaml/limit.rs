//! `rate_limit` and `connection_limit`: one, or a list of which each must allow a request.

use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::{ConnectionLimit, LogLevel, RateLimit, Template};
use crate::quantity;
use std::time::Duration;

pub(super) const RATE: Shape = Shape {
    what: "a rate limit",
    fields: &[
        "key", "rate", "burst", "delay", "status", "dry_run", "keys", "fields",
    ],
    not_yet: &[],
};
pub(super) const CONNECTIONS: Shape = Shape {
    what: "a connection limit",
    fields: &["key", "max", "status", "dry_run", "keys"],
    not_yet: &[],
};

/// The most requests at once that a limit may allow, as in nginx.
const CONNECTIONS_MAX: u64 = 65_535;
/// The most that may come at once.
const BURST_MAX: u64 = 1_000_000;
/// Keys remembered unless said otherwise, and at most.
const KEYS: usize = 65_536;
const KEYS_MAX: u64 = 16 << 20;

/// Reads it; `off` is none.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<RateLimit> {
    if node.is_off() {
        return Vec::new();
    }
    let nodes = reader.list(node);
    nodes.iter().filter_map(|n| one(reader, n)).collect()
}

fn one(reader: &mut Reader<'_>, node: &Node) -> Option<RateLimit> {
    let fields = reader.open(node, &RATE)?;
    let Some(rate) = fields.get("rate") else {
        reader.missing(fields.at, "a rate limit", "rate");
        return None;
    };
    let (rate, per) = rate_of(reader, rate)?;
    let key = match fields.get("key") {
        Some(node) => reader.template(node)?,
        None => client(reader, node)?,
    };
    let number = |reader: &mut Reader<'_>, name: &str, min, max| {
        let node = fields.get(name)?;
        reader.integer(node, min, max)
    };
    let burst = number(reader, "burst", 0, BURST_MAX).unwrap_or(0) as u32;
    let delay = fields
        .get("delay")
        .filter(|n| !n.is_off() && n.scalar() != Some("nodelay"))
        .and_then(|n| reader.integer(n, 0, BURST_MAX))
        .map(|n| n as u32);
    Some(RateLimit {
        at: node.at,
        zone: None,
        leaky: false,
        log_level: LogLevel::Error,
        key,
        rate,
        per,
        burst,
        delay,
        status: number(reader, "status", 400, 599).unwrap_or(429) as u16,
        dry_run: fields
            .get("dry_run")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false),
        keys: number(reader, "keys", 64, KEYS_MAX).map_or(KEYS, |n| n as usize),
        fields: fields
            .get("fields")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false),
    })
}

/// Reads `connection_limit`; `off` is none.
pub(crate) fn connections(reader: &mut Reader<'_>, node: &Node) -> Vec<ConnectionLimit> {
    if node.is_off() {
        return Vec::new();
    }
    let nodes = reader.list(node);
    nodes.iter().filter_map(|n| connection(reader, n)).collect()
}

fn connection(reader: &mut Reader<'_>, node: &Node) -> Option<ConnectionLimit> {
    let fields = reader.open(node, &CONNECTIONS)?;
    let Some(max) = fields.get("max") else {
        reader.missing(fields.at, "a connection limit", "max");
        return None;
    };
    let max = reader.integer(max, 1, CONNECTIONS_MAX)? as u32;
    let key = match fields.get("key") {
        Some(node) => reader.template(node)?,
        None => client(reader, node)?,
    };
    let number = |reader: &mut Reader<'_>, name: &str, min, max| {
        let node = fields.get(name)?;
        reader.integer(node, min, max)
    };
    Some(ConnectionLimit {
        at: node.at,
        zone: None,
        key,
        max,
        status: number(reader, "status", 400, 599).unwrap_or(503) as u16,
        dry_run: fields
            .get("dry_run")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false),
        keys: number(reader, "keys", 64, KEYS_MAX).map_or(KEYS, |n| n as usize),
        log_level: LogLevel::Error,
    })
}

/// Without a key: by client.
fn client(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    reader.template_text("$client_ip", node.at)
}

/// `50/s`, `10/m`, `1000/h`, `5/10s`.
fn rate_of(reader: &mut Reader<'_>, node: &Node) -> Option<(u32, Duration)> {
    let text = reader.string(node)?;
    let parsed = text.split_once('/').and_then(|(count, per)| {
        let count = count.trim().parse::<u32>().ok().filter(|n| *n > 0)?;
        let per = per.trim();
        let per = match per.starts_with(|c: char| c.is_ascii_digit()) {
            true => per.to_owned(),
            false => format!("1{per}"),
        };
        let per = quantity::duration(&per, false).ok()?;
        (!per.is_zero() && per <= Duration::from_secs(86_400)).then_some((count, per))
    });
    if parsed.is_none() {
        reader.invalid(
            node.at,
            format!("`{text}` is no rate"),
            "write 50/s, 10/m, 1000/h or 5/10s, over a day at most",
        );
    }
    parsed
}
