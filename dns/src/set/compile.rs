//! From zones to a [`ZoneSet`].

use super::choose::{Candidate, Choice, Degraded};
use super::{
    Apex, EncodedSet, NONE, NameAt, Node, Range, Shadow, Slot, ZoneSet, compact, proofs, render,
};
use crate::dnssec::RrSigner;
use crate::dynamic::{AllDown, DynamicRecord, Policy, address_data};
use crate::limits::DYNAMIC_MULTI_MAX;
use crate::name::{ancestor, labels};
use crate::query::QName;
use crate::zone::{Owner, RrSet};
use crate::{RType, Zone, rdata};
use hashbrown::HashTable;

/// Names of a zone from which on it is worth a moment to hand the allocator's leftovers to the system.
const GIVE_BACK_NODES: usize = 10_000;

pub(super) fn compile(zones: Vec<Zone>) -> ZoneSet {
    let mut set = ZoneSet {
        hasher: ahash::RandomState::new(),
        table: HashTable::new(),
        apexes: HashTable::new(),
        apex_labels: 0,
        zones: Vec::new(),
        nodes: Vec::new(),
        slots: Vec::new(),
        sets: Vec::new(),
        choices: Vec::new(),
        targets: Vec::new(),
        proofs: Vec::new(),
        followed: Vec::new(),
        dynamic: Vec::new(),
        names: Vec::new(),
        data: Vec::new(),
        rendered: Vec::new(),
    };
    reserve(&mut set, &zones);
    let mut signers = Vec::new();
    for zone in zones {
        set.keep_dynamic(&zone);
        signers.push(zone.signer.clone());
        add_zone(&mut set, zone);
    }
    if set.nodes.len() > GIVE_BACK_NODES {
        // What the zones were read into is gone, name by name; what comes next needs no more room than that had.
        seawall_sys::memory::give_back();
    }
    index(&mut set);
    link_wildcards(&mut set);
    link_targets(&mut set);
    proofs::link(&mut set);
    for (zone, signer) in signers.iter().enumerate() {
        if let Some(signer) = signer {
            compact::link(&mut set, zone as u32, signer);
        }
    }
    render::render(&mut set);
    // What is served for days does not keep what growing left over.
    set.nodes.shrink_to_fit();
    set.slots.shrink_to_fit();
    set.sets.shrink_to_fit();
    set.targets.shrink_to_fit();
    set.followed.shrink_to_fit();
    set.names.shrink_to_fit();
    set.data.shrink_to_fit();
    set.rendered.shrink_to_fit();
    set
}

/// Room for all that zones hold: growing step by step would touch several times the memory that is needed.
fn reserve(set: &mut ZoneSet, zones: &[Zone]) {
    let owners = || zones.iter().flat_map(|z| z.owners().values());
    let sets = || owners().flat_map(|o| &o.sets);
    let count = sets().count();
    let names: usize = owners().map(|o| o.name.wire().len()).sum();
    let data: usize = sets().flat_map(|s| &s.data).map(|d| d.len() + 2).sum();
    set.nodes.reserve(owners().count());
    set.slots.reserve(count);
    set.sets.reserve_exact(count + zones.len());
    set.targets.reserve(count.min(1024));
    set.names.reserve(names);
    set.data.reserve(data);
}

/// Takes a zone apart name by name, so that what was read and what answers are never both there whole.
fn add_zone(set: &mut ZoneSet, zone: Zone) {
    let number = set.zones.len() as u32;
    let apex_labels = zone.origin().labels();
    let name = put_name(set, zone.origin().wire());
    let mut apex = Apex {
        name,
        labels: apex_labels,
        depth: apex_labels,
        denial_soa: NONE,
        denial: None,
        nodes: Range {
            start: set.nodes.len() as u32,
            len: 0,
        },
        signed: false,
        proofs: Range::default(),
        hashing: None,
        hashes: Box::default(),
    };
    let mut hashed = proofs::Hashed::of(&zone);
    let signer = zone.signer.clone();
    // The nodes from the apex down to the last one added, by their labels below the apex.
    let mut path: Vec<u32> = Vec::new();
    if let Some((owner, soa)) = zone
        .owners()
        .values()
        .next()
        .and_then(|apex| Some((apex, apex.set(RType::SOA)?)))
    {
        apex.denial_soa = add_denial_soa(set, soa, owner);
        apex.signed = owner.signatures(RType::SOA).is_some();
    }
    for owner in zone.into_owners() {
        let wire = owner.name.wire();
        // A hash is no name that anybody could ask for (RFC 5155 §7.2.8).
        if hashed.take(set, &owner, apex_labels) {
            continue;
        }
        let below = labels(wire).count().saturating_sub(apex_labels);
        apex.depth = apex.depth.max(apex_labels + below);
        // What this name shares with the path stays; what is missing in between exists without data.
        let shared = path
            .iter()
            .enumerate()
            .take_while(|(n, node)| is_node(set, **node, ancestor_at(wire, below, *n)))
            .count();
        path.truncate(shared.min(below));
        while path.len() < below {
            let ent = ancestor_at(wire, below, path.len());
            let node = add_node(set, number, ent, &path, None, None);
            path.push(node);
        }
        let node = add_node(set, number, wire, &path, Some(&owner), signer.as_deref());
        path.push(node);
    }
    apex.nodes.len = set.nodes.len() as u32 - apex.nodes.start;
    hashed.finish(set, &mut apex);
    set.zones.push(apex);
}

