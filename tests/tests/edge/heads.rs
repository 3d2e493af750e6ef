//! Strict heads: what is refused, and that nobody but us ever hears of it.

use crate::in_front_of;
use seawall_tests::{Edge, Origin, eventually};

/// A head, the status it gets and the reason that the log and the counter give.
const REFUSED: &[(&str, u16, &str)] = &[
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "length-with-coding",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        400,
        "length-with-coding",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        400,
        "length-repeated",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +3\r\n\r\nabc",
        400,
        "length-invalid",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999999999999999\r\n\r\n",
        400,
        "length-invalid",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
        "coding-unknown",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "coding-repeated",
    ),
    (
        "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "coding-in-http10",
    ),
    ("GET / HTTP/1.1\r\n\r\n", 400, "host-missing"),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
        400,
        "host-repeated",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test/evil\r\n\r\n",
        400,
        "host-invalid",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
        400,
        "host-invalid",
    ),
    (
        "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        400,
        "space-in-target",
    ),
    (
        "GET /\u{e9} HTTP/1.1\r\nHost: a.test\r\n\r\n",
        400,
        "target-byte",
    ),
    (
        "GET /#part HTTP/1.1\r\nHost: a.test\r\n\r\n",
        400,
        "fragment-in-target",
    ),
    ("GET a HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, "bad-target"),
    (
        "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        400,
        "bad-scheme",
    ),
    (
        "GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        400,
        "userinfo-in-target",
    ),
    (
        "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n",
        505,
        "version-unsupported",
    ),
    ("GET / HTTP/1.x\r\nHost: a.test\r\n\r\n", 400, "bad-version"),
    ("G@T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, "bad-method"),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
        400,
        "bare-cr",
    ),
    ("GET / HTTP/1.1\nHost: a.test\n\n", 400, "bare-lf"),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        400,
        "nul",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x01b\r\n\r\n",
        400,
        "control-byte",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n",
        400,
        "obs-fold",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX : a\r\n\r\n",
        400,
        "space-before-colon",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\n: a\r\n\r\n",
        400,
        "empty-name",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nX@Y: a\r\n\r\n",
        400,
        "bad-name",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a.test\r\nnothing\r\n\r\n",
        400,
        "no-colon",
    ),
];

#[test]
fn a_refused_head_gets_its_status_a_line_a_count_and_no_origin() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    for (before_it, (head, status, reason)) in REFUSED.iter().enumerate() {
        let counter = format!("seawall_refused_heads_total{{reason=\"{reason}\"}}");
        let before = edge.metric(&counter);
        let mut client = edge.client();
        let response = client.send(head).response();
        assert_eq!(response.status, *status, "{head:?}");
        assert!(response.says_close(), "{head:?}");
        client.finish();
        assert!(client.is_closed(), "{head:?}");
        edge.counts(&counter, before + 1);
        let lines = before_it + 1;
        let text = format!("client sent invalid request head: {reason}");
        eventually(&format!("{text} for {head:?}"), || {
            let log = edge.error_log();
            let said: Vec<_> = log
                .lines()
                .filter(|l| l.contains("invalid request head"))
                .collect();
            assert!(said.len() <= lines, "one line for a head: {said:?}");
            (said.len() == lines && said.last().is_some_and(|l| l.contains(&text))).then_some(())
        });
    }
    assert_eq!(origin.connections(), 0, "not a byte reached the origin");
    edge.counts("seawall_panics_total", 0);
}

#[test]
fn what_follows_a_refused_head_is_not_taken_for_a_request() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
    );
    assert_eq!(client.response().status, 400);
    client.finish();
    assert!(client.is_closed());
    assert_eq!(origin.connections(), 0);
}

#[test]
fn heads_past_a_limit_are_refused() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "limits: {{ head_bytes: 4KiB, head_fields: 20 }}\nsites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let long = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n",
            "x".repeat(n)
        )
    };
    assert_eq!(edge.exchange(long(3000)).status, 200);
    assert_eq!(edge.exchange(long(5000)).status, 431);
    let many = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
            "X: y\r\n".repeat(n)
        )
    };
    assert_eq!(edge.exchange(many(19)).status, 200);
    assert_eq!(edge.exchange(many(20)).status, 431);
    assert_eq!(
        origin.received().len(),
        2,
        "only what was within the limits"
    );
}

#[test]
fn a_head_that_is_not_whole_in_time_gets_408_however_lively_it_drips() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "limits: {{ head_timeout: 300ms }}\nsites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX: ");
    // One deadline for the head: a byte now and then does not move it.
    let dripping = std::iter::repeat_with(|| client.try_send("x").is_ok());
    let _ = dripping
        .take_while(|sent| *sent)
        .take(20)
        .inspect(|_| std::thread::sleep(std::time::Duration::from_millis(25)))
        .count();
    assert_eq!(client.response().status, 408);
    edge.counts("seawall_client_timeouts_total{waiting_for=\"head\"}", 1);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn connect_trace_and_names_nobody_serves_are_refused() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    assert_eq!(
        edge.exchange("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .status,
        405
    );
    assert_eq!(
        edge.exchange("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n")
            .status,
        405
    );
    assert_eq!(edge.get("nobody.test", "/").status, 421);
    assert_eq!(edge.get("a.test", "/%00").status, 400);
    assert_eq!(edge.get("a.test", "/../../etc/passwd").status, 400);
    assert_eq!(origin.connections(), 0);
}
