//! Signing a whole zone.
//!
//! What was signed before and has not changed keeps its signatures until they are due: a zone of 100,000 names in
//! which one changed costs a handful of signatures. Expirations are spread, so that they never all come at once.

use super::chain::{self, Denial, Place, Places, is_signed};
use super::key::Key;
use super::rrsig::{self, Head, Validity};
use crate::name::canonical_key;
use crate::zone::{Owner, RrSet};
use crate::{Error, Name, RType, Zone};
use seawall_diag::Span;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds a signature begins before it is made, for clocks that are late.
const INCEPTION_EARLIER_S: u32 = 3600;

/// How long signatures hold. All in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long a signature holds at most (default 14 days).
    pub validity_s: u32,
    /// How long before its end a signature is made anew (default 7 days): what an outage may last.
    pub refresh_s: u32,
    /// By how much at most a signature ends earlier, so that not all end together (default 2 days).
    pub jitter_s: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            validity_s: 14 * 86_400,
            refresh_s: 7 * 86_400,
            jitter_s: 2 * 86_400,
        }
    }
}

impl Lifetimes {
    /// From when to when a new signature holds.
    fn validity(self, now: u64, owner: &Name, rtype: RType) -> Validity {
        let now = now as u32;
        let seed = (owner.wire(), rtype.0, now / 3600);
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(seed);
        let jitter = hash.checked_rem(u64::from(self.jitter_s)).unwrap_or(0) as u32;
        Validity {
            inception: now.wrapping_sub(INCEPTION_EARLIER_S),
            expiration: now.wrapping_add(self.validity_s).wrapping_sub(jitter),
        }
    }

    /// When a signature that ends then is made anew.
    pub(crate) fn due(self, expiration: u32) -> u32 {
        expiration.wrapping_sub(self.refresh_s)
    }
}

/// Whether `a` comes at or after `b`, on the circle of RFC 1982 that moments of signatures live on.
fn reached(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) >= 0
}

/// Who signs what.
#[derive(Clone, Default)]
pub(crate) struct Signers {
    /// They sign DNSKEY, CDS and CDNSKEY.
    pub entry: Vec<Arc<Key>>,
    /// They sign all else.
    pub zone: Vec<Arc<Key>>,
}

/// Signs single RRsets while zones are compiled: what dynamic records may answer.
pub(crate) struct RrSigner {
    origin: Name,
    keys: Vec<Arc<Key>>,
    lifetimes: Lifetimes,
    now: u64,
    failed: AtomicU64,
}

impl std::fmt::Debug for RrSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RrSigner({} {:?})", self.origin, self.keys)
    }
}

impl RrSigner {
    /// The signatures of an RRset. A key that cannot sign leaves it without, which the count shows.
    pub fn sign(&self, owner: &Name, rtype: RType, ttl: u32, data: &[Box<[u8]>]) -> Vec<Box<[u8]>> {
        let validity = self.lifetimes.validity(self.now, owner, rtype);
        let made = self
            .keys
            .iter()
            .map(|key| rrsig::sign(key, &self.origin, owner, rtype, ttl, data, validity));
        made.filter_map(|made| {
            made.inspect_err(|_| {
                self.failed.fetch_add(1, Ordering::Relaxed);
            })
            .ok()
        })
        .collect()
    }
}

/// A zone with its signatures, and what making them took.
pub(crate) struct Signed {
    pub zone: Zone,
    /// Signatures that were made now; the others were kept.
    pub made: u64,
    /// All signatures.
    pub signatures: u64,
    /// When the first one is to be made anew.
    pub due: u64,
    /// When the first one ends.
    pub expires: u64,
    /// The largest TTL.
    pub ttl_max: u32,
}

