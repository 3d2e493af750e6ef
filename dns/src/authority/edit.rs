//! One change to a zone.

use super::Difference;
use crate::dynamic::address_data;
use crate::zone::{Owner, Record};
use crate::{Name, RType, Zone};
use seawall_diag::Span;
use std::collections::HashMap;
use std::net::IpAddr;

/// One change to a zone. Applying it twice is applying it once, so that edits can be put on any version of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Add(Record),
    /// A token that disappears by itself: no reload or restart brings it back once it is taken out.
    AddToken(Record),
    Remove {
        owner: Name,
        rtype: RType,
        data: Box<[u8]>,
    },
    RemoveToken {
        owner: Name,
        data: Box<[u8]>,
    },
    RemoveSet {
        owner: Name,
        rtype: RType,
    },
    RemoveName {
        owner: Name,
    },
    /// The addresses of another name, which the name has and no journal keeps.
    Alias {
        owner: Name,
        ttl: u32,
        addresses: Vec<IpAddr>,
    },
}

impl Edit {
    pub fn owner(&self) -> &Name {
        match self {
            Self::Add(record) | Self::AddToken(record) => &record.owner,
            Self::Remove { owner, .. }
            | Self::RemoveToken { owner, .. }
            | Self::RemoveSet { owner, .. }
            | Self::RemoveName { owner }
            | Self::Alias { owner, .. } => owner,
        }
    }

    /// The type and the data of one record, if it is about one.
    fn about(&self) -> Option<(RType, Option<&[u8]>)> {
        match self {
            Self::Add(r) | Self::AddToken(r) => Some((r.rtype, Some(&r.data))),
            Self::Remove { rtype, data, .. } => Some((*rtype, Some(data))),
            Self::RemoveToken { data, .. } => Some((RType::TXT, Some(data))),
            Self::RemoveSet { rtype, .. } => Some((*rtype, None)),
            Self::RemoveName { .. } | Self::Alias { .. } => None,
        }
    }

    /// Whether an older edit at the same name has no effect any more.
    fn voids(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Alias { .. }, Self::Alias { .. }) => return true,
            (Self::Alias { .. }, _) | (_, Self::Alias { .. }) => return false,
            _ => {}
        }
        match (self.about(), old.about()) {
            (None, _) => true,
            (_, None) => false,
            (Some((rtype, None)), Some((old, _))) => rtype == old,
            (Some((rtype, data)), Some((old, old_data))) => rtype == old && data == old_data,
        }
    }

    /// Whether it is applied again to a reloaded zone. A token that was taken out needs no edit to stay out.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::RemoveToken { .. })
    }
}

/// Adds an edit to those that are kept, and drops the ones that it makes void, so that a record which changes every
/// minute is one edit.
pub(crate) fn keep(edits: &mut Vec<Edit>, new: Edit) {
    let owner = new.owner().lower();
    edits.retain(|old| old.owner().lower() != owner || !new.voids(old));
    edits.push(new);
}

/// A zone while it is changed.
pub(crate) struct Draft {
    pub(super) zone: Zone,
    pub(super) edits: Vec<Edit>,
    before: HashMap<Name, Option<Owner>>,
}

impl Draft {
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            edits: Vec::new(),
            before: HashMap::new(),
        }
    }

    /// The zone as it is so far.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Makes one change.
    pub fn edit(&mut self, edit: Edit) {
        let name = edit.owner().lower();
        if !self.before.contains_key(&name) {
            let owner = self.zone.owner(&name).cloned();
            self.before.insert(name, owner);
        }
        apply(&mut self.zone, &edit);
        self.edits.push(edit);
    }

    /// What has changed, the SOA left out.
    pub fn difference(&self) -> Difference {
        let mut difference = Difference::default();
        for (name, before) in &self.before {
            difference.owner(before.as_ref(), self.zone.owner(name));
        }
        difference
    }
}

/// Applies an edit. The apex keeps its SOA and NS whatever is removed (RFC 2136 §3.4.2.3).
pub(crate) fn apply(zone: &mut Zone, edit: &Edit) {
    let is_apex = |name: &Name, zone: &Zone| name.wire().eq_ignore_ascii_case(zone.origin().wire());
    match edit {
        Edit::Add(record) | Edit::AddToken(record) => {
            zone.put(record.clone());
        }
        Edit::Remove { owner, rtype, data } => {
            zone.remove_record(owner, *rtype, data);
        }
        Edit::RemoveToken { owner, data } => {
            zone.remove_record(owner, RType::TXT, data);
        }
        Edit::RemoveSet { owner, rtype } => {
            let vital = is_apex(owner, zone) && matches!(*rtype, RType::SOA | RType::NS);
            if !vital {
                zone.remove_set(owner, *rtype);
            }
        }
        Edit::Alias {
            owner,
            ttl,
            addresses,
        } => {
            zone.remove_set(owner, RType::A);
            zone.remove_set(owner, RType::AAAA);
            for address in addresses {
                zone.put(Record {
                    owner: owner.clone(),
                    rtype: if address.is_ipv4() {
                        RType::A
                    } else {
                        RType::AAAA
                    },
                    ttl: *ttl,
                    data: address_data(*address),
                    at: Span::default(),
                });
            }
        }
        Edit::RemoveName { owner } => {
            let types: Vec<RType> = zone
                .owner(owner)
                .map(|o| o.sets.iter().map(|s| s.rtype).collect())
                .unwrap_or_default();
            let apex = is_apex(owner, zone);
            for rtype in types {
                if !(apex && matches!(rtype, RType::SOA | RType::NS)) {
                    zone.remove_set(owner, rtype);
                }
            }
        }
    }
}
