//! `dnssec` of a zone.

use super::listen::sockets;
use super::read::{Fields, Reader, Shape};
use super::tree::Node;
use crate::model::{Dnssec, DnssecAlgorithm, DnssecDenial};
use std::time::Duration;

pub(super) const DNSSEC: Shape = Shape {
    what: "`dnssec`",
    fields: &[
        "algorithm",
        "denial",
        "single_key",
        "ksk_lifetime",
        "zsk_lifetime",
        "validity",
        "refresh",
        "dnskey_ttl",
        "propagation",
        "parent_ttl",
        "parent",
    ],
    not_yet: &[],
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Moments of signatures are 31 bits apart at most (RFC 4034 §3.1.5); nobody means more than this.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Reads `dnssec`: `true`, `false`, or a map.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Dnssec> {
    if node.is_off() {
        return None;
    }
    let mut dnssec = Dnssec {
        at: node.at,
        algorithm: DnssecAlgorithm::default(),
        denial: DnssecDenial::default(),
        single_key: false,
        ksk_lifetime: None,
        zsk_lifetime: Some(90 * DAY),
        validity: 14 * DAY,
        refresh: 7 * DAY,
        dnskey_ttl: HOUR,
        propagation: HOUR,
        parent_ttl: 2 * DAY,
        parent: Vec::new(),
    };
    if node.scalar().is_some() {
        return reader.boolean(node).map(|_| dnssec);
    }
    let fields = reader.open(node, &DNSSEC)?;
    if let Some(node) = fields.get("algorithm") {
        let known = [
            ("ecdsap256sha256", DnssecAlgorithm::EcdsaP256Sha256),
            ("ed25519", DnssecAlgorithm::Ed25519),
        ];
        dnssec.algorithm = reader.choice(node, &known, &[]).unwrap_or_default();
    }
    if let Some(node) = fields.get("denial") {
        let known = [("nsec", DnssecDenial::Nsec), ("nsec3", DnssecDenial::Nsec3)];
        dnssec.denial = reader
            .choice(node, &known, &["compact"])
            .unwrap_or_default();
    }
    if let Some(node) = fields.get("single_key") {
        dnssec.single_key = reader.boolean(node).unwrap_or_default();
    }
    dnssec.ksk_lifetime = lifetime(reader, &fields, "ksk_lifetime", dnssec.ksk_lifetime);
    dnssec.zsk_lifetime = lifetime(reader, &fields, "zsk_lifetime", dnssec.zsk_lifetime);
    for (name, value) in [
        ("validity", &mut dnssec.validity),
        ("refresh", &mut dnssec.refresh),
        ("dnskey_ttl", &mut dnssec.dnskey_ttl),
        ("propagation", &mut dnssec.propagation),
        ("parent_ttl", &mut dnssec.parent_ttl),
    ] {
        *value = bounded(reader, &fields, name).unwrap_or(*value);
    }
    if dnssec.refresh * 2 > dnssec.validity {
        reader.invalid(
            fields.key("refresh").unwrap_or(fields.at),
            "signatures would be made anew more often than not",
            "let `refresh` be at most half of `validity`",
        );
    }
    if let Some(node) = fields.get("parent") {
        let parent = sockets(reader, node);
        dnssec.parent = parent.into_iter().map(|(address, _)| address).collect();
    }
    Some(dnssec)
}

/// A lifetime; `off` is for ever.
fn lifetime(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    name: &str,
    default: Option<Duration>,
) -> Option<Duration> {
    match fields.get(name) {
        Some(node) if node.is_off() => None,
        Some(_) => bounded(reader, fields, name).or(default),
        None => default,
    }
}

fn bounded(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str) -> Option<Duration> {
    let node = fields.get(name)?;
    let given = reader.duration(node)?;
    if given.is_zero() || given > 10 * LONGEST {
        reader.invalid(
            node.at,
            "this is no useful time here",
            "write one between 1s and 3650d",
        );
        return None;
    }
    Some(given)
}
