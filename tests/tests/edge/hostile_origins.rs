//! Responses are as hostile as requests.

use crate::in_front_of;
use seawall_tests::{Edge, Origin, Then};

const BAD: &[(&str, &str)] = &[
    (
        "a Content-Length that is no number",
        "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello",
    ),
    (
        "a negative Content-Length",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    ),
    (
        "two Content-Lengths that differ",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ),
    (
        "a length and a coding",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding that nobody asked for",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    ),
    (
        "101 to a request that asked for no upgrade",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    ),
    ("garbage", "\u{1}\u{2}\u{3} this is no HTTP\r\n\r\n"),
    ("another protocol", "SSH-2.0-OpenSSH_9.2p1\r\n"),
    (
        "a status that is no number",
        "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "a status of two digits",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "a NUL in a field",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "a folded field",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "white space before the colon",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    ),
];

#[test]
fn a_bad_response_is_a_502_and_its_connection_is_not_used_again() {
    for (what, response) in BAD {
        let origin = Origin::start();
        origin.answer("/bad", *response);
        let edge = in_front_of(&origin);
        let mut client = edge.client();
        let got = client.get("a.test", "/bad");
        assert_eq!(got.status, 502, "{what}");
        assert!(!got.text().contains("hello"), "{what}");
        edge.counts("seawall_bad_responses_total", 1);
        // The client's connection is still in step, and the origin's is another one.
        assert_eq!(client.get("a.test", "/good").status, 200, "{what}");
        assert_eq!(origin.connections(), 2, "{what}");
        assert_eq!(origin.hits("/bad"), 1, "{what}: not tried twice");
    }
}

#[test]
fn a_head_past_the_limit_is_a_502() {
    let origin = Origin::start();
    origin.answer(
        "/long",
        format!(
            "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
            "x".repeat(200_000)
        ),
    );
    origin.answer(
        "/many",
        format!(
            "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
            "X: y\r\n".repeat(10_000)
        ),
    );
    let edge = in_front_of(&origin);
    for path in ["/long", "/many"] {
        assert_eq!(edge.get("a.test", path).status, 502, "{path}");
    }
}

#[test]
fn an_interim_response_is_not_taken_for_the_final_one() {
    let origin = Origin::start();
    origin.answer("/", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let mut response = client.get("a.test", "/");
    if response.status == 103 {
        response = client.response();
    }
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
}

#[test]
fn an_unasked_304_is_not_passed_on_as_an_answer() {
    let origin = Origin::start();
    origin.answer("/", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    let edge = in_front_of(&origin);
    assert_eq!(edge.get("a.test", "/").status, 502);
}

#[test]
fn a_body_that_breaks_off_never_looks_whole() {
    let origin = Origin::start();
    origin.answer_and_close(
        "/length",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhello",
    );
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
    origin.answer_and_close("/chunk", format!("{head}a\r\nhello"));
    origin.answer_and_close("/last", format!("{head}5\r\nhello\r\n"));
    origin.answer_and_close("/size", format!("{head}5\r\nhello\r\nzz\r\n"));
    let yaml = format!(
        "caches: {{ default: 16MiB }}\nsites:\n  - {{ host: a.test, to: \"{origin}\" }}\n  - {{ host: c.test, cache: default, to: \"{origin}\" }}"
    );
    let edge = Edge::yaml(yaml).start();
    for path in ["/length", "/chunk", "/last", "/size"] {
        for host in ["a.test", "c.test"] {
            for _ in 0..2 {
                // Either it is noticed before the head has left, or the client sees it break off too.
                let got = edge.client().ask(host, path).try_response();
                assert!(
                    got.as_ref().map_or(true, |r| r.status == 502),
                    "{host}{path}: {got:?}"
                );
            }
        }
        assert_eq!(origin.hits(path), 4, "{path} is not stored");
    }
    edge.counts("seawall_panics_total", 0);
}

#[test]
fn bytes_behind_a_response_do_not_answer_the_next_request() {
    let origin = Origin::start();
    origin.answer(
        "/first",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
    );
    let edge = in_front_of(&origin);
    for _ in 0..3 {
        assert_eq!(edge.get("a.test", "/first").text(), "ok");
        assert!(!edge.get("a.test", "/second").text().contains("poisoned"));
    }
}

#[test]
fn an_origin_that_closes_without_a_word_is_a_502() {
    let origin = Origin::start();
    origin.script("/", |_, _| Then::Close);
    let edge = in_front_of(&origin);
    assert_eq!(edge.get("a.test", "/").status, 502);
}

#[test]
fn an_origin_that_says_nothing_is_a_504() {
    let origin = Origin::start();
    origin.script("/", |_, exchange| {
        exchange.until_closed();
        Then::Close
    });
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, timeouts: {{ first_byte: 100ms }}, to: \"{origin}\" }}]"
    ))
    .start();
    assert_eq!(edge.get("a.test", "/").status, 504);
}
