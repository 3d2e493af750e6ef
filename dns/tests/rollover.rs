//! Rollovers in accelerated time, with a client that validates all the way and must never fail: while keys change,
//! secondaries lag, the parent takes its time, and the server crashes at any step of keeping its state.

mod asking;
mod validating;
use asking::{Ask, zone};
use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use seawall_dns::{
    Algorithm, KeyPolicy, KeyStore, Lifetimes, Signer, SigningOptions, State, Zone, Zones,
};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use validating::{is_valid, keys, tag};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
const START: u64 = 1_790_000_000;

/// A small generator: the same seed, the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A disk that loses power: before it has replaced the file, or just after.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Option<String>, Option<bool>)>>);

impl Disk {
    fn lose_power(&self, after_writing: bool) {
        self.0.lock().unwrap().1 = Some(after_writing);
    }
}

impl KeyStore for Disk {
    fn load(&self) -> io::Result<Option<String>> {
        Ok(self.0.lock().unwrap().0.clone())
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let crash = disk.1.take();
        if crash != Some(false) {
            disk.0 = Some(text.to_owned());
        }
        crash.map_or(Ok(()), |_| Err(io::Error::other("no power")))
    }

    fn place(&self) -> String {
        "disk".to_owned()
    }
}

fn options(single: bool) -> SigningOptions {
    SigningOptions {
        keys: KeyPolicy {
            single,
            ksk_lifetime_s: Some(4 * DAY),
            zsk_lifetime_s: Some(DAY),
            dnskey_ttl_s: 3600,
            propagation_s: 1800,
            parent_ttl_s: 6 * HOUR,
            ..KeyPolicy::default()
        },
        lifetimes: Lifetimes {
            validity_s: 4 * 86_400,
            refresh_s: 2 * 86_400,
            jitter_s: 86_400,
        },
        ..SigningOptions::default()
    }
}

/// Something with the moment until which it is cached.
struct Cached<T>(u64, T);

/// The world: our server and what is around it.
struct World {
    now: u64,
    dice: Dice,
    zone: Zone,
    options: SigningOptions,
    disk: Disk,
    signer: Option<Signer>,
    down_until: u64,
    /// For how long it was up so far: nobody copies a zone from who is down.
    up_s: u64,
    /// What was served, and how long it had been up when it began to; secondaries may still serve what is a little older.
    served: Vec<(u64, Zones)>,
    /// The parent's DS: since when, and its data.
    parent: Vec<(u64, Vec<Record>)>,
    ds: Option<Cached<Vec<Record>>>,
    dnskeys: Option<Cached<Vec<Record>>>,
    answer: Option<Cached<Vec<Record>>>,
    tags: BTreeSet<u16>,
    crashes: usize,
    /// Whether the client had keys of two algorithms before it.
    saw_both: bool,
}

fn records(zones: &Zones, name: &str, qtype: &str) -> Vec<Record> {
    Ask::new(name, qtype)
        .secure(1232)
        .tcp()
        .of(zones)
        .message
        .answers
}

impl World {
    fn new(seed: u64, single: bool) -> Self {
        Self {
            now: START,
            dice: Dice(seed),
            zone: zone("www A 192.0.2.1\n"),
            options: options(single),
            disk: Disk::default(),
            signer: None,
            down_until: 0,
            up_s: 0,
            served: Vec::new(),
            parent: vec![(0, Vec::new())],
            ds: None,
            dnskeys: None,
            answer: None,
            tags: BTreeSet::new(),
            crashes: 0,
            saw_both: false,
        }
    }

    /// What the daemon does when it is woken. Any of it may end in a crash.
    fn serve(&mut self) {
        if self.now < self.down_until {
            return;
        }
        if self.dice.roll(40) == 0 {
            self.disk.lose_power(self.dice.roll(2) == 0);
        }
        if self.tick().is_none() {
            self.crashes += 1;
            self.signer = None;
            self.down_until = self.now + self.dice.roll(5 * HOUR);
        }
    }