/// What a zone is signed with.
pub(crate) struct Plan<'a> {
    pub signers: &'a Signers,
    /// Data of DNSKEY, CDS and CDNSKEY.
    pub apex: &'a [(RType, Vec<Box<[u8]>>)],
    pub apex_ttl: u32,
    pub denial: Denial,
    pub lifetimes: Lifetimes,
    pub serial: u32,
    pub now: u64,
    /// The zone as it was signed before.
    pub previous: Option<&'a Zone>,
}

/// Takes out what signing puts in, so that a zone can be signed anew whether it came from a file or was being served.
fn strip(zone: &mut Zone) {
    let apex = canonical_key(zone.origin().wire());
    zone.owners_mut().retain(|key, owner| {
        let is_apex = *key == apex;
        owner.sets.retain(|set| match set.rtype {
            RType::RRSIG | RType::NSEC | RType::NSEC3 | RType::NSEC3PARAM => false,
            RType::DNSKEY | RType::CDS | RType::CDNSKEY => !is_apex,
            _ => true,
        });
        !owner.sets.is_empty() || !owner.dynamic.is_empty()
    });
}

/// Signs a zone. Uses all processors, and is to be called where nobody waits for answers.
pub(crate) fn sign(zone: &Zone, plan: &Plan<'_>) -> Result<Signed, Error> {
    let mut zone = zone.clone();
    strip(&mut zone);
    zone.set_serial(plan.serial);
    let denial_ttl = prepare_apex(&mut zone, plan);
    chain::add(&mut zone, plan.denial, denial_ttl)?;
    let mut places = Places::of(&zone);
    let origin = zone.origin().clone();
    let mut work: Vec<(&[u8], Place, &mut Owner)> = Vec::new();
    for (key, owner) in zone.owners_mut() {
        let place = places.next(key, owner);
        if place != Place::Hidden {
            work.push((key, place, owner));
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // A thread for a few names costs more than it signs.
    let chunk = work.len().div_ceil(threads).max(256);
    let made = AtomicU64::new(0);
    let results: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let running: Vec<_> = work
            .chunks_mut(chunk)
            .map(|chunk| {
                let (origin, made) = (&origin, &made);
                scope.spawn(move || {
                    chunk.iter_mut().try_for_each(|(key, place, owner)| {
                        sign_owner(origin, key, *place, owner, plan, made)
                    })
                })
            })
            .collect();
        running
            .into_iter()
            .map(|r| r.join().unwrap_or(Err(Error::KeyUnusable)))
            .collect()
    });
    results.into_iter().collect::<Result<(), Error>>()?;
    zone.signer = Some(Arc::new(RrSigner {
        origin: origin.clone(),
        keys: plan.signers.zone.clone(),
        lifetimes: plan.lifetimes,
        now: plan.now,
        failed: AtomicU64::new(0),
    }));
    Ok(summary(zone, plan, made.into_inner()))
}

/// Puts keys and serial in. Gives the TTL of denials (RFC 9077 §3).
fn prepare_apex(zone: &mut Zone, plan: &Plan<'_>) -> u32 {
    let key = canonical_key(zone.origin().wire());
    let Some(apex) = zone.owners_mut().get_mut(&key) else {
        return 0;
    };
    let mut ttl = 0;
    if let Some(soa) = apex.set(RType::SOA) {
        let minimum = soa.data.first().and_then(|d| d.last_chunk());
        ttl = soa.ttl.min(minimum.map_or(0, |m| u32::from_be_bytes(*m)));
    }
    for (rtype, data) in plan.apex {
        match apex.sets.iter_mut().find(|s| s.rtype == *rtype) {
            // Keys of other signers of this zone stand beside ours (RFC 8901).
            Some(set) => {
                let new = data.iter().filter(|d| !set.data.contains(d)).cloned();
                let new: Vec<_> = new.collect();
                set.data.extend(new);
            }
            None if data.is_empty() => {}
            None => apex.sets.push(RrSet {
                rtype: *rtype,
                ttl: plan.apex_ttl,
                data: data.clone(),
                at: Span::default(),
            }),
        }
    }
    ttl
}

