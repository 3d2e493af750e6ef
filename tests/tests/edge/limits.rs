//! Limits on connections and on how long they last. Those on heads are in `heads`, on bodies in `bodies`.

use seawall_tests::{Client, Edge, eventually};

#[test]
fn a_connection_past_the_limit_is_closed_at_once_and_counted() {
    let edge = Edge::yaml(
        "limits: { connections: 3 }\nsites: [{ host: a.test, respond: { status: 200, body: ok } }]",
    )
    .start();
    let mut held: Vec<Client> = (0..3).map(|_| edge.client()).collect();
    for client in &mut held {
        assert_eq!(client.get("a.test", "/").text(), "ok");
    }
    assert!(edge.client().is_closed());
    edge.counts("seawall_connections_refused_total", 1);
    held.pop();
    eventually("room for another", || {
        let mut client = edge.client();
        client
            .try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .ok()?;
        client.try_response().ok()
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, timeouts: { keepalive: 100ms }, respond: { status: 200, body: ok } }]",
    )
    .start();
    let mut client = edge.client();
    assert_eq!(client.get("a.test", "/").text(), "ok");
    assert!(client.is_closed());
}

#[test]
fn a_connection_on_which_nothing_is_ever_asked_is_closed() {
    let edge = Edge::yaml(
        "limits: { head_timeout: 100ms }\nsites: [{ host: a.test, respond: { status: 200, body: ok } }]",
    )
    .start();
    assert!(edge.client().is_closed());
}
