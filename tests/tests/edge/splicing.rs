//! Large bodies that the kernel hands on by itself arrive whole, in order, and leave both connections as they should be.

use seawall_tests::{Edge, Gate, Origin, Running, Then, eventually};

fn edge(origin: &Origin) -> Running {
    Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]")).start()
}

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

#[test]
fn bodies_of_every_size_are_whole_and_the_connections_are_used_again() {
    let origin = Origin::start();
    // Around what is read with the head, what is worth a pipe, and what a pipe holds.
    let sizes = [
        8_000, 16_000, 24_000, 25_000, 65_536, 262_144, 270_000, 3_000_000,
    ];
    origin.script("/size", |request, exchange| {
        let size = request.target.rsplit('=').next().unwrap().parse().unwrap();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
        exchange.send(body(size));
        Then::Keep
    });
    let edge = edge(&origin);
    let mut client = edge.client();
    for size in sizes {
        let response = client.get("a.test", &format!("/size?n={size}"));
        assert_eq!(response.status, 200);
        assert!(response.body == body(size), "{size}");
    }
    // The edge has as many threads as there are cores, and each its own connections.
    assert_eq!(origin.connections(), 1, "one client, one thread");
}

#[test]
fn a_head_is_not_held_back_until_its_body_comes() {
    let origin = Origin::start();
    let gate = Gate::new();
    let seen = gate.clone();
    origin.script("/late", move |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100003\r\n\r\nabc");
        assert!(seen.pass(), "the client has the head and the first bytes");
        exchange.send(body(100_000));
        Then::Keep
    });
    let edge = edge(&origin);
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/late").head().status, 200);
    assert_eq!(client.bytes(3), b"abc");
    gate.open();
    assert!(client.bytes(100_000) == body(100_000));
    assert_eq!(client.get("a.test", "/next").status, 200);
}

#[test]
fn a_pause_in_the_middle_shows_what_came_before() {
    let origin = Origin::start();
    let gate = Gate::new();
    let seen = gate.clone();
    origin.script("/pause", move |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 150000\r\n\r\n");
        exchange.send(body(100_001));
        assert!(seen.pass(), "the client has all that was sent");
        exchange.send(&body(150_000)[100_001..]);
        Then::Keep
    });
    let edge = edge(&origin);
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/pause").head().status, 200);
    assert!(client.bytes(100_001) == body(100_001));
    gate.open();
    assert!(client.bytes(49_999) == body(150_000)[100_001..]);
}

#[test]
fn a_body_that_breaks_off_ends_the_connection() {
    let origin = Origin::start();
    origin.script("/short", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
        exchange.send(body(150_000));
        Then::Close
    });
    let edge = edge(&origin);
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/short").head().status, 200);
    assert!(client.rest() == body(150_000), "and then the end");
    assert_eq!(edge.get("a.test", "/next").status, 200);
}

#[test]
fn what_an_origin_sends_beyond_its_length_reaches_nobody() {
    let origin = Origin::start();
    let gate = Gate::new();
    let sent = gate.clone();
    origin.script("/more", move |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        exchange.send(body(100_000));
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
        sent.open();
        Then::Keep
    });
    let edge = edge(&origin);
    let mut client = edge.client();
    assert!(client.get("a.test", "/more").body == body(100_000));
    assert!(gate.pass(), "the other response is on its way");
    let next = client.get("a.test", "/next");
    assert_eq!(next.status, 200);
    assert_ne!(next.body, b"wrong");
}

#[test]
fn the_log_counts_what_went_by() {
    let origin = Origin::start();
    origin.script("/big", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
        exchange.send(body(300_000));
        Then::Keep
    });
    let edge = edge(&origin);
    assert_eq!(edge.get("a.test", "/big").body.len(), 300_000);
    eventually("the request is in the log", || {
        let log = edge.access_log();
        log.contains("\"GET /big HTTP/1.1\" 200 300000 ")
            .then_some(())
    });
}
