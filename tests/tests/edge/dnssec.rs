//! A zone that is signed here, as BIND's own validating resolver sees it, and its keys as an operator does.

use hickory_proto::op::ResponseCode;
use seawall_tests::{
    Edge, Running,
    dns::{Type, ask},
    eventually,
};
use std::{net::SocketAddr, process::Command};

const ZONE: &str = "\
$ORIGIN shop.test.
$TTL 300
@        IN SOA ns1 admin 1 3600 600 86400 60
@        IN NS  ns1
ns1      IN A   192.0.2.1
www      IN CNAME web
web      IN A   192.0.2.10
*.wild   IN A   192.0.2.20
a.b.deep IN A   192.0.2.30
sub      IN NS  ns.sub
ns.sub   IN A   192.0.2.40
";

fn configuration(dnssec: &str) -> String {
    format!(
        "dns:
  listen: \"@dns@\"
  zones:
    - name: shop.test
      file: shop.test.zone
      transfer: {{ to: 127.0.0.1 }}
      dnssec: {dnssec}
      records:
        - {{ name: dyn, type: A, targets: [{{ address: 192.0.2.50, up: {{ pool: p }} }}, 192.0.2.51] }}
        - {{ name: gone, type: A, all_down: serve_none, targets: [{{ address: 192.0.2.60, up: {{ pool: dead }} }}] }}
        - {{ name: \"*.gone\", type: A, all_down: serve_none, targets: [{{ address: 192.0.2.61, up: {{ pool: dead }} }}] }}
pools:
  p: {{ servers: [\"127.0.0.1:1\"] }}
  dead: {{ servers: [\"127.0.0.1:1\"], health: {{ path: /, interval: 100ms, fall: 1 }} }}
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    )
}

fn signed(dnssec: &str) -> Running {
    let edge = Edge::yaml(configuration(dnssec));
    edge.write("shop.test.zone", ZONE);
    edge.start()
}

/// What the program says when it is called so, with the configuration.
pub(super) fn said(edge: &Edge, arguments: &[&str]) -> String {
    let config = edge.config();
    let mut all: Vec<&str> = arguments.to_vec();
    all.extend(["-c", config.to_str().expect("a path in UTF-8")]);
    let output = edge.seawall(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// What delv says about a question, trusting the DS that `seawall dns ds` prints.
pub(super) fn delv(edge: &Running, ds: &str, name: &str, rtype: &str) -> String {
    let fields: Vec<&str> = ds.split_whitespace().collect();
    let [zone, _, _, tag, algorithm, digest, hash] = fields[..] else {
        panic!("no DS: {ds}")
    };
    let anchor =
        format!("trust-anchors {{ {zone} static-ds {tag} {algorithm} {digest} \"{hash}\"; }};\n");
    let path = edge.write("anchor", anchor);
    let server: SocketAddr = edge.address("dns");
    let output = Command::new("delv")
        .arg("-a")
        .arg(path)
        .arg(format!("+root={zone}"))
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), name, rtype])
        .output()
        .expect("delv (Debian's bind9-dnsutils) is installed");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Algorithms 13 and 15 with NSEC and with NSEC3, by two keys and by one.
const WAYS: [&str; 6] = [
    "true",
    "{ denial: nsec3 }",
    "{ algorithm: ed25519 }",
    "{ denial: nsec3, algorithm: ed25519 }",
    "{ single_key: true }",
    "{ denial: nsec3, single_key: true }",
];

#[test]
fn ldns_finds_nothing_wrong_with_what_is_transferred() {
    for dnssec in WAYS {
        let edge = signed(dnssec);
        let server = edge.address("dns");
        let dig = Command::new("dig")
            .arg(format!("@{}", server.ip()))
            .args(["-p", &server.port().to_string()])
            .args(["+noall", "+answer", "+onesoa", "shop.test", "AXFR"])
            .output()
            .expect("dig (Debian's bind9-dnsutils) is installed");
        let zone = edge.write("transferred", dig.stdout);
        let verified = Command::new("ldns-verify-zone")
            .arg(zone)
            .output()
            .expect("ldns-verify-zone (Debian's ldnsutils) is installed");
        let text = [verified.stdout, verified.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            verified.status.success() && text.contains("verified and complete"),
            "{dnssec}: {text}"
        );
    }
}

#[test]
fn a_validating_resolver_accepts_answers_and_denials() {
    for dnssec in WAYS {
        let edge = signed(dnssec);
        let ds = said(&edge, &["dns", "ds", "shop.test"]);
        // Withdrawn while its servers are down: denied by proofs made for it (RFC 9824).
        eventually("the record is withdrawn", || {
            let answer = ask(edge.address("dns"), "gone.shop.test", Type::A);
            answer.data().is_empty().then_some(())
        });
        for (name, rtype) in [
            ("web.shop.test", "A"),
            ("www.shop.test", "A"),
            ("x.wild.shop.test", "A"),
            ("dyn.shop.test", "A"),
        ] {
            let found = delv(&edge, &ds, name, rtype);
            assert!(
                found.contains("; fully validated"),
                "{dnssec} {name}: {found}"
            );
        }
        for (name, rtype) in [
            ("nope.shop.test", "A"),
            ("web.shop.test", "TXT"),
            ("deep.shop.test", "A"),
            ("x.wild.shop.test", "TXT"),
            ("dyn.shop.test", "AAAA"),
            ("sub.shop.test", "DS"),
            ("gone.shop.test", "A"),
            ("gone.shop.test", "TXT"),
            ("x.gone.shop.test", "A"),
        ] {
            let found = delv(&edge, &ds, name, rtype);
            assert!(
                found.contains("; negative response, fully validated"),
                "{dnssec} {name} {rtype}: {found}"
            );
        }
    }
}

/// Changes a zone as a dynamic client does (RFC 2136).
pub(super) fn update(edge: &Running, zone: &str, lines: &str) {
    let server = edge.address("dns");
    let path = edge.write(
        "update",
        format!(
            "server {} {}\nzone {zone}\n{lines}\nsend\n",
            server.ip(),
            server.port()
        ),
    );
    let output = Command::new("nsupdate").arg(path).output();
    let output = output.expect("nsupdate (Debian's bind9-dnsutils) is installed");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_an_update_changes_is_signed_when_it_is_acknowledged_and_after_a_restart() {
    let edge = Edge::yaml(configuration("{ denial: nsec3 }").replace(
        "      dnssec:",
        "      update: { from: 127.0.0.1 }\n      dnssec:",
    ));
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    let ds = said(&edge, &["dns", "ds", "shop.test"]);
    update(
        &edge,
        "shop.test",
        "update add new.shop.test. 60 A 192.0.2.77\nupdate delete web.shop.test. A",
    );
    let holds = |edge: &Running| {
        let found = delv(edge, &ds, "new.shop.test", "A");
        assert!(
            found.contains("; fully validated") && found.contains("192.0.2.77"),
            "{found}"
        );
        for name in ["web.shop.test", "nope.shop.test", "shop.test"] {
            let found = delv(edge, &ds, name, "A");
            assert!(
                found.contains("; negative response, fully validated"),
                "{name}: {found}"
            );
        }
    };
    holds(&edge);
    said(&edge, &["reload"]);
    holds(&edge);
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, stopped) = edge.wait();
    holds(&stopped.start());
}

#[test]
fn keys_stay_over_reloads_and_restarts_and_a_reload_without_a_change_is_no_new_version() {
    let edge = signed("true");
    let ds = said(&edge, &["dns", "ds", "shop.test"]);
    let serial = |edge: &Running| ask(edge.address("dns"), "shop.test", Type::Soa).data();
    let before = serial(&edge);
    said(&edge, &["reload"]);
    assert_eq!(said(&edge, &["dns", "ds", "shop.test"]), ds);
    assert_eq!(serial(&edge), before);
    edge.write("shop.test.zone", ZONE.replace("192.0.2.10", "192.0.2.11"));
    said(&edge, &["reload"]);
    eventually("another version", || {
        (serial(&edge) != before).then_some(())
    });
    let changed = ask(edge.address("dns"), "web.shop.test", Type::A);
    assert_eq!(changed.data(), ["192.0.2.11"]);
    let status = said(&edge, &["dns", "status"]);
    for words in [
        "shop.test.",
        "ksk",
        "zsk",
        "active",
        "waits for the parent's DS",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, stopped) = edge.wait();
    let edge = stopped.start();
    assert_eq!(said(&edge, &["dns", "ds", "shop.test"]), ds);
}

#[test]
fn keys_that_cannot_be_read_are_never_replaced_and_the_zone_is_not_served_unsigned() {
    let edge = Edge::yaml(configuration("true"));
    edge.write("shop.test.zone", ZONE);
    std::fs::create_dir_all(edge.path("state/dnssec")).expect("a directory");
    let keys = edge.write("state/dnssec/shop.test.keys", "key ksk 13 what is this\n");
    let edge = edge.start();
    let answer = ask(edge.address("dns"), "web.shop.test", Type::A);
    assert_eq!(answer.code(), ResponseCode::Refused);
    let status = said(&edge, &["dns", "status"]);
    assert!(status.contains("line 1 cannot be read"), "{status}");
    let kept = std::fs::read_to_string(keys).expect("the keys");
    assert_eq!(kept, "key ksk 13 what is this\n");
    edge.counts("seawall_dnssec_failures_total", 1);
}
