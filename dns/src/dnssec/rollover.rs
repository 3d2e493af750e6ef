//! Rollovers of keys, as a machine that knows neither clock nor disk (RFC 6781 §4.1, RFC 7583).
//!
//! - A key that signs the zone is published before it signs (pre-publication): resolvers that know the old DNSKEY RRset
//!   must not meet signatures of a key that is not in it. The old one stays published while its signatures may live in caches.
//! - A key that the parent's DS leads to signs beside the old one (double signature). Once every cache knows it, CDS
//!   and CDNSKEY (RFC 7344, RFC 8078) ask the parent to change; the old one leaves when the parent has been seen to have changed
//!   and the old DS can live in no cache any more. Until then nothing times out: a parent that never changes
//!   keeps both.
//! - Where one key is both, it signs all beside the old one.
//! - Another algorithm comes with all its keys at once, which sign everything beside the old ones from the start (RFC 6781
//!   §4.1.4, the liberal way, which RFC 6840 §5.11 asks validators to accept). The parent is asked for its DS when no cache has
//!   signatures of the old algorithm alone, and with the old DS all old keys and signatures go. It begins when no other
//!   rollover is under way, and none begins meanwhile.
//!
//! A state counts from when it was seen to be published ([`Keyring::published`]), not from when it was decided: a crash
//! between the two waits longer, never shorter. Nor do secondaries copy anything while this server is down, so what they are to
//! have first counts anew from a start on ([`Keyring::resumed`]).

use super::key::{Algorithm, Key};
use crate::{Error, Name, RType};
use std::sync::Arc;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Signs the keys; the parent's DS leads to it.
    Ksk,
    /// Signs all else.
    Zsk,
    /// Both.
    Csk,
}

const ROLES: [Role; 3] = [Role::Ksk, Role::Zsk, Role::Csk];

impl Role {
    /// As it is written in files and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ksk => "ksk",
            Self::Zsk => "zsk",
            Self::Csk => "csk",
        }
    }

    fn is_entry(self) -> bool {
        self != Self::Zsk
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the DNSKEY RRset, until every cache knows it.
    Published,
    /// The parent is asked to lead to it, until its DS has been seen there.
    Submitted,
    /// In use.
    Active,
    /// No longer used; there until what it signed or what leads to it is in no cache.
    Retired,
}

impl State {
    /// As it is written in files and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Submitted => "submitted",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// A key and its state.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    pub key: Arc<Key>,
    pub role: Role,
    pub state: State,
    /// When the state was seen to be published, in seconds since 1970; `None` until then.
    pub since: Option<u64>,
    /// When the key was first in use.
    pub born: Option<u64>,
    /// Whether the parent's DS has been seen to lead to it.
    pub delegated: bool,
}

/// When keys are replaced, and how long everything takes. All in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// What keys are made for. Keys of another algorithm are replaced as soon as no other rollover is under way.
    pub algorithm: Algorithm,
    /// Whether one key signs all.
    pub single: bool,
    /// How long a KSK or single key is used; `None` for ever.
    pub ksk_lifetime_s: Option<u64>,
    /// How long a ZSK is used; `None` for ever.
    pub zsk_lifetime_s: Option<u64>,
    /// TTL of DNSKEY, CDS and CDNSKEY.
    pub dnskey_ttl_s: u32,
    /// How long until all secondaries have what is published.
    pub propagation_s: u64,
    /// How long the parent's DS lives in caches, and how long the parent's own secondaries take.
    pub parent_ttl_s: u64,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::EcdsaP256Sha256,
            single: false,
            ksk_lifetime_s: None,
            zsk_lifetime_s: Some(90 * 86_400),
            dnskey_ttl_s: 3600,
            propagation_s: 3600,
            parent_ttl_s: 2 * 86_400,
        }
    }
}

/// All keys of a zone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring {
    pub keys: Vec<Managed>,
    /// The serial of the last SOA that was published.
    pub serial: Option<u32>,
    /// The largest TTL that was ever signed and may still be cached.
    pub ttl_max: u32,
}

