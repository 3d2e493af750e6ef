//! Records as people write them: what the API shows and changes.

use super::{ChangeError, Edit};
use crate::limits::API_RECORDS_MAX;
use crate::serve::Shared;
use crate::zone::Owner;
use crate::{Name, RType, Zone, master, present};

/// A zone as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSummary {
    /// Its name, with its final dot.
    pub name: String,
    /// Its serial number.
    pub serial: u32,
    /// How many records it has, dynamic ones counted by their targets.
    pub records: usize,
    /// Whether it is a copy of another server's.
    pub is_copy: bool,
    /// Whether its answers have signatures.
    pub is_signed: bool,
}

/// A record as a line of a zone file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// Its owner, absolute.
    pub name: String,
    /// Seconds it may be kept.
    pub ttl_s: u32,
    /// Its type.
    pub rtype: String,
    /// Its data.
    pub data: String,
}

/// Types that signing makes: what is put by hand would be gone with the next signature, or be wrong.
const MADE: [RType; 4] = [RType::RRSIG, RType::NSEC, RType::NSEC3, RType::NSEC3PARAM];

impl Shared {
    /// All zones, by name.
    pub fn zones(&self) -> Vec<ZoneSummary> {
        let serving = self.serving_now();
        let mut zones: Vec<ZoneSummary> = serving
            .zones
            .iter()
            .filter_map(|zone| {
                let name = zone.origin()?;
                Some(ZoneSummary {
                    is_copy: self.is_copy(&name),
                    name: name.to_string(),
                    serial: zone.serial().unwrap_or(0),
                    records: zone.records(),
                    is_signed: zone.is_signed(),
                })
            })
            .collect();
        zones.sort_by(|a, b| a.name.cmp(&b.name));
        zones
    }

    /// The records of a zone, the SOA first, at most as many as [`API_RECORDS_MAX`]. Takes as long as the zone is
    /// large.
    pub fn zone_records(&self, zone: &Name) -> Option<Vec<RecordLine>> {
        let zone = self.serving_now().zones.get(zone)?.to_zone()?;
        let lines = zone.each().take(API_RECORDS_MAX);
        let line = |(name, set, data): (&Name, &crate::zone::RrSet, &[u8])| RecordLine {
            name: name.to_string(),
            ttl_s: set.ttl,
            rtype: set.rtype.to_string(),
            data: present::rdata(set.rtype, data),
        };
        let mut records: Vec<RecordLine> = lines.map(line).collect();
        records.sort_by_key(|r| r.rtype != "SOA");
        Some(records)
    }

    /// Puts an RRset in the place of the one of its name and type; no values take it away. `name` is relative to the
    /// zone, `@`, or absolute with its dot. Gives the serial number, which is the old one if nothing changed. What was
    /// put is kept in the zone's journal, if it has one, and put on every later version of its file.
    pub fn put_records(
        &self,
        zone: &Name,
        name: &str,
        rtype: &str,
        ttl_s: u32,
        values: &[String],
    ) -> Result<u32, ChangeError> {
        let refuse = |why: String| Err(ChangeError::Refused(why));
        let Some(wanted) = RType::parse(rtype) else {
            return refuse(format!("`{rtype}` is no type of a record"));
        };
        if wanted.is_meta() || wanted == RType::SOA || MADE.contains(&wanted) {
            return refuse(format!("records of type {wanted} cannot be put"));
        }
        if self.is_copy(zone) {
            return refuse(format!("{zone} is a copy: it is changed at its primary"));
        }
        let owner = match Name::parse(name, Some(zone)) {
            Ok(owner) if owner.is_within(zone) => owner,
            Ok(owner) => return refuse(format!("`{owner}` lies outside of {zone}")),
            Err(e) => return refuse(format!("`{name}` is no name: {e}")),
        };
        let mut edits = vec![Edit::RemoveSet {
            owner: owner.clone(),
            rtype: wanted,
        }];
        for value in values {
            let line = format!("{owner} {ttl_s} IN {rtype} {value}");
            let record = master::record_within(&line, zone).map_err(ChangeError::Refused)?;
            edits.push(Edit::Add(record));
        }
        self.change_by(zone, |draft| {
            if !values.is_empty() {
                fits(draft.zone(), &owner, wanted, values.len())?;
            }
            // What stands there in the same order stays as it is: asking twice is asking once.
            if !is_there(draft.zone().owner(&owner), wanted, &edits) {
                edits.into_iter().for_each(|edit| draft.edit(edit));
            }
            Ok(())
        })
    }
}

/// RFC 1034 §3.6.2 and RFC 6672 §2.4: an alias stands alone.
fn fits(zone: &Zone, owner: &Name, rtype: RType, count: usize) -> Result<(), ChangeError> {
    let refuse = |why: &str| Err(ChangeError::Refused(why.to_owned()));
    let single = matches!(rtype, RType::CNAME | RType::DNAME);
    if single && count > 1 {
        return refuse("a name has one such record at most");
    }
    let Some(have) = zone.owner(owner) else {
        return Ok(());
    };
    let others = have.sets.iter().map(|s| s.rtype);
    let mut others = others.filter(|t| !MADE.contains(t) && *t != rtype);
    if rtype == RType::CNAME && (others.next().is_some() || !have.dynamic.is_empty()) {
        return refuse("the name has other records, beside which no CNAME can stand");
    }
    if others.any(|t| t == RType::CNAME) {
        return refuse("the name is an alias (CNAME), beside which nothing can stand");
    }
    if have.dynamic.iter().any(|d| d.rtype == rtype) {
        return refuse("the configuration has a record here that follows health");
    }
    Ok(())
}

fn is_there(owner: Option<&Owner>, rtype: RType, edits: &[Edit]) -> bool {
    let wanted = edits.iter().filter_map(|edit| match edit {
        Edit::Add(record) => Some((record.ttl, &record.data)),
        _ => None,
    });
    let set = owner.and_then(|o| o.set(rtype));
    let have = set.iter().flat_map(|s| s.data.iter().map(|d| (s.ttl, d)));
    have.eq(wanted)
}
