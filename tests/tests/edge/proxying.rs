//! From the client to the origin and back: connections, framing, the fields that are added and taken away.

use crate::in_front_of;
use seawall_tests::{Edge, Origin, Then};

#[test]
fn a_connection_is_kept_on_both_sides() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    for n in 1..=3 {
        let response = client.get("a.test", &format!("/{n}"));
        assert_eq!(
            (response.status, response.version.as_str()),
            (200, "HTTP/1.1")
        );
        assert!(
            response.text().starts_with(&format!("GET /{n} HTTP/1.1\n")),
            "{}",
            response.text()
        );
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let post = "POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
    client.send(format!(
        "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n{post}GET /3 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
    ));
    for n in 1..=3 {
        let text = client.response().text();
        assert!(text.contains(&format!(" /{n} HTTP/1.1\n")), "{text}");
    }
    assert!(client.is_closed());
    assert_eq!(
        origin
            .received()
            .iter()
            .map(|r| r.target.as_str())
            .collect::<Vec<_>>(),
        ["/1", "/2", "/3"]
    );
}

#[test]
fn http_1_0_closes_unless_it_asks_to_be_kept() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    assert_eq!(
        client
            .send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
            .response()
            .status,
        200
    );
    assert!(client.is_closed());
    let mut client = edge.client();
    for _ in 0..2 {
        let kept = client
            .send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
            .response();
        assert_eq!(kept.has("Connection").to_ascii_lowercase(), "keep-alive");
    }
}

#[test]
fn a_client_that_asks_to_close_is_told_so() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let response = client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .response();
    assert!(response.says_close());
    assert!(client.is_closed());
}