impl Keyring {
    /// Makes the first keys of a zone. They are in use at once: no cache knows the zone as signed.
    pub fn first(policy: &KeyPolicy) -> Result<Self, Error> {
        let mut ring = Self::default();
        let roles: &[Role] = if policy.single {
            &[Role::Csk]
        } else {
            &[Role::Ksk, Role::Zsk]
        };
        for role in roles {
            let mut made = ring.make(*role, policy.algorithm)?;
            // The parent has no DS yet: CDS asks for the first one as well (RFC 8078 §3).
            made.state = if role.is_entry() {
                State::Submitted
            } else {
                State::Active
            };
            ring.keys.push(made);
        }
        Ok(ring)
    }

    /// The ring of a process that begins with it. Secondaries may have copied nothing of what the one before published last, however
    /// long ago that was: times within which all have it begin again. That a parent changed was seen, and needs no secondary of ours.
    pub fn resumed(mut self) -> Self {
        for key in &mut self.keys {
            if matches!(
                (key.state, key.role),
                (State::Published, _) | (State::Retired, Role::Zsk)
            ) {
                key.since = None;
            }
        }
        self
    }

    fn make(&self, role: Role, algorithm: Algorithm) -> Result<Managed, Error> {
        loop {
            let key = Key::generate(algorithm, role.is_entry())?;
            // Two keys with one tag would be told apart by trying only.
            if self.keys.iter().any(|k| k.key.tag == key.tag) {
                continue;
            }
            return Ok(Managed {
                key: Arc::new(key),
                role,
                state: State::Published,
                since: None,
                born: None,
                delegated: false,
            });
        }
    }

    /// Goes on by what is due now. Gives what has happened, in words; if anything has, the ring is to be stored and then
    /// the zone to be signed anew and published.
    pub fn step(&mut self, now: u64, policy: &KeyPolicy) -> Result<Vec<String>, Error> {
        let mut events = Vec::new();
        for index in 0..self.keys.len() {
            if self.due(index, policy).is_some_and(|due| due <= now) {
                self.go_on(index, &mut events);
            }
        }
        // What is retired long enough goes. A key leads out only while another of its kind is in use.
        let mut gone = Vec::new();
        for (index, key) in self.keys.iter().enumerate() {
            let over = key.state == State::Retired
                && self.due(index, policy).is_some_and(|due| due <= now);
            if over {
                gone.push(key.key.tag);
                events.push(format!("{} {} is gone", key.role.name(), key.key.tag));
            }
        }
        self.keys.retain(|k| !gone.contains(&k.key.tag));
        if self.wants_algorithm(policy) {
            self.begin_algorithm(policy.algorithm, &mut events)?;
        }
        for role in ROLES {
            if self.wants_successor(role, now, policy) {
                let made = self.make(role, policy.algorithm)?;
                events.push(format!("{} {} is published", role.name(), made.key.tag));
                self.keys.push(made);
            }
        }
        Ok(events)
    }

    /// Whether all keys are in use and for another algorithm.
    fn wants_algorithm(&self, policy: &KeyPolicy) -> bool {
        let other = |k: &Managed| k.key.algorithm != policy.algorithm;
        let settled = |k: &Managed| k.state == State::Active && k.since.is_some();
        !self.keys.is_empty() && self.keys.iter().all(|k| other(k) && settled(k))
    }

    /// Puts keys of another algorithm beside those there are. Their signatures are there with them: without, nobody who
    /// wants signatures of each algorithm could validate.
    fn begin_algorithm(
        &mut self,
        algorithm: Algorithm,
        events: &mut Vec<String>,
    ) -> Result<(), Error> {
        for role in ROLES {
            if self.keys.iter().all(|k| k.role != role) {
                continue;
            }
            let mut made = self.make(role, algorithm)?;
            if role == Role::Zsk {
                made.state = State::Active;
            }
            events.push(format!(
                "{} {} of {algorithm} is {}",
                role.name(),
                made.key.tag,
                made.state.name()
            ));
            self.keys.push(made);
        }
        Ok(())
    }

