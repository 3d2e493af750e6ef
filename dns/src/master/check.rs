//! What only the whole zone shows.

use crate::dnssec::hash::Hashing;
use crate::limits::NSEC3_ITERATIONS_MAX;
use crate::name::canonical_key;
use crate::zone::{Owner, RrSet};
use crate::{Name, RType, Zone, rdata};
use seawall_diag::{Diagnostic, Diagnostics, FileId, Span};

/// Checks a zone that was read from `file`.
pub(crate) fn check(zone: &Zone, file: FileId, found: &mut Diagnostics) {
    let apex = zone.owners().get(&canonical_key(zone.origin().wire()));
    let whole = Span::new(file, 0, 0);
    // Where lines could not be read, the one that is missing may be among them.
    let broken = found.has_errors();
    if apex.and_then(|a| a.set(RType::SOA)).is_none() && !broken {
        let message = format!("the zone has no SOA record at `{}`", zone.origin());
        found.push(
            Diagnostic::error("missing-soa", whole, message)
                .help("add `@ SOA ns1 hostmaster 1 7200 3600 1209600 300`"),
        );
    }
    if apex.and_then(|a| a.set(RType::NS)).is_none() && !broken {
        let message = format!(
            "the zone has no NS record at `{}`; resolvers may not accept it",
            zone.origin()
        );
        found.push(Diagnostic::warning("missing-ns", whole, message));
    }
    if let Some(set) = apex.and_then(|a| a.set(RType::NSEC3PARAM)) {
        iterations(set, found);
    }
    // The key of the cut or DNAME that hides what is below.
    let mut shadow: Option<(&[u8], &Owner, RType)> = None;
    for (key, owner) in zone.owners() {
        alias_stands_alone(owner, found);
        if let Some((_, top, rtype)) = shadow.filter(|(top, ..)| key.starts_with(top)) {
            hidden(owner, top, rtype, found);
            continue;
        }
        let is_apex = owner.name.wire().eq_ignore_ascii_case(zone.origin().wire());
        shadow = match (owner.set(RType::NS), owner.set(RType::DNAME)) {
            (Some(_), _) if !is_apex => Some((key, owner, RType::NS)),
            (_, Some(_)) => Some((key, owner, RType::DNAME)),
            _ => None,
        };
        wildcard_cut(owner, found);
        targets(zone, owner, found);
    }
}

/// RFC 1034 §3.6.2: an alias has no other data.
fn alias_stands_alone(owner: &Owner, found: &mut Diagnostics) {
    let Some(alias) = owner.set(RType::CNAME) else {
        return;
    };
    // RFC 4035 §2.5: signatures and the proof that there is nothing else may stand beside it.
    let beside = [RType::CNAME, RType::RRSIG, RType::NSEC, RType::KEY];
    let Some(other) = owner.sets.iter().find(|s| !beside.contains(&s.rtype)) else {
        return;
    };
    let message = format!(
        "`{}` has a CNAME and {} records; an alias stands alone",
        owner.name, other.rtype
    );
    found.push(
        Diagnostic::error("cname-and-other", alias.at, message).related(other.at, "the other one"),
    );
}

/// RFC 4592 §4.2 and §4.4 leave open what such a wildcard would mean; it is answered as plain data.
fn wildcard_cut(owner: &Owner, found: &mut Diagnostics) {
    let cut = [RType::NS, RType::DNAME]
        .into_iter()
        .find_map(|t| owner.set(t));
    if let Some(set) = cut.filter(|_| owner.name.is_wildcard()) {
        let message = format!(
            "a wildcard cannot delegate: this {} record does nothing for the names it matches",
            set.rtype
        );
        found.push(Diagnostic::warning("wildcard-cut", set.at, message));
    }
}

/// RFC 9276 §3.2: every denial would cost so many hashes here, and resolvers take such answers for unsigned.
fn iterations(set: &RrSet, found: &mut Diagnostics) {
    let mut counts = set.data.iter().filter_map(|d| Hashing::read(d));
    if let Some(hashing) = counts.find(|h| h.iterations > NSEC3_ITERATIONS_MAX) {
        let message = format!(
            "NSEC3 with {} iterations is not served; at most {NSEC3_ITERATIONS_MAX} are",
            hashing.iterations
        );
        found.push(
            Diagnostic::error("nsec3-iterations", set.at, message).help("sign the zone with 0"),
        );
    }
}

fn hidden(owner: &Owner, top: &Owner, rtype: RType, found: &mut Diagnostics) {
    for set in &owner.sets {
        if rtype == RType::NS && matches!(set.rtype, RType::A | RType::AAAA) {
            continue;
        }
        let message = format!(
            "`{}` lies below `{}`, whose {rtype} record hides it",
            owner.name, top.name
        );
        found.push(Diagnostic::warning("hidden", set.at, message));
    }
}

/// RFC 2181 §10.3: servers and exchanges are named by names that have addresses, not by aliases.
fn targets(zone: &Zone, owner: &Owner, found: &mut Diagnostics) {
    for set in owner
        .sets
        .iter()
        .filter(|s| matches!(s.rtype, RType::NS | RType::MX | RType::SRV))
    {
        for data in &set.data {
            let target = rdata::additional_target(set.rtype, data).and_then(Name::from_wire);
            let Some(target) = target.filter(|t| t.is_within(zone.origin())) else {
                continue;
            };
            let node = zone.owners().get(&canonical_key(target.wire()));
            if node.is_some_and(|n| n.set(RType::CNAME).is_some()) {
                let message = format!(
                    "`{target}` is an alias; a {} record names a host by its own name",
                    set.rtype
                );
                found.push(Diagnostic::warning("target-is-alias", set.at, message));
            }
        }
    }
}
