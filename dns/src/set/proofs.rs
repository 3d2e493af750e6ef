//! What denies: NSEC (RFC 4034 §4) and NSEC3 (RFC 5155) records, found without walking a zone.
//!
//! When zones are compiled each name learns which record shows its types, and which one shows that there is no
//! wildcard below it. That a name does not exist is found at answer time: by NSEC through a binary search among the
//! closest encloser's descendants, by NSEC3 through one hash and a binary search among the zone's hashes.

use super::{Apex, NONE, Proof, Range, Shadow, ZoneSet, compile};
use crate::RType;
use crate::Zone;
use crate::dnssec::base32hex;
use crate::dnssec::hash::{Hash, Hashing};
use crate::limits::NSEC3_ITERATIONS_MAX;
use crate::name::{ancestor, labels};
use crate::query::QName;
use crate::zone::Owner;
use std::cmp::Ordering;

/// The NSEC3 records of a zone while it is compiled.
pub(super) struct Hashed {
    hashing: Option<Hashing>,
    found: Vec<(Hash, Proof)>,
}

impl Hashed {
    /// RFC 5155 §4: NSEC3PARAM says which hashes are complete.
    pub fn of(zone: &Zone) -> Self {
        let apex = zone.owners().values().next();
        let params = apex.and_then(|a| a.set(RType::NSEC3PARAM));
        let hashing = params.and_then(|set| {
            let usable = set.data.iter().filter(|d| d.get(1) == Some(&0));
            let mut usable = usable.filter_map(|d| Hashing::read(d));
            usable.find(|h| h.iterations <= NSEC3_ITERATIONS_MAX)
        });
        Self {
            hashing,
            found: Vec::new(),
        }
    }

    /// Takes an owner that is a hash. Tells whether there is nothing else at it.
    pub fn take(&mut self, set: &mut ZoneSet, owner: &Owner, apex_labels: usize) -> bool {
        let Some(nsec3) = owner.set(RType::NSEC3) else {
            return false;
        };
        let wire = owner.name.wire();
        let hash = labels(wire).next().and_then(base32hex::decode);
        let hash: Option<Hash> = hash.and_then(|h| h.try_into().ok());
        let in_chain = nsec3
            .data
            .iter()
            .any(|d| Hashing::read(d) == self.hashing && self.hashing.is_some());
        if let Some(hash) = hash.filter(|_| in_chain && labels(wire).count() == apex_labels + 1) {
            let proof = Proof {
                owner: compile::put_name(set, wire),
                set: compile::put_rrset(set, owner, nsec3, nsec3.ttl),
            };
            self.found.push((hash, proof));
        }
        owner.dynamic.is_empty()
            && owner
                .sets
                .iter()
                .all(|s| matches!(s.rtype, RType::NSEC3 | RType::RRSIG))
    }

    /// Hands the zone its chain.
    pub fn finish(mut self, set: &mut ZoneSet, apex: &mut Apex) {
        if self.found.is_empty() {
            return;
        }
        self.found.sort_by_key(|(hash, _)| *hash);
        apex.proofs = Range {
            start: set.proofs.len() as u32,
            len: self.found.len() as u32,
        };
        apex.hashes = self.found.iter().map(|(hash, _)| *hash).collect();
        set.proofs.extend(self.found.into_iter().map(|(_, p)| p));
        apex.hashing = self.hashing;
    }
}

/// Tells each name what shows its types and what is not below it.
pub(super) fn link(set: &mut ZoneSet) {
    for number in 0..set.zones.len() as u32 {
        let Some(zone) = set.zone(number).filter(|z| z.signed) else {
            continue;
        };
        let nodes = zone.nodes.start..zone.nodes.start + zone.nodes.len;
        if zone.hashing.is_some() {
            for index in nodes.clone() {
                let proof = set.exact_hash(number, index);
                if let Some(node) = set.nodes.get_mut(index as usize) {
                    node.proof = proof.unwrap_or(NONE);
                }
            }
        } else {
            link_nsec(set, number, nodes.clone());
        }
        for index in nodes {
            let wild_proof = set.wild_proof(number, index);
            if let Some(node) = set.nodes.get_mut(index as usize) {
                node.wild_proof = wild_proof.unwrap_or(NONE);
            }
        }
    }
}

fn link_nsec(set: &mut ZoneSet, zone: u32, nodes: std::ops::Range<u32>) {
    let start = set.proofs.len() as u32;
    let mut current = NONE;
    for index in nodes {
        let Some(node) = set.node(index) else {
            continue;
        };
        let own = match node.shadow {
            Shadow::Nothing => true,
            Shadow::Cut(top) | Shadow::Redirect(top) => top == index,
        };
        let nsec = set.slot(node, RType::NSEC).filter(|_| own);
        if let Some(slot) = nsec {
            let proof = Proof {
                owner: node.name,
                set: slot.set,
            };
            current = set.proofs.len() as u32;
            set.proofs.push(proof);
        }
        if let Some(node) = set.nodes.get_mut(index as usize) {
            node.proof = current;
        }
    }
    let len = set.proofs.len() as u32 - start;
    if let Some(zone) = set.zones.get_mut(zone as usize) {
        zone.proofs = Range { start, len };
    }
}

