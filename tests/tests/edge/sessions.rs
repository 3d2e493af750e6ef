//! Sessions that stay with their server, shares of pools, copies of requests.

use seawall_tests::{Edge, Origin, eventually};

fn named(name: &'static str) -> Origin {
    let origin = Origin::start();
    origin.serve("/who", "", name);
    origin
}

fn with_cookie(edge: &seawall_tests::Running, cookie: &str) -> seawall_tests::Response {
    edge.exchange(format!(
        "GET /who HTTP/1.1\r\nHost: a.test\r\nCookie: x=y; {cookie}\r\n\r\n"
    ))
}

#[test]
fn a_cookie_keeps_its_server_over_a_hundred_requests_and_moves_on_when_it_dies() {
    let (a, b) = (named("a"), named("b"));
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\", \"{b}\"], sticky: {{ cookie: srv, ttl: 1h }}, retry: {{ when: [connect], attempts: 2, budget: 100% }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    let first = edge.get("a.test", "/who");
    let set = first.has("Set-Cookie").to_owned();
    assert!(set.starts_with("srv="), "{set}");
    for attribute in ["Max-Age=3600", "Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("127.0.0.1"), "the address stays ours");
    let cookie = set.split(';').next().unwrap().to_owned();
    for _ in 0..100 {
        let response = with_cookie(&edge, &cookie);
        assert_eq!(response.text(), first.text());
        assert_eq!(response.field("Set-Cookie"), None);
    }
    let (dead, alive) = if first.text() == "a" {
        (&a, "b")
    } else {
        (&b, "a")
    };
    dead.stop();
    let moved = with_cookie(&edge, &cookie);
    assert_eq!((moved.status, moved.text().as_str()), (200, alive));
    let next = moved
        .has("Set-Cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_ne!(next, cookie);
    assert_eq!(with_cookie(&edge, &next).text(), alive);
    // What a stranger makes up names nobody.
    assert_eq!(with_cookie(&edge, "srv=127.0.0.1").text(), alive);
}

#[test]
fn a_route_and_a_learned_session_keep_their_server() {
    let (a, b) = (named("a"), named("b"));
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [{{ address: \"{a}\", id: one }}, {{ address: \"{b}\", id: two }}], sticky: {{ route: $arg_to }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    for _ in 0..10 {
        assert_eq!(edge.get("a.test", "/who?to=two").text(), "b");
        assert_eq!(edge.get("a.test", "/who?to=one").text(), "a");
    }
    for (origin, name) in [(&a, "a"), (&b, "b")] {
        origin.serve(
            "/login",
            &format!("Set-Cookie: sid=s-{name}; Path=/\r\n"),
            name,
        );
    }
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\", \"{b}\"], sticky: {{ learn: {{ create: $upstream_cookie_sid, lookup: $cookie_sid }} }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    for _ in 0..4 {
        let name = edge.get("a.test", "/login").text();
        for _ in 0..5 {
            assert_eq!(with_cookie(&edge, &format!("sid=s-{name}")).text(), name);
        }
    }
}

#[test]
fn a_visitor_meets_one_pool_and_visitors_are_shared_out() {
    let (a, b) = (named("a"), named("b"));
    let edge = Edge::yaml(format!(
        "pools: {{ blue: [\"{a}\"], green: [\"{b}\"] }}\nsites:\n  - {{ host: a.test, to: {{ blue: 90, green: 10 }}, split_by: $arg_visitor }}"
    ))
    .start();
    let mut client = edge.client();
    let mut green = 0;
    for visitor in 0..1000 {
        let target = format!("/who?visitor={visitor}");
        let first = client.get("a.test", &target).text();
        if visitor % 50 == 0 {
            assert_eq!(client.get("a.test", &target).text(), first);
        }
        green += usize::from(first == "b");
    }
    assert!((70..=130).contains(&green), "{green} of 1000 went to 10 %");
}

#[test]
fn a_copy_goes_to_the_mirror_and_a_dead_mirror_costs_nothing() {
    let (a, copy) = (named("a"), Origin::start());
    let edge = Edge::yaml(format!(
        "pools: {{ main: [\"{a}\"], shadow: [\"{copy}\"] }}\nsites:\n  - {{ host: a.test, to: main, mirror: {{ to: shadow, share: 100% }} }}"
    ))
    .start();
    for _ in 0..5 {
        assert_eq!(edge.get("a.test", "/who").text(), "a");
    }
    eventually("the copies", || (copy.hits("/who") == 5).then_some(()));
    assert_eq!(copy.last().field("X-Mirror"), Some("1"));
    assert_eq!(a.last().field("X-Mirror"), None);
    let post = "POST /who HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(edge.exchange(post).status, 200);
    copy.stop();
    assert_eq!(edge.get("a.test", "/who").text(), "a");
    eventually("the failure", || {
        let failed = r#"seawall_origin_events_total{event="mirror_failure",pool="shadow"}"#;
        (edge.metric(failed) == 1).then_some(())
    });
    assert_eq!(copy.hits("/who"), 5, "a POST is not copied");
}
