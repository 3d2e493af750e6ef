//! The cache as clients and the origin see it.

use seawall_tests::{Client, Edge, Gate, Origin, Running, Then, eventually};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn cached(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]"
    ))
    .start()
}

fn ask(client: &mut Client, path: &str, fields: &str) -> seawall_tests::Response {
    client
        .send(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
        .response()
}

#[test]
fn the_second_answer_is_a_hit_with_an_age() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "body");
    let edge = cached(&origin);
    let first = edge.get("a.test", "/x");
    assert!(
        first.has("Cache-Status").contains("fwd=") && first.has("Cache-Status").contains("stored"),
        "{first:?}"
    );
    let second = edge.get("a.test", "/x");
    assert!(second.is_hit(), "{second:?}");
    assert!(second.has("Age").parse::<u32>().is_ok_and(|age| age < 60));
    assert_eq!(
        (second.text().as_str(), second.has("ETag")),
        ("body", "\"1\"")
    );
    assert_eq!(origin.hits("/x"), 1);
    edge.counts(
        "seawall_cache_requests_total{cache=\"default\",reason=\"fresh\",result=\"hit\",route=\"/\",site=\"a.test\"}",
        1,
    );
}

#[test]
fn what_may_not_be_stored_is_asked_for_each_time() {
    let origin = Origin::start();
    for (path, fields) in [
        ("/no-store", "Cache-Control: no-store, max-age=60\r\n"),
        ("/private", "Cache-Control: private, max-age=60\r\n"),
        ("/silent", ""),
        ("/any", "Cache-Control: max-age=60\r\nVary: *\r\n"),
        ("/old", "Cache-Control: max-age=60\r\nAge: 61\r\n"),
    ] {
        origin.serve(path, fields, "body");
    }
    let edge = cached(&origin);
    for path in ["/no-store", "/private", "/silent", "/any"] {
        for _ in 0..3 {
            assert!(!edge.get("a.test", path).is_hit(), "{path}");
        }
        assert_eq!(origin.hits(path), 3, "{path}");
    }
    assert!(!edge.get("a.test", "/old").is_hit());
    assert!(!edge.get("a.test", "/old").is_hit());
}

#[test]
fn requests_of_somebody_pass_unless_the_answer_is_public() {
    let origin = Origin::start();
    origin.serve("/mine", "Cache-Control: max-age=60\r\n", "mine");
    origin.serve("/ours", "Cache-Control: public, max-age=60\r\n", "ours");
    let edge = cached(&origin);
    let mut client = edge.client();
    for field in ["Cookie: session=1\r\n", "Authorization: Bearer x\r\n"] {
        for _ in 0..2 {
            assert!(!ask(&mut client, "/mine", field).is_hit(), "{field}");
        }
    }
    assert_eq!(origin.hits("/mine"), 4);
    ask(&mut client, "/ours", "Cookie: session=1\r\n");
    assert!(ask(&mut client, "/ours", "Cookie: session=2\r\n").is_hit());
    assert_eq!(origin.hits("/ours"), 1);
}

#[test]
fn queries_and_hosts_make_different_objects() {
    let origin = Origin::start();
    origin.serve("/q", "Cache-Control: max-age=60\r\n", "body");
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: [a.test, b.test], cache: default, to: \"{origin}\" }}]"
    ))
    .start();
    for (host, target) in [
        ("a.test", "/q"),
        ("a.test", "/q?1"),
        ("a.test", "/q?2"),
        ("b.test", "/q"),
    ] {
        assert!(!edge.get(host, target).is_hit(), "{host}{target}");
        assert!(edge.get(host, target).is_hit(), "{host}{target}");
    }
}

