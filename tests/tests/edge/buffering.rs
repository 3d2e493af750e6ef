//! Request bodies: held back until they are whole, or passed on as they come.

use seawall_tests::{Edge, Origin, PATIENCE, Running};
use std::{io::Read, net::TcpListener};

fn edge(buffering: &str, to: impl std::fmt::Display) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 20MiB, {buffering} to: \"{to}\" }}]"
    ))
    .start()
}

/// Sends half of a body, then another request: only that reaches the origin before the rest has come.
fn is_held_back(edge: &Running, origin: &Origin, framing: &str, half: &str, rest: &str) {
    let mut slow = edge.client();
    slow.send(format!(
        "POST /slow HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    ));
    // It is being read: 100 is said when the body is wanted.
    assert_eq!(slow.head().status, 100);
    slow.send(half);
    assert_eq!(edge.get("a.test", "/other").status, 200);
    assert_eq!(origin.connections(), 1, "{framing}");
    assert_eq!(slow.send(rest).response().status, 200);
    let got = origin.last();
    assert_eq!(
        (got.path(), got.body.as_slice()),
        ("/slow", &b"hello world"[..])
    );
    assert!(!got.chunked && got.field("Content-Length") == Some("11"));
}

#[test]
fn a_body_is_whole_before_an_origin_is_connected_to() {
    for (buffering, framing) in [
        ("", "Content-Length: 11"),
        ("buffering: { request: true },", "Content-Length: 11"),
    ] {
        let origin = Origin::start();
        let edge = edge(buffering, &origin);
        is_held_back(&edge, &origin, framing, "hello ", "world");
    }
    let origin = Origin::start();
    let edge = edge("buffering: { request: true },", &origin);
    let chunks = ("6\r\nhello \r\n", "5\r\nworld\r\n0\r\n\r\n");
    is_held_back(
        &edge,
        &origin,
        "Transfer-Encoding: chunked",
        chunks.0,
        chunks.1,
    );
}

#[test]
fn nginx_holds_back_unless_it_is_told_not_to() {
    let origin = Origin::start();
    let conf = |more: &str| {
        format!(
            "events {{}}\nhttp {{ server {{ listen @http@; {more} location / {{ proxy_pass http://{origin}; }} }} }}"
        )
    };
    let edge = Edge::nginx(conf("")).start();
    let chunks = ("6\r\nhello \r\n", "5\r\nworld\r\n0\r\n\r\n");
    is_held_back(
        &edge,
        &origin,
        "Transfer-Encoding: chunked",
        chunks.0,
        chunks.1,
    );
    let edge = Edge::nginx(conf("proxy_request_buffering off;")).start();
    let sent = edge.exchange(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    assert_eq!(sent.status, 200);
    assert!(origin.last().chunked, "as it came");
}

#[test]
fn a_body_that_is_not_held_back_reaches_the_origin_as_it_comes() {
    for (buffering, length) in [("buffering: off,", 10), ("", 200_000)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let edge = edge(buffering, listener.local_addr().unwrap());
        let mut client = edge.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\nhello"
        ));
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"hello") {
            let mut bytes = [0; 1024];
            let n = socket.read(&mut bytes).unwrap();
            assert!(n > 0, "{buffering}");
            got.extend_from_slice(&bytes[..n]);
        }
    }
}

#[test]
fn a_body_past_memory_goes_through_a_file_byte_for_byte() {
    let origin = Origin::start();
    let edge = edge("buffering: { request: true },", &origin);
    for size in [64 * 1024, 64 * 1024 + 1, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let mut request =
            format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {size}\r\n\r\n")
                .into_bytes();
        request.extend_from_slice(&body);
        assert_eq!(edge.exchange(request).status, 200);
        assert!(origin.last().body == body, "{size}");
    }
}

#[test]
fn a_body_past_its_limit_is_a_413_before_an_origin_is_asked() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 10B, buffering: {{ request: true }}, to: \"{origin}\" }}]"
    ))
    .start();
    let response = edge.exchange(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n",
    );
    assert_eq!(response.status, 413);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn what_is_held_back_and_idempotent_is_sent_to_another_server() {
    let (bad, good) = (Origin::start(), Origin::start());
    bad.answer("/", "HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n");
    let edge = Edge::yaml(format!(
        "pools: {{ a: {{ servers: [\"{bad}\", {{ address: \"{good}\", backup: true }}], eject: off,\n\
         retry: {{ when: [503], attempts: 2, budget: 100% }} }} }}\nsites: [{{ host: a.test, to: a }}]"
    ))
    .start();
    let ask = |method: &str| {
        edge.exchange(format!(
            "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
        ))
        .status
    };
    assert_eq!(ask("PUT"), 200);
    assert_eq!(good.last().body, b"hello");
    assert_eq!(ask("POST"), 503, "not twice");
    assert_eq!(good.hits("/"), 1);
}
