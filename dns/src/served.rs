//! The zones that answer together, each compiled by itself, so that a change to one leaves the others as they are.

use crate::name::labels;
use crate::query::QName;
use crate::{Name, RType, Zone, ZoneCounts, ZoneSet};
use std::collections::HashMap;
use std::sync::Arc;

/// A zone under its name.
#[derive(Clone, Default)]
pub(crate) struct Served {
    /// `None` for a zone that should be served and cannot be: a copy that has expired.
    pub zone: Option<Arc<ZoneSet>>,
    pub counts: Arc<ZoneCounts>,
}

/// Zones by name. Immutable: a change makes a new one, which shares the zones that did not change.
#[derive(Clone, Default)]
pub struct Zones {
    by_name: HashMap<Box<[u8]>, Served, ahash::RandomState>,
    /// Bit n: some zone's name has n labels.
    labels: u128,
}

impl Zones {
    /// Compiles zones. Of two with the same name the later one answers.
    pub fn new(zones: Vec<Zone>) -> Self {
        let mut all = Self::default();
        for zone in zones {
            let name = zone.origin().clone();
            all.insert(&name, Arc::new(ZoneSet::new(vec![zone])));
        }
        all
    }

    /// Puts a compiled zone in the place of one with its name.
    pub fn insert(&mut self, name: &Name, zone: Arc<ZoneSet>) {
        let name = name.lower();
        self.labels |= 1u128.checked_shl(name.labels() as u32).unwrap_or(0);
        self.by_name.entry(name.wire().into()).or_default().zone = Some(zone);
    }

    /// Answers SERVFAIL for a zone.
    pub(crate) fn expire(&mut self, name: &Name) {
        if let Some(served) = self.by_name.get_mut(name.lower().wire()) {
            served.zone = None;
        }
    }

    /// Takes a zone out.
    pub fn remove(&mut self, name: &Name) -> Option<Arc<ZoneSet>> {
        let removed = self.by_name.remove(name.lower().wire())?.zone;
        self.labels = self
            .by_name
            .keys()
            .fold(0, |bits, name| bits | 1 << labels(name).count());
        removed
    }

    /// A zone by its own name.
    pub fn get(&self, name: &Name) -> Option<&Arc<ZoneSet>> {
        self.by_name.get(name.lower().wire())?.zone.as_ref()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ZoneSet>> {
        self.by_name.values().filter_map(|s| s.zone.as_ref())
    }

    /// What was answered from each zone, by its name.
    pub fn counts(&self) -> impl Iterator<Item = (Name, &ZoneCounts)> {
        let all = self.by_name.iter();
        all.filter_map(|(name, served)| Some((Name::from_wire(name)?, &*served.counts)))
    }

    /// Goes on counting where the zones before them stopped.
    pub(crate) fn count_on(&mut self, before: &Self) {
        for (name, served) in &mut self.by_name {
            if let Some(known) = before.by_name.get(name) {
                served.counts = Arc::clone(&known.counts);
            }
        }
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no zone, so that everything is refused.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The zone that answers for a name: the closest one above; for DS the parent's, if it is here (RFC 4035 §3.1.4.1).
    /// `Some(None)` where that zone cannot be served now.
    pub(crate) fn zone_of(&self, name: &QName, qtype: RType) -> Option<Option<&Arc<ZoneSet>>> {
        Some(self.served_for(name, qtype)?.zone.as_ref())
    }

    /// The same with what is counted of it.
    pub(crate) fn served_for(&self, name: &QName, qtype: RType) -> Option<&Served> {
        let (found, labels) = self.closest(name, name.labels())?;
        if qtype == RType::DS && labels == name.labels() && labels > 0 {
            let parent = self.closest(name, labels - 1);
            return Some(parent.map_or(found, |(parent, _)| parent));
        }
        Some(found)
    }

    /// The zone with the most labels, at most `labels`, that `name` lies in.
    fn closest(&self, name: &QName, labels: usize) -> Option<(&Served, usize)> {
        let mut candidates = self.labels & (u128::MAX >> (127 - labels.min(127)));
        while candidates != 0 {
            let n = 127 - candidates.leading_zeros() as usize;
            candidates &= !(1 << n);
            if let Some(zone) = self.by_name.get(name.last(n)) {
                return Some((zone, n));
            }
        }
        None
    }
}