#[test]
fn a_chunked_response_stays_chunked_and_becomes_plain_for_http_1_0() {
    let origin = Origin::start();
    origin.answer("/c", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    for _ in 0..2 {
        let response = client.get("a.test", "/c");
        assert!(response.chunked);
        assert_eq!(response.text(), "hello world");
    }
    // The same connection: another one may belong to another thread, with origin connections of its own.
    let old = client
        .send("GET /c HTTP/1.0\r\nHost: a.test\r\n\r\n")
        .response();
    assert!(old.until_close && !old.chunked && old.field("Transfer-Encoding").is_none());
    assert_eq!(old.text(), "hello world");
    assert_eq!(origin.connections(), 1, "read to the last chunk, so kept");
}

#[test]
fn a_response_that_ends_with_its_connection_is_passed_on_whole() {
    let origin = Origin::start();
    origin.answer_and_close(
        "/end",
        format!("HTTP/1.0 200 OK\r\n\r\n{}", "z".repeat(100_000)),
    );
    let edge = in_front_of(&origin);
    let response = edge.get("a.test", "/end");
    assert_eq!(response.body.len(), 100_000);
    assert_eq!(edge.get("a.test", "/other").status, 200);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn head_204_and_304_have_no_body() {
    let origin = Origin::start();
    origin.answer(
        "/head",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n",
    );
    origin.answer("/204", "HTTP/1.1 204 No Content\r\n\r\n");
    origin.answer("/304", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let head = client
        .send("HEAD /head HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!((head.status, head.has("Content-Length")), (200, "1000"));
    let none = client.get("a.test", "/204");
    assert_eq!(
        (none.status, none.field("Content-Length"), none.chunked),
        (204, None, false)
    );
    let same = client
        .send("GET /304 HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: \"x\"\r\n\r\n")
        .response();
    assert_eq!((same.status, same.has("ETag")), (304, "\"x\""));
    // The connection is still in step.
    assert!(
        client
            .get("a.test", "/next")
            .text()
            .starts_with("GET /next")
    );
    assert_eq!(origin.connections(), 1);
}

#[test]
fn what_concerns_one_connection_only_goes_no_further() {
    let origin = Origin::start();
    origin.answer(
        "/",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
         Upgrade: h2c\r\nX-Public: 2\r\nContent-Length: 0\r\n\r\n",
    );
    let edge = in_front_of(&origin);
    let response = edge.exchange(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 300\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: websocket\r\nX-End: 2\r\n\r\n",
    );
    let asked = origin.last();
    for gone in ["X-Hop", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"] {
        assert_eq!(asked.field(gone), None, "{gone}");
    }
    assert_eq!(asked.field("X-End"), Some("2"));
    assert_eq!(asked.field("Host"), Some("a.test"));
    for gone in ["X-Private", "Keep-Alive", "Upgrade"] {
        assert_eq!(response.field(gone), None, "{gone}");
    }
    assert_eq!(response.has("X-Public"), "2");
}

#[test]
fn order_case_and_repetition_of_fields_are_kept() {
    let origin = Origin::start();
    origin.answer("/", "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nX-UPPER: x\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n");
    let edge = in_front_of(&origin);
    let response = edge.exchange(
        "GET / HTTP/1.1\r\nHost: a.test\r\nx-lower: 1\r\nX-Mixed: 2\r\nx-lower: 3\r\n\r\n",
    );
    let names: Vec<_> = response
        .fields
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .filter(|f| f.contains("ookie") || f.contains("UPPER"))
        .collect();
    assert_eq!(names, ["set-cookie=a=1", "X-UPPER=x", "set-cookie=b=2"]);
    let sent: Vec<_> = origin
        .last()
        .fields
        .iter()
        .filter(|(n, _)| n.starts_with(['x', 'X']))
        .map(|(n, _)| n.clone())
        .take(3)
        .collect();
    assert_eq!(sent, ["x-lower", "X-Mixed", "x-lower"]);
}

#[test]
fn the_origin_is_told_who_asked_and_nobody_can_claim_to_be_somebody_else() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    edge.exchange(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: evil.test\r\nForwarded: for=203.0.113.9\r\nX-Request-Id: mine\r\n\r\n",
    );
    let asked = origin.last();
    assert_eq!(asked.field("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(asked.count("X-Forwarded-For"), 1);
    assert_eq!(asked.field("X-Forwarded-Proto"), Some("http"));
    assert_eq!(asked.field("X-Forwarded-Host"), Some("a.test"));
    assert_eq!(asked.field("Forwarded"), None);
    assert!(
        asked
            .field("X-Request-Id")
            .is_some_and(|id| id != "mine" && id.len() >= 16),
        "{:?}",
        asked.field("X-Request-Id")
    );
}

#[test]
fn a_trusted_proxy_is_believed() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.0/8]\nsites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    edge.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert_eq!(
        origin.last().field("X-Forwarded-For"),
        Some("203.0.113.9, 127.0.0.1")
    );
    assert_eq!(origin.last().field("X-Forwarded-Proto"), Some("https"));
    let line = seawall_tests::eventually("the line", || {
        Some(edge.access_log()).filter(|l| l.ends_with('\n'))
    });
    assert!(line.starts_with("203.0.113.9 "), "{line}");
}

#[test]
fn the_access_log_has_a_combined_line_for_every_request() {
    let origin = Origin::start();
    origin.serve("/page", "", "0123456789");
    let edge = in_front_of(&origin);
    edge.exchange("GET /page?x=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"quoted\"\r\nReferer: http://b.test/\r\n\r\n");
    let log = seawall_tests::eventually("the line", || {
        Some(edge.access_log()).filter(|l| l.ends_with('\n'))
    });
    assert_eq!(log.lines().count(), 1);
    assert!(log.starts_with("127.0.0.1 - - ["), "{log}");
    assert!(
        log.ends_with(
            "] \"GET /page?x=1 HTTP/1.1\" 200 10 \"http://b.test/\" \"\\x22quoted\\x22\"\n"
        ),
        "{log}"
    );
}

#[test]
fn a_kept_connection_that_the_origin_closed_is_replaced_unseen() {
    let origin = Origin::start();
    origin.script("/", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Keep
    });
    let edge = in_front_of(&origin);
    for _ in 0..5 {
        assert_eq!(edge.get("a.test", "/").status, 200);
        origin.close_connections();
    }
}
