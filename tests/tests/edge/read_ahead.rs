//! Responses read ahead of a slow client: the origin's connection is free before the client has read.

use seawall_tests::{Edge, Gate, Origin, Running, Then};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const SIZE: usize = 24 << 20;

fn body() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 251) as u8).collect()
}

/// Answers `/large` in pieces and counts what was taken; the gate is passed when all was.
fn large(origin: &Origin, fields: &'static str) -> (Gate, Arc<AtomicUsize>) {
    let (all, taken) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (all.clone(), taken.clone());
    let body = body();
    origin.script("/large", move |_, exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: {SIZE}\r\n\r\n"
        ));
        for piece in body.chunks(64 * 1024) {
            if !exchange.send(piece) {
                return Then::Close;
            }
            count.fetch_add(piece.len(), Ordering::SeqCst);
        }
        gate.open();
        Then::Keep
    });
    (all, taken)
}

fn edge(buffering: &str, origin: &Origin) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, {buffering} to: \"{origin}\" }}]"
    ))
    .start()
}

/// A client that has asked and read the head alone.
fn asked(edge: &Running) -> seawall_tests::Client {
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/large").head().status, 200);
    client
}

#[test]
fn the_origin_is_free_before_the_client_has_read() {
    let origin = Origin::start();
    let (all, _) = large(&origin, "");
    let conf = format!(
        "events {{}}\nhttp {{ upstream u {{ server {origin}; keepalive 4; }} server {{ listen @http@; location / {{ \
         proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}"
    );
    for edge in [
        edge("buffering: { disk: 1GiB },", &origin),
        Edge::nginx(conf).start(),
    ] {
        let before = origin.connections();
        let mut slow = asked(&edge);
        assert!(all.pass(), "the origin could write all of it");
        // Another request is answered, by the same connection once the edge has read the end.
        assert_eq!(edge.get("a.test", "/other").status, 200);
        assert!(slow.bytes(SIZE) == body());
        assert_eq!(slow.get("a.test", "/next").status, 200);
        assert!(origin.connections() <= before + 2);
    }
}

#[test]
fn without_room_the_origin_waits_for_the_client() {
    for (buffering, fields) in [
        ("buffering: off,", ""),
        ("buffering: { response: false },", ""),
        ("", ""),
        ("buffering: { disk: 1MiB },", ""),
        ("buffering: { disk: 1GiB },", "X-Accel-Buffering: no\r\n"),
        (
            "buffering: { disk: 1GiB },",
            "Content-Type: text/event-stream\r\n",
        ),
    ] {
        let origin = Origin::start();
        let (_, taken) = large(&origin, fields);
        let edge = edge(buffering, &origin);
        let mut slow = asked(&edge);
        // The next request goes through a thread that has done what it could for the first.
        assert_eq!(edge.get("a.test", "/other").status, 200);
        assert!(taken.load(Ordering::SeqCst) < SIZE, "{buffering} {fields}");
        assert!(slow.bytes(SIZE) == body(), "{buffering} {fields}");
        assert_eq!(taken.load(Ordering::SeqCst), SIZE);
    }
}

#[test]
fn what_came_before_an_origin_broke_off_is_sent() {
    let origin = Origin::start();
    let body = body();
    let gate = Gate::new();
    let sent = gate.clone();
    origin.script("/large", move |_, exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            SIZE + 1
        ));
        exchange.send(&body);
        sent.open();
        Then::Close
    });
    let edge = edge("buffering: { disk: 1GiB },", &origin);
    let mut slow = asked(&edge);
    assert!(gate.pass());
    assert!(slow.rest() == self::body());
}

#[test]
fn a_client_that_leaves_lets_go_of_the_origin() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/large", move |_, exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            SIZE + 1
        ));
        exchange.send(vec![0; SIZE]);
        exchange.until_closed();
        closed.open();
        Then::Close
    });
    let edge = edge("buffering: { disk: 1GiB },", &origin);
    drop(asked(&edge));
    assert!(gate.pass(), "the origin's connection was closed");
}