    /// Whether an algorithm takes another one's place.
    fn changes_algorithm(&self) -> bool {
        let mut algorithms = self.keys.iter().map(|k| k.key.algorithm);
        let first = algorithms.next();
        algorithms.any(|a| Some(a) != first)
    }

    fn go_on(&mut self, index: usize, events: &mut Vec<String>) {
        let Some((role, tag, state)) = self.keys.get(index).map(|k| (k.role, k.key.tag, k.state))
        else {
            return;
        };
        let next = match (state, role) {
            (State::Published, Role::Zsk) => State::Active,
            (State::Published, _) => State::Submitted,
            (State::Submitted, _) => State::Active,
            (State::Active | State::Retired, _) => return,
        };
        let algorithm = self.keys.get(index).map(|k| k.key.algorithm);
        if next == State::Active {
            for other in self.keys.iter_mut().filter(|k| {
                let leaves = k.role == role && k.key.tag != tag;
                // With the DS of an algorithm all goes that it led to.
                let is_led_away = role.is_entry() && Some(k.key.algorithm) != algorithm;
                (leaves || is_led_away) && matches!(k.state, State::Active | State::Submitted)
            }) {
                (other.state, other.since) = (State::Retired, None);
                events.push(format!(
                    "{} {} is retired",
                    other.role.name(),
                    other.key.tag
                ));
            }
        }
        if let Some(key) = self.keys.get_mut(index) {
            (key.state, key.since) = (next, None);
            events.push(format!("{} {tag} is {}", role.name(), next.name()));
        }
    }

    /// When a key's state is over; `None` while that does not depend on time.
    fn due(&self, index: usize, policy: &KeyPolicy) -> Option<u64> {
        let key = self.keys.get(index)?;
        let since = key.since?;
        let keys_s = u64::from(policy.dnskey_ttl_s) + policy.propagation_s;
        let zone_s = u64::from(self.ttl_max) + policy.propagation_s;
        match (key.state, key.role) {
            (State::Published, Role::Csk) => Some(since + keys_s.max(zone_s)),
            (State::Published, _) if self.changes_algorithm() => Some(since + keys_s.max(zone_s)),
            (State::Published, _) => Some(since + keys_s),
            // Its DS was seen. The old DS may be cached until it is out of date: the one before retires no sooner.
            (State::Submitted, _) if key.delegated => {
                Some(since.max(key.born?) + policy.parent_ttl_s)
            }
            (State::Submitted | State::Active, _) => None,
            // All it signed is signed by the other algorithm as well.
            (State::Retired, Role::Zsk) if self.changes_algorithm() => Some(since),
            (State::Retired, Role::Zsk) => Some(since + zone_s.max(keys_s)),
            // Nothing leads to it any more when it retires.
            (State::Retired, _) => Some(since),
        }
    }

    fn lifetime(role: Role, policy: &KeyPolicy) -> Option<u64> {
        match role {
            Role::Zsk => policy.zsk_lifetime_s,
            _ => policy.ksk_lifetime_s,
        }
    }

    /// When the key in use is to have a successor.
    fn succession(&self, role: Role, policy: &KeyPolicy) -> Option<u64> {
        let in_use = |k: &&Managed| k.role == role && k.state == State::Active;
        let key = self.keys.iter().find(in_use)?;
        Some(key.born? + Self::lifetime(role, policy)?)
    }

    fn wants_successor(&self, role: Role, now: u64, policy: &KeyPolicy) -> bool {
        let alone = self
            .keys
            .iter()
            .all(|k| k.role != role || k.state == State::Active);
        // Another algorithm first: its keys are all new.
        let settled = self
            .keys
            .iter()
            .all(|k| k.key.algorithm == policy.algorithm);
        alone && settled && self.succession(role, policy).is_some_and(|at| at <= now)
    }

    /// What the last step decided is being served. Gives whether that is news, which is to be stored.
    pub fn published(&mut self, now: u64) -> bool {
        let mut news = false;
        for key in self.keys.iter_mut().filter(|k| k.since.is_none()) {
            key.since = Some(now);
            news = true;
            if key.state == State::Active && key.born.is_none() {
                key.born = Some(now);
            }
        }
        news
    }

