//! Zones as they are answered from.
//!
//! All names of all zones lie in one array, zone after zone in canonical order (a name's neighbours are its index
//! plus and minus one), and are found through one hash table. Empty non-terminals are nodes like any other, so that
//! "exists" is one look-up and the closest encloser a binary search over a name's labels: nothing ever walks a zone.
//! RRsets lie encoded in one arena. What can be known ahead of a question is rendered ahead of it: an RRset's whole
//! answer, a delegation's referral, a zone's denial, an alias's addresses (see [`Rendered`]).

mod choose;
mod compile;
mod locate;
mod proofs;
mod records;
mod render;

pub(crate) use choose::Choice;
pub(crate) use locate::{Find, Match};
pub(crate) use records::Stored;
pub(crate) use render::Rendered;

use crate::dnssec::hash::{Hash, Hashing};
use crate::dynamic::{DynamicRecord, HealthId};
use crate::{Name, RType, Zone};
use hashbrown::HashTable;

/// An index that means none.
pub(crate) const NONE: u32 = u32::MAX;

/// What hides a name (RFC 1034 §4.2.1, RFC 6672 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shadow {
    Nothing,
    /// This node is delegated; its own name is, too.
    Cut(u32),
    /// This node has a DNAME, which holds for names below it only.
    Redirect(u32),
}

/// A name.
pub(crate) struct Node {
    /// In the arena of names, as the zone file writes it.
    pub name: Range,
    pub zone: u32,
    pub shadow: Shadow,
    /// In [`ZoneSet::slots`].
    pub slots: Range,
    /// The node of `*` below this one.
    pub wildcard: u32,
    /// In [`ZoneSet::proofs`]: what shows which types this name has. An NSEC of the name itself or, where it has no
    /// records, of the one before it; the NSEC3 of the name, if there is one.
    pub proof: u32,
    /// What shows that there is no `*` below this name or, where there is one, which types it has.
    pub wild_proof: u32,
    /// A referral, where this is a cut.
    pub referral: Option<Rendered>,
    /// Where this is an alias: whole answers by type asked for.
    pub alias: Vec<(RType, Rendered)>,
}

/// A run of elements of an array.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    pub start: u32,
    pub len: u32,
}

impl Range {
    pub fn of<T>(self, array: &[T]) -> &[T] {
        let start = self.start as usize;
        array
            .get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

/// One type at one name: an RRset, or several to choose from.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub rtype: RType,
    /// The RRset, or of a dynamic record the one with all targets.
    pub set: u32,
    /// In [`ZoneSet::candidates`]; empty for a static RRset.
    pub candidates: Range,
}

/// A target of a dynamic record, with the RRset that holds it alone.
pub(crate) struct Candidate {
    pub up: Option<HealthId>,
    pub set: u32,
    /// In [`ZoneSet::choices`], the same for all candidates of a slot.
    pub choice: u32,
}

/// An encoded RRset.
pub(crate) struct EncodedSet {
    pub rtype: RType,
    pub ttl: u32,
    /// In the arena of data: each record's length in two bytes, then its data.
    pub data: Range,
    /// Its signatures, encoded alike; empty where there are none.
    pub sigs: Range,
    /// Nodes whose addresses belong into the additional section, in [`ZoneSet::targets`].
    pub targets: Range,
    /// The whole answer to a question for its owner and type.
    pub whole: Option<Rendered>,
}

/// A record that denies, as a name and an RRset of type NSEC or NSEC3.
pub(crate) struct Proof {
    /// In the arena of names.
    pub owner: Range,
    pub set: u32,
}

/// One zone of the set.
pub(crate) struct Apex {
    /// In the arena of names.
    pub name: Range,
    pub labels: usize,
    /// The most labels of any name.
    pub depth: usize,
    /// The SOA with the TTL of denials (RFC 2308 §5).
    pub denial_soa: u32,
    /// NODATA or NXDOMAIN for the apex itself.
    pub denial: Option<Rendered>,
    /// Its nodes.
    pub nodes: Range,
    /// Whether its SOA has a signature, so that who understands signatures gets them.
    pub signed: bool,
    /// In [`ZoneSet::proofs`], in their order.
    pub proofs: Range,
    /// Where it denies by hashes: how they are made.
    pub hashing: Option<Hashing>,
    /// The hash of each of its proofs.
    pub hashes: Box<[Hash]>,
}

/// An RRset as the message writer takes it.
pub(crate) struct Answers<'a> {
    pub rtype: RType,
    pub ttl: u32,
    data: &'a [u8],
}

impl<'a> Answers<'a> {
    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// A single record that is in no zone, such as the CNAME made of a DNAME; `data` is its length and its data.
    pub fn made(rtype: RType, ttl: u32, data: &'a [u8]) -> Self {
        Self { rtype, ttl, data }
    }

    /// The records' data.
    pub fn records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk()?;
            let (data, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            rest = tail;
            Some(data)
        })
    }
}

/// Zones that answer together. Immutable: a change makes a new set.
pub struct ZoneSet {
    hasher: ahash::RandomState,
    table: HashTable<u32>,
    apexes: HashTable<u32>,
    /// Bit n: some zone's name has n labels.
    apex_labels: u128,
    zones: Vec<Apex>,
    nodes: Vec<Node>,
    slots: Vec<Slot>,
    sets: Vec<EncodedSet>,
    candidates: Vec<Candidate>,
    choices: Vec<Choice>,
    targets: Vec<u32>,
    proofs: Vec<Proof>,
    /// What the dynamic slots were made from, with its owner.
    dynamic: Vec<(Name, DynamicRecord)>,
    names: Vec<u8>,
    /// The names in lower case, at the same places: what hashing and comparing looks at.
    canonical: Vec<u8>,
    data: Vec<u8>,
}

impl ZoneSet {
    /// Encodes zones. Of two with the same name the later one answers.
    pub fn new(zones: Vec<Zone>) -> Self {
        compile::compile(zones)
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there is no zone, so that everything is refused.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    pub(crate) fn zone(&self, index: u32) -> Option<&Apex> {
        self.zones.get(index as usize)
    }

    pub(crate) fn set(&self, index: u32) -> Option<&EncodedSet> {
        self.sets.get(index as usize)
    }

    pub(crate) fn slots(&self, node: &Node) -> &[Slot] {
        node.slots.of(&self.slots)
    }

    pub(crate) fn slot(&self, node: &Node, rtype: RType) -> Option<&Slot> {
        self.slots(node).iter().find(|s| s.rtype == rtype)
    }

    pub(crate) fn name(&self, range: Range) -> &[u8] {
        range.of(&self.names)
    }

    pub(crate) fn targets(&self, set: &EncodedSet) -> &[u32] {
        set.targets.of(&self.targets)
    }

    /// An RRset's signatures, whose TTL is its own (RFC 4034 §3).
    pub(crate) fn signatures(&self, set: &EncodedSet) -> Answers<'_> {
        Answers {
            rtype: RType::RRSIG,
            ttl: set.ttl,
            data: set.sigs.of(&self.data),
        }
    }

    pub(crate) fn answers(&self, set: &EncodedSet) -> Answers<'_> {
        Answers {
            rtype: set.rtype,
            ttl: set.ttl,
            data: set.data.of(&self.data),
        }
    }
}
