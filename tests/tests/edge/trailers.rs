//! Trailers go both ways to who takes them; what was decided with the head is not changed by them.

use crate::in_front_of;
use seawall_tests::Origin;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Late\r\n\r\n";

fn ask(te: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: {te}\r\n\r\n")
}

#[test]
fn a_response_s_trailers_reach_a_client_that_takes_them() {
    let origin = Origin::start();
    origin.answer(
        "/",
        format!("{CHUNKED}5\r\nhello\r\n0\r\nX-Sum: abc\r\nX-Late: 1\r\n\r\n"),
    );
    let edge = in_front_of(&origin);
    for te in ["trailers", "gzip;q=0.5, Trailers"] {
        let response = edge.exchange(ask(te));
        assert_eq!(response.text(), "hello");
        assert_eq!(response.trailers, ["X-Sum: abc", "X-Late: 1"], "{te}");
        assert_eq!(response.has("Trailer"), "X-Sum, X-Late");
        assert_eq!(origin.last().field("TE"), Some("trailers"));
        assert_eq!(origin.last().field("Connection"), Some("TE"));
    }
    for te in ["gzip", "trailersx", "x, deflate"] {
        let response = edge.exchange(ask(te));
        assert_eq!(response.text(), "hello");
        assert!(response.trailers.is_empty(), "{te}");
        assert_eq!(response.field("Trailer"), None);
        assert_eq!(origin.last().field("TE"), None, "{te}");
    }
    let old = edge.exchange("GET / HTTP/1.0\r\nHost: a.test\r\nTE: trailers\r\n\r\n");
    assert_eq!(old.body, b"hello", "no chunks, so no trailers");
}

#[test]
fn trailers_that_come_apart_from_the_body_are_not_lost() {
    let origin = Origin::start();
    origin.script("/", |_, exchange| {
        for piece in [CHUNKED, "5\r\nhello\r\n", "0\r\nX-Sum:", " abc\r\n", "\r\n"] {
            exchange.send(piece);
            std::thread::yield_now();
        }
        seawall_tests::Then::Keep
    });
    let edge = in_front_of(&origin);
    let response = edge.exchange(ask("trailers"));
    assert_eq!(response.text(), "hello");
    assert_eq!(response.trailers, ["X-Sum: abc"]);
}

#[test]
fn framing_routing_and_credentials_do_not_come_in_trailers() {
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil.test\r\nAuthorization: x\r\n\
                 Set-Cookie: a=b\r\nConnection: close\r\nX-Sum: abc\r\n";
    let origin = Origin::start();
    origin.answer("/", format!("{CHUNKED}0\r\n{lines}\r\n"));
    let edge = in_front_of(&origin);
    assert_eq!(edge.exchange(ask("trailers")).trailers, ["X-Sum: abc"]);
    edge.exchange(format!(
        "POST /up HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: trailers\r\nTrailer: X-Sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{lines}\r\n"
    ));
    let got = origin.last();
    assert_eq!(
        (got.body.as_slice(), got.trailers.join("|").as_str()),
        (&b"hi"[..], "X-Sum: abc")
    );
    assert_eq!(got.field("Trailer"), Some("X-Sum"));
}

#[test]
fn trailers_past_their_limits_end_the_exchange() {
    let long = format!("X: {}\r\n", "x".repeat(9000));
    let many = "X: y\r\n".repeat(65);
    let origin = Origin::start();
    origin.answer("/long", format!("{CHUNKED}0\r\n{long}\r\n"));
    origin.answer("/many", format!("{CHUNKED}0\r\n{many}\r\n"));
    let edge = in_front_of(&origin);
    for path in ["/long", "/many"] {
        let got = edge
            .client()
            .send(ask("trailers").replace("/ ", &format!("{path} ")))
            .try_response();
        assert!(
            got.as_ref().map_or(true, |r| r.status == 502),
            "{path}: {got:?}"
        );
    }
    for lines in [long, many] {
        let got = edge.exchange(format!(
            "POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{lines}\r\n"
        ));
        assert_eq!(got.status, 400);
    }
}
