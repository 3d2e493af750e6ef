//! One change to a zone.

use crate::zone::Record;
use crate::{Name, RType, Zone};

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
}

impl Edit {
    pub fn owner(&self) -> &Name {
        match self {
            Self::Add(record) | Self::AddToken(record) => &record.owner,
            Self::Remove { owner, .. }
            | Self::RemoveToken { owner, .. }
            | Self::RemoveSet { owner, .. }
            | Self::RemoveName { owner } => owner,
        }
    }

    /// Whether it is applied again to a reloaded zone. A token that was taken out needs no edit to stay out.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::RemoveToken { .. })
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
