//! Limits on the rate of requests: how many pass, what the others hear, and that a reload forgets nothing.

use nix::sys::signal::Signal;
use seawall_tests::{Client, Edge, Running, eventually};
use std::thread;

fn limited(limit: &str) -> String {
    format!(
        "sites: [{{ host: a.test, rate_limit: {limit}, respond: {{ status: 200, body: ok }} }}]"
    )
}

/// Asks `count` times on each of `connections` connections at once, and says how many were let in.
fn let_in(edge: &Running, connections: usize, count: usize) -> usize {
    let address = edge.address("http");
    let ask = move || {
        let mut client = Client::connect(address);
        let passed = |_: &usize| client.get("a.test", "/").status == 200;
        (0..count).filter(passed).count()
    };
    let asking: Vec<_> = (0..connections).map(|_| thread::spawn(ask)).collect();
    asking.into_iter().map(|t| t.join().expect("answers")).sum()
}

#[test]
fn as_many_pass_as_may_whichever_thread_serves_them() {
    let edge = Edge::yaml(limited("{ key: $client_ip, rate: 1/h, burst: 99 }")).start();
    assert_eq!(let_in(&edge, 16, 20), 100);
    edge.counts(
        "seawall_rate_limited_total{result=\"refused\",site=\"a.test\"}",
        220,
    );
    // What is said to those refused.
    let refused = edge.get("a.test", "/");
    assert_eq!(refused.status, 429);
    assert!(refused.has("Retry-After").parse::<u64>().expect("seconds") > 3000);
    assert_eq!(
        refused.has("RateLimit-Policy"),
        "\"default\";q=100;w=360000"
    );
    assert!(refused.has("RateLimit").starts_with("\"default\";r=0;t="));
    edge.logged("limiting requests, excess: ");
}

#[test]
fn a_reload_forgets_nothing() {
    let edge = Edge::yaml(limited("{ rate: 1/h, burst: 4 }")).start();
    assert_eq!(let_in(&edge, 1, 3), 3);
    edge.rewrite(format!(
        "{}\ntrusted_proxies: [192.0.2.1]",
        limited("{ rate: 1/h, burst: 4 }")
    ));
    edge.signal(Signal::SIGHUP);
    eventually("the reload", || {
        (edge.metric("seawall_reloads_total") == 1).then_some(())
    });
    assert_eq!(let_in(&edge, 4, 5), 2);
}

#[test]
fn keys_are_counted_apart_and_every_limit_must_allow() {
    let edge = Edge::yaml(limited(
        "[{ key: $arg_user, rate: 1/h, burst: 1 }, { key: $host, rate: 1/h, burst: 4, status: 503 }]",
    ))
    .start();
    let status = |user: &str| edge.get("a.test", &format!("/?user={user}")).status;
    assert_eq!([status("a"), status("a"), status("a")], [200, 200, 429]);
    assert_eq!([status("b"), status("b")], [200, 200]);
    // Without a key only the other limit counts; it has one left, for what was refused was not counted.
    assert_eq!([status(""), status("")], [200, 503]);
}

#[test]
fn those_who_wait_are_let_in_one_after_the_other() {
    let edge = Edge::yaml(limited("{ rate: 20/s, burst: 3, delay: 0 }")).start();
    // Four at once: one passes, three wait for their turn, nobody is refused.
    assert_eq!(let_in(&edge, 4, 1), 4);
    edge.logged("delaying request, excess: ");
    assert_eq!(
        edge.metric("seawall_rate_limited_total{result=\"refused\",site=\"a.test\"}"),
        0
    );
    assert!(edge.metric("seawall_rate_limited_total{result=\"delayed\",site=\"a.test\"}") > 0);
}

#[test]
fn a_dry_run_only_says_what_it_would_do() {
    let edge = Edge::yaml(limited("{ rate: 1/h, dry_run: true }")).start();
    assert_eq!(let_in(&edge, 1, 5), 5);
    edge.logged("limiting requests, dry run, excess: ");
    edge.counts(
        "seawall_rate_limited_total{result=\"dry_run\",site=\"a.test\"}",
        4,
    );
}

#[test]
fn those_who_pass_are_told_of_the_limit_where_it_is_asked_for() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { path: /told, rate_limit: { rate: 1/h, burst: 2, fields: true }, respond: 200 }
      - { path: /, rate_limit: { rate: 1/h, burst: 2 }, respond: 200 }",
    )
    .start();
    for (n, left) in ["2", "1", "0"].iter().enumerate() {
        let told = edge.get("a.test", "/told");
        assert_eq!(told.status, 200);
        let said = told.has("RateLimit");
        assert!(
            said.starts_with(&format!("\"default\";r={left};t=")),
            "{n}: {said}"
        );
        assert!(told.has("RateLimit-Policy").starts_with("\"default\";q="));
        assert_eq!(told.field("Retry-After"), None);
    }
    let refused = edge.get("a.test", "/told");
    assert_eq!(
        (
            refused.status,
            refused
                .fields
                .iter()
                .filter(|(n, _)| n == "RateLimit")
                .count()
        ),
        (429, 1)
    );
    assert_eq!(edge.get("a.test", "/").field("RateLimit"), None);
}

#[test]
fn past_the_bound_of_its_keys_a_limit_grows_no_laxer() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, rate_limit: { key: $arg_k, rate: 1/h, keys: 64 }, respond: 200 }]",
    )
    .start();
    let mut client = edge.client();
    let mut ask = |key: usize| client.get("a.test", &format!("/?k={key}")).status;
    let mut passed = 0;
    for key in 0..2000 {
        match ask(key) {
            200 => passed += 1,
            // It took the place of a key whose share was used up, and that is what it starts with.
            status => assert_eq!(status, 429, "{key}"),
        }
        assert_eq!(ask(key), 429, "{key}: once and no more");
    }
    assert!((64..2000).contains(&passed), "{passed}");
}

#[test]
fn buckets_are_of_addresses_or_of_users_as_the_key_says() {
    let edge = Edge::yaml(
        "trusted_proxies: [127.0.0.1]
sites:
  - host: a.test
    respond: 200
    routes:
      - { path: /address, rate_limit: { rate: 1/h }, respond: 200 }
      - { path: /header, rate_limit: { key: $http_x_user, rate: 1/h }, respond: 200 }
      - { path: /cookie, rate_limit: { key: $cookie_session, rate: 1/h }, respond: 200 }
      - { path: /both, rate_limit: { key: \"$client_ip/$cookie_session\", rate: 1/h }, respond: 200 }",
    )
    .start();
    let ask = |path: &str, address: &str, user: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {address}\r\nX-User: {user}\r\nCookie: session={user}\r\n\r\n"
        );
        edge.exchange(head).status
    };
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    for (path, another_user_here, same_user_there) in [
        ("/address", 429, 200),
        ("/header", 200, 429),
        ("/cookie", 200, 429),
        ("/both", 200, 200),
    ] {
        assert_eq!(ask(path, here, "alice"), 200, "{path}");
        assert_eq!(ask(path, here, "alice"), 429, "{path}: the same again");
        assert_eq!(
            ask(path, here, "bob"),
            another_user_here,
            "{path}: another user here"
        );
        assert_eq!(
            ask(path, there, "alice"),
            same_user_there,
            "{path}: the same user there"
        );
    }
}