impl ZoneSet {
    pub(crate) fn proof(&self, index: u32) -> Option<&Proof> {
        self.proofs.get(index as usize)
    }

    /// Adds what shows that `name`, whose closest encloser is this node, does not exist. `whole` is false where an
    /// answer from a wildcard shows the closest encloser by itself (RFC 5155 §7.2.6).
    pub(crate) fn prove_missing(
        &self,
        zone: u32,
        encloser: u32,
        name: &QName,
        whole: bool,
        add: &mut dyn FnMut(u32),
    ) {
        let Some(apex) = self.zone(zone) else { return };
        let Some(hashing) = &apex.hashing else {
            add(self.before(apex, encloser, name));
            return;
        };
        let Some((encloser, labels)) = self.provable(zone, encloser) else {
            return;
        };
        if whole && let Some(node) = self.node(encloser) {
            add(node.proof);
        }
        add(apex.covering(&hashing.of(&[name.last(labels + 1)])));
    }

    /// Adds what shows which types a name has. One without a record of its own lies below an unsigned cut in a chain
    /// with opt-out (RFC 5155 §7.2.4).
    pub(crate) fn prove_types(&self, zone: u32, node: &super::Node, add: &mut dyn FnMut(u32)) {
        if node.proof != NONE {
            add(node.proof);
            return;
        }
        let name = QName::read(self.canonical(node.name));
        let Some(name) = name.filter(|n| n.labels() > 0) else {
            return;
        };
        let parent = self.lookup_index(zone, name.last(name.labels() - 1));
        if let Some(parent) = parent {
            self.prove_missing(zone, parent, &name, true, add);
        }
    }

    /// The closest name at or above this node that has an NSEC3 of its own, and its labels.
    fn provable(&self, zone: u32, mut index: u32) -> Option<(u32, usize)> {
        loop {
            let node = self.node(index)?;
            let name = self.canonical(node.name);
            if node.proof != NONE {
                return Some((index, labels(name).count()));
            }
            if name.len() <= 1 {
                return None;
            }
            index = self.lookup_index(zone, ancestor(name, 1))?;
        }
    }

    /// The NSEC before a name that does not exist.
    fn before(&self, apex: &Apex, encloser: u32, name: &QName) -> u32 {
        let Some(node) = self.node(encloser) else {
            return NONE;
        };
        let above = self.canonical(node.name);
        // The label below the encloser.
        let next = name.labels() - labels(above).count().min(name.labels());
        let label = ancestor(name.wire(), next.saturating_sub(1));
        let label = labels(label).next().unwrap_or_default();
        self.before_label(apex, encloser, label)
    }

    fn before_label(&self, apex: &Apex, encloser: u32, label: &[u8]) -> u32 {
        let Some(above) = self.node(encloser).map(|n| self.canonical(n.name)) else {
            return NONE;
        };
        let end = (apex.nodes.start + apex.nodes.len) as usize;
        let below = self.nodes.get(encloser as usize + 1..end);
        let below = below.unwrap_or_default();
        let count = below.partition_point(|node| {
            let name = self.canonical(node.name);
            label_below(name, above).is_some_and(|l| l.cmp(label) != Ordering::Greater)
        });
        self.node(encloser + count as u32).map_or(NONE, |n| n.proof)
    }

    fn exact_hash(&self, zone: u32, index: u32) -> Option<u32> {
        let (apex, node) = (self.zone(zone)?, self.node(index)?);
        let hash = apex.hashing.as_ref()?.of(&[self.canonical(node.name)]);
        let at = apex.hashes.binary_search(&hash).ok()?;
        Some(apex.proofs.start + at as u32)
    }

    fn wild_proof(&self, zone: u32, index: u32) -> Option<u32> {
        let (apex, node) = (self.zone(zone)?, self.node(index)?);
        if let Some(wildcard) = self.node(node.wildcard) {
            return Some(wildcard.proof);
        }
        let Shadow::Nothing = node.shadow else {
            return None;
        };
        Some(match &apex.hashing {
            Some(hashing) => apex.covering(&hashing.of(&[b"\x01*", self.canonical(node.name)])),
            None => self.before_label(apex, index, b"*"),
        })
    }
}

impl Apex {
    /// The NSEC3 whose interval a hash lies in; the last one's goes around.
    fn covering(&self, hash: &Hash) -> u32 {
        let after = self.hashes.partition_point(|h| h <= hash);
        let at = after.checked_sub(1).unwrap_or(self.hashes.len() - 1);
        self.proofs.start + at as u32
    }
}

/// The label of `name` that stands just below `above`; `None` where `name` does not lie below it.
fn label_below<'a>(mut name: &'a [u8], above: &[u8]) -> Option<&'a [u8]> {
    loop {
        let len = usize::from(*name.first()?);
        let (label, rest) = name.get(1..)?.split_at_checked(len)?;
        if rest.len() == above.len() {
            return (rest == above).then_some(label);
        }
        name = rest;
        if rest.len() < above.len() {
            return None;
        }
    }
}