#[test]
fn vary_keeps_variants_apart() {
    let origin = Origin::start();
    origin.script("/v", |request, exchange| {
        let language = request.field("Accept-Language").unwrap_or("none");
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\nContent-Length: {}\r\n\r\n{language}",
            language.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    for language in ["de", "en", "fr"] {
        let field = format!("Accept-Language: {language}\r\n");
        assert_eq!(ask(&mut client, "/v", &field).text(), language);
    }
    for language in ["de", "en", "fr"] {
        let again = ask(
            &mut client,
            "/v",
            &format!("Accept-Language: {language}\r\n"),
        );
        assert!(again.is_hit() && again.text() == language, "{again:?}");
    }
    assert_eq!(origin.hits("/v"), 3);
}

#[test]
fn a_client_that_has_it_gets_304_without_the_origin() {
    let origin = Origin::start();
    let fields = "Cache-Control: max-age=60\r\nETag: \"v1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n";
    origin.serve("/x", fields, "body");
    let edge = cached(&origin);
    let mut client = edge.client();
    client.get("a.test", "/x");
    for condition in [
        "If-None-Match: \"v1\"\r\n",
        "If-None-Match: \"other\", W/\"v1\"\r\n",
        "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
    ] {
        let response = ask(&mut client, "/x", condition);
        assert_eq!(
            (response.status, response.has("ETag")),
            (304, "\"v1\""),
            "{condition}"
        );
        assert_eq!(response.body, b"");
    }
    assert_eq!(
        ask(&mut client, "/x", "If-None-Match: \"v2\"\r\n").status,
        200
    );
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn what_must_be_asked_for_is_revalidated_and_a_304_refreshes_it() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let head = "Cache-Control: no-cache\r\nETag: \"v1\"\r\n";
        exchange.send(match request.field("If-None-Match") {
            Some("\"v1\"") => format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n"),
            _ => format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 4\r\n\r\nbody"),
        });
        Then::Keep
    });
    let edge = cached(&origin);
    for n in 1..=3 {
        let response = edge.get("a.test", "/x");
        assert_eq!((response.status, response.text().as_str()), (200, "body"));
        assert_eq!(origin.hits("/x"), n);
    }
    assert_eq!(origin.last().field("If-None-Match"), Some("\"v1\""));
    edge.counts(
        "seawall_cache_requests_total{cache=\"default\",reason=\"not-modified\",result=\"revalidated\",route=\"/\",site=\"a.test\"}",
        2,
    );
}

#[test]
fn head_is_answered_from_what_get_stored() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin);
    let mut client = edge.client();
    client.get("a.test", "/x");
    let head = client
        .send("HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert!(
        head.is_hit() && head.has("Content-Length") == "4",
        "{head:?}"
    );
    assert!(client.get("a.test", "/x").is_hit());
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn a_post_drops_what_it_may_have_changed() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin);
    edge.get("a.test", "/x");
    assert!(edge.get("a.test", "/x").is_hit());
    let posted = edge.exchange("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx");
    assert!(!posted.is_hit());
    assert!(!edge.get("a.test", "/x").is_hit());
}

#[test]
fn a_purge_drops_every_variant_of_a_url() {
    let origin = Origin::start();
    origin.serve(
        "/x",
        "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
        "body",
    );
    let edge = cached(&origin);
    let mut client = edge.client();
    for language in ["de", "en"] {
        ask(
            &mut client,
            "/x",
            &format!("Accept-Language: {language}\r\n"),
        );
    }
    let config = edge.config();
    let purge = |url: &str| {
        edge.seawall(&[
            "purge".as_ref(),
            url.as_ref(),
            "-c".as_ref(),
            config.as_os_str(),
        ])
    };
    let done = purge("http://a.test/x");
    assert!(done.status.success(), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stdout).contains("removed"),
        "{done:?}"
    );
    for language in ["de", "en"] {
        assert!(
            !ask(
                &mut client,
                "/x",
                &format!("Accept-Language: {language}\r\n")
            )
            .is_hit()
        );
    }
    assert!(!purge("http://nobody.test/x").status.success());
    assert!(!purge("not a url").status.success());
}