/// The ancestor that is `n` labels below the apex, of a name that is `below` labels below it.
fn ancestor_at(name: &[u8], below: usize, n: usize) -> &[u8] {
    ancestor(name, below.saturating_sub(n))
}

fn is_node(set: &ZoneSet, node: u32, name: &[u8]) -> bool {
    set.node(node)
        .is_some_and(|n| set.name(n.name).eq_ignore_ascii_case(name))
}

fn add_node(
    set: &mut ZoneSet,
    zone: u32,
    name: &[u8],
    path: &[u32],
    owner: Option<&Owner>,
    signer: Option<&RrSigner>,
) -> u32 {
    let index = set.nodes.len() as u32;
    let parent = path.last().and_then(|p| set.node(*p));
    let inherited = parent.map_or(Shadow::Nothing, |p| p.shadow);
    let has = |rtype| owner.is_some_and(|o| o.set(rtype).is_some());
    let shadow = match inherited {
        Shadow::Nothing if has(RType::NS) && parent.is_some() => Shadow::Cut(index),
        Shadow::Nothing if has(RType::DNAME) => Shadow::Redirect(index),
        inherited => inherited,
    };
    let name = put_name(set, name);
    let start = set.slots.len() as u32;
    if let Some(owner) = owner {
        for rrset in &owner.sets {
            if matches!(rrset.rtype, RType::RRSIG | RType::NSEC3) {
                continue;
            }
            let encoded = put_rrset(set, owner, rrset, rrset.ttl);
            set.slots.push(Slot {
                rtype: rrset.rtype,
                set: encoded,
                choice: NONE,
                whole: None,
            });
        }
        for record in &owner.dynamic {
            let slot = dynamic_slot(set, owner, record, signer);
            set.slots.push(slot);
        }
    }
    let slots = Range {
        start,
        len: set.slots.len() as u32 - start,
    };
    set.nodes.push(Node {
        name,
        zone,
        shadow,
        slots,
        wildcard: NONE,
        proof: NONE,
        wild_proof: NONE,
        followed: NONE,
    });
    index
}

/// Every answer a dynamic record can give is encoded: each target alone, all together, each choice of several; and
/// again with the TTL it has while a target is down, over the same data. In a signed zone each has its signatures,
/// which hold for the lesser TTL, too (RFC 4035 §5.3.3).
fn dynamic_slot(
    set: &mut ZoneSet,
    owner: &Owner,
    record: &DynamicRecord,
    signer: Option<&RrSigner>,
) -> Slot {
    let data: Vec<_> = record
        .targets
        .iter()
        .map(|t| address_data(t.address))
        .collect();
    let sign = |data: &[Box<[u8]>]| {
        signer.map_or_else(Vec::new, |s| {
            s.sign(&owner.name, record.rtype, record.ttl_s, data)
        })
    };
    let everything = put_set(set, record.rtype, record.ttl_s, &data, &sign(&data));
    let mut candidates = Vec::with_capacity(data.len());
    for (target, data) in record.targets.iter().zip(&data) {
        let data = std::slice::from_ref(data);
        let alone = put_set(set, record.rtype, record.ttl_s, data, &sign(data));
        candidates.push(Candidate {
            up: target.up,
            set: alone,
        });
    }
    let several = several(set, record, &data, &sign);
    let last_resort = match &record.all_down {
        AllDown::LastResort(addresses) => {
            let data: Vec<_> = addresses.iter().map(|a| address_data(*a)).collect();
            let ttl = record.degraded_ttl_s.unwrap_or(record.ttl_s);
            put_set(set, record.rtype, ttl, &data, &sign(&data))
        }
        _ => NONE,
    };
    let degraded = record
        .degraded_ttl_s
        .map(|ttl| degraded(set, everything, &candidates, &several, ttl));
    set.choices.push(Choice::new(
        record,
        candidates,
        everything,
        several,
        degraded,
        last_resort,
    ));
    Slot {
        rtype: record.rtype,
        set: everything,
        choice: set.choices.len() as u32 - 1,
        whole: None,
    }
}