fn sign_owner(
    origin: &Name,
    key: &[u8],
    place: Place,
    owner: &mut Owner,
    plan: &Plan<'_>,
    made: &AtomicU64,
) -> Result<(), Error> {
    let before = plan.previous.and_then(|z| z.owners().get(key));
    let mut signatures = Vec::new();
    for set in owner.sets.iter().filter(|s| is_signed(place, s.rtype)) {
        let keys = match set.rtype {
            RType::DNSKEY | RType::CDS | RType::CDNSKEY => &plan.signers.entry,
            _ => &plan.signers.zone,
        };
        let kept = before.and_then(|b| kept(b, set, keys, plan));
        let data = match kept {
            Some(kept) => kept.to_vec(),
            None => {
                let validity = plan.lifetimes.validity(plan.now, &owner.name, set.rtype);
                made.fetch_add(keys.len() as u64, Ordering::Relaxed);
                keys.iter()
                    .map(|key| {
                        rrsig::sign(
                            key,
                            origin,
                            &owner.name,
                            set.rtype,
                            set.ttl,
                            &set.data,
                            validity,
                        )
                    })
                    .collect::<Result<Vec<_>, _>>()?
            }
        };
        signatures.push(RrSet {
            rtype: RType::RRSIG,
            ttl: set.ttl,
            data,
            at: set.at,
        });
    }
    owner.sets.extend(signatures);
    Ok(())
}

/// The signatures an RRset had, if it is the same, the keys are, and none is due.
fn kept<'z>(
    before: &'z Owner,
    set: &RrSet,
    keys: &[Arc<Key>],
    plan: &Plan<'_>,
) -> Option<&'z [Box<[u8]>]> {
    let old = before.set(set.rtype)?;
    let sigs = before.signatures(set.rtype)?;
    let same = old.ttl == set.ttl && old.data == set.data && sigs.data.len() == keys.len();
    let fresh = |head: &Head| {
        let due = plan.lifetimes.due(head.validity.expiration);
        !reached(plan.now as u32, due) && reached(plan.now as u32, head.validity.inception)
    };
    let by = |key: &Arc<Key>| {
        let mut heads = sigs.data.iter().filter_map(|d| Head::read(d));
        heads.any(|h| h.tag == key.tag && h.algorithm == key.algorithm.number() && fresh(&h))
    };
    (same && keys.iter().all(by)).then_some(&sigs.data)
}

fn summary(zone: Zone, plan: &Plan<'_>, made: u64) -> Signed {
    let (mut signatures, mut first, mut ttl_max) = (0, None::<u32>, 0);
    let dynamic = zone.owners().values().any(|o| !o.dynamic.is_empty());
    for owner in zone.owners().values() {
        let lasting = owner.dynamic.iter().map(|d| d.ttl_s);
        ttl_max = lasting.fold(ttl_max, u32::max);
        for set in &owner.sets {
            ttl_max = ttl_max.max(set.ttl);
            if set.rtype != RType::RRSIG {
                continue;
            }
            for head in set.data.iter().filter_map(|d| Head::read(d)) {
                signatures += 1;
                let end = head.validity.expiration;
                first = Some(first.map_or(end, |f| if reached(f, end) { end } else { f }));
            }
        }
    }
    let lifetimes = plan.lifetimes;
    let mut end = first.unwrap_or(plan.now as u32);
    if dynamic {
        // Those are made with the zone and end no earlier than this.
        let soonest = (plan.now as u32).wrapping_add(lifetimes.validity_s - lifetimes.jitter_s);
        end = if reached(end, soonest) { soonest } else { end };
    }
    let ahead = |moment: u32| {
        plan.now + u64::from(moment.wrapping_sub(plan.now as u32).min(i32::MAX as u32))
    };
    Signed {
        zone,
        made,
        signatures,
        due: ahead(lifetimes.due(end)),
        expires: ahead(end),
        ttl_max,
    }
}