#[test]
fn a_stale_object_is_served_while_exactly_one_request_renews_it() {
    let origin = Origin::start();
    let gate = Gate::new();
    let count = Arc::new(AtomicUsize::new(0));
    let (closed, counted) = (gate.clone(), count.clone());
    origin.script("/x", move |_, exchange| {
        let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
        if n > 1 {
            closed.pass();
        }
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age={}, stale-while-revalidate=600\r\nContent-Length: 1\r\n\r\n{n}",
            if n == 1 { 1 } else { 600 }
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    assert_eq!(edge.get("a.test", "/x").text(), "1");
    // Its second of freshness has to pass.
    eventually("a stale answer", || {
        edge.get("a.test", "/x")
            .has("Cache-Status")
            .contains("stale")
            .then_some(())
    });
    gate.wait_for(1);
    for _ in 0..20 {
        let stale = edge.get("a.test", "/x");
        assert_eq!(stale.text(), "1", "nobody waits for the origin");
    }
    assert_eq!(
        count.load(Ordering::SeqCst),
        2,
        "the first, and one in the background"
    );
    gate.open();
    eventually("the renewed object", || {
        (edge.get("a.test", "/x").text() == "2").then_some(())
    });
    assert!(edge.get("a.test", "/x").is_hit());
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_stale_object_stands_in_for_a_dead_origin() {
    let origin = Origin::start();
    origin.serve(
        "/x",
        "Cache-Control: max-age=1, stale-if-error=600\r\n",
        "body",
    );
    let edge = cached(&origin);
    assert_eq!(edge.get("a.test", "/x").text(), "body");
    origin.stop();
    eventually("a stale answer", || {
        let response = edge.get("a.test", "/x");
        assert_eq!((response.status, response.text().as_str()), (200, "body"));
        response.has("Cache-Status").contains("stale").then_some(())
    });
    assert_eq!(edge.get("a.test", "/never-seen").status, 502);
}

/// Sends the first half, waits at the gate, sends the second.
fn in_halves(origin: &Origin, path: &str, gate: &Gate) {
    let gate = gate.clone();
    origin.script(path, move |_, exchange| {
        exchange.send(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst",
        );
        gate.pass();
        exchange.send("again");
        Then::Keep
    });
}

#[test]
fn fifty_clients_share_one_request_and_read_along_before_it_ends() {
    let origin = Origin::start();
    let gate = Gate::new();
    in_halves(&origin, "/x", &gate);
    let edge = cached(&origin);
    let mut clients: Vec<_> = (0..50).map(|_| edge.client()).collect();
    for client in &mut clients {
        client.ask("a.test", "/x");
    }
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
        assert_eq!(client.bytes(5), b"first", "before the origin has ended");
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.bytes(5), b"again");
    }
    assert_eq!(origin.hits("/x"), 1);
    assert!(edge.get("a.test", "/x").is_hit());
}

#[test]
fn a_first_client_that_leaves_takes_nothing_from_the_others() {
    let origin = Origin::start();
    let gate = Gate::new();
    in_halves(&origin, "/x", &gate);
    let edge = cached(&origin);
    let mut leader = edge.client();
    leader.ask("a.test", "/x").head();
    assert_eq!(leader.bytes(5), b"first");
    let mut other = edge.client();
    other.ask("a.test", "/x").head();
    assert_eq!(other.bytes(5), b"first");
    drop(leader);
    gate.open();
    assert_eq!(other.bytes(5), b"again");
    assert!(edge.get("a.test", "/x").is_hit());
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn clients_that_wait_for_what_cannot_be_stored_all_get_an_answer() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/x", move |_, exchange| {
        closed.pass();
        exchange
            .send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nbody");
        Then::Keep
    });
    let edge = cached(&origin);
    let mut clients: Vec<_> = (0..10).map(|_| edge.client()).collect();
    for client in &mut clients {
        client.ask("a.test", "/x");
    }
    gate.wait_for(1);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "body");
    }
}

#[test]
fn a_large_object_is_stored_and_served_whole() {
    let origin = Origin::start();
    let body = "0123456789abcdef".repeat(200_000);
    origin.serve("/big", "Cache-Control: max-age=60\r\n", &body);
    let edge = cached(&origin);
    for hit in [false, true, true] {
        let response = edge.get("a.test", "/big");
        assert_eq!(response.is_hit(), hit);
        assert!(response.text() == body);
    }
    let mut client = edge.client();
    client.ask("a.test", "/big").head();
    client.bytes(1000);
    drop(client);
    assert!(
        edge.get("a.test", "/big").text() == body,
        "a client that leaves a hit harms nobody"
    );
    assert_eq!(origin.hits("/big"), 1);
}