    fn tick(&mut self) -> Option<()> {
        if self.signer.is_none() {
            let store = Box::new(self.disk.clone());
            let opened = Signer::open(self.zone.origin(), self.options, store);
            self.signer = Some(opened.ok()?);
        }
        let signer = self.signer.as_mut()?;
        if signer.wants_parent() {
            let (_, ds) = self.parent.last()?;
            let data: Vec<Box<[u8]>> = ds.iter().map(wire).collect();
            signer.parent(&data, self.now).ok()?;
        }
        if signer.next() <= self.now {
            let (signed, _) = signer.sign(&self.zone, self.now).ok()?;
            self.served.push((self.up_s, Zones::new(vec![signed])));
            // A crash here leaves a state that nobody knows to be served.
            if self.dice.roll(60) == 0 {
                return None;
            }
            signer.published(self.now).ok()?;
        }
        self.tags.extend(signer.status().keys.iter().map(|k| k.tag));
        Some(())
    }

    /// One of the versions that some server may still have.
    fn some_version(&mut self) -> usize {
        let lag = self.options.keys.propagation_s;
        let current = self
            .served
            .iter()
            .rposition(|(since, _)| since + lag <= self.up_s);
        let first = current.unwrap_or(0);
        first + self.dice.roll((self.served.len() - first) as u64) as usize
    }

    /// The parent follows CDS (RFC 7344 §4.1), now and then.
    fn follow_cds(&mut self) {
        if self.dice.roll(20) != 0 {
            return;
        }
        let Some((_, zones)) = self.served.last() else {
            return;
        };
        let cds = records(zones, "example.test", "CDS");
        let cds: Vec<Record> = cds
            .into_iter()
            .filter(|r| matches!(&r.data, RData::DNSSEC(DNSSECRData::CDS(_))))
            .collect();
        if cds.iter().map(wire).collect::<Vec<_>>()
            != self
                .parent
                .last()
                .unwrap()
                .1
                .iter()
                .map(wire)
                .collect::<Vec<_>>()
        {
            self.parent.push((self.now, cds));
        }
    }

    /// A client asks and validates, from the parent's DS down. Caches serve what they may.
    fn validate(&mut self) {
        let (now, name) = (self.now, Name::from_ascii("example.test.").unwrap());
        let fresh = |c: &Option<Cached<Vec<Record>>>| c.as_ref().is_some_and(|c| c.0 > now);
        if self.served.is_empty() {
            return;
        }
        if !fresh(&self.ds) {
            let ds = self.parent.last().unwrap().1.clone();
            self.ds = Some(Cached(now + self.options.keys.parent_ttl_s, ds));
        }
        if !fresh(&self.dnskeys) {
            let version = self.some_version();
            let found = records(&self.served[version].1, "example.test", "DNSKEY");
            self.dnskeys = Some(Cached(now + 3600, found));
        }
        if !fresh(&self.answer) {
            let version = self.some_version();
            let found = records(&self.served[version].1, "www.example.test", "A");
            self.answer = Some(Cached(now + 300, found));
        }
        let ds = &self.ds.as_ref().unwrap().1;
        if ds.is_empty() {
            return;
        }
        let known = keys(&self.dnskeys.as_ref().unwrap().1);
        let known: BTreeSet<u8> = known.iter().map(algorithm).collect();
        self.saw_both |= known.len() > 1;
        let algorithms: BTreeSet<u8> = ds.iter().map(|d| wire(d)[2]).collect();
        // As the strictest do: every algorithm that the parent names has to lead down by itself.
        for number in algorithms {
            self.validate_by(number, now, &name);
        }
    }

    fn validate_by(&self, number: u8, now: u64, name: &Name) {
        let ds = &self.ds.as_ref().unwrap().1;
        let dnskeys = &self.dnskeys.as_ref().unwrap().1;
        let all: Vec<DNSKEY> = keys(dnskeys)
            .into_iter()
            .filter(|k| algorithm(k) == number)
            .collect();
        let trusted: Vec<DNSKEY> = all.iter().filter(|k| leads(ds, k)).cloned().collect();
        let at = format!("{} h, {} crashes", (now - START) / HOUR, self.crashes);
        is_valid(dnskeys, name, RecordType::DNSKEY, &trusted, now)
            .unwrap_or_else(|e| panic!("{at}: {e}, DS {ds:?}"));
        let www = Name::from_ascii("www.example.test.").unwrap();
        is_valid(
            &self.answer.as_ref().unwrap().1,
            &www,
            RecordType::A,
            &all,
            now,
        )
        .unwrap_or_else(|e| panic!("{at}: {e}"));
    }

