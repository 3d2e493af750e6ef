//! Full pools, open breakers, slow servers.

use seawall_tests::{Edge, Gate, Origin, Running, eventually};

fn pool(fields: &str) -> Running {
    Edge::yaml(format!(
        "pools:\n  p: {{ {fields} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start()
}

#[test]
fn a_full_server_lets_wait_as_many_as_its_queue_and_refuses_the_rest() {
    let origin = Origin::start();
    let gate = Gate::new();
    origin.serve_after(&gate, "/slow", "", "done");
    let edge = pool(&format!(
        "servers: [{{ address: \"{origin}\", max_conns: 1 }}], queue: {{ size: 1, timeout: 20s }}"
    ));
    let mut first = edge.client();
    first.ask("a.test", "/slow");
    gate.wait_for(1);
    let mut second = edge.client();
    second.ask("a.test", "/slow");
    let queued = r#"seawall_origin_events_total{event="queued",pool="p"}"#;
    edge.counts(queued, 1);
    let third = edge.get("a.test", "/slow");
    assert_eq!(third.status, 503);
    assert_eq!(third.has("Retry-After"), "1");
    gate.open();
    assert_eq!(first.response().text(), "done");
    assert_eq!(second.response().text(), "done");
    assert_eq!(origin.hits("/slow"), 2);
}

#[test]
fn who_waits_too_long_is_told_so() {
    let origin = Origin::start();
    let gate = Gate::new();
    origin.serve_after(&gate, "/slow", "", "done");
    let edge = pool(&format!(
        "servers: [{{ address: \"{origin}\", max_conns: 1 }}], queue: {{ size: 5, timeout: 50ms }}"
    ));
    let mut first = edge.client();
    first.ask("a.test", "/slow");
    gate.wait_for(1);
    assert_eq!(edge.get("a.test", "/slow").status, 503);
    edge.counts(
        r#"seawall_origin_events_total{event="queue_timeout",pool="p"}"#,
        1,
    );
    gate.open();
    assert_eq!(first.response().text(), "done");
}

#[test]
fn a_breaker_opens_answers_at_once_and_closes_when_its_probes_succeed() {
    let origin = Origin::start();
    origin.answer("/", "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n");
    let edge = pool(&format!(
        "servers: [\"{origin}\"], eject: off, breaker: {{ failures: 50%, min_requests: 5, window: 10s, open_for: 300ms, probes: 2 }}"
    ));
    let refused = eventually("the breaker", || {
        let response = edge.get("a.test", "/");
        response.field("Retry-After").is_some().then_some(response)
    });
    assert_eq!(refused.status, 503);
    edge.logged("pool p: the circuit breaker is open");
    origin.serve("/", "", "healed");
    eventually("a probe", || {
        (edge.get("a.test", "/").text() == "healed").then_some(())
    });
    edge.get("a.test", "/");
    edge.logged("pool p: the circuit breaker is closed");
    for _ in 0..10 {
        assert_eq!(edge.get("a.test", "/").text(), "healed");
    }
}

#[test]
fn a_slow_get_is_asked_of_another_server_and_a_post_never() {
    let (slow, quick) = (Origin::start(), Origin::start());
    let gate = Gate::new();
    slow.serve_after(&gate, "/x", "", "slow");
    quick.serve("/x", "", "quick");
    let edge = pool(&format!(
        "servers: [\"{slow}\", \"{quick}\"], hedge: {{ after: 20ms, budget: 100% }}"
    ));
    for _ in 0..6 {
        assert_eq!(edge.get("a.test", "/x").text(), "quick");
    }
    let wins = edge.metric(r#"seawall_origin_events_total{event="hedge_win",pool="p"}"#);
    assert!(wins >= 1, "{wins}");
    gate.open();
    let before = slow.hits("/x") + quick.hits("/x");
    for _ in 0..4 {
        let post = "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(edge.exchange(post).status, 200);
    }
    assert_eq!(slow.hits("/x") + quick.hits("/x"), before + 4);
}

#[test]
fn a_404_is_final_and_a_keyed_post_may_be_sent_again_where_the_operator_says_so() {
    let (bad, good) = (Origin::start(), Origin::start());
    for origin in [&bad, &good] {
        origin.answer(
            "/none",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        );
    }
    bad.answer("/pay", "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n");
    good.serve("/pay", "", "paid");
    let edge = pool(&format!(
        "servers: [\"{bad}\", \"{good}\"], eject: off, retry: {{ when: [503], attempts: 2, budget: 100%, idempotency_key: true }}"
    ));
    for _ in 0..4 {
        assert_eq!(edge.get("a.test", "/none").status, 404);
    }
    assert_eq!(bad.hits("/none") + good.hits("/none"), 4);
    for _ in 0..4 {
        let post =
            "POST /pay HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: 7\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(edge.exchange(post).text(), "paid");
    }
}
