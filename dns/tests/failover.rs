//! Dynamic records: what is answered follows health, at once.

mod asking;

use asking::{Ask, ask, zone};
use seawall_dns::{DynamicRecord, Error, Health, HealthId, Policy, RType, Target, Zones};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bit n: target n is up.
struct Switches(AtomicU64);

impl Health for Switches {
    fn is_up(&self, id: HealthId) -> bool {
        self.0.load(Ordering::Relaxed) >> id.0 & 1 == 1
    }
}

fn record(owner: &str, rtype: RType, targets: &[(&str, Option<u32>)]) -> DynamicRecord {
    let targets = targets
        .iter()
        .map(|(a, up)| Target::new(a.parse().unwrap(), up.map(HealthId)))
        .collect();
    DynamicRecord::new(owner, rtype, 30, Policy::Failover, targets)
}

fn zones() -> Zones {
    let mut zone = zone("alias CNAME www\n@ MX 10 www\nsub NS www\nwww TXT static\n");
    let targets = [("192.0.2.10", Some(0)), ("198.51.100.7", Some(1))];
    zone.add_dynamic(record("www", RType::A, &targets)).unwrap();
    zone.add_dynamic(record(
        "last",
        RType::AAAA,
        &[("2001:db8::1", Some(0)), ("2001:db8::2", None)],
    ))
    .unwrap();
    zone.add_dynamic(record("*.any.example.test.", RType::A, &targets))
        .unwrap();
    Zones::new(vec![zone])
}

#[test]
fn the_first_target_that_is_up_is_answered() {
    let (zones, health) = (zones(), Switches(AtomicU64::new(0b11)));
    let www = |up: u64| {
        health.0.store(up, Ordering::Relaxed);
        Ask::new("www.example.test", "A")
            .with(&zones, &health)
            .answers
    };
    let (first, second) = (
        "www.example.test. 30 A 192.0.2.10",
        "www.example.test. 30 A 198.51.100.7",
    );
    assert_eq!(www(0b11), [first]);
    assert_eq!(www(0b10), [second]);
    assert_eq!(www(0b01), [first]);
    assert_eq!(
        www(0b00),
        [first, second],
        "when all are down, all are served"
    );
    assert_eq!(www(0b11), [first]);
}

#[test]
fn a_target_without_a_check_is_the_last_resort() {
    let (zones, health) = (zones(), Switches(AtomicU64::new(0)));
    let reply = Ask::new("last.example.test", "AAAA").with(&zones, &health);
    assert_eq!(reply.answers, ["last.example.test. 30 AAAA 2001:db8::2"]);
}

#[test]
fn whatever_leads_to_a_dynamic_name_follows_its_health() {
    let (zones, health) = (zones(), Switches(AtomicU64::new(0b10)));
    let asked = |name: &str, qtype: &str| Ask::new(name, qtype).with(&zones, &health);
    let now = "www.example.test. 30 A 198.51.100.7";
    assert_eq!(asked("alias.example.test", "A").answers[1], now);
    assert_eq!(asked("example.test", "MX").additional, [now]);
    assert_eq!(asked("x.sub.example.test", "A").additional, [now]);
    assert_eq!(
        asked("x.y.any.example.test", "A").answers,
        ["x.y.any.example.test. 30 A 198.51.100.7"]
    );
    health.0.store(0b11, Ordering::Relaxed);
    assert_eq!(
        asked("alias.example.test", "A").answers[1],
        "www.example.test. 30 A 192.0.2.10"
    );
    assert_eq!(
        asked("example.test", "MX").additional,
        ["www.example.test. 30 A 192.0.2.10"]
    );
}

#[test]
fn the_other_types_of_a_dynamic_name_are_denied() {
    let reply = ask(&zones(), "www.example.test", "AAAA");
    assert_eq!(
        (reply.rcode, reply.answers.len(), reply.authority.len()),
        (0, 0, 1)
    );
    assert_eq!(
        ask(&zones(), "www.example.test", "TXT").answers,
        ["www.example.test. 300 TXT static"]
    );
}

#[test]
fn what_cannot_be_answered_is_refused_when_it_is_added() {
    let mut zone = zone("c CNAME x\ns A 192.0.2.1\n");
    let one = [("192.0.2.10", None)];
    let mut add = |record| {
        zone.add_dynamic(record).map_err(|e| match e {
            Error::Conflict { existing, .. } => existing.to_string(),
            other => format!("{other:?}")
                .split([' ', '(', '{'])
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    };
    assert_eq!(add(record("c", RType::A, &one)), Err("CNAME".into()));
    assert_eq!(add(record("s", RType::A, &one)), Err("A".into()));
    assert_eq!(
        add(record("n.other.test.", RType::A, &one)),
        Err("OutOfZone".into())
    );
    assert_eq!(
        add(record("n", RType::TXT, &one)),
        Err("DynamicType".into())
    );
    assert_eq!(
        add(record("n", RType::AAAA, &one)),
        Err("WrongFamily".into())
    );
    assert_eq!(
        add(record("n", RType::A, &[])),
        Err("DynamicTargets".into())
    );
    assert_eq!(
        add(record("n", RType::A, &[one[0]; 65])),
        Err("DynamicTargets".into())
    );
    assert_eq!(add(record("n..", RType::A, &one)), Err("EmptyLabel".into()));
    assert_eq!(add(record("n", RType::A, &one)), Ok(()));
    assert_eq!(add(record("n", RType::A, &one)), Err("A".into()), "twice");
    let text: String = Error::DynamicTargets(65).into();
    assert_eq!(
        text,
        "a dynamic record has 1 to 64 targets, this one has 65"
    );
}