/// What signs an RRset: its record data in, its RRSIGs' out.
type Signing<'a> = dyn Fn(&[Box<[u8]>]) -> Vec<Box<[u8]>> + 'a;

/// RRsets for each choice of targets that may be answered, by the bits of their numbers: one for each that may stand first,
/// one after another, of which the first one's number is given. Signatures hold in every order (RFC 4034 §6.3).
fn several(
    set: &mut ZoneSet,
    record: &DynamicRecord,
    all: &[Box<[u8]>],
    sign: &Signing<'_>,
) -> Vec<u32> {
    let Policy::Multi(most) = record.policy else {
        return Vec::new();
    };
    let chosen = |mask: u32| {
        let bits = all.iter().enumerate();
        bits.filter(move |(n, _)| mask >> n & 1 == 1)
            .map(|(_, d)| d.clone())
            .collect::<Vec<_>>()
    };
    (0..1u32 << all.len().min(DYNAMIC_MULTI_MAX))
        .map(|mask| {
            if mask == 0 || mask.count_ones() > u32::from(most) {
                return NONE;
            }
            let first = set.sets.len() as u32;
            let mut data = chosen(mask);
            let sigs = sign(&data);
            for _ in 0..data.len() {
                put_set(set, record.rtype, record.ttl_s, &data, &sigs);
                data.rotate_left(1);
            }
            first
        })
        .collect()
}

/// The same RRsets with another TTL: of all targets, of each alone, of each choice.
fn degraded(
    set: &mut ZoneSet,
    all: u32,
    candidates: &[Candidate],
    several: &[u32],
    ttl: u32,
) -> Degraded {
    let mut again = |number: u32| {
        let Some(copy) = set.set(number).map(|s| s.with_ttl(ttl)) else {
            return NONE;
        };
        set.sets.push(copy);
        set.sets.len() as u32 - 1
    };
    Degraded {
        all: again(all),
        alone: candidates.iter().map(|c| again(c.set)).collect(),
        several: several
            .iter()
            .enumerate()
            .map(|(mask, first)| {
                let turns = 0..mask.count_ones();
                let orders = turns.filter_map(|turn| Some(again(first.checked_add(turn)?)));
                orders.reduce(|first, _| first).unwrap_or(NONE)
            })
            .collect(),
    }
}

/// RFC 2308 §5: a denial is kept for the lesser of the SOA's TTL and its minimum.
fn add_denial_soa(set: &mut ZoneSet, soa: &RrSet, owner: &Owner) -> u32 {
    let minimum = soa
        .data
        .first()
        .and_then(|data| data.last_chunk())
        .map_or(0, |m| u32::from_be_bytes(*m));
    put_rrset(set, owner, soa, soa.ttl.min(minimum))
}

/// Encodes an RRset of a name with its signatures.
pub(super) fn put_rrset(set: &mut ZoneSet, owner: &Owner, rrset: &RrSet, ttl: u32) -> u32 {
    let sigs = owner.signatures(rrset.rtype).map(|s| &s.data[..]);
    put_set(set, rrset.rtype, ttl, &rrset.data, sigs.unwrap_or_default())
}

pub(super) fn put_name(set: &mut ZoneSet, wire: &[u8]) -> NameAt {
    let start = set.names.len() as u32;
    let mixed = wire.iter().any(u8::is_ascii_uppercase);
    set.names.extend_from_slice(wire);
    if mixed {
        set.names.extend(wire.iter().map(u8::to_ascii_lowercase));
    }
    NameAt {
        start,
        // No name is longer than 255 bytes.
        len: wire.len() as u8,
        mixed,
    }
}

pub(super) fn put_set<D: AsRef<[u8]>>(
    set: &mut ZoneSet,
    rtype: RType,
    ttl: u32,
    records: &[D],
    sigs: &[Box<[u8]>],
) -> u32 {
    let data = put_data(set, records);
    let sigs = put_data(set, sigs);
    set.sets.push(EncodedSet {
        rtype,
        targets_len: 0,
        ttl,
        start: data.start,
        data_len: data.len,
        sigs_len: sigs.len,
        targets: 0,
        whole: None,
    });
    set.sets.len() as u32 - 1
}

