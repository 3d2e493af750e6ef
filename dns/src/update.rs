//! Dynamic updates (RFC 2136): prerequisites, then changes, all or nothing.

use crate::authority::{Draft, Edit};
use crate::edit::{is_newer, serial_of};
use crate::query::HEADER;
use crate::rdata::is_well_formed;
use crate::wire::{Header, Received, question, record};
use crate::zone::Record;
use crate::{Name, RType, Zone};
use seawall_diag::Span;
use std::collections::HashMap;

const NONE: u16 = 254;
const ANY: u16 = 255;
const IN: u16 = 1;

const FORMERR: u16 = 1;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;
const YXDOMAIN: u16 = 6;
const YXRRSET: u16 = 7;
const NXRRSET: u16 = 8;
const NOTZONE: u16 = 10;

/// Records of one update; more are refused.
const RECORDS_MAX: usize = 4096;

/// An update as it was received.
pub(crate) struct Update {
    pub zone: Name,
    prerequisites: Vec<Received>,
    changes: Vec<Received>,
}

impl Update {
    /// Reads a message, its signature taken off. `Err` is the code to answer with.
    pub fn read(message: &[u8]) -> Result<Self, u16> {
        let header = Header::read(message).ok_or(FORMERR)?;
        let [1, prerequisites, changes, _] = header.counts else {
            return Err(FORMERR);
        };
        let (zone, rtype, class, mut at) = question(message, HEADER).ok_or(FORMERR)?;
        if rtype != RType::SOA
            || class != IN
            || usize::from(prerequisites) + usize::from(changes) > RECORDS_MAX
        {
            return Err(FORMERR);
        }
        let mut section = |count: u16| {
            let mut found = Vec::new();
            for _ in 0..count {
                let (received, end) = record(message, at).ok_or(FORMERR)?;
                at = end;
                found.push(received);
            }
            Ok::<_, u16>(found)
        };
        Ok(Self {
            prerequisites: section(prerequisites)?,
            changes: section(changes)?,
            zone,
        })
    }

    /// Checks and applies it. `Err` is the code to answer with; nothing is changed then.
    pub fn apply(&self, draft: &mut Draft) -> Result<(), u16> {
        self.check(draft.zone())?;
        self.scan()?;
        self.changes
            .iter()
            .for_each(|change| change_one(draft, change));
        Ok(())
    }

    /// RFC 2136 §3.2.
    fn check(&self, zone: &Zone) -> Result<(), u16> {
        let mut wanted: HashMap<(Name, RType), Vec<&[u8]>> = HashMap::new();
        for p in &self.prerequisites {
            if !p.owner.is_within(&self.zone) {
                return Err(NOTZONE);
            }
            if p.ttl != 0 || (p.class != IN && !p.data.is_empty()) {
                return Err(FORMERR);
            }
            let owner = zone.owner(&p.owner);
            let set = owner.and_then(|o| o.set(p.rtype));
            match (p.class, p.rtype) {
                (ANY, RType::ANY) if owner.is_none() => return Err(NXDOMAIN),
                (NONE, RType::ANY) if owner.is_some() => return Err(YXDOMAIN),
                (ANY | NONE, RType::ANY) => {}
                (ANY, _) if set.is_none() => return Err(NXRRSET),
                (NONE, _) if set.is_some() => return Err(YXRRSET),
                (ANY | NONE, _) => {}
                (IN, _) => wanted
                    .entry((p.owner.lower(), p.rtype))
                    .or_default()
                    .push(&p.data),
                _ => return Err(FORMERR),
            }
        }
        for ((name, rtype), mut data) in wanted {
            let set = zone
                .owner(&name)
                .and_then(|o| o.set(rtype))
                .ok_or(NXRRSET)?;
            let mut have: Vec<&[u8]> = set.data.iter().map(|d| &**d).collect();
            have.sort_unstable();
            data.sort_unstable();
            data.dedup();
            if have != data {
                return Err(NXRRSET);
            }
        }
        Ok(())
    }

    /// RFC 2136 §3.4.1: all is looked at before anything is changed.
    fn scan(&self) -> Result<(), u16> {
        for c in &self.changes {
            if !c.owner.is_within(&self.zone) {
                return Err(NOTZONE);
            }
            let meta = c.rtype.is_meta();
            let wrong = match c.class {
                IN => meta || !is_well_formed(c.rtype, &c.data),
                ANY => c.ttl != 0 || !c.data.is_empty() || (meta && c.rtype != RType::ANY),
                NONE => c.ttl != 0 || meta,
                _ => true,
            };
            if wrong {
                return Err(FORMERR);
            }
            // Signatures and proofs are made here, or by whoever signs the file.
            if matches!(
                c.rtype,
                RType::RRSIG | RType::NSEC | RType::NSEC3 | RType::NSEC3PARAM
            ) {
                return Err(REFUSED);
            }
        }
        Ok(())
    }
}

/// RFC 2136 §3.4.2.
fn change_one(draft: &mut Draft, change: &Received) {
    let owner = change.owner.clone();
    let zone = draft.zone();
    let apex = owner.lower() == zone.origin().lower();
    let have = zone.owner(&owner);
    match (change.class, change.rtype) {
        (IN, rtype) => {
            let others = have
                .map(|o| o.sets.iter().map(|s| s.rtype))
                .into_iter()
                .flatten();
            let is_alias = |t: RType| t == RType::CNAME;
            let conflict = if is_alias(rtype) {
                others.clone().any(|t| !is_alias(t)) || have.is_some_and(|o| !o.dynamic.is_empty())
            } else {
                others.clone().any(is_alias)
            };
            let older = rtype == RType::SOA && {
                let serials = zone.serial().zip(serial_of(&change.data));
                !apex || serials.is_none_or(|(ours, theirs)| !is_newer(theirs, ours))
            };
            if !conflict && !older {
                draft.edit(Edit::Add(Record {
                    owner,
                    rtype,
                    ttl: if change.ttl > i32::MAX as u32 {
                        0
                    } else {
                        change.ttl
                    },
                    data: change.data.clone().into(),
                    at: Span::default(),
                }));
            }
        }
        (ANY, RType::ANY) => draft.edit(Edit::RemoveName { owner }),
        (ANY, rtype) => draft.edit(Edit::RemoveSet { owner, rtype }),
        (_, rtype) => {
            let last_server = apex
                && rtype == RType::NS
                && have
                    .and_then(|o| o.set(RType::NS))
                    .is_some_and(|s| s.data.len() == 1);
            if rtype != RType::SOA && !last_server {
                draft.edit(Edit::Remove {
                    owner,
                    rtype,
                    data: change.data.clone().into(),
                });
            }
        }
    }
}
