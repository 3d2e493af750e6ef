//! Each wait for an origin has its own limit, and the status says which side was late.

use seawall_tests::{Deaf, Edge, Origin, Running, Then, free_address};

fn edge(timeouts: &str, to: &str) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, timeouts: {{ {timeouts} }}, to: \"{to}\" }}]"
    ))
    .start()
}

#[test]
fn a_connection_that_is_not_made_in_time_is_a_504_and_each_route_has_its_own_time() {
    let deaf = Deaf::start();
    let to = deaf.address();
    let edge = Edge::yaml(format!(
        "pools: {{ a: {{ servers: \"{to}\" }} }}\nsites:\n  - host: a.test\n    timeouts: {{ connect: 1h }}\n    routes:\n      \
         - {{ path: /quick, to: a, timeouts: {{ connect: 200ms }} }}\n      - {{ path: /, to: a }}"
    ))
    .start();
    assert_eq!(edge.get("a.test", "/quick").status, 504);
    edge.logged("upstream timed out (while connecting)");
    // The other route's connection still waits.
    let mut slow = edge.client();
    slow.ask("a.test", "/slow");
    assert_eq!(edge.get("a.test", "/quick").status, 504);
}

#[test]
fn a_connection_that_is_refused_is_a_502() {
    let edge = edge("connect: 1h", &free_address().to_string());
    assert_eq!(edge.get("a.test", "/").status, 502);
    edge.logged("Connection refused");
}

#[test]
fn an_origin_that_stops_in_its_head_is_a_504() {
    let origin = Origin::start();
    origin.script("/", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-");
        exchange.until_closed();
        Then::Close
    });
    let edge = edge("first_byte: 200ms", &origin.to_string());
    assert_eq!(edge.get("a.test", "/").status, 504);
}

#[test]
fn an_origin_that_stops_in_its_body_breaks_the_response_off() {
    let origin = Origin::start();
    origin.script("/", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        exchange.until_closed();
        Then::Close
    });
    let edge = edge("between_bytes: 200ms", &origin.to_string());
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/").head().status, 200);
    assert_eq!(client.rest(), b"hello");
    edge.logged("upstream timed out");
}

#[test]
fn a_client_that_stops_in_its_body_is_a_408() {
    let origin = Origin::start();
    let edge = edge("client: 200ms", &origin.to_string());
    let mut client = edge.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe");
    assert_eq!(client.response().status, 408);
}
