//! Changing a zone record by record: what updates, transfers and the API do to it. Nothing here judges; who changes
//! a zone checks it before it is served.

use crate::dynamic::DynamicRecord;
use crate::name::canonical_key;
use crate::zone::{Owner, Record, RrSet};
use crate::{Name, RType, Zone, present};
use std::fmt::Write;

impl Zone {
    /// Adds a record, or gives the whole RRset this record's TTL if it is there already (RFC 2136 §3.4.2.2). Of a
    /// type that a name has once it takes the other's place. Tells whether anything changed.
    pub(crate) fn put(&mut self, record: Record) -> bool {
        let key = canonical_key(record.owner.wire());
        let owner = self.owners_mut().entry(key).or_insert_with(|| Owner {
            name: record.owner,
            sets: Vec::new(),
            dynamic: Vec::new(),
        });
        // Signatures of each type are a set of their own (RFC 4034 §3).
        let covered = (record.rtype == RType::RRSIG).then(|| record.data.first_chunk().copied());
        let is_same = |s: &RrSet| {
            s.rtype == record.rtype
                && covered.is_none_or(|c| s.covers() == c.map(|c| RType(u16::from_be_bytes(c))))
        };
        let Some(set) = owner.sets.iter_mut().find(|s| is_same(s)) else {
            owner.sets.reserve_exact(1);
            owner.sets.push(RrSet {
                rtype: record.rtype,
                ttl: record.ttl,
                data: vec![record.data],
                at: record.at,
            });
            return true;
        };
        let had = set.data.contains(&record.data);
        let same_ttl = set.ttl == record.ttl;
        set.ttl = record.ttl;
        if had {
            return !same_ttl;
        }
        if matches!(record.rtype, RType::SOA | RType::CNAME | RType::DNAME) {
            set.data.clear();
        }
        set.data.push(record.data);
        true
    }

    /// Takes one record out. Tells whether it was there.
    pub(crate) fn remove_record(&mut self, owner: &Name, rtype: RType, data: &[u8]) -> bool {
        self.change(owner, |owner| {
            let Some(set) = owner.sets.iter_mut().find(|s| s.rtype == rtype) else {
                return false;
            };
            let before = set.data.len();
            set.data.retain(|d| &**d != data);
            let changed = set.data.len() != before;
            owner.sets.retain(|s| !s.data.is_empty());
            changed
        })
    }

    /// Takes an RRset out. Tells whether it was there.
    pub(crate) fn remove_set(&mut self, owner: &Name, rtype: RType) -> bool {
        self.change(owner, |owner| {
            let before = owner.sets.len();
            owner.sets.retain(|s| s.rtype != rtype);
            owner.sets.len() != before
        })
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Owner) -> bool) -> bool {
        let key = canonical_key(name.wire());
        let Some(owner) = self.owners_mut().get_mut(&key) else {
            return false;
        };
        let changed = change(owner);
        if owner.sets.is_empty() && owner.dynamic.is_empty() {
            self.owners_mut().remove(&key);
        }
        changed
    }

    /// What a name owns.
    pub(crate) fn owner(&self, name: &Name) -> Option<&Owner> {
        self.owners().get(&canonical_key(name.wire()))
    }

    /// All records that are not dynamic, in canonical order of names, the apex first.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Name, &RrSet, &[u8])> {
        self.owners().values().flat_map(|owner| {
            let sets = owner.sets.iter();
            sets.flat_map(move |set| set.data.iter().map(move |data| (&owner.name, set, &**data)))
        })
    }

    /// Puts a dynamic record that this zone had before.
    pub(crate) fn put_dynamic(&mut self, name: &Name, record: DynamicRecord) {
        let owner = self.owners_mut().entry(canonical_key(name.wire()));
        let owner = owner.or_insert_with(|| Owner {
            name: name.clone(),
            sets: Vec::new(),
            dynamic: Vec::new(),
        });
        owner.dynamic.push(record);
    }

    /// Its SOA.
    pub(crate) fn soa_record(&self) -> Option<Record> {
        let set = self.soa()?;
        Some(Record {
            owner: self.origin().clone(),
            rtype: RType::SOA,
            ttl: set.ttl,
            data: set.data.first()?.clone(),
            at: set.at,
        })
    }

    /// Whether both have the same records, SOA left out.
    pub(crate) fn same_records(&self, other: &Zone) -> bool {
        crate::authority::Difference::between(self, other).is_empty()
    }

    fn soa(&self) -> Option<&RrSet> {
        self.owner(self.origin())?.set(RType::SOA)
    }

    /// The serial number of its SOA.
    pub fn serial(&self) -> Option<u32> {
        serial_of(self.soa()?.data.first()?)
    }

    /// Gives it another serial number.
    pub(crate) fn set_serial(&mut self, serial: u32) {
        let key = canonical_key(self.origin().wire());
        let set = self
            .owners_mut()
            .get_mut(&key)
            .and_then(|o| o.sets.iter_mut().find(|s| s.rtype == RType::SOA));
        if let Some(data) = set.and_then(|s| s.data.first_mut())
            && let Some(at) = data.len().checked_sub(20)
            && let Some(place) = data.get_mut(at..at + 4)
        {
            place.copy_from_slice(&serial.to_be_bytes());
        }
    }

    /// The zone as a file: one record a line, names absolute, SOA first, in canonical order. Dynamic records are not
    /// in it, as they are in no file.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let soa_first = |first: bool| {
            self.each()
                .filter(move |(_, set, _)| (set.rtype == RType::SOA) == first)
        };
        for (name, set, data) in soa_first(true).chain(soa_first(false)) {
            // Writing to a String does not fail.
            let _ = writeln!(out, "{}", line(name, set.ttl, set.rtype, data));
        }
        out
    }
}

