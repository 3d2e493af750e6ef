//! What changed between two versions of a zone, for IXFR (RFC 1995).

use crate::Zone;
use crate::limits::{HISTORY_RECORDS_MIN, HISTORY_VERSIONS_MAX};
use crate::zone::{Owner, Record, RrSet};
use seawall_diag::Span;
use std::collections::VecDeque;

/// Records that went and records that came, SOA left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub removed: Vec<Record>,
    pub added: Vec<Record>,
}

impl Difference {
    /// Between two whole zones.
    pub fn between(before: &Zone, after: &Zone) -> Self {
        let mut difference = Self::default();
        for (key, owner) in before.owners() {
            difference.owner(Some(owner), after.owners().get(key));
        }
        for (key, owner) in after.owners() {
            if !before.owners().contains_key(key) {
                difference.owner(None, Some(owner));
            }
        }
        difference
    }

    /// Adds what changed at one name.
    pub fn owner(&mut self, before: Option<&Owner>, after: Option<&Owner>) {
        only_in(before, after, &mut self.removed);
        only_in(after, before, &mut self.added);
    }

    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    pub fn len(&self) -> usize {
        self.removed.len() + self.added.len()
    }
}

fn only_in(one: Option<&Owner>, other: Option<&Owner>, out: &mut Vec<Record>) {
    let Some(one) = one else { return };
    let has = |set: &RrSet, data: &[u8]| {
        let sets = other.map(|o| o.sets.iter()).into_iter().flatten();
        sets.filter(|s| s.rtype == set.rtype && s.ttl == set.ttl)
            .any(|s| s.data.iter().any(|d| **d == *data))
    };
    for set in one.sets.iter().filter(|s| s.rtype != crate::RType::SOA) {
        for data in set.data.iter().filter(|data| !has(set, data)) {
            out.push(Record {
                owner: one.name.clone(),
                rtype: set.rtype,
                ttl: set.ttl,
                data: data.clone(),
                at: Span::default(),
            });
        }
    }
}

/// One step from a version to the next.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub from: u32,
    pub to: u32,
    pub soa_before: Record,
    pub soa_after: Record,
    pub difference: Difference,
}

/// The last versions of a zone: no more records than the zone has, or a transfer of the whole would be shorter.
#[derive(Default)]
pub(crate) struct History {
    versions: VecDeque<Version>,
    records: usize,
}

impl History {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn push(
        &mut self,
        from: u32,
        to: u32,
        soa_before: Record,
        soa_after: Record,
        difference: Difference,
        zone_records: usize,
    ) {
        if self.versions.back().is_some_and(|last| last.to != from) {
            self.clear();
        }
        self.records += difference.len();
        self.versions.push_back(Version {
            from,
            to,
            soa_before,
            soa_after,
            difference,
        });
        let most = zone_records.max(HISTORY_RECORDS_MIN);
        while self.versions.len() > HISTORY_VERSIONS_MAX || self.records > most {
            let Some(oldest) = self.versions.pop_front() else {
                break;
            };
            self.records -= oldest.difference.len();
        }
    }

    /// The steps from a version to the last one; `None` where they are no longer known.
    pub fn since(&self, serial: u32) -> Option<Vec<Version>> {
        let start = self.versions.iter().position(|v| v.from == serial)?;
        Some(self.versions.iter().skip(start).cloned().collect())
    }
}
