//! From a name to what the zones know about it (RFC 1034 §4.3.2 steps 2 and 3, RFC 4592 §3.3.1).

use super::{NONE, Node, Shadow, ZoneSet};
use crate::RType;
use crate::query::QName;

/// What a zone knows about a name.
#[derive(Clone, Copy)]
pub(crate) enum Match<'a> {
    /// The name is at or below this delegation.
    Cut(&'a Node),
    /// The name is below this DNAME's owner.
    Redirect(&'a Node),
    /// The name exists.
    Exact(&'a Node),
    /// The name does not exist and this wildcard matches it, the one below the closest encloser.
    Wildcard { node: &'a Node, encloser: u32 },
    /// The name does not exist, but its closest encloser does.
    Nothing { encloser: u32 },
}

/// Looks up names.
pub(crate) trait Find {
    /// The zone that answers for a name: the closest one above; for DS the parent's, if it is here (RFC 4035 §3.1.4.1).
    fn zone_of(&self, name: &QName, qtype: RType) -> Option<u32>;
    /// What `zone` knows about a name within it.
    fn locate(&self, zone: u32, name: &QName, qtype: RType) -> Match<'_>;
}

impl Find for ZoneSet {
    fn zone_of(&self, name: &QName, qtype: RType) -> Option<u32> {
        let found = self.closest_zone(name, name.labels());
        let labels = found.and_then(|z| self.zone(z)).map_or(0, |z| z.labels);
        if qtype == RType::DS && labels == name.labels() && labels > 0 {
            return self.closest_zone(name, labels - 1).or(found);
        }
        found
    }

    fn locate(&self, zone: u32, name: &QName, qtype: RType) -> Match<'_> {
        let missing = Match::Nothing { encloser: NONE };
        let Some((index, exact)) = self.closest_encloser(zone, name) else {
            return missing;
        };
        let Some(node) = self.node(index) else {
            return missing;
        };
        match node.shadow {
            Shadow::Nothing => {}
            Shadow::Cut(cut) => {
                let Some(cut) = self.node(cut) else {
                    return missing;
                };
                let at_cut = exact && std::ptr::eq(cut, node);
                return if at_cut && qtype == RType::DS {
                    Match::Exact(node)
                } else {
                    Match::Cut(cut)
                };
            }
            Shadow::Redirect(top) => {
                let Some(top) = self.node(top) else {
                    return missing;
                };
                if !(exact && std::ptr::eq(top, node)) {
                    return Match::Redirect(top);
                }
            }
        }
        if exact {
            return Match::Exact(node);
        }
        match self.node(node.wildcard) {
            Some(node) => Match::Wildcard {
                node,
                encloser: index,
            },
            None => Match::Nothing { encloser: index },
        }
    }
}

impl ZoneSet {
    /// The zone with the most labels, at most `labels`, that `name` lies in.
    fn closest_zone(&self, name: &QName, labels: usize) -> Option<u32> {
        let mut candidates = self.apex_labels & (u128::MAX >> (127 - labels.min(127)));
        while candidates != 0 {
            let n = 127 - candidates.leading_zeros() as usize;
            candidates &= !(1 << n);
            let wanted = name.last(n);
            let is_it = |z: &u32| {
                self.zone(*z)
                    .is_some_and(|z| self.canonical(z.name) == wanted)
            };
            if let Some(zone) = self.apexes.find(self.hash_of(NONE, wanted), is_it) {
                return Some(*zone);
            }
        }
        None
    }

    /// The deepest existing name at or above `name`, and whether it is `name` itself. A name's ancestors within its
    /// zone all exist as nodes, which is what makes the search binary.
    pub(super) fn closest_encloser(&self, zone: u32, name: &QName) -> Option<(u32, bool)> {
        let apex = self.zone(zone)?;
        let whole = name.labels();
        if whole <= apex.depth
            && let Some(node) = self.lookup_index(zone, name.wire())
        {
            return Some((node, true));
        }
        let mut best = self.lookup_index(zone, name.last(apex.labels))?;
        let (mut exists, mut missing) = (apex.labels, whole.min(apex.depth + 1));
        while exists + 1 < missing {
            let middle = exists.midpoint(missing);
            match self.lookup_index(zone, name.last(middle)) {
                Some(node) => (best, exists) = (node, middle),
                None => missing = middle,
            }
        }
        Some((best, false))
    }

    /// The node of a name in lower case.
    pub(super) fn lookup_index(&self, zone: u32, name: &[u8]) -> Option<u32> {
        let is_it = |i: &u32| {
            self.node(*i)
                .is_some_and(|n| n.zone == zone && self.canonical(n.name) == name)
        };
        self.table.find(self.hash_of(zone, name), is_it).copied()
    }

    pub(crate) fn hash_of(&self, zone: u32, name: &[u8]) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(zone);
        hasher.write(name);
        hasher.finish()
    }
}