    /// Whether the parent is to be asked for its DS.
    pub fn wants_parent(&self) -> bool {
        let waits = |k: &Managed| k.state == State::Submitted && k.since.is_some() && !k.delegated;
        self.keys.iter().any(waits)
    }

    /// The parent's DS RRset has been seen. Gives what that changes, in words; if anything, the ring is to be stored.
    pub fn parent(&mut self, now: u64, origin: &Name, ds: &[Box<[u8]>]) -> Vec<String> {
        let mut events = Vec::new();
        for key in self.keys.iter_mut() {
            let waits = key.state == State::Submitted && key.since.is_some() && !key.delegated;
            if waits && ds.iter().any(|d| leads_to(d, &key.key, origin)) {
                key.delegated = true;
                key.born.get_or_insert(now);
                key.since = Some(now);
                events.push(format!(
                    "the parent leads to {} {}",
                    key.role.name(),
                    key.key.tag
                ));
            }
        }
        events
    }

    /// When the next step is due by time, if any is.
    pub fn next(&self, policy: &KeyPolicy) -> Option<u64> {
        if self.wants_algorithm(policy) {
            return Some(0);
        }
        let states = (0..self.keys.len()).filter_map(|i| self.due(i, policy));
        let successions = ROLES
            .into_iter()
            .filter(|role| {
                let mut keys = self.keys.iter().filter(|k| k.role == *role);
                let settled = self
                    .keys
                    .iter()
                    .all(|k| k.key.algorithm == policy.algorithm);
                settled && keys.all(|k| k.state == State::Active)
            })
            .filter_map(|role| self.succession(role, policy));
        states.chain(successions).min()
    }

    /// When a key's state or use ends, for people.
    pub fn next_of(&self, index: usize, policy: &KeyPolicy) -> Option<u64> {
        let key = self.keys.get(index)?;
        match key.state {
            State::Active => Some(key.born? + Self::lifetime(key.role, policy)?),
            _ => self.due(index, policy),
        }
    }

    /// Who signs what.
    pub fn signers(&self) -> super::signing::Signers {
        let mut signers = super::signing::Signers::default();
        for key in &self.keys {
            let (entry, zone) = match (key.role, key.state) {
                (Role::Ksk, _) => (true, false),
                (Role::Zsk, State::Active) => (false, true),
                (Role::Zsk, _) => (false, false),
                (Role::Csk, _) => (true, true),
            };
            if entry {
                signers.entry.push(Arc::clone(&key.key));
            }
            if zone {
                signers.zone.push(Arc::clone(&key.key));
            }
        }
        signers
    }

    /// The records of keys at the apex: all keys, and of those that the parent is to lead to CDS and CDNSKEY.
    pub fn apex(&self, origin: &Name) -> Vec<(RType, Vec<Box<[u8]>>)> {
        let all = self.keys.iter().map(|k| k.key.dnskey().into()).collect();
        let submitted = self.keys.iter().any(|k| k.state == State::Submitted);
        let wanted = |k: &&Managed| {
            k.role.is_entry()
                && match k.state {
                    State::Submitted => true,
                    State::Active => !submitted,
                    State::Published | State::Retired => false,
                }
        };
        let wanted: Vec<_> = self.keys.iter().filter(wanted).collect();
        let cds = wanted.iter().map(|k| k.key.ds(origin)).collect();
        let cdnskey = wanted.iter().map(|k| k.key.dnskey().into()).collect();
        vec![
            (RType::DNSKEY, all),
            (RType::CDS, cds),
            (RType::CDNSKEY, cdnskey),
        ]
    }
}

/// Whether a DS leads to a key. Digests that we do not make ourselves are believed by tag and algorithm.
fn leads_to(ds: &[u8], key: &Key, origin: &Name) -> bool {
    let ours = key.ds(origin);
    let same_key = ds.get(..3) == ours.get(..3);
    same_key && (ds.get(3) != Some(&2) || *ds == *ours)
}
