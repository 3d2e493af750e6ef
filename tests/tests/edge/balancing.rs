//! Pools: who is asked, who is left out, what is tried again.

use seawall_tests::{Edge, Origin, Running, eventually, free_address};

fn named(name: &'static str) -> Origin {
    let origin = Origin::start();
    origin.serve("/who", "", name);
    origin
}

/// A pool named `p` with these fields, behind `a.test`.
fn pool(fields: &str) -> Running {
    Edge::yaml(format!(
        "pools:\n  p: {{ {fields} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start()
}

fn share(edge: &Running, requests: usize) -> (usize, usize) {
    let (mut a, mut b) = (0, 0);
    let mut client = edge.client();
    for _ in 0..requests {
        match client.get("a.test", "/who").text().as_str() {
            "a" => a += 1,
            "b" => b += 1,
            other => panic!("{other}"),
        }
    }
    (a, b)
}

#[test]
fn round_robin_goes_round_and_weights_count() {
    let (a, b) = (named("a"), named("b"));
    let edge = pool(&format!(
        "balance: round_robin, servers: [\"{a}\", \"{b}\"]"
    ));
    let (to_a, to_b) = share(&edge, 40);
    assert!(to_a.abs_diff(to_b) <= 2, "{to_a} and {to_b}");
    let edge = pool(&format!(
        "servers: [{{ address: \"{a}\", weight: 3 }}, \"{b}\"]"
    ));
    let (to_a, to_b) = share(&edge, 40);
    assert!(
        to_a.abs_diff(30) <= 2 && to_b.abs_diff(10) <= 2,
        "{to_a} and {to_b}"
    );
}

#[test]
fn the_less_loaded_of_two_still_uses_both() {
    let (a, b) = (named("a"), named("b"));
    let edge = pool(&format!("balance: p2c, servers: [\"{a}\", \"{b}\"]"));
    let (to_a, to_b) = share(&edge, 200);
    assert!(to_a > 20 && to_b > 20, "{to_a} and {to_b}");
}

#[test]
fn a_server_that_cannot_be_reached_costs_nobody_a_request() {
    let a = named("a");
    let dead = free_address();
    let edge = pool(&format!(
        "servers: [\"{dead}\", \"{a}\"], retry: {{ when: [connect], attempts: 2, budget: 100% }}"
    ));
    assert_eq!(share(&edge, 20), (20, 0));
    assert!(edge.metric("seawall_retries_total") >= 1);
}

#[test]
fn a_get_is_tried_elsewhere_after_a_503_and_a_post_never() {
    let (bad, good) = (Origin::start(), Origin::start());
    for path in ["/get", "/post"] {
        bad.answer(
            path,
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad",
        );
        good.serve(path, "", "good");
    }
    let edge = pool(&format!(
        "servers: [\"{bad}\", \"{good}\"], eject: {{ after: 0 }}, retry: {{ when: [503], attempts: 2, budget: 100% }}"
    ));
    for _ in 0..10 {
        assert_eq!(edge.get("a.test", "/get").text(), "good");
    }
    assert!(bad.hits("/get") >= 1, "it was asked");
    let posts = 10;
    let mut refused = 0;
    for _ in 0..posts {
        let response =
            edge.exchange("POST /post HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx");
        refused += usize::from(response.status == 503);
    }
    assert!(refused >= 1);
    assert_eq!(
        bad.hits("/post") + good.hits("/post"),
        posts,
        "no POST was sent twice"
    );
}

#[test]
fn a_post_whose_connection_breaks_is_not_sent_twice() {
    let (a, b) = (Origin::start(), Origin::start());
    for origin in [&a, &b] {
        origin.script("/post", |_, _| seawall_tests::Then::Close);
    }
    let edge = pool(&format!(
        "servers: [\"{a}\", \"{b}\"], retry: {{ when: [connect, timeout, 502, 503], attempts: 2, budget: 100% }}"
    ));
    for n in 1..=4 {
        let response =
            edge.exchange("POST /post HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(response.status, 502);
        assert_eq!(a.hits("/post") + b.hits("/post"), n);
    }
}

#[test]
fn retries_stop_when_the_budget_is_spent() {
    let (a, b) = (Origin::start(), Origin::start());
    for origin in [&a, &b] {
        origin.answer(
            "/",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        );
    }
    let edge = pool(&format!(
        "servers: [\"{a}\", \"{b}\"], eject: {{ after: 0 }}, retry: {{ when: [503], attempts: 2, budget: 10% }}"
    ));
    let requests = 300;
    let mut client = edge.client();
    for _ in 0..requests {
        assert_eq!(client.get("a.test", "/").status, 503);
    }
    let asked = a.hits("/") + b.hits("/");
    assert!(
        asked < requests * 13 / 10,
        "{asked} for {requests}: an outage is not doubled"
    );
    assert!(edge.metric("seawall_retries_denied_total") > 0);
}

#[test]
fn a_server_that_fails_in_a_row_is_left_out_and_taken_back() {
    let (bad, good) = (Origin::start(), named("a"));
    bad.answer("/who", "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n");
    let edge = pool(&format!(
        "servers: [\"{bad}\", \"{good}\"], eject: {{ after: 3, for: 300ms }}"
    ));
    eventually("the ejection", || {
        edge.get("a.test", "/who");
        edge.error_log()
            .contains(&format!("server {bad} is ejected"))
            .then_some(())
    });
    bad.serve("/who", "", "b");
    eventually("the readmission", || {
        (edge.get("a.test", "/who").text() == "b").then_some(())
    });
}

#[test]
fn the_last_servers_are_never_left_out() {
    let (a, b) = (Origin::start(), Origin::start());
    for origin in [&a, &b] {
        origin.answer("/", "HTTP/1.1 503 Oh\r\nContent-Length: 3\r\n\r\nown");
    }
    let edge = pool(&format!(
        "servers: [\"{a}\", \"{b}\"], eject: {{ after: 2, for: 60s }}"
    ));
    for _ in 0..20 {
        let response = edge.get("a.test", "/");
        assert_eq!(
            (response.status, response.text().as_str()),
            (503, "own"),
            "the origin's own answer"
        );
    }
}

#[test]
fn active_checks_take_a_server_out_and_back_in() {
    let (a, b) = (named("a"), named("b"));
    let health = "health: { path: /ready, interval: 20ms, fall: 2, rise: 2 }";
    let edge = pool(&format!("servers: [\"{a}\", \"{b}\"], {health}"));
    eventually("checks", || {
        (a.hits("/ready") > 0 && b.hits("/ready") > 0).then_some(())
    });
    a.answer(
        "/ready",
        "HTTP/1.1 503 Not Ready\r\nContent-Length: 0\r\n\r\n",
    );
    edge.logged(&format!("server {a} is down"));
    assert_eq!(share(&edge, 20), (0, 20));
    a.serve("/ready", "", "ready");
    edge.logged(&format!("server {a} is up"));
    let (to_a, _) = share(&edge, 20);
    assert!(to_a >= 5, "{to_a}");
}

#[test]
fn a_backup_is_asked_only_when_no_other_is_up() {
    let (a, b) = (named("a"), named("b"));
    let health = "health: { path: /ready, interval: 20ms, fall: 1, rise: 1 }";
    let edge = pool(&format!(
        "servers: [\"{a}\", {{ address: \"{b}\", backup: true }}], {health}"
    ));
    assert_eq!(share(&edge, 10), (10, 0));
    let address = a.address();
    drop(a);
    edge.logged(&format!("server {address} is down"));
    assert_eq!(share(&edge, 10), (0, 10));
}

#[test]
fn names_that_do_not_resolve_keep_nothing_from_being_served() {
    let a = named("a");
    let edge = Edge::yaml(format!(
        "pools:
  p: {{ servers: [\"nowhere.invalid:80\", \"{a}\"], retry: {{ when: [connect], attempts: 2, budget: 100% }} }}
sites:
  - {{ host: a.test, to: p }}
  - {{ host: b.test, to: \"nowhere.invalid:80\" }}"
    ))
    .start();
    assert_eq!(share(&edge, 10), (10, 0));
    assert_eq!(edge.get("b.test", "/").status, 502);
    edge.logged("nowhere.invalid");
}

#[test]
fn a_dead_origin_is_a_502_and_comes_back_by_itself() {
    let address = free_address();
    let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{address}\" }}]")).start();
    assert_eq!(edge.get("a.test", "/who").status, 502);
    let origin = Origin::at(address);
    origin.serve("/who", "", "back");
    eventually("the origin", || {
        (edge.get("a.test", "/who").text() == "back").then_some(())
    });
}
