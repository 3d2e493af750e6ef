//! Names that have the addresses of another name (ALIAS): looked up by somebody else, put here.

use super::{ChangeError, Edit, key};
use crate::limits::ALIAS_ADDRESSES_MAX;
use crate::serve::Shared;
use crate::{Error, Name, RType, Zone};
use std::net::IpAddr;

impl Shared {
    /// Gives a name these addresses instead of the ones it had by this; [`ALIAS_ADDRESSES_MAX`] at most. They stay
    /// through reloads of the zone, in no journal. Gives the serial number, which is the old one if nothing changed.
    /// Takes as long as compiling the zone: call it where blocking is allowed.
    pub fn alias_put(
        &self,
        zone: &Name,
        owner: &Name,
        ttl: u32,
        addresses: &[IpAddr],
    ) -> Result<u32, ChangeError> {
        let mut addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ALIAS_ADDRESSES_MAX);
        let edit = Edit::Alias {
            owner: owner.clone(),
            ttl,
            addresses,
        };
        self.change(zone, &[edit])
    }

    /// Forgets the addresses of names that are no aliases any more; the next publication is without them.
    pub fn keep_aliases(&self, wanted: &[(Name, Name)]) {
        let is_wanted = |zone: &[u8], owner: &Name| {
            let mut all = wanted.iter();
            all.any(|(z, o)| *key(z) == *zone && o.lower() == owner.lower())
        };
        for (zone, kept) in self.authority.lock().iter_mut() {
            kept.edits.retain(|edit| match edit {
                Edit::Alias { owner, .. } => is_wanted(zone, owner),
                _ => true,
            });
        }
    }
}

impl Zone {
    /// The name of an alias in this zone, relative or absolute. Fails where it lies outside, or has addresses or an
    /// alias of its own.
    pub fn alias_owner(&self, owner: &str) -> Result<Name, Error> {
        let name = Name::parse(owner, Some(self.origin()))?;
        if !name.is_within(self.origin()) {
            return Err(Error::OutOfZone {
                owner: owner.to_owned(),
                zone: self.origin().to_string(),
            });
        }
        let blocking = |t: &RType| matches!(*t, RType::A | RType::AAAA | RType::CNAME);
        let existing = self.owner(&name).and_then(|have| {
            let dynamic = have.dynamic.iter().map(|d| d.rtype);
            have.sets
                .iter()
                .map(|s| s.rtype)
                .chain(dynamic)
                .find(blocking)
        });
        match existing {
            None => Ok(name),
            Some(existing) => Err(Error::Conflict {
                owner: owner.to_owned(),
                existing,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlwaysUp, Zones};
    use std::sync::Arc;

    fn zone() -> Zone {
        let mut zone = Zone::generated("z.test").unwrap();
        zone.add_line("@", 300, "NS", "ns").unwrap();
        zone.add_line("ns", 300, "A", "192.0.2.1").unwrap();
        zone
    }

    fn addresses(shared: &Shared, origin: &Name) -> Vec<String> {
        let records = shared.zone_records(origin).unwrap();
        let at_apex = records
            .iter()
            .filter(|r| r.name == "z.test." && matches!(&*r.rtype, "A" | "AAAA"));
        at_apex.map(|r| format!("{} {}", r.ttl_s, r.data)).collect()
    }

    #[test]
    fn addresses_are_replaced_and_outlive_a_reload() {
        let origin = zone().origin().clone();
        let shared = Shared::new(Zones::new(vec![zone()]), Arc::new(AlwaysUp));
        let put = |texts: &[&str]| {
            let all: Vec<IpAddr> = texts.iter().map(|t| t.parse().unwrap()).collect();
            shared.alias_put(&origin, &origin, 60, &all).unwrap()
        };
        let first = put(&["192.0.2.9", "2001:db8::9", "192.0.2.8", "192.0.2.9"]);
        assert_eq!(
            addresses(&shared, &origin),
            ["60 192.0.2.8", "60 192.0.2.9", "60 2001:db8::9"]
        );
        assert_eq!(
            put(&["192.0.2.8", "192.0.2.9", "2001:db8::9"]),
            first,
            "nothing changed"
        );
        assert_ne!(put(&["192.0.2.7"]), first);
        shared.publish(Zones::new(vec![zone()]), Arc::new(AlwaysUp));
        assert_eq!(addresses(&shared, &origin), ["60 192.0.2.7"]);
        shared.keep_aliases(&[]);
        shared.publish(Zones::new(vec![zone()]), Arc::new(AlwaysUp));
        assert!(addresses(&shared, &origin).is_empty());
    }

    #[test]
    fn no_more_addresses_are_taken_than_there_may_be() {
        let origin = zone().origin().clone();
        let shared = Shared::new(Zones::new(vec![zone()]), Arc::new(AlwaysUp));
        let all: Vec<IpAddr> = (0..100).map(|n| [198, 51, 100, n].into()).collect();
        shared.alias_put(&origin, &origin, 60, &all).unwrap();
        assert_eq!(addresses(&shared, &origin).len(), ALIAS_ADDRESSES_MAX);
    }

    #[test]
    fn a_name_with_addresses_is_no_alias() {
        let zone = zone();
        assert!(zone.alias_owner("@").is_ok() && zone.alias_owner("www").is_ok());
        assert!(zone.alias_owner("ns").is_err());
        assert!(zone.alias_owner("a.other.").is_err());
    }
}
