//! Request bodies: framing, `Expect`, limits, and that they arrive as they were sent.

use crate::in_front_of;
use seawall_tests::{Edge, Origin, Then};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

#[test]
fn a_body_of_known_length_arrives_intact() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    for length in [0, 1, 4096, 65_536, 3_000_000] {
        let mut request =
            format!("POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n")
                .into_bytes();
        request.extend(pattern(length));
        assert_eq!(edge.exchange(request).status, 200);
        let asked = origin.last();
        assert!(asked.body == pattern(length), "{length} bytes");
        assert_eq!(
            asked.field("Content-Length"),
            Some(length.to_string().as_str())
        );
        assert!(!asked.chunked);
    }
}

#[test]
fn a_chunked_body_arrives_intact_and_the_connection_goes_on() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    for _ in 0..2 {
        client.send("POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client
            .send("5\r\nhello\r\n")
            .send("00B;note=\"x\"\r\n, chunked! \r\n")
            .send("0\r\nTrailer: dropped\r\n\r\n");
        assert_eq!(client.response().status, 200);
        let asked = origin.last();
        assert_eq!(String::from_utf8_lossy(&asked.body), "hello, chunked! ");
        assert!(
            asked.field("Content-Length").is_none() || !asked.chunked,
            "one framing"
        );
        assert_eq!(asked.field("Trailer"), None);
    }
}

#[test]
fn a_large_chunked_body_streams_through() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.send("POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = pattern(2_000_000);
    for piece in body.chunks(70_001) {
        client
            .send(format!("{:x}\r\n", piece.len()))
            .send(piece)
            .send("\r\n");
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
    assert!(origin.last().body == body);
}

#[test]
fn a_broken_chunk_is_refused_and_the_connection_closed() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    for broken in [
        "xyz\r\n",
        "-1\r\n",
        "5\r\nhelloX\r\n",
        "ffffffffffffffffff\r\n",
        "5\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = edge.client();
        client
            .send("POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
            .send(broken);
        let response = client.response();
        assert_eq!(response.status, 400, "{broken:?}");
        assert!(response.says_close(), "{broken:?}");
    }
    assert_eq!(origin.hits("/up"), 0, "no whole request reached the origin");
}

#[test]
fn who_expects_100_gets_it_before_the_body_is_sent() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.send(
        "POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("hello").response().status, 200);
    assert_eq!(origin.last().body, b"hello");
    assert_eq!(origin.last().field("Expect"), None);
}

#[test]
fn who_expects_100_for_too_large_a_body_gets_413_at_once() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 10, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    client.send(
        "POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n",
    );
    let response = client.response();
    assert_eq!(response.status, 413);
    assert!(response.says_close());
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_body_past_the_limit_gets_413_however_it_is_framed() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 1KiB, to: \"{origin}\" }}]"
    ))
    .start();
    let at_limit = format!(
        "POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1024\r\n\r\n{}",
        "x".repeat(1024)
    );
    assert_eq!(edge.exchange(at_limit).status, 200);
    let over = format!(
        "POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n{}",
        "x".repeat(1025)
    );
    assert_eq!(edge.exchange(over).status, 413);
    let chunked = format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(1025));
    let over =
        format!("POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}");
    assert_eq!(edge.exchange(over).status, 413);
    assert_eq!(
        origin.hits("/up"),
        1,
        "only the body within the limit arrived whole"
    );
}

#[test]
fn an_unread_body_does_not_become_the_next_request() {
    let edge =
        Edge::yaml("sites: [{ host: a.test, respond: { status: 200, body: fixed } }]").start();
    let mut client = edge.client();
    let inside = "GET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{inside}",
        inside.len()
    ));
    assert_eq!(client.response().text(), "fixed");
    client.finish();
    assert!(client.is_closed(), "no second answer");
}

#[test]
fn an_origin_that_answers_before_the_body_has_come_is_heard() {
    let origin = Origin::start();
    origin.script("/refused", |_, exchange| {
        exchange.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        Then::Close
    });
    let edge = in_front_of(&origin);
    let response =
        edge.exchange("POST /refused HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
}
