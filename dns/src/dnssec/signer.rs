//! A zone that is signed here: its keys, their store, and what was signed last.

use super::chain::Denial;
use super::key::Algorithm;
use super::rollover::{KeyPolicy, Keyring, Role, State};
use super::signing::{self, Lifetimes, Plan};
use super::store::{self, KeyStore};
use crate::{Error, Name, Zone};
use std::fmt::Write as _;

/// How a zone is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigningOptions {
    /// Which keys, and when they are replaced.
    pub keys: KeyPolicy,
    /// How it denies.
    pub denial: Denial,
    /// How long signatures hold.
    pub lifetimes: Lifetimes,
}

/// Signs one zone. Time is handed in, in seconds since 1970; the owner calls [`Signer::sign`] when [`Signer::next`]
/// says so or the zone has changed, publishes what it gives, and then calls [`Signer::published`].
pub struct Signer {
    origin: Name,
    options: SigningOptions,
    store: Box<dyn KeyStore>,
    ring: Keyring,
    last: Option<Last>,
}

/// What was signed last.
struct Last {
    zone: Zone,
    due: u64,
    expires: u64,
    signatures: u64,
    made: u64,
}

/// One key as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// What it is for.
    pub role: Role,
    /// Where it is in its life.
    pub state: State,
    /// Its tag.
    pub tag: u16,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Since when, in seconds since 1970, if it has been published.
    pub since: Option<u64>,
    /// When its state or use ends, if time decides that.
    pub next: Option<u64>,
    /// Whether the parent was seen to lead to it.
    pub delegated: bool,
}

/// A signed zone as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerStatus {
    /// The zone.
    pub zone: String,
    /// Its keys.
    pub keys: Vec<KeyStatus>,
    /// The DS records that the parent is to have.
    pub ds: Vec<String>,
    /// How it denies.
    pub denial: Denial,
    /// Signatures in all, and how many the last signing made.
    pub signatures: (u64, u64),
    /// When the first signature ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// When something is done next.
    pub next: u64,
    /// Whether a key waits for the parent.
    pub waits_for_parent: bool,
}

impl Signer {
    /// Loads the keys of a zone, or makes and keeps the first ones.
    pub fn open(
        origin: &Name,
        options: SigningOptions,
        mut store: Box<dyn KeyStore>,
    ) -> Result<Self, Error> {
        let ring = store::open(&mut *store, origin, || Keyring::first(&options.keys))?.resumed();
        Ok(Self {
            origin: origin.clone(),
            options,
            store,
            ring,
            last: None,
        })
    }

    /// The zone that it signs.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Other options for the same keys.
    pub fn set_options(&mut self, options: SigningOptions) {
        self.options = options;
    }

    /// Goes on with rollovers and signs the zone, keeping signatures that are still good. Takes as long as making
    /// signatures takes (100,000 in two seconds on one processor): never call it where queries are answered. Gives the zone
    /// to publish and what happened to keys, in words. Signatures and keys that the zone has already are taken out.
    pub fn sign(&mut self, zone: &Zone, now: u64) -> Result<(Zone, Vec<String>), Error> {
        let mut ring = self.ring.clone();
        let events = ring.step(now, &self.options.keys)?;
        let mut serial = self.serial(zone);
        let signers = ring.signers();
        let apex = ring.apex(&self.origin);
        let mut plan = Plan {
            signers: &signers,
            apex: &apex,
            apex_ttl: self.options.keys.dnskey_ttl_s,
            denial: self.options.denial,
            lifetimes: self.options.lifetimes,
            serial,
            now,
            previous: self.last.as_ref().map(|l| &l.zone),
        };
        // The same zone is the same version: a reload that changed nothing wakes no secondary.
        let last = self.last.as_ref().map(|l| &l.zone);
        let mut signed = match (last, self.ring.serial) {
            (Some(last), Some(before)) if is_next(before, serial) => {
                plan.serial = before;
                let same = signing::sign(zone, &plan)?;
                if records(&same.zone).eq(records(last)) {
                    serial = before;
                    same
                } else {
                    plan.serial = serial;
                    plan.previous = Some(&same.zone);
                    let again = signing::sign(zone, &plan)?;
                    signing::Signed {
                        made: same.made + again.made,
                        ..again
                    }
                }
            }
            _ => signing::sign(zone, &plan)?,
        };
        if self.ring.ttl_max > signed.ttl_max {
            signed.ttl_max = self.ring.ttl_max;
        }
        // A cache keeps what it got under a larger TTL: it shrinks only with a new start of all rollovers.
        ring.ttl_max = signed.ttl_max;
        ring.serial = Some(serial);
        // Before anybody sees the zone, its keys are safe.
        store::save(&mut *self.store, &self.origin, &ring)?;
        self.ring = ring;
        self.last = Some(Last {
            zone: signed.zone.clone(),
            due: signed.due,
            expires: signed.expires,
            signatures: signed.signatures,
            made: signed.made,
        });
        Ok((signed.zone, events))
    }

