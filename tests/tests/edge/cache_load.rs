//! The cache under many at once: how often the origin is asked, and what is bounded.

use seawall_tests::{Client, Edge, Gate, Origin, Running, Then, eventually};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

const CROWD: usize = 1000;

fn cached(origin: &Origin, cache: &str) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: a.test, cache: {cache}, to: \"{origin}\" }}]"
    ))
    .start()
}

fn crowd(edge: &Running, path: &str) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..CROWD).map(|_| edge.client()).collect();
    for client in &mut clients {
        client.ask("a.test", path);
    }
    clients
}

#[test]
fn a_thousand_who_find_it_stale_are_served_at_once_and_one_request_renews_it() {
    let origin = Origin::start();
    let gate = Gate::new();
    let count = Arc::new(AtomicUsize::new(0));
    let (closed, counted) = (gate.clone(), count.clone());
    origin.script("/x", move |_, exchange| {
        let n = counted.fetch_add(1, SeqCst) + 1;
        if n > 1 {
            closed.pass();
        }
        let age_s = if n == 1 { 1 } else { 600 };
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age={age_s}, stale-while-revalidate=600\r\nContent-Length: 1\r\n\r\n{n}"
        ));
        Then::Keep
    });
    let edge = cached(&origin, "default");
    assert_eq!(edge.get("a.test", "/x").text(), "1");
    eventually("a stale answer", || {
        let status = edge.get("a.test", "/x");
        status.has("Cache-Status").contains("stale").then_some(())
    });
    for mut client in crowd(&edge, "/x") {
        assert_eq!(client.response().text(), "1");
    }
    gate.wait_for(1);
    assert_eq!(count.load(SeqCst), 2);
    gate.open();
}

#[test]
fn a_thousand_who_find_nothing_share_one_request() {
    let origin = Origin::start();
    let gate = Gate::new();
    origin.serve_after(&gate, "/cold", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin, "default");
    let clients = crowd(&edge, "/cold");
    gate.wait_for(1);
    gate.open();
    for mut client in clients {
        assert_eq!(client.response().text(), "body");
    }
    assert_eq!(origin.hits("/cold"), 1);
}

/// As many renewals as may run behind clients' backs, on a thread (`BACKGROUND_MAX`).
const RENEWALS_MAX: usize = 512;

#[test]
fn past_the_bound_of_renewals_stale_answers_are_served_and_counted() {
    let origin = Origin::start();
    let gate = Gate::new();
    let is_renewing = Arc::new(AtomicBool::new(false));
    let refused = 8;
    let paths: Vec<String> = (0..RENEWALS_MAX + refused)
        .map(|n| format!("/{n}"))
        .collect();
    for path in paths.iter().map(String::as_str).chain(["/last"]) {
        let (closed, waits) = (gate.clone(), is_renewing.clone());
        origin.script(path, move |_, exchange| {
            if waits.load(SeqCst) {
                closed.pass();
            }
            exchange.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=1, stale-while-revalidate=600\r\nContent-Length: 1\r\n\r\nx");
            Then::Keep
        });
    }
    let edge = cached(&origin, "default");
    let mut client = edge.client();
    for path in &paths {
        client.get("a.test", path);
    }
    client.get("a.test", "/last");
    eventually("all stale", || {
        let last = client.get("a.test", "/last");
        last.has("Cache-Status").contains("stale").then_some(())
    });
    eventually("the last one renewed", || {
        let last = client.get("a.test", "/last");
        let status = last.has("Cache-Status");
        (!status.contains("stale") && origin.hits("/last") > 1).then_some(())
    });
    is_renewing.store(true, SeqCst);
    for path in &paths {
        let stale = client.get("a.test", path);
        assert!(stale.has("Cache-Status").contains("stale"), "{stale:?}");
    }
    // The one before may have ended this very moment.
    let counted = edge.metric("seawall_cache_renewals_refused_total");
    let refused = refused as u64;
    assert!((refused..=refused + 1).contains(&counted), "{counted}");
    gate.open();
    // What was refused is renewed for the next who asks.
    eventually("all renewed", || {
        let asked_again = |path: &String| {
            client.get("a.test", path);
            origin.hits(path) > 1
        };
        paths.iter().all(asked_again).then_some(())
    });
}

#[test]
fn a_second_of_caching_takes_nearly_all_load_off_a_dynamic_page() {
    const REQUESTS: u64 = 2000;
    let origin = Origin::start();
    origin.serve("/page", "", "made just now");
    let edge = cached(&origin, "{ default_ttl: 1s }");
    let mut client = edge.client();
    let began = Instant::now();
    for _ in 0..REQUESTS {
        assert_eq!(client.get("a.test", "/page").text(), "made just now");
    }
    // However slow this machine is: one request for each second, and one for what is left of one.
    let asked = origin.hits("/page") as u64;
    assert!(asked <= began.elapsed().as_secs() + 2, "{asked}");
    let bytes = |source: &str| {
        edge.metric(&format!(
            "seawall_cache_body_bytes_total{{cache=\"default\",route=\"/\",site=\"a.test\",source=\"{source}\"}}"
        ))
    };
    assert_eq!(bytes("origin"), asked * 13);
    eventually("all bytes in the books", || {
        (bytes("cache") == (REQUESTS - asked) * 13).then_some(())
    });
}

#[test]
fn no_log_has_what_is_in_a_key_of_somebody() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    origin.answer_and_close(
        "/broken",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf",
    );
    let edge = cached(&origin, "{ vary: { cookies: [session] } }");
    for target in [
        "/x?token=hunter2",
        "/x?token=hunter2",
        "/broken?token=hunter2",
    ] {
        let mut client = edge.client();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\nCookie: session=hunter3\r\n\r\n"
        ));
        let _ = client.try_response();
    }
    edge.logged("while filling the cache");
    eventually("three lines", || {
        (edge.access_log().lines().count() == 3).then_some(())
    });
    for secret in ["hunter2", "hunter3"] {
        assert!(!edge.access_log().contains(secret), "{}", edge.access_log());
        assert!(!edge.error_log().contains(secret), "{}", edge.error_log());
        assert!(!edge.stderr().contains(secret));
    }
}

#[test]
fn every_unsafe_method_that_succeeds_drops_what_it_may_have_changed() {
    let origin = Origin::start();
    for (status, drops) in [
        ("200 OK", true),
        ("204 No Content", true),
        ("303 See Other", true),
        ("404 Not Found", false),
        ("500 Broken", false),
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
            let path = format!("/{}/{method}", &status[..3]);
            origin.script(&path, move |request, exchange| {
                exchange.send(if request.method == "GET" {
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"
                        .to_owned()
                } else if status.starts_with("204") {
                    format!("HTTP/1.1 {status}\r\n\r\n")
                } else {
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
                });
                Then::Keep
            });
            let edge = cached(&origin, "default");
            edge.get("a.test", &path);
            assert!(edge.get("a.test", &path).is_hit());
            edge.exchange(format!(
                "{method} {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"
            ));
            let kept = edge.get("a.test", &path).is_hit();
            assert_eq!(kept, !drops, "{method} {status}");
        }
    }
}
