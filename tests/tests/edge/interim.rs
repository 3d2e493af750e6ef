//! Interim responses come before the response, as they are sent.

use crate::in_front_of;
use seawall_tests::{Edge, Gate, Origin, Then};

const HINTS: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n";

#[test]
fn early_hints_arrive_before_the_origin_has_answered() {
    let origin = Origin::start();
    let gate = Gate::new();
    let opened = gate.clone();
    origin.script("/", move |_, exchange| {
        exchange.send(HINTS);
        opened.pass();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Keep
    });
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let hints = client.ask("a.test", "/").head();
    assert_eq!(
        (hints.status, hints.has("Link")),
        (103, "</style.css>; rel=preload")
    );
    assert_eq!(hints.field("X"), None, "a field of the hop stays there");
    gate.open();
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(client.get("a.test", "/next").status, 200);
}

#[test]
fn every_interim_response_but_101_goes_on() {
    let origin = Origin::start();
    origin.answer(
        "/",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n\
         HTTP/1.1 204 No Content\r\n\r\n",
    );
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.ask("a.test", "/");
    let statuses: Vec<u16> = (0..4).map(|_| client.head().status).collect();
    assert_eq!(statuses, [100, 102, 199, 204]);
}

#[test]
fn a_client_of_http_1_0_is_not_told() {
    let origin = Origin::start();
    origin.answer(
        "/",
        format!("{HINTS}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    );
    let edge = in_front_of(&origin);
    let response = edge.exchange("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
}

#[test]
fn more_than_eight_are_a_502() {
    let origin = Origin::start();
    origin.answer(
        "/",
        format!(
            "{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            HINTS.repeat(9)
        ),
    );
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.ask("a.test", "/");
    let statuses: Vec<u16> = (0..9).map(|_| client.head().status).collect();
    assert_eq!(statuses, [103, 103, 103, 103, 103, 103, 103, 103, 502]);
    edge.counts("seawall_bad_responses_total", 1);
}

#[test]
fn the_leader_of_a_fill_gets_them_and_the_stored_answer_has_none() {
    let origin = Origin::start();
    origin.answer(
        "/",
        format!(
            "{HINTS}HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok"
        ),
    );
    let edge = Edge::yaml(format!(
        "caches: {{ default: 16MiB }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/").head().status, 103);
    assert_eq!(client.response().text(), "ok");
    let hit = client.get("a.test", "/");
    assert!(hit.status == 200 && hit.is_hit());
}

#[test]
fn who_expects_100_gets_it_and_only_then_sends() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("hello").response().status, 200);
    assert_eq!(origin.last().body, b"hello");
    assert_eq!(origin.last().field("Expect"), None);
}

#[test]
fn nginx_passes_early_hints_where_a_condition_holds() {
    let origin = Origin::start();
    origin.answer(
        "/",
        format!("{HINTS}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    );
    let edge = Edge::nginx(format!(
        "events {{}}\nhttp {{ server {{ listen @http@; location / {{ proxy_pass http://{origin}; early_hints $http_x_hints; }} }} }}"
    ))
    .start();
    let ask = |hints: &str| {
        let mut client = edge.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Hints: {hints}\r\n\r\n"
        ));
        client.head().status
    };
    assert_eq!((ask("1"), ask("0")), (103, 200));
}
