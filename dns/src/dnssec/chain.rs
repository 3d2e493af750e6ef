//! The chain of denial of a zone: NSEC (RFC 4034 §4) or NSEC3 (RFC 5155 §7.1).

use super::hash::{Hash, Hashing, SHA1};
use super::{base32hex, bitmap};
use crate::limits::NAME_BYTES_MAX;
use crate::name::{ancestor, canonical_key};
use crate::zone::{Owner, RrSet};
use crate::{Error, Name, RType, Zone};
use seawall_diag::Span;
use std::collections::BTreeMap;

/// How a zone says that something is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// Names in order: small and quick, and whoever likes can list the zone.
    #[default]
    Nsec,
    /// Hashes of names in order, with no salt and no further iterations (RFC 9276 §3.1).
    Nsec3,
}

/// What stands at a name, as far as signing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The zone's own data.
    Own,
    /// A delegation: DS and denial are the zone's own, NS is not (RFC 4035 §2.2).
    Cut,
    /// Below a delegation or a DNAME: glue, or nothing that is answered.
    Hidden,
}

/// Walks the owners in canonical order and says what stands at each.
pub(crate) struct Places {
    shadow: Option<Box<[u8]>>,
    apex: Box<[u8]>,
}

impl Places {
    pub fn of(zone: &Zone) -> Self {
        Self {
            shadow: None,
            apex: canonical_key(zone.origin().wire()),
        }
    }

    /// The next owner with its key.
    pub fn next(&mut self, key: &[u8], owner: &Owner) -> Place {
        if self.shadow.as_ref().is_some_and(|s| key.starts_with(s)) {
            return Place::Hidden;
        }
        let cut = owner.set(RType::NS).is_some() && *key != *self.apex;
        if cut || owner.set(RType::DNAME).is_some() {
            self.shadow = Some(key.into());
        }
        if cut { Place::Cut } else { Place::Own }
    }
}

/// Whether a type at a place is signed.
pub(crate) fn is_signed(place: Place, rtype: RType) -> bool {
    match place {
        Place::Own => rtype != RType::RRSIG,
        Place::Cut => matches!(rtype, RType::DS | RType::NSEC | RType::NSEC3),
        Place::Hidden => false,
    }
}

/// The types at a name as its denial lists them: of a delegation only what belongs to this side.
fn types(place: Place, owner: &Owner) -> Vec<RType> {
    let all = owner.sets.iter().map(|s| s.rtype);
    let all = all.chain(owner.dynamic.iter().map(|d| d.rtype));
    let mut types: Vec<_> = match place {
        Place::Cut => all
            .filter(|t| matches!(*t, RType::NS | RType::DS))
            .collect(),
        _ => all
            .filter(|t| !matches!(*t, RType::RRSIG | RType::NSEC | RType::NSEC3))
            .collect(),
    };
    if types.iter().any(|t| is_signed(place, *t)) {
        types.push(RType::RRSIG);
    }
    types
}

/// Adds the chain to a zone that has none.
pub(crate) fn add(zone: &mut Zone, denial: Denial, ttl: u32) -> Result<(), Error> {
    match denial {
        Denial::Nsec => add_nsec(zone, ttl),
        Denial::Nsec3 => add_nsec3(zone, ttl)?,
    }
    Ok(())
}

fn set(rtype: RType, ttl: u32, data: Vec<u8>) -> RrSet {
    RrSet {
        rtype,
        ttl,
        data: vec![data.into()],
        at: Span::default(),
    }
}

fn add_nsec(zone: &mut Zone, ttl: u32) {
    let mut places = Places::of(zone);
    let owners = zone.owners().iter();
    let chain: Vec<(Box<[u8]>, Name, Vec<RType>)> = owners
        .filter_map(|(key, owner)| {
            let place = places.next(key, owner);
            (place != Place::Hidden).then(|| (key.clone(), owner.name.lower(), types(place, owner)))
        })
        .collect();
    let nexts: Vec<Name> = chain
        .iter()
        .skip(1)
        .chain(chain.first())
        .map(|(_, name, _)| name.clone())
        .collect();
    for ((key, _, mut types), next) in chain.into_iter().zip(nexts) {
        // RFC 4034 §2.3 of 4035: the NSEC is there itself, and signed.
        types.extend([RType::NSEC, RType::RRSIG]);
        let mut data = next.wire().to_vec();
        bitmap::write(&mut types, &mut data);
        if let Some(owner) = zone.owners_mut().get_mut(&key) {
            owner.sets.push(set(RType::NSEC, ttl, data));
        }
    }
}

/// RFC 5155 §7.1, without opt-out: every name has its record, delegations and empty non-terminals too.
fn add_nsec3(zone: &mut Zone, ttl: u32) -> Result<(), Error> {
    let hashing = Hashing::plain();
    let apex_key = canonical_key(zone.origin().wire());
    let param = [SHA1, 0, 0, 0, 0];
    if let Some(apex) = zone.owners_mut().get_mut(&apex_key) {
        apex.sets.push(set(RType::NSEC3PARAM, 0, param.to_vec()));
    }
    let mut found: BTreeMap<Hash, (Box<[u8]>, Vec<RType>)> = BTreeMap::new();
    let mut places = Places::of(zone);
    let apex_len = zone.origin().wire().len();
    for (key, owner) in zone.owners() {
        let place = places.next(key, owner);
        if place == Place::Hidden {
            continue;
        }
        let name = owner.name.lower();
        let mut enter = |wire: &[u8], types: Vec<RType>| -> Result<(), Error> {
            let entry = found
                .entry(hashing.of(&[wire]))
                .or_insert_with(|| (wire.into(), Vec::new()));
            // RFC 5155 §7.1 step 7. Nobody has seen two names of one zone with one hash.
            if *entry.0 != *wire {
                return Err(Error::HashCollision);
            }
            entry.1.extend(types);
            Ok(())
        };
        enter(name.wire(), types(place, owner))?;
        let mut above = ancestor(name.wire(), 1);
        while above.len() > apex_len {
            enter(above, Vec::new())?;
            above = ancestor(above, 1);
        }
    }
    let hashes: Vec<Hash> = found.keys().copied().collect();
    let nexts = hashes.iter().skip(1).chain(hashes.first());
    let origin = zone.origin().lower();
    for ((hash, (_, mut types)), next) in found.into_iter().zip(nexts) {
        let mut data = vec![SHA1, 0, 0, 0, 0, next.len() as u8];
        data.extend(next);
        bitmap::write(&mut types, &mut data);
        let name = hashed_name(&hash, &origin)?;
        let key = canonical_key(name.wire());
        let owner = zone.owners_mut().entry(key).or_insert_with(|| Owner {
            name,
            sets: Vec::new(),
            dynamic: Vec::new(),
        });
        owner.sets.push(set(RType::NSEC3, ttl, data));
    }
    Ok(())
}

fn hashed_name(hash: &Hash, origin: &Name) -> Result<Name, Error> {
    let label = base32hex::encode(hash);
    let wire = [&[label.len() as u8], &label[..], origin.wire()].concat();
    if wire.len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong);
    }
    Name::from_wire(&wire).ok_or(Error::NameTooLong)
}
