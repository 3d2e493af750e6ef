//! What goes wrong is explained and tried again.

use super::{ONE_SITE, issued, say, told, with_ca};

#[test]
fn a_ca_that_cannot_be_reached_is_asked_again() {
    let (edge, mut pebble) = with_ca(ONE_SITE, "", |p| p);
    let edge = edge.start();
    let shown = told(&edge, "shop.test", "cannot connect to localhost");
    assert!(
        shown.contains("FAIL account") && shown.contains("the next order is due in"),
        "{shown}"
    );
    edge.logged("acme: no certificate for shop.test: account");
    assert!(edge.metric("seawall_acme_failures{site=\"shop.test\"}") > 0);
    pebble.run();
    issued(&edge, &pebble, "shop.test");
}

#[test]
fn a_ca_whose_own_certificate_is_not_trusted_is_not_spoken_to() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.start());
    let text = std::fs::read_to_string(edge.config()).unwrap();
    let without = text.replace(&format!("ca: \"{}\", ", pebble.server_root().display()), "");
    std::fs::write(edge.config(), without).unwrap();
    let edge = edge.start();
    told(&edge, "shop.test", "TLS with localhost");
}

#[test]
fn refused_nonces_are_asked_for_again() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.bad_nonces(30).start());
    let edge = edge.start();
    issued(&edge, &pebble, "shop.test");
}

#[test]
fn a_name_that_the_ca_refuses_is_told_with_its_words() {
    let refusing = ",\"domainBlocklist\":[\"shop.test\"]";
    let (edge, _pebble) = with_ca(ONE_SITE, "", |p| p.with(refusing).start());
    let edge = edge.start();
    let shown = told(&edge, "shop.test", "(rejectedIdentifier)");
    assert!(shown.contains("FAIL order"), "{shown}");
    let why = say(&edge, &["cert", "why", "shop.test"]);
    assert!(
        why.contains("The CA does not issue for this name."),
        "{why}"
    );
}

#[test]
fn why_tells_that_a_name_points_elsewhere() {
    let sites =
        "  - { host: elsewhere.shop.test, tls: acme, respond: { status: 200, body: hello } }";
    let (edge, _pebble) = with_ca(sites, ", challenge: http-01", |p| p.start());
    let edge = edge.start();
    told(&edge, "elsewhere.shop.test", "FAIL validation");
    let why = say(&edge, &["cert", "why", "elsewhere.shop.test"]);
    for part in [
        "FAIL certificate",
        "the internal CA's certificate stands in",
        "has the addresses 127.0.0.9",
        "FAIL reach",
        "127.0.0.9:80 cannot be connected to",
        "the name's addresses must lead here",
        "CAA at elsewhere.shop.test allows",
    ] {
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
}

#[test]
fn an_account_that_the_ca_has_forgotten_is_made_anew() {
    let (edge, mut pebble) = with_ca(ONE_SITE, "", |p| p.start());
    let edge = edge.start();
    issued(&edge, &pebble, "shop.test");
    told(&edge, "shop.test", "stored as");
    // Pebble keeps everything in memory.
    pebble.stop();
    pebble.run();
    say(&edge, &["cert", "renew", "shop.test"]);
    issued(&edge, &pebble, "shop.test");
}

#[test]
fn an_account_from_elsewhere_opens_a_ca_that_wants_one() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let wanting = format!(
        ",\"externalAccountBindingRequired\":true,\"externalAccountMACKeys\":{{\"kid-1\":\"{key}\"}}"
    );
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.with(&wanting).start());
    let edge = edge.start();
    told(&edge, "shop.test", "(externalAccountRequired)");
    edge.write("eab.key", format!("{key}\n"));
    let eab = ", eab: { key_id: kid-1, key: { file: eab.key } }";
    super::configure(&edge, &pebble, ONE_SITE, eab);
    issued(&edge, &pebble, "shop.test");
}
