//! After a 101 bytes go both ways, unread, for as long as both ends like.

use crate::in_front_of;
use seawall_tests::{Client, Edge, Gate, Origin, Running, Then, eventually};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Sends back what comes, until the other side is done, and then ends too.
fn echo(origin: &Origin) {
    origin.script("/ws", |_, exchange| {
        exchange.send(SWITCH);
        loop {
            let byte = exchange.receive(1);
            if byte.is_empty() || !exchange.send(byte) {
                return Then::Close;
            }
        }
    });
}

fn switched(edge: &Running) -> Client {
    let mut client = edge.client();
    let head = client.send(ASK).head();
    assert_eq!(head.status, 101);
    client
}

fn none_left(edge: &Running) {
    eventually("the end of the tunnel", || {
        (edge.metric("seawall_tunnels") == 0).then_some(())
    });
}

#[test]
fn a_websocket_goes_through_and_both_heads_say_so() {
    let origin = Origin::start();
    echo(&origin);
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let head = client.send(ASK).head();
    assert_eq!(head.status, 101);
    assert_eq!(head.has("Upgrade"), "websocket");
    assert!(head.has("Connection").eq_ignore_ascii_case("upgrade"));
    assert_eq!(
        head.has("Sec-WebSocket-Accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    let asked = origin.last();
    assert_eq!(asked.field("Upgrade"), Some("websocket"));
    assert_eq!(asked.field("Connection"), Some("upgrade"));
    assert_eq!(asked.count("Sec-WebSocket-Key"), 1);
    let frame = b"\x81\x05hello";
    assert_eq!(client.send(frame).bytes(7), frame);
    edge.counts("seawall_tunnels", 1);
    client.finish();
    assert!(client.is_closed(), "the end goes through as well");
    none_left(&edge);
    edge.counts("seawall_tunnel_bytes_total{direction=\"from_client\"}", 7);
    edge.counts("seawall_tunnel_bytes_total{direction=\"to_client\"}", 7);
    let line = edge.logged("tunnel closed, 7 bytes from the client, 7 to it");
    assert!(line.contains("client: 127.0.0.1"), "{line}");
    eventually("the tunnel's line", || {
        edge.access_log().contains("\" 101 7 ").then_some(())
    });
}

#[test]
fn what_came_with_either_head_is_the_tunnels() {
    let origin = Origin::start();
    origin.script("/ws", |_, exchange| {
        exchange.send(format!("{SWITCH}from the origin"));
        let heard = exchange.receive(15);
        exchange.send(heard);
        Then::Close
    });
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let head = client.send(format!("{ASK}from the client")).head();
    assert_eq!(head.status, 101);
    assert_eq!(client.rest(), b"from the originfrom the client");
}

#[test]
fn megabytes_go_both_ways_at_once_without_a_byte_lost() {
    const SIZE: usize = 3 << 20;
    let origin = Origin::start();
    // All of it is sent before any of it is read: what waits in between is bounded, so both sides have to read.
    origin.script("/ws", |_, exchange| {
        exchange.send(SWITCH);
        let all = exchange.receive(SIZE);
        exchange.send(&all);
        Then::Close
    });
    let edge = in_front_of(&origin);
    let mut client = switched(&edge);
    let sent: Vec<u8> = (0..SIZE).map(|i| (i % 251) as u8).collect();
    client.send(&sent);
    assert!(client.bytes(SIZE) == sent);
}

#[test]
fn a_half_closed_tunnel_still_carries_the_other_direction() {
    let origin = Origin::start();
    let gate = Gate::new();
    let opened = gate.clone();
    origin.script("/ws", move |_, exchange| {
        exchange.send(format!("{SWITCH}last words"));
        exchange.finish();
        let heard = exchange.receive(5);
        assert_eq!(heard, b"still");
        opened.open();
        Then::Close
    });
    let edge = in_front_of(&origin);
    let mut client = switched(&edge);
    assert_eq!(client.rest(), b"last words");
    client.send("still");
    client.finish();
    assert!(gate.pass(), "what the client sent afterwards arrived");
    none_left(&edge);
}

#[test]
fn a_tunnel_without_a_byte_is_closed_after_its_time() {
    let origin = Origin::start();
    echo(&origin);
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, timeouts: {{ tunnel_idle: 300ms }}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = switched(&edge);
    assert_eq!(client.send("x").bytes(1), b"x");
    assert!(client.is_closed());
    edge.logged("tunnel timed out");
    none_left(&edge);
}

#[test]
fn an_origin_that_declines_answers_as_ever_and_the_connection_goes_on() {
    let origin = Origin::start();
    origin.serve("/ws", "", "no");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    assert_eq!(client.send(ASK).response().text(), "no");
    assert_eq!(client.get("a.test", "/other").status, 200);
}

#[test]
fn an_upgrade_to_http_or_tls_is_not_passed_on() {
    let origin = Origin::start();
    origin.answer(
        "/bad",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    let edge = in_front_of(&origin);
    for token in ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.2"] {
        let ask = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\n\
                 HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            )
        };
        assert_eq!(edge.exchange(ask("/")).status, 200, "{token}");
        assert_eq!(origin.last().field("Upgrade"), None, "{token}");
        assert_eq!(origin.last().field("HTTP2-Settings"), None, "{token}");
        assert_eq!(edge.exchange(ask("/bad")).status, 502, "{token}");
    }
}

#[test]
fn nginx_passes_an_upgrade_only_where_it_is_told_to() {
    let origin = Origin::start();
    echo(&origin);
    let edge = Edge::nginx(format!(
        "events {{}}\nhttp {{ server {{ listen @http@; server_name a.test;\n\
         location / {{ proxy_pass http://{origin}; }}\n\
         location /ws {{ proxy_pass http://{origin}; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection \"upgrade\"; }} }} }}"
    ))
    .start();
    let mut client = switched(&edge);
    assert_eq!(client.send("ping").bytes(4), b"ping");
    assert_eq!(edge.exchange(ASK.replace("/ws", "/other")).status, 200);
    assert_eq!(origin.last().field("Upgrade"), None);
}

#[test]
fn an_upgrade_is_not_kept_from_its_origin_by_a_cache() {
    let origin = Origin::start();
    echo(&origin);
    let edge = Edge::yaml(format!(
        "caches: {{ default: 16MiB }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]"
    ))
    .start();
    for _ in 0..2 {
        assert_eq!(switched(&edge).send("ping").bytes(4), b"ping");
    }
    assert_eq!(origin.hits("/ws"), 2);
}

#[test]
fn at_the_end_of_the_drain_a_tunnel_over_tls_is_told_that_it_is_over() {
    let origin = Origin::start();
    echo(&origin);
    let edge = Edge::yaml(format!(
        "listen: [{{ https: \"@https@\" }}]\nsites: [{{ host: a.test, tls: internal, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.tls("a.test").client;
    assert_eq!(client.send(ASK).head().status, 101);
    assert_eq!(client.send("x").bytes(1), b"x");
    edge.signal(nix::sys::signal::Signal::SIGQUIT);
    // Without close_notify the end of a TLS session is an error, not an end.
    assert_eq!(client.end().expect("close_notify"), 0);
    edge.logged("tunnel cut off at the end of the drain");
}
