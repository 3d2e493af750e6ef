//! Tokens of a certificate authority in zones that are served.

mod asking;

use asking::{ask, zones_of};
use seawall_dns::{AlwaysUp, ChallengeError, Shared, Zones};
use std::sync::Arc;

const ZONE: &str = "$TTL 300\n@ SOA ns h 7 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n\
    away NS ns.elsewhere.test.\n_acme-challenge.alias CNAME tokens.other.test.\n_acme-challenge.out CNAME x.nowhere.test.\n";

fn shared() -> Shared {
    let zones = zones_of(&[
        ("z.test", ZONE),
        ("other.test", ZONE),
        ("_acme-challenge.alone.test", ZONE),
    ]);
    Shared::new(zones, Arc::new(AlwaysUp))
}

fn texts(shared: &Shared, name: &str) -> Vec<String> {
    let answer = ask(&shared.serving().zones, name, "TXT");
    let last = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
    answer.answers.iter().map(last).collect()
}

fn serial(shared: &Shared, zone: &str) -> u32 {
    let zone = seawall_dns::Name::parse(zone, None).unwrap();
    shared.serving().zones.get(&zone).unwrap().serial().unwrap()
}

#[test]
fn tokens_are_answered_when_put_returns_and_gone_when_remove_does() {
    let shared = shared();
    shared
        .challenge_put("_acme-challenge.www.z.test", "one")
        .unwrap();
    shared
        .challenge_put("_Acme-Challenge.WWW.z.test.", "two")
        .unwrap();
    assert_eq!(
        texts(&shared, "_acme-challenge.www.z.test."),
        ["one", "two"]
    );
    assert_eq!(serial(&shared, "z.test."), 9, "secondaries hear of it");
    assert_eq!(serial(&shared, "other.test."), 7);
    shared
        .challenge_remove("_acme-challenge.www.z.test", "one")
        .unwrap();
    assert_eq!(texts(&shared, "_acme-challenge.www.z.test."), ["two"]);
    shared
        .challenge_remove("_acme-challenge.www.z.test", "one")
        .unwrap();
    shared
        .challenge_remove("_acme-challenge.www.z.test", "two")
        .unwrap();
    let gone = ask(
        &shared.serving().zones,
        "_acme-challenge.www.z.test.",
        "TXT",
    );
    assert_eq!(gone.rcode, 3);
}

#[test]
fn a_token_follows_an_alias_and_lives_in_a_zone_of_its_own() {
    let shared = shared();
    shared
        .challenge_put("_acme-challenge.alias.z.test", "t")
        .unwrap();
    assert_eq!(texts(&shared, "tokens.other.test."), ["t"]);
    shared
        .challenge_put("_acme-challenge.alone.test", "apex")
        .unwrap();
    assert_eq!(texts(&shared, "_acme-challenge.alone.test."), ["apex"]);
}

#[test]
fn a_reload_keeps_tokens_and_brings_no_removed_one_back() {
    let shared = shared();
    shared
        .challenge_put("_acme-challenge.z.test", "stays")
        .unwrap();
    shared
        .challenge_put("_acme-challenge.z.test", "goes")
        .unwrap();
    shared
        .challenge_remove("_acme-challenge.z.test", "goes")
        .unwrap();
    let before = serial(&shared, "z.test.");
    shared.publish(zones_of(&[("z.test", ZONE)]), Arc::new(AlwaysUp));
    assert_eq!(texts(&shared, "_acme-challenge.z.test."), ["stays"]);
    assert_eq!(serial(&shared, "z.test."), before, "nothing changed");
    shared.publish(
        zones_of(&[("z.test", &format!("{ZONE}new A 192.0.2.9\n"))]),
        Arc::new(AlwaysUp),
    );
    assert_eq!(
        serial(&shared, "z.test."),
        before + 1,
        "never back, though the file says 7"
    );
}

#[test]
fn tokens_nobody_would_find_are_refused() {
    let shared = shared();
    for name in ["_acme-challenge.nowhere.test", "_acme-challenge.out.z.test"] {
        assert!(
            matches!(
                shared.challenge_put(name, "t"),
                Err(ChallengeError::NotServed(_))
            ),
            "{name}"
        );
    }
    assert!(matches!(
        shared.challenge_put("_acme-challenge.away.z.test", "t"),
        Err(ChallengeError::Delegated(_))
    ));
    assert!(matches!(
        shared.challenge_put("a..b", "t"),
        Err(ChallengeError::BadName(..))
    ));
    assert!(matches!(
        shared.challenge_put("x.z.test", &"t".repeat(256)),
        Err(ChallengeError::TooLong)
    ));
    assert!(
        Shared::new(Zones::default(), Arc::new(AlwaysUp))
            .challenge_put("x.z.test", "t")
            .is_err()
    );
}
