//! The records of a compiled zone, for transfers and for changing it.

use super::{EncodedSet, NONE, Range, ZoneSet};
use crate::dynamic::DynamicRecord;
use crate::edit::serial_of;
use crate::zone::Record;
use crate::{Name, RType, Zone};
use seawall_diag::Span;

/// A record as it lies in the arenas.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub owner: &'a [u8],
    pub rtype: RType,
    pub ttl: u32,
    /// Its length in two bytes, then its data.
    pub framed: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Its data.
    pub fn data(&self) -> &'a [u8] {
        self.framed.get(2..).unwrap_or_default()
    }

    fn record(&self) -> Option<Record> {
        Some(Record {
            owner: Name::from_wire(self.owner)?,
            rtype: self.rtype,
            ttl: self.ttl,
            data: self.data().into(),
            at: Span::default(),
        })
    }
}

impl ZoneSet {
    /// All records in canonical order of names, signatures behind what they cover. Of a dynamic record all targets,
    /// as a secondary knows nobody's health.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Stored<'_>> {
        self.walk(true)
    }

    fn walk(&self, dynamic: bool) -> impl Iterator<Item = Stored<'_>> {
        // Behind the zones' own names lies what is glue and no record.
        let nodes = self.zones.iter().flat_map(|z| z.nodes.of(&self.nodes));
        let named = nodes.flat_map(move |node| {
            let slots = self.slots(node).iter();
            slots
                .filter(move |slot| dynamic || slot.choice == NONE)
                .map(move |slot| (node.name, slot.set))
        });
        let is_hashed = |set: &EncodedSet| set.rtype == RType::NSEC3;
        // Compact denials are in no chain, and so in no copy of the zone.
        let chains = self.zones.iter().flat_map(|z| z.proofs.of(&self.proofs));
        let hashed = chains
            .filter(move |proof| self.set(proof.set).is_some_and(is_hashed))
            .map(|proof| (proof.owner, proof.set));
        named.chain(hashed).flat_map(move |(owner, set)| {
            let set = self.set(set);
            let both = set.map(|set| {
                let framed = |range: Range, rtype| {
                    frames(range.of(&self.data)).map(move |framed| (framed, rtype, set.ttl))
                };
                framed(set.data(), set.rtype).chain(framed(set.sigs(), RType::RRSIG))
            });
            both.into_iter()
                .flatten()
                .map(move |(framed, rtype, ttl)| Stored {
                    owner: self.name(owner),
                    rtype,
                    ttl,
                    framed,
                })
        })
    }

    /// The SOA of the zone.
    pub(crate) fn soa(&self) -> Option<Stored<'_>> {
        let node = self.nodes.first()?;
        let set = self.set(self.slot(node, RType::SOA)?.set)?;
        Some(Stored {
            owner: self.name(node.name),
            rtype: RType::SOA,
            ttl: set.ttl,
            framed: set.data().of(&self.data),
        })
    }

    /// The same as a record of its own.
    pub(crate) fn to_soa_record(&self) -> Option<Record> {
        self.soa()?.record()
    }

    /// The name of the zone.
    pub(crate) fn origin(&self) -> Option<Name> {
        Name::from_wire(self.name(self.zones.first()?.name))
    }

    /// Its name, as it is hashed.
    pub(crate) fn apex_name(&self) -> &[u8] {
        self.zones
            .first()
            .map_or(&[], |apex| self.canonical(apex.name))
    }

    /// The serial number of its SOA.
    pub fn serial(&self) -> Option<u32> {
        serial_of(self.soa()?.data())
    }

    /// How many records there are, dynamic ones counted by their targets.
    pub fn records(&self) -> usize {
        self.stored().count()
    }

    /// Whether its answers have signatures, for who asks for them.
    pub fn is_signed(&self) -> bool {
        self.zones.first().is_some_and(|apex| apex.signed)
    }

    /// The zone that this was compiled from.
    pub fn to_zone(&self) -> Option<Zone> {
        let mut zone = Zone::empty(self.origin()?);
        for record in self.walk(false).filter_map(|stored| stored.record()) {
            zone.put(record);
        }
        for (owner, record) in &self.dynamic {
            zone.put_dynamic(owner, record.clone());
        }
        Some(zone)
    }

    /// Remembers what dynamic records were made from.
    pub(super) fn keep_dynamic(&mut self, zone: &Zone) {
        let owners = zone.owners().values();
        self.dynamic = owners
            .flat_map(|o| o.dynamic.iter().map(|d| (o.name.clone(), d.clone())))
            .collect::<Vec<(Name, DynamicRecord)>>();
    }
}

/// Cuts data into records, each with its length before it.
fn frames(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len: &[u8; 2] = rest.first_chunk()?;
        let (framed, tail) = rest.split_at_checked(2 + usize::from(u16::from_be_bytes(*len)))?;
        rest = tail;
        Some(framed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;
    use seawall_diag::SourceMap;

    #[test]
    fn glue_that_a_wildcard_makes_is_no_record() {
        let text = "$TTL 1\n@ SOA ns h 1 2 3 4 5\n@ NS a.sub\nsub NS a.sub\nsub NS b.sub\n*.sub A 192.0.2.1\n";
        let mut sources = SourceMap::default();
        let file = sources.add("zone", text.to_owned());
        let zone = Zone::parse("z.test", &mut sources, file).unwrap();
        let records = zone.records();
        let set = ZoneSet::new(vec![zone]);
        assert!(
            set.nodes.len() > set.zones[0].nodes.len as usize,
            "glue is made"
        );
        assert_eq!(set.stored().count(), records);
    }
}