#[test]
fn a_default_ttl_counts_only_where_the_origin_is_silent() {
    let origin = Origin::start();
    origin.serve("/silent", "", "body");
    origin.serve("/spoken", "Cache-Control: no-store\r\n", "body");
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites:
  - host: a.test
    cache: {{ name: default, default_ttl: 60s }}
    to: \"{origin}\""
    ))
    .start();
    for path in ["/silent", "/spoken"] {
        edge.get("a.test", path);
    }
    assert!(edge.get("a.test", "/silent").is_hit());
    assert!(!edge.get("a.test", "/spoken").is_hit());
}

#[test]
fn answers_that_cannot_be_stored_are_fetched_side_by_side() {
    let origin = Origin::start();
    let (first, others) = (Gate::new(), Gate::new());
    let count = Arc::new(AtomicUsize::new(0));
    let (at_first, at_others, counted) = (first.clone(), others.clone(), count.clone());
    origin.script("/x", move |_, exchange| {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => at_first.pass(),
            _ => at_others.pass(),
        };
        exchange
            .send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nbody");
        Then::Keep
    });
    let edge = cached(&origin);
    let mut clients: Vec<_> = (0..10).map(|_| edge.client()).collect();
    for client in &mut clients {
        client.ask("a.test", "/x");
    }
    first.wait_for(1);
    first.open();
    // Whoever waited is at the origin now, and nobody behind another.
    others.wait_for(9);
    let mut later: Vec<_> = (0..5).map(|_| edge.client()).collect();
    for client in &mut later {
        client.ask("a.test", "/x");
    }
    others.wait_for(14);
    others.open();
    for client in clients.iter_mut().chain(&mut later) {
        assert_eq!(client.response().text(), "body");
    }
}

#[test]
fn many_who_find_an_answer_stale_share_its_validation() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/x", move |request, exchange| {
        let head = "Cache-Control: max-age=0\r\nETag: \"1\"\r\n";
        exchange.send(match request.field("If-None-Match") {
            Some(_) => {
                closed.pass();
                format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n")
            }
            None => format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 4\r\n\r\nbody"),
        });
        Then::Keep
    });
    let edge = cached(&origin);
    edge.get("a.test", "/x");
    let mut clients: Vec<_> = (0..20).map(|_| edge.client()).collect();
    for client in &mut clients {
        client.ask("a.test", "/x");
    }
    gate.wait_for(1);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "body");
    }
    assert!(origin.hits("/x") < 21, "validations are shared");
}

#[test]
fn a_large_hit_is_whole_for_a_slow_client_though_it_is_purged_meanwhile() {
    let origin = Origin::start();
    let body: String = (0..60_000).map(|n| format!("line {n:010}\n")).collect();
    origin.serve("/large", "Cache-Control: max-age=600\r\n", &body);
    origin.serve(
        "/other",
        "Cache-Control: max-age=600\r\n",
        &"x".repeat(body.len()),
    );
    let edge = cached(&origin);
    edge.get("a.test", "/large");
    assert!(edge.get("a.test", "/large").text() == body);
    // Who does not read yet has what the kernel took, in pages that are nobody's any more.
    let mut slow: Vec<Client> = (0..4).map(|_| edge.client()).collect();
    for client in &mut slow {
        client.ask("a.test", "/large");
    }
    assert!(edge.get("a.test", "/large").is_hit());
    let config = edge.config();
    let words = ["purge", "--all", "-c"].map(std::ffi::OsStr::new);
    let purged = edge.seawall(&[&words[..], &[config.as_os_str()]].concat());
    assert!(purged.status.success(), "{purged:?}");
    for _ in 0..8 {
        edge.get("a.test", "/other");
    }
    for client in &mut slow {
        assert!(client.response().text() == body);
    }
}
