//! Clients of HTTP/1 that leave before their answer, while the origin is silent.

use crate::in_front_of;
use seawall_tests::{Edge, Gate, Origin, Running, Then, eventually};

/// An origin that says nothing (but for these bytes), and a gate that opens when its connection is closed.
fn silent(path: &str, says: &'static str) -> (Origin, Gate, Gate) {
    let (origin, came, closed) = (Origin::start(), Gate::new(), Gate::new());
    let (here, gone) = (came.clone(), closed.clone());
    origin.script(path, move |_, exchange| {
        exchange.send(says);
        here.open();
        exchange.until_closed();
        gone.open();
        Then::Close
    });
    (origin, came, closed)
}

fn is_logged(edge: &Running, text: &str) {
    eventually("the access log's line", || {
        edge.access_log().contains(text).then_some(())
    });
}

#[test]
fn who_leaves_a_silent_origin_is_noticed_at_once_and_logged_as_499() {
    let (origin, came, closed) = silent("/silent", "");
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, connection_limit: {{ key: $host, max: 1 }}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    client.ask("a.test", "/silent");
    assert!(came.pass());
    assert_eq!(edge.get("a.test", "/").status, 503, "its place is taken");
    drop(client);
    assert!(closed.pass(), "the origin's connection is closed");
    is_logged(&edge, "\"GET /silent HTTP/1.1\" 499 0 ");
    edge.logged("client prematurely closed connection, so upstream connection is closed too");
    eventually("its place", || {
        (edge.get("a.test", "/").status == 200).then_some(())
    });
}

#[test]
fn who_leaves_over_tls_is_noticed_too() {
    let (origin, came, closed) = silent("/silent", "");
    let edge = Edge::yaml(format!(
        "listen: [{{ https: \"@https@\" }}]\nsites: [{{ host: a.test, tls: internal, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.tls("a.test").client;
    client.ask("a.test", "/silent");
    assert!(came.pass());
    drop(client);
    assert!(closed.pass());
    is_logged(&edge, " 499 0 ");
}

#[test]
fn who_leaves_in_the_middle_of_a_silent_body_is_noticed() {
    let (origin, came, closed) =
        silent("/half", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    assert_eq!(client.ask("a.test", "/half").head().status, 200);
    assert!(came.pass());
    drop(client);
    assert!(closed.pass());
    is_logged(&edge, "\"GET /half HTTP/1.1\" 200 4 ");
}

#[test]
fn requests_sent_ahead_wait_for_their_turn() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "slow");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.ask("a.test", "/slow");
    gate.wait_for(1);
    client.ask("a.test", "/1").ask("a.test", "/2");
    gate.open();
    assert_eq!(client.response().text(), "slow");
    for n in 1..=2 {
        assert!(client.response().text().starts_with(&format!("GET /{n} ")));
    }
}

#[test]
fn who_sent_requests_ahead_and_leaves_is_noticed() {
    let (origin, came, closed) = silent("/silent", "");
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.ask("a.test", "/silent");
    assert!(came.pass());
    client.ask("a.test", "/next");
    client.finish();
    assert!(closed.pass());
    assert_eq!(origin.hits("/next"), 0);
}

#[test]
fn a_route_may_go_on_without_its_client() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "slow");
    let yaml = Edge::yaml(format!(
        "sites: [{{ host: a.test, ignore_client_abort: true, to: \"{origin}\" }}]"
    ));
    let nginx = Edge::nginx(format!(
        "events {{}} http {{ proxy_ignore_client_abort on;
         server {{ listen @http@; location / {{ proxy_pass http://{origin}; }} }} }}"
    ));
    for (n, edge) in [yaml.start(), nginx.start()].iter().enumerate() {
        let mut client = edge.client();
        client.ask("a.test", "/slow");
        gate.wait_for(n + 1);
        client.finish();
        gate.open();
        assert_eq!(client.response().text(), "slow");
    }
}

#[test]
fn what_fills_the_cache_is_fetched_to_its_end() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "Cache-Control: max-age=60\r\n", "kept");
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}\nsites: [{{ host: a.test, cache: {{}}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    client.ask("a.test", "/slow");
    gate.wait_for(1);
    drop(client);
    gate.open();
    let second = edge.get("a.test", "/slow");
    assert_eq!(second.text(), "kept");
    assert_eq!(origin.hits("/slow"), 1);
}

#[test]
fn who_leaves_the_queue_of_a_full_pool_gives_up_the_turn() {
    let (origin, came, closed) = silent("/silent", "");
    let edge = Edge::yaml(format!(
        "pools: {{ p: {{ servers: [{{ address: \"{origin}\", max_conns: 1 }}], queue: {{ size: 9, timeout: 60s }} }} }}
sites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    let mut first = edge.client();
    first.ask("a.test", "/silent");
    assert!(came.pass());
    let mut second = edge.client();
    second.ask("a.test", "/queued");
    edge.counts(
        "seawall_origin_events_total{event=\"queued\",pool=\"p\"}",
        1,
    );
    drop(second);
    is_logged(&edge, "\"GET /queued HTTP/1.1\" 499 0 ");
    assert_eq!(origin.hits("/queued"), 0);
    drop(first);
    assert!(closed.pass());
}
