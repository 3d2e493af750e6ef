//! Compact denial (RFC 9824) for names whose records come and go with health.
//!
//! The chain of a signed zone says that a dynamic name has its type, which is a lie while the record is withdrawn
//! (`all_down: serve_none`): who validates would take the empty answer for a forgery. So each such record has a denial
//! of its own, made and signed ahead: an NSEC of the name up to its first possible successor, or an NSEC3 of its hash
//! up to the next number, which lists what the name has beside this type. It covers no other name, so that no resolver
//! can conclude more from it. That of a wildcard reaches as far as the chain's record, whose place it takes: the same
//! answer has to show that the name asked for is not there.

use super::{NONE, Proof, Shadow, ZoneSet, compile};
use crate::dnssec::hash::{Hash, SHA1};
use crate::dnssec::{RrSigner, base32hex, bitmap};
use crate::limits::NAME_BYTES_MAX;
use crate::name::wire_len;
use crate::{Name, RType};

/// Makes the denials of a zone's withdrawable records. What cannot be made leaves the chain's own record in its place.
pub(super) fn link(set: &mut ZoneSet, zone: u32, signer: &RrSigner) {
    let Some(apex) = set.zone(zone).filter(|z| z.signed) else {
        return;
    };
    for index in apex.nodes.start..apex.nodes.start + apex.nodes.len {
        let Some(node) = set.node(index) else {
            continue;
        };
        if node.shadow != Shadow::Nothing {
            continue;
        }
        let withdrawable: Vec<(RType, u32)> = set
            .slots(node)
            .iter()
            .filter(|slot| {
                let choice = set.choices.get(slot.choice as usize);
                choice.is_some_and(|c| c.may_serve_none())
            })
            .map(|slot| (slot.rtype, slot.choice))
            .collect();
        for (rtype, choice) in withdrawable {
            let denial = add(set, zone, index, rtype, signer).unwrap_or(NONE);
            if let Some(choice) = set.choices.get_mut(choice as usize) {
                choice.denial = denial;
            }
        }
    }
}

/// The proof that a node has no records of a type, whatever else it has.
fn add(set: &mut ZoneSet, zone: u32, index: u32, without: RType, signer: &RrSigner) -> Option<u32> {
    let (apex, node) = (set.zone(zone)?, set.node(index)?);
    let ttl = set.set(apex.denial_soa)?.ttl;
    let name = set.name(node.name).to_vec();
    let canonical = set.canonical(node.name).to_vec();
    let chained = name.starts_with(b"\x01*").then(|| set.proof(node.proof));
    let chained = match chained {
        Some(proof) => Some(set.answers(set.set(proof?.set)?).records().next()?.to_vec()),
        None => None,
    };
    let beside = set.slots(node).iter().map(|slot| slot.rtype);
    let mut types: Vec<RType> = beside.filter(|t| *t != without).collect();
    let (owner, rtype, mut data) = match &apex.hashing {
        None => {
            types.extend([RType::NSEC, RType::RRSIG]);
            let next = match &chained {
                Some(data) => data.get(..wire_len(data)?)?.to_vec(),
                None => successor(&canonical)?,
            };
            (name, RType::NSEC, next)
        }
        Some(hashing) => {
            if !types.is_empty() {
                types.push(RType::RRSIG);
            }
            let hash = hashing.of(&[&canonical]);
            let mut data = vec![SHA1, 0];
            data.extend(hashing.iterations.to_be_bytes());
            data.push(hashing.salt.len() as u8);
            data.extend(&hashing.salt);
            data.push(hash.len() as u8);
            match &chained {
                Some(chained) => data.extend(chained.get(data.len()..data.len() + hash.len())?),
                None => data.extend(after(hash)),
            }
            let label = base32hex::encode(&hash);
            let origin = set.name(apex.name);
            (
                [&[label.len() as u8], &label[..], origin].concat(),
                RType::NSEC3,
                data,
            )
        }
    };
    bitmap::write(&mut types, &mut data);
    let data = [data.into_boxed_slice()];
    let sigs = signer.sign(&Name::from_wire(&owner)?, rtype, ttl, &data);
    let owner = compile::put_name(set, &owner);
    let set_number = compile::put_set(set, rtype, ttl, &data, &sigs);
    set.proofs.push(Proof {
        owner,
        set: set_number,
    });
    Some(set.proofs.len() as u32 - 1)
}

/// The first name behind this one (RFC 4471 §3.1.1); none where there is no room for a label.
fn successor(name: &[u8]) -> Option<Vec<u8>> {
    (name.len() + 2 <= NAME_BYTES_MAX).then(|| [&[1, 0], name].concat())
}

/// The next hash. That of all ones is nobody's.
fn after(mut hash: Hash) -> Hash {
    for byte in hash.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_name_and_a_hash_is_the_very_next() {
        assert_eq!(successor(b"\x01a\0").unwrap(), b"\x01\0\x01a\0");
        assert!(successor(&[1; 254]).is_none());
        let mut hash = [0; 20];
        hash[19] = 0xFF;
        assert_eq!(after(hash)[18..], [1, 0]);
        assert_eq!(after([0xFF; 20]), [0; 20]);
    }
}
