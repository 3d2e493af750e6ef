//! Keys that roll by themselves in accelerated time, with a parent that follows CDS and a daemon that is killed at every step.
//! `make dns-drills DRILLS=rollover` has in large what is here in small: a resolver whose cache spans the steps.

use super::dnssec::{delv, said, update};
use seawall_tests::{Edge, Running, eventually};
use std::{cell::RefCell, collections::BTreeSet, process::Command};

const PARENT: &str = "\
$TTL 1
@    IN SOA ns admin 1 3600 600 86400 1
@    IN NS  ns
ns   IN A   192.0.2.1
roll IN NS  ns.roll
ns.roll IN A 192.0.2.1
";
const CHILD: &str = "\
$TTL 1
@      IN SOA ns admin 1 3600 600 86400 1
@      IN NS  ns
ns     IN A   192.0.2.1
www    IN A   192.0.2.10
*.wild IN A   192.0.2.20
";

fn served() -> Running {
    let edge = Edge::yaml(
        "dns:
  listen: \"@dns@\"
  zones:
    - { name: test, file: test.zone, dnssec: { parent: \"@dns@\" }, update: { from: 127.0.0.1 } }
    - name: roll.test
      file: roll.test.zone
      dnssec:
        { denial: nsec3, ksk_lifetime: 1s, zsk_lifetime: 1s, dnskey_ttl: 1s, propagation: 1s, parent_ttl: 1s, parent: \"@dns@\" }
sites: [{ host: a.test, respond: { status: 200, body: ok } }]",
    );
    edge.write("test.zone", PARENT);
    edge.write("roll.test.zone", CHILD);
    edge.start()
}

/// A key as the daemon keeps it: its role, state, public part, and whether all that is seen of it so far is known.
type Key = (String, String, String, bool);

/// The keys that the daemon keeps.
fn ring(edge: &Edge) -> Vec<Key> {
    let text = std::fs::read_to_string(edge.path("state/dnssec/roll.test.keys"));
    let lines: Vec<String> = text
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    let keys = lines.iter().filter_map(|line| {
        let mut words = line.strip_prefix("key ")?.split(' ');
        let (role, _, state) = (words.next()?, words.next()?, words.next()?);
        let (_, public) = line.split_once(" public=")?;
        let known = line.contains(" since=");
        Some((role.to_owned(), state.to_owned(), public.to_owned(), known))
    });
    keys.collect()
}

/// What the parent's registrar does (RFC 7344 §4.1): the DS becomes what the child asks for.
fn follow_cds(edge: &Running, before: &RefCell<String>) {
    let server = edge.address("dns");
    let output = Command::new("dig")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string()])
        .args(["+short", "+tcp", "roll.test", "CDS"])
        .output()
        .expect("dig (packaging/dev/install.sh test)");
    let wanted = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || wanted.is_empty() || wanted == *before.borrow() {
        return;
    }
    let add: String = wanted
        .lines()
        .map(|ds| format!("\nupdate add roll.test. 1 DS {ds}"))
        .collect();
    update(edge, "test", &format!("update delete roll.test. DS{add}"));
    before.replace(wanted);
}

fn validates(edge: &Running, anchor: &str, at: &[Key]) {
    for (name, rtype, expected) in [
        ("www.roll.test", "A", "; fully validated"),
        ("x.wild.roll.test", "A", "; fully validated"),
        (
            "www.roll.test",
            "TXT",
            "; negative response, fully validated",
        ),
        (
            "nope.roll.test",
            "A",
            "; negative response, fully validated",
        ),
    ] {
        let found = delv(edge, anchor, name, rtype);
        assert!(
            found.contains(expected),
            "{name} {rtype} at {at:?}: {found}"
        );
    }
}

#[test]
fn killed_at_every_step_of_its_rollovers_the_daemon_goes_on_and_every_answer_validates() {
    let mut edge = served();
    let anchor = said(&edge, &["dns", "ds", "test"]);
    let parent = RefCell::new(String::new());
    follow_cds(&edge, &parent);
    let first = ring(&edge);
    let mut seen = BTreeSet::from([first.clone()]);
    validates(&edge, &anchor, &first);
    loop {
        let step = eventually("another step", || {
            follow_cds(&edge, &parent);
            Some(ring(&edge)).filter(|ring| !seen.contains(ring))
        });
        edge.kill();
        let (_, stopped) = edge.wait();
        edge = stopped.start();
        validates(&edge, &anchor, &step);
        let is_over = step.iter().all(|k| first.iter().all(|f| f.2 != k.2));
        seen.insert(step);
        if is_over {
            break;
        }
    }
    // Successors published, one of each kind in use and the old one retired, the old ones gone.
    assert!(seen.len() >= 5, "{seen:#?}");
}
