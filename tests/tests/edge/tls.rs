//! HTTPS: names, certificates, and what happens when they change or are not there.

use nix::sys::signal::Signal;
use seawall_tests::{Client, Edge, Origin, eventually, tls};

const LISTEN: &str = "listen: [{ http: \"@http@\" }, { https: \"@https@\" }]\n";

#[test]
fn the_internal_ca_serves_each_name_its_own_certificate() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites:
  - {{ host: a.test, respond: {{ status: 200, body: a }} }}
  - {{ host: \"*.b.test\", tls: internal, respond: {{ status: 200, body: b }} }}"
    ))
    .start();
    let mut a = edge.tls("a.test");
    let mut b = edge.tls("x.b.test");
    assert_eq!(a.client.get("a.test", "/").text(), "a");
    assert_eq!(b.client.get("x.b.test", "/").text(), "b");
    assert_eq!(a.alpn.as_deref(), Some("http/1.1"));
    assert_ne!(a.certificate, b.certificate);
    // Verified against the CA and the name: another name's handshake fails.
    assert!(
        tls::connect(
            edge.address("https"),
            "c.test",
            &edge.path("state/ca/ca.pem")
        )
        .is_err()
    );
}

#[test]
fn http_leads_to_https_and_the_origin_is_told() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let response = edge.get("a.test", "/path?q=1");
    assert_eq!(response.status, 308);
    assert_eq!(
        response.has("Location"),
        format!("https://a.test:{}/path?q=1", edge.address("https").port())
    );
    assert_eq!(origin.connections(), 0);
    assert_eq!(edge.tls("a.test").client.get("a.test", "/").status, 200);
    assert_eq!(origin.last().field("X-Forwarded-Proto"), Some("https"));
}

#[test]
fn a_name_that_is_not_served_here_is_misdirected() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, respond: {{ status: 200, body: a }} }}]"
    ))
    .start();
    let mut session = edge.tls("a.test");
    assert_eq!(session.client.get("other.test", "/").status, 421);
}

#[test]
fn a_certificate_that_changes_is_served_without_losing_a_connection() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, tls: {{ certificate: a.pem, key: a.key }}, respond: {{ status: 200, body: a }} }}]"
    ));
    let (certificate, key) = (edge.path("a.pem"), edge.path("a.key"));
    tls::write_certificate("a.test", &certificate, &key);
    let edge = edge.start();
    let mut old = tls::connect(edge.address("https"), "a.test", &certificate).unwrap();
    assert_eq!(old.client.get("a.test", "/").text(), "a");
    tls::write_certificate("a.test", &certificate, &key);
    edge.signal(Signal::SIGHUP);
    let new = eventually("the new certificate", || {
        tls::connect(edge.address("https"), "a.test", &certificate)
            .ok()
            .filter(|s| s.certificate != old.certificate)
    });
    assert_eq!({ new }.client.get("a.test", "/").text(), "a");
    assert_eq!(
        old.client.get("a.test", "/").text(),
        "a",
        "the old connection goes on"
    );
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_not_taken() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, tls: {{ certificate: a.pem, key: a.key }}, respond: {{ status: 200, body: a }} }}]"
    ));
    let (certificate, key) = (edge.path("a.pem"), edge.path("a.key"));
    tls::write_certificate("a.test", &certificate, &key);
    let good = std::fs::read(&key).unwrap();
    tls::write_certificate("a.test", &edge.path("other.pem"), &key);
    let edge = edge.start();
    assert!(tls::connect(edge.address("https"), "a.test", &certificate).is_err());
    std::fs::write(&key, good).unwrap();
    edge.signal(Signal::SIGHUP);
    eventually("the mended pair", || {
        tls::connect(edge.address("https"), "a.test", &certificate).ok()
    });
}

#[test]
fn a_missing_certificate_keeps_nothing_else_from_being_served() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites:
  - {{ host: broken.test, tls: {{ certificate: none.pem, key: none.key }}, respond: {{ status: 200, body: broken }} }}
  - {{ host: a.test, respond: {{ status: 200, body: a }} }}"
    ))
    .start();
    assert_eq!(edge.tls("a.test").client.get("a.test", "/").text(), "a");
    assert!(
        tls::connect(
            edge.address("https"),
            "broken.test",
            &edge.path("state/ca/ca.pem")
        )
        .is_err()
    );
    edge.logged("none.pem");
}

#[test]
fn plain_http_on_the_tls_port_harms_nobody() {
    let edge = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, respond: {{ status: 200, body: a }} }}]"
    ))
    .start();
    let mut client = Client::connect(edge.address("https"));
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").rest();
    assert_eq!(edge.tls("a.test").client.get("a.test", "/").text(), "a");
    eventually("the counter", || {
        (edge.metric("seawall_tls_failures_total") == 1).then_some(())
    });
}

#[test]
fn origins_may_speak_tls_and_are_verified() {
    let inner = Edge::yaml(format!(
        "{LISTEN}sites: [{{ host: a.test, respond: {{ status: 200, body: inner }} }}]"
    ))
    .start();
    let ca = inner.path("state/ca/ca.pem");
    let port = inner.address("https");
    let outer = Edge::yaml(format!(
        "pools:
  trusting: {{ servers: [\"https://{port}\"], tls: {{ ca: {}, sni: a.test }} }}
  doubting: {{ servers: [\"https://{port}\"], tls: {{ sni: a.test }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /doubting, to: doubting }}
      - {{ path: /, to: trusting }}",
        ca.display()
    ))
    .start();
    let answer = outer.get("a.test", "/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "inner"));
    assert_eq!(outer.get("a.test", "/doubting").status, 502);
}