    /// The zone's serial, or one more than the last one that was published: what was signed anew is a new version
    /// for secondaries (RFC 1982).
    fn serial(&self, zone: &Zone) -> u32 {
        let written = zone.serial().unwrap_or(0);
        match self.ring.serial {
            Some(last) if (written.wrapping_sub(last) as i32) <= 0 => last.wrapping_add(1),
            _ => written,
        }
    }

    /// What the last [`Signer::sign`] gave is being served.
    pub fn published(&mut self, now: u64) -> Result<(), Error> {
        let mut ring = self.ring.clone();
        if !ring.published(now) {
            return Ok(());
        }
        store::save(&mut *self.store, &self.origin, &ring)?;
        self.ring = ring;
        Ok(())
    }

    /// Whether the parent's DS RRset decides what happens next.
    pub fn wants_parent(&self) -> bool {
        self.ring.wants_parent()
    }

    /// The parent's DS RRset has been seen, as record data. Gives what that changes, in words.
    pub fn parent(&mut self, ds: &[Box<[u8]>], now: u64) -> Result<Vec<String>, Error> {
        let mut ring = self.ring.clone();
        let events = ring.parent(now, &self.origin, ds);
        if !events.is_empty() {
            store::save(&mut *self.store, &self.origin, &ring)?;
            self.ring = ring;
        }
        Ok(events)
    }

    /// When to sign next.
    pub fn next(&self) -> u64 {
        let keys = self.ring.next(&self.options.keys);
        let signatures = self.last.as_ref().map(|l| l.due);
        // Never signed: at once.
        let Some(signatures) = signatures else {
            return 0;
        };
        keys.map_or(signatures, |k| k.min(signatures))
    }

    /// The DS records that the parent is to have, as lines of its zone file.
    pub fn ds(&self) -> Vec<String> {
        let apex = self.ring.apex(&self.origin);
        let cds = apex.into_iter().find(|(t, _)| *t == crate::RType::CDS);
        let cds = cds.map(|(_, data)| data).unwrap_or_default();
        cds.iter().map(|d| ds_line(&self.origin, d)).collect()
    }

    /// Keys, states and next events.
    pub fn status(&self) -> SignerStatus {
        let keys = self.ring.keys.iter().enumerate();
        let keys = keys.map(|(index, k)| KeyStatus {
            role: k.role,
            state: k.state,
            tag: k.key.tag,
            algorithm: k.key.algorithm,
            since: k.since,
            next: self.ring.next_of(index, &self.options.keys),
            delegated: k.delegated,
        });
        let last = self.last.as_ref();
        SignerStatus {
            zone: self.origin.to_string(),
            keys: keys.collect(),
            ds: self.ds(),
            denial: self.options.denial,
            signatures: last.map_or((0, 0), |l| (l.signatures, l.made)),
            expires: last.map(|l| l.expires),
            next: self.next(),
            waits_for_parent: self.wants_parent(),
        }
    }
}

/// All that secondaries would see.
fn records(zone: &Zone) -> impl Iterator<Item = (&Name, u16, u32, &[u8])> {
    zone.each()
        .map(|(name, set, data)| (name, set.rtype.0, set.ttl, data))
}

/// Whether a serial is one more than the one before, as signing raises it.
fn is_next(before: u32, serial: u32) -> bool {
    serial == before.wrapping_add(1)
}

/// A DS as a line of a zone file.
fn ds_line(origin: &Name, ds: &[u8]) -> String {
    let mut line = format!("{origin} IN DS");
    if let Some(([t0, t1, algorithm, digest], rest)) = ds.split_first_chunk() {
        let tag = u16::from_be_bytes([*t0, *t1]);
        let _ = write!(line, " {tag} {algorithm} {digest} ");
        rest.iter().for_each(|b| {
            let _ = write!(line, "{b:02x}");
        });
    }
    line
}