/// Appends records to the arena, each behind its length.
fn put_data<D: AsRef<[u8]>>(set: &mut ZoneSet, records: &[D]) -> Range {
    let start = set.data.len() as u32;
    for record in records {
        let record = record.as_ref();
        set.data.extend((record.len() as u16).to_be_bytes());
        set.data.extend_from_slice(record);
    }
    Range {
        start,
        len: set.data.len() as u32 - start,
    }
}

/// Fills both tables. A zone that comes later takes the place of one with its name.
fn index(set: &mut ZoneSet) {
    let hashes: Vec<u64> = set
        .zones
        .iter()
        .map(|z| set.hash_of(NONE, set.canonical(z.name)))
        .collect();
    for number in (0..set.zones.len() as u32).rev() {
        let Some(zone) = set.zone(number) else {
            continue;
        };
        let (name, labels) = (zone.name, zone.labels);
        let wanted = set.canonical(name);
        let hash = set.hash_of(NONE, wanted);
        if set
            .apexes
            .find(hash, |z| {
                set.zone(*z)
                    .is_some_and(|z| set.canonical(z.name) == wanted)
            })
            .is_some()
        {
            continue;
        }
        set.apex_labels |= 1 << labels;
        set.apexes.insert_unique(hash, number, |z| {
            hashes.get(*z as usize).copied().unwrap_or_default()
        });
    }
    let hashes: Vec<u64> = set
        .nodes
        .iter()
        .map(|n| set.hash_of(n.zone, set.canonical(n.name)))
        .collect();
    set.table.reserve(hashes.len(), |i| {
        hashes.get(*i as usize).copied().unwrap_or_default()
    });
    for (node, hash) in hashes.iter().enumerate() {
        set.table.insert_unique(*hash, node as u32, |i| {
            hashes.get(*i as usize).copied().unwrap_or_default()
        });
    }
}

fn link_wildcards(set: &mut ZoneSet) {
    for index in 0..set.nodes.len() as u32 {
        let Some(node) = set.node(index) else {
            continue;
        };
        let name = set.canonical(node.name);
        if !name.starts_with(b"\x01*") {
            continue;
        }
        let parent = set.lookup_index(node.zone, ancestor(name, 1));
        if let Some(parent) = parent.and_then(|p| set.nodes.get_mut(p as usize)) {
            parent.wildcard = index;
        }
    }
}

/// Finds the hosts that RRsets name. NS may name glue below a cut, the others only what this zone answers for.
fn link_targets(set: &mut ZoneSet) {
    for index in 0..set.nodes.len() as u32 {
        let Some((zone, slots)) = set.node(index).map(|n| (n.zone, n.slots)) else {
            continue;
        };
        for slot in slots.start..slots.start + slots.len {
            let Some(number) = set.slots.get(slot as usize).map(|s| s.set) else {
                continue;
            };
            let found = targets_of(set, zone, number);
            if let Some(encoded) = set.sets.get_mut(number as usize) {
                encoded.targets = set.targets.len() as u32;
                encoded.targets_len = u16::try_from(found.len()).unwrap_or(u16::MAX);
            }
            set.targets.extend(found);
        }
    }
}

fn targets_of(set: &mut ZoneSet, zone: u32, number: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let Some(encoded) = set.set(number).copied() else {
        return found;
    };
    let mut made = Vec::new();
    for data in set.answers(&encoded).records() {
        let Some(target) = rdata::additional_target(encoded.rtype, data) else {
            break;
        };
        let Some(node) = set.lookup_index(zone, &target.to_ascii_lowercase()) else {
            if encoded.rtype == RType::NS
                && let Some(node) = wild_glue(set, zone, target)
            {
                made.push((target.to_vec(), node));
            }
            continue;
        };
        let visible = encoded.rtype == RType::NS
            || set
                .node(node)
                .is_some_and(|n| !matches!(n.shadow, Shadow::Cut(_)));
        if visible && !found.contains(&node) {
            found.push(node);
        }
    }
    for (name, node) in made {
        // It lies behind all zones and in no table: a host that is glue and nothing else.
        let name = put_name(set, &name);
        found.push(set.nodes.len() as u32);
        set.nodes.push(Node { name, ..node });
    }
    found
}

/// A host that is not there, below a cut: a wildcard beside it may have its addresses, as other servers have it. Its name
/// is still the wildcard's.
fn wild_glue(set: &ZoneSet, zone: u32, host: &[u8]) -> Option<Node> {
    let (encloser, _) = set.closest_encloser(zone, &QName::read(host)?)?;
    let encloser = set.node(encloser)?;
    let wildcard = set.node(encloser.wildcard)?;
    matches!(encloser.shadow, Shadow::Cut(_)).then_some(*wildcard)
}
