//! Zones as they are answered from.
//!
//! All names of all zones lie in one array, zone after zone in canonical order (a name's neighbours are its index
//! plus and minus one), and are found through one hash table. Empty non-terminals are nodes like any other, so that
//! "exists" is one look-up and the closest encloser a binary search over a name's labels: nothing ever walks a zone.
//! What can be known ahead of a question is rendered ahead of it: an RRset's whole answer, a delegation's referral, a
//! zone's denial, an alias's addresses (see [`Rendered`]).
//!
//! Names, record data and rendered answers lie in three arenas and are pointed to by 32-bit offsets: a name costs about
//! two hundred bytes with all its answers, and a zone a dozen allocations, however large it is.

mod choose;
mod compact;
mod compile;
mod locate;
mod proofs;
mod records;
mod render;

pub(crate) use choose::Choice;
pub(crate) use locate::{Find, Match};
pub(crate) use records::Stored;
pub(crate) use render::{Body, Rendered};

use crate::dnssec::hash::{Hash, Hashing};
use crate::dynamic::DynamicRecord;
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

/// Where a name lies in the arena of names: as the zone file writes it and, if that is not lower case, in lower case
/// behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAt {
    start: u32,
    len: u8,
    mixed: bool,
}

/// A name.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    pub name: NameAt,
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
    /// In [`ZoneSet::followed`]: what cuts and aliases answer.
    pub followed: u32,
}

/// Answers that lead on from a name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Followed {
    /// A referral, where the name is a cut.
    pub referral: Option<Rendered>,
    /// Where it is an alias: whole answers to [`ALIAS_TYPES`].
    pub alias: [Option<Rendered>; ALIAS_TYPES.len()],
}

/// Types an alias is followed for ahead of time: what browsers ask.
pub(crate) const ALIAS_TYPES: [RType; 3] = [RType::A, RType::AAAA, RType::HTTPS];

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
    /// In [`ZoneSet::choices`]; [`NONE`] for a static RRset.
    pub choice: u32,
    /// A static RRset's [`EncodedSet::whole`]: what most questions end at is found without looking at the RRset.
    pub whole: Option<Rendered>,
}

/// An encoded RRset. Its records lie in the arena of data, each behind its length in two bytes, and its signatures
/// behind them, encoded alike.
#[derive(Clone, Copy)]
pub(crate) struct EncodedSet {
    pub rtype: RType,
    /// How many of [`ZoneSet::targets`] are its own.
    targets_len: u16,
    pub ttl: u32,
    start: u32,
    pub data_len: u32,
    sigs_len: u32,
    /// Nodes whose addresses belong into the additional section, in [`ZoneSet::targets`].
    targets: u32,
    /// The whole answer to a question for its owner and type.
    pub whole: Option<Rendered>,
}

impl EncodedSet {
    fn data(&self) -> Range {
        Range {
            start: self.start,
            len: self.data_len,
        }
    }

    fn sigs(&self) -> Range {
        Range {
            start: self.start + self.data_len,
            len: self.sigs_len,
        }
    }
}

/// A record that denies, as a name and an RRset of type NSEC or NSEC3.
pub(crate) struct Proof {
    pub owner: NameAt,
    pub set: u32,
}

/// One zone of the set.
pub(crate) struct Apex {
    pub name: NameAt,
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
    choices: Vec<Choice>,
    targets: Vec<u32>,
    proofs: Vec<Proof>,
    followed: Vec<Followed>,
    /// What the dynamic slots were made from, with its owner.
    dynamic: Vec<(Name, DynamicRecord)>,
    names: Vec<u8>,
    data: Vec<u8>,
    rendered: Vec<u8>,
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

    /// A name as the zone file writes it.
    pub(crate) fn name(&self, at: NameAt) -> &[u8] {
        let (start, len) = (at.start, u32::from(at.len));
        Range { start, len }.of(&self.names)
    }

    /// A name in lower case: what hashing and comparing looks at.
    pub(crate) fn canonical(&self, at: NameAt) -> &[u8] {
        let len = u32::from(at.len);
        let start = if at.mixed { at.start + len } else { at.start };
        Range { start, len }.of(&self.names)
    }

    pub(crate) fn targets(&self, set: &EncodedSet) -> &[u32] {
        let (start, len) = (set.targets, u32::from(set.targets_len));
        Range { start, len }.of(&self.targets)
    }

    /// What a cut or an alias answers.
    pub(crate) fn followed(&self, node: &Node) -> Followed {
        let found = self.followed.get(node.followed as usize);
        found.copied().unwrap_or_default()
    }

    /// An answer that was rendered ahead.
    pub(crate) fn rendered(&self, at: Rendered) -> Option<Body<'_>> {
        Body::read(&self.rendered, at)
    }

    /// An RRset's signatures, whose TTL is its own (RFC 4034 §3).
    pub(crate) fn signatures(&self, set: &EncodedSet) -> Answers<'_> {
        Answers {
            rtype: RType::RRSIG,
            ttl: set.ttl,
            data: set.sigs().of(&self.data),
        }
    }

    pub(crate) fn answers(&self, set: &EncodedSet) -> Answers<'_> {
        Answers {
            rtype: set.rtype,
            ttl: set.ttl,
            data: set.data().of(&self.data),
        }
    }
}
