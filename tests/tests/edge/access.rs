//! Who may come: lists of networks.

use seawall_tests::{Edge, Origin};

#[test]
fn networks_are_denied_and_allowed() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]
sites:
  - host: a.test
    to: \"{origin}\"
    routes:
      - {{ path: /inside, allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: 10.0.0.66 }}
      - {{ path: /outside, deny: [10.0.0.0/8] }}
      - {{ path: /open }}"
    ))
    .start();
    for (path, client, status) in [
        ("/inside", "10.1.1.1", 200),
        ("/inside", "10.0.0.66", 403),
        ("/inside", "192.0.2.1", 403),
        ("/inside", "2001:db8::1", 200),
        ("/inside", "2001:db9::1", 403),
        ("/outside", "10.1.1.1", 403),
        ("/outside", "192.0.2.1", 200),
        ("/open", "10.0.0.66", 200),
    ] {
        let answer = edge.exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n"
        ));
        assert_eq!(answer.status, status, "{path} {client}");
    }
    edge.counts("seawall_access_total{result=\"denied\",site=\"a.test\"}", 4);
    let line = edge.logged("access forbidden by rule");
    assert!(line.contains("client: 10.0.0.66"), "{line}");
    assert_eq!(origin.received().len(), 4);
}

#[test]
fn lists_are_inherited_and_taken_back() {
    let edge = Edge::yaml(
        "defaults: { deny: [127.0.0.0/8] }
sites:
  - { host: closed.test, respond: 200 }
  - { host: open.test, deny: off, respond: 200 }
  - host: mixed.test
    respond: 200
    routes: [{ path: /health, deny: off, respond: 200 }]",
    )
    .start();
    for (host, path, status) in [
        ("closed.test", "/", 403),
        ("open.test", "/", 200),
        ("mixed.test", "/", 403),
        ("mixed.test", "/health", 200),
    ] {
        assert_eq!(edge.get(host, path).status, status, "{host}{path}");
    }
}

#[test]
fn what_is_stored_is_not_told_to_who_may_not_ask() {
    let origin = Origin::start();
    origin.serve(
        "/",
        "Cache-Control: public, max-age=60\r\n",
        "for the house",
    );
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]
caches: {{ default: {{ memory: 1MiB }} }}
sites: [{{ host: a.test, to: \"{origin}\", cache: default, allow: 10.0.0.0/8 }}]"
    ))
    .start();
    let ask = |client: &str| {
        edge.exchange(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n"
        ))
    };
    assert_eq!(ask("10.0.0.1").status, 200);
    assert!(ask("10.0.0.2").is_hit());
    let refused = ask("192.0.2.1");
    assert_eq!(refused.status, 403);
    assert!(!refused.text().contains("for the house"));
}

#[test]
fn a_unix_socket_has_no_address_that_could_be_allowed() {
    use std::io::{Read, Write};
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\" }, { http: \"unix:@dir@/edge.sock\" }]
sites: [{ host: a.test, respond: 200, allow: 127.0.0.0/8 }]",
    )
    .start();
    assert_eq!(edge.get("a.test", "/").status, 200);
    let mut socket =
        std::os::unix::net::UnixStream::connect(edge.path("edge.sock")).expect("the socket");
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}