    fn pass(&mut self, seconds: u64) {
        if self.now >= self.down_until {
            self.up_s += seconds;
        }
        self.now += seconds;
    }

    fn run(&mut self, days: u64) {
        while self.now < START + days * DAY {
            self.serve();
            self.follow_cds();
            self.validate();
            let step = 10 * MINUTE + self.dice.roll(10 * MINUTE);
            self.pass(step);
            let old = self.up_s.saturating_sub(2 * HOUR);
            let keep = self.served.iter().rposition(|(since, _)| *since < old);
            self.served.drain(..keep.unwrap_or(0));
        }
    }
}

fn wire(record: &Record) -> Box<[u8]> {
    use hickory_proto::serialize::binary::BinEncodable;
    record.data.to_bytes().unwrap().into()
}

fn algorithm(key: &DNSKEY) -> u8 {
    key.public_key().algorithm().into()
}

fn leads(ds: &[Record], key: &DNSKEY) -> bool {
    ds.iter()
        .any(|d| wire(d).get(..2) == Some(&tag(key).to_be_bytes()[..]))
}

#[test]
fn keys_roll_while_a_validating_client_never_fails() {
    for single in [false, true] {
        let mut world = World::new(1, single);
        world.run(20);
        let rolled = world.tags.len();
        // A ZSK a day and a KSK every four days, or a single key every four days.
        let expected = if single { 3 } else { 15 };
        assert!(rolled >= expected, "{rolled} keys in 20 days");
    }
}

#[test]
fn a_crash_at_any_step_never_makes_the_client_fail() {
    let mut crashes = 0;
    for seed in 2..6 {
        let mut world = World::new(seed * 0x9E37_79B9, seed % 2 == 0);
        world.run(12);
        assert!(world.tags.len() >= 3, "seed {seed}: {:?}", world.tags);
        crashes += world.crashes;
    }
    assert!(crashes > 10, "only {crashes} crashes");
}

#[test]
fn the_old_key_stays_while_the_parent_does_not_change() {
    let mut world = World::new(77, true);
    world.run(2);
    let ds = world.parent.last().unwrap().1.clone();
    assert!(!ds.is_empty());
    // From here on the parent is deaf.
    let until = world.now + 30 * DAY;
    while world.now < until {
        world.serve();
        world.validate();
        world.pass(20 * MINUTE);
    }
    world.down_until = 0;
    world.serve();
    world.serve();
    let status = world.signer.as_ref().unwrap().status();
    let states: Vec<State> = status.keys.iter().map(|k| k.state).collect();
    assert_eq!(states, [State::Active, State::Submitted], "{status:?}");
    assert!(status.waits_for_parent);
}

#[test]
fn another_algorithm_takes_over_while_the_strictest_client_never_fails() {
    let mut crashes = 0;
    for seed in 10..16 {
        let mut world = World::new(seed * 0x9E37_79B9, seed % 2 == 0);
        world.run(5);
        world.options.keys.algorithm = Algorithm::Ed25519;
        if let Some(signer) = &mut world.signer {
            signer.set_options(world.options);
        }
        world.run(12);
        world.down_until = 0;
        world.serve();
        world.serve();
        let status = world.signer.as_ref().unwrap().status();
        assert!(
            status
                .keys
                .iter()
                .all(|k| k.algorithm == Algorithm::Ed25519),
            "seed {seed}: {status:?}"
        );
        assert!(world.saw_both, "seed {seed}: it was no rollover");
        crashes += world.crashes;
    }
    assert!(crashes > 5, "{crashes} crashes");
}