/// A record as a line of a zone file.
pub(crate) fn line(owner: &Name, ttl: u32, rtype: RType, data: &[u8]) -> String {
    format!(
        "{owner}\t{ttl}\tIN\t{rtype}\t{}",
        present::rdata(rtype, data)
    )
}

/// The serial number in a SOA's data.
pub(crate) fn serial_of(soa: &[u8]) -> Option<u32> {
    let at = soa.len().checked_sub(20)?;
    soa.get(at..)?.first_chunk().map(|n| u32::from_be_bytes(*n))
}

/// RFC 1982 §3.2: whether `a` comes after `b`.
pub(crate) fn is_newer(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diag::{SourceMap, Span};

    fn zone(text: &str) -> Zone {
        let mut sources = SourceMap::default();
        let file = sources.add(
            "zone",
            format!("$TTL 300\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n{text}"),
        );
        Zone::parse("z.test", &mut sources, file).unwrap()
    }

    #[test]
    fn records_come_and_go() {
        let mut zone = zone("a A 192.0.2.2\na A 192.0.2.3\n");
        let name = Name::parse("a.z.test.", None).unwrap();
        assert!(zone.remove_record(&name, RType::A, &[192, 0, 2, 2]));
        assert!(!zone.remove_record(&name, RType::A, &[192, 0, 2, 2]));
        let record = |ttl| Record {
            owner: name.clone(),
            rtype: RType::A,
            ttl,
            data: [192, 0, 2, 3].into(),
            at: Span::default(),
        };
        assert!(!zone.put(record(300)));
        assert!(zone.put(record(60)));
        assert!(zone.remove_set(&name, RType::A));
        assert!(zone.owner(&name).is_none());
        zone.set_serial(8);
        assert_eq!(zone.serial(), Some(8));
    }

    #[test]
    fn serials_wrap() {
        assert!(is_newer(1, 0) && is_newer(0, u32::MAX) && !is_newer(0, 0) && !is_newer(0, 1));
        assert!(!is_newer(1 << 31, 0));
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_records() {
        let text = "a WKS 192.0.2.1 TCP 25 80\nb APL 1:192.0.2.0/24 !2:2001:db8::/32\nc IPSECKEY 10 1 2 192.0.2.38 AQID\n\
            d HIP 2 2001 AwEA rvs\ne X25 \"31\"\nf ISDN 1 004\nf ISDN 2\ng NSAP 0x47.0005.80\nh CERT PKIX 1 RSASHA256 AQID\n\
            i NID 10 0014:4fff:ff20:ee64\nj CSYNC 66 3 A NS AAAA TYPE65400\nk AMTRELAY 10 0 1 192.0.2.1\nl DOA 0 1 2 \"\" -\n\
            m DSYNC CDS NOTIFY 5300 x\nn LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\n\
            o HTTPS 1 . alpn=\"h2,f\\\\\\\\oo\\\\,bar\" port=443 ipv4hint=192.0.2.1 mandatory=port key65000=\"\\001x\"\n\
            p TXT \"a\\\"b\\\\c\\200\" \"\"\nq CAA 0 issue \"x; y=z\"\nr URI 1 2 \"https://x/\"\ns EUI48 00-00-5e-00-53-2a\n\
            t RRSIG A 13 2 300 20300101000000 20200101000000 1 z.test. AQID\nu NSEC v A RRSIG\n\
            v NSEC3 1 1 0 - ABCDEFGHIJKLMNOPQRSTUV0123456789 A\nw NSEC3PARAM 1 0 0 aabb\nx TYPE65280 \\# 3 010203\ny NULL \\# 0\n\
            z\\.z\\032 SRV 1 2 3 .\naa SSHFP 4 2 ABCD\nab NAPTR 1 2 \"u\" \"E\" \"!x!\" .\nac DNSKEY 257 3 13 AQID\nad ZONEMD 1 1 1 AB\n\
            ae GPOS -1 2 3\naf PX 1 a b\nag MINFO a b\nah RP a b\nai IPN 5\n";
        let first = zone(text);
        let mut sources = SourceMap::default();
        let file = sources.add("again", first.to_text());
        let second = Zone::parse("z.test", &mut sources, file)
            .unwrap_or_else(|e| panic!("{:?}", e.lines(&sources)));
        let records = |zone: &Zone| {
            let each = zone.each();
            each.map(|(n, s, d)| (n.to_string(), s.rtype, s.ttl, d.to_vec()))
                .collect::<Vec<_>>()
        };
        assert_eq!(records(&first), records(&second));
        assert!(
            !first
                .to_text()
                .replace("TYPE65280\t\\#", "")
                .replace("NULL\t\\#", "")
                .contains("\\#")
        );
    }
}
