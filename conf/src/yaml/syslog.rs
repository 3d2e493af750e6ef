//! `syslog` of an access log and of the error log: a server alone, or a mapping.

use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use crate::address::host_port;
use crate::model::{Address, SYSLOG_FACILITIES, SYSLOG_SEVERITIES, Syslog};

/// Where syslog listens unless a port is named.
const PORT: u16 = 514;

pub(super) const SYSLOG: Shape = Shape {
    what: "a syslog server",
    fields: &["server", "facility", "severity", "tag", "hostname"],
    not_yet: &[],
};

/// Reads a server.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Syslog> {
    let mut syslog = Syslog {
        at: node.at,
        server: Address::Unix("/dev/log".into()),
        facility: 23,
        severity: 6,
        tag: "seawall".to_owned(),
        hostname: true,
    };
    if let Value::Scalar { .. } = node.value {
        syslog.server = server(reader, node)?;
        return Some(syslog);
    }
    let fields = reader.open(node, &SYSLOG)?;
    match fields.get("server") {
        Some(node) => syslog.server = server(reader, node)?,
        None => reader.missing(fields.at, "a syslog server", "server"),
    }
    if let Some(node) = fields.get("facility") {
        syslog.facility = choice(reader, node, &SYSLOG_FACILITIES)?;
    }
    if let Some(node) = fields.get("severity") {
        syslog.severity = choice(reader, node, &SYSLOG_SEVERITIES)?;
    }
    if let Some(node) = fields.get("tag") {
        let tag = reader.string(node)?;
        if tag.is_empty() || tag.len() > Syslog::TAG_MAX || !Syslog::is_tag(tag) {
            let help = "1 to 32 letters, digits and `_`";
            reader.invalid(node.at, format!("`{tag}` is no tag"), help);
        }
        syslog.tag = tag.to_owned();
    }
    if let Some(hostname) = fields.get("hostname").and_then(|n| reader.boolean(n)) {
        syslog.hostname = hostname;
    }
    Some(syslog)
}

fn server(reader: &mut Reader<'_>, node: &Node) -> Option<Address> {
    let text = reader.string(node)?;
    match host_port(text, Some(PORT)) {
        Ok(address) => reader.located(node.at, address),
        Err(message) => {
            let help = "write `address`, `address:port` or `unix:/dev/log`";
            reader.invalid(node.at, message, help);
            None
        }
    }
}

fn choice(reader: &mut Reader<'_>, node: &Node, names: &[&'static str]) -> Option<u8> {
    let words: Vec<(&str, u8)> = names.iter().copied().zip(0..).collect();
    reader.choice(node, &words, &[])
}
