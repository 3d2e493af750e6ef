//! Published attacks on caches, at the level of an attacker, a victim and an origin on sockets. The defaults resist them.

use seawall_tests::{Client, Edge, Gate, Origin, Response, Running, Then};

/// A cache before everything, with lifetimes only where the origin gives them.
fn cached(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: [a.test, b.test], cache: default, to: \"{origin}\" }}]"
    ))
    .start()
}

/// The same where the route says how long what the origin does not speak of is kept.
fn cached_by_default(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: a.test, cache: {{ default_ttl: 60s }}, to: \"{origin}\" }}]"
    ))
    .start()
}

fn ask(client: &mut Client, target: &str, fields: &str) -> Response {
    client
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
        .response()
}

/// An origin whose cacheable pages repeat one field of the request, as careless frameworks do.
fn repeats(origin: &Origin, path: &str, field: &'static str) {
    origin.script(path, move |request, exchange| {
        let said = request.field(field).unwrap_or("none");
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        ));
        Then::Keep
    });
}

#[test]
fn fields_that_no_key_knows_do_not_reach_a_page_that_is_stored() {
    for field in [
        "X-Forwarded-Host",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X_Forwarded_Host",
        "Forwarded",
        "X-Host",
        "X-Original-URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        let origin = Origin::start();
        repeats(&origin, "/x", field);
        let edge = cached(&origin);
        let mut client = edge.client();
        let attacked = ask(&mut client, "/x", &format!("{field}: evil.test\r\n"));
        assert!(!attacked.text().contains("evil"), "{field}: {attacked:?}");
        let victim = ask(&mut client, "/x", "");
        assert!(
            victim.is_hit() && !victim.text().contains("evil"),
            "{field}"
        );
    }
}

#[test]
fn a_port_in_the_host_is_part_of_the_key() {
    let origin = Origin::start();
    repeats(&origin, "/x", "Host");
    let edge = cached(&origin);
    let get = |host: &str| edge.exchange(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(get("a.test:1337").text(), "a.test:1337");
    let victim = get("a.test");
    assert!(!victim.is_hit() && victim.text() == "a.test", "{victim:?}");
}

#[test]
fn a_target_with_a_host_of_its_own_decides_for_key_and_origin_alike() {
    let origin = Origin::start();
    repeats(&origin, "/x", "Host");
    let edge = cached(&origin);
    let poisoned = edge.exchange("GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n");
    // Refused, or taken for what the target says: never b.test's words under a.test's key.
    assert!(
        poisoned.status == 400 || poisoned.text() == "a.test",
        "{poisoned:?}"
    );
    for host in ["a.test", "b.test"] {
        let victim = edge.get(host, "/x");
        assert_eq!(victim.text(), host);
    }
}

#[test]
fn a_get_with_a_body_is_not_stored_and_not_answered_from_the_store() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let fat = ask_with_body(&mut client, "/x?q=good", "q=evil");
    assert_eq!(fat.text(), "q=evil");
    let victim = ask(&mut client, "/x?q=good", "");
    assert!(!victim.is_hit() && victim.text().is_empty(), "{victim:?}");
    let fat = ask_with_body(&mut client, "/x?q=good", "q=evil");
    assert!(!fat.is_hit() && fat.text() == "q=evil", "{fat:?}");
    assert!(ask(&mut client, "/x?q=good", "").text().is_empty());
}

fn ask_with_body(client: &mut Client, target: &str, body: &str) -> Response {
    let length = format!("Content-Length: {}\r\n", body.len());
    client
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\n{length}\r\n{body}"
        ))
        .response()
}

#[test]
fn a_parameter_that_is_left_out_of_the_key_is_left_out_of_the_request() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites:
  - host: a.test
    cache: {{ query: {{ without: [\"utm_*\", cb] }} }}
    to: \"{origin}\""
    ))
    .start();
    // A server that takes `;` for a separator would find a second `call` in the first parameter.
    edge.get("a.test", "/x?call=good&utm_content=1;call=evil");
    assert_eq!(origin.last().target, "/x?call=good");
    assert!(edge.get("a.test", "/x?call=good").is_hit());
    // What is written otherwise counts as it stands, for key and origin alike.
    let escaped = edge.get("a.test", "/x?call=good&%75tm_content=evil");
    assert!(!escaped.is_hit());
    assert_eq!(origin.last().target, "/x?call=good&%75tm_content=evil");
    assert!(edge.get("a.test", "/x?call=good").is_hit());
}

#[test]
fn a_page_behind_the_ending_of_a_picture_is_not_kept_by_default() {
    let origin = Origin::start();
    for path in ["/account/x.css", "/account/x.png", "/account%2fx.js"] {
        origin.serve(path, "Content-Type: text/html; charset=utf-8\r\n", "secret");
    }
    origin.serve("/style.css", "Content-Type: text/css\r\n", "body {}");
    let edge = cached_by_default(&origin);
    for path in ["/account/x.css", "/account/x.png", "/account%2fx.js"] {
        let first = edge.get("a.test", path);
        assert_eq!(first.text(), "secret", "{path}");
        assert!(!edge.get("a.test", path).is_hit(), "{path}");
    }
    edge.get("a.test", "/style.css");
    assert!(edge.get("a.test", "/style.css").is_hit());
}

#[test]
fn a_path_that_only_looks_like_a_cached_one_gets_the_rules_of_what_it_is() {
    let origin = Origin::start();
    for path in ["/assets/..%2faccount", "/assets/%2e%2e/account", "/account"] {
        origin.serve(path, "", "secret");
    }
    origin.serve("/assets/a.css", "Content-Type: text/css\r\n", "body {}");
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites:
  - host: a.test
    routes:
      - {{ path: /assets, to: \"{origin}\", cache: {{ default_ttl: 60s }} }}
      - {{ path: /, to: \"{origin}\", cache: on }}"
    ))
    .start();
    edge.get("a.test", "/assets/a.css");
    assert!(edge.get("a.test", "/assets/a.css").is_hit());
    for path in ["/assets/..%2faccount", "/assets/%2e%2e/account"] {
        for _ in 0..2 {
            assert!(!edge.get("a.test", path).is_hit(), "{path}");
        }
    }
}

#[test]
fn what_an_origin_says_to_an_oversized_request_is_no_answer_for_others() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let large = request.field("X-Large").is_some();
        let (status, body) = if large {
            ("400 Bad Request", "too large")
        } else {
            ("200 OK", "good")
        };
        exchange.send(format!(
            "HTTP/1.1 {status}\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let large = format!("X-Large: {}\r\n", "a".repeat(6000));
    assert_eq!(ask(&mut client, "/x", &large).status, 400);
    let victim = ask(&mut client, "/x", "");
    assert_eq!((victim.status, victim.text().as_str()), (200, "good"));
    assert!(ask(&mut client, "/x", "").is_hit());
}

#[test]
fn a_bad_request_neither_throws_out_what_is_stored_nor_keeps_others_from_storing() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        exchange.send(match request.field("X-Bad") {
            Some(_) => "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            None => "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood",
        });
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    assert_eq!(ask(&mut client, "/x", "X-Bad: 1\r\n").status, 400);
    assert_eq!(ask(&mut client, "/x", "").text(), "good");
    let hit = ask(&mut client, "/x", "X-Bad: 1\r\n");
    assert!(hit.is_hit() && hit.text() == "good", "{hit:?}");
}

#[test]
fn characters_that_no_field_has_never_reach_the_origin() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "good");
    let edge = cached(&origin);
    for bad in ["X: a\x07b", "X: a\rb", "X: a\0b", "X\x0b: a", "X : a"] {
        let refused = edge.exchange(format!("GET /x HTTP/1.1\r\nHost: a.test\r\n{bad}\r\n\r\n"));
        assert_eq!(refused.status, 400, "{bad:?}");
    }
    assert_eq!(origin.hits("/x"), 0);
    assert_eq!(edge.get("a.test", "/x").text(), "good");
}

#[test]
fn somebody_s_cookie_or_credentials_make_no_answer_for_others() {
    let origin = Origin::start();
    origin.serve(
        "/login",
        "Cache-Control: max-age=60\r\nSet-Cookie: s=1\r\n",
        "welcome",
    );
    origin.script("/me", |request, exchange| {
        let who = request
            .field("Cookie")
            .or(request.field("Authorization"))
            .unwrap_or("nobody");
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{who}",
            who.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    for _ in 0..2 {
        assert!(!ask(&mut client, "/login", "").is_hit());
    }
    assert_eq!(ask(&mut client, "/me", "Cookie: alice\r\n").text(), "alice");
    assert_eq!(
        ask(&mut client, "/me", "Authorization: Basic bob\r\n").text(),
        "Basic bob"
    );
    assert_eq!(ask(&mut client, "/me", "").text(), "nobody");
    assert!(ask(&mut client, "/me", "").is_hit());
    assert_eq!(ask(&mut client, "/me", "Cookie: carol\r\n").text(), "carol");
}

#[test]
fn variants_without_end_do_not_push_out_other_pages() {
    let origin = Origin::start();
    origin.serve(
        "/v",
        "Cache-Control: max-age=60\r\nVary: X-Any\r\n",
        "variant",
    );
    origin.serve("/page", "Cache-Control: max-age=60\r\n", "page");
    let many: Vec<String> = (0..40).map(|n| format!("X-{n}")).collect();
    let fields = format!("Cache-Control: max-age=60\r\nVary: {}\r\n", many.join(", "));
    origin.serve("/many", &fields, "many");
    let edge = cached(&origin);
    let mut client = edge.client();
    ask(&mut client, "/page", "");
    for n in 0..200 {
        ask(&mut client, "/v", &format!("X-Any: {n}\r\n"));
    }
    assert!(ask(&mut client, "/v", "X-Any: 199\r\n").is_hit());
    assert!(
        !ask(&mut client, "/v", "X-Any: 0\r\n").is_hit(),
        "64 are kept"
    );
    assert!(ask(&mut client, "/page", "").is_hit());
    for _ in 0..2 {
        assert!(
            !ask(&mut client, "/many", "").is_hit(),
            "too many to tell apart"
        );
    }
}

#[test]
fn a_range_of_one_client_is_no_answer_to_another() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        exchange.send(match request.field("Range") {
            Some(_) => {
                "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2\r\n\r\n01"
            }
            None => "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n0123456789",
        });
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let part = ask(&mut client, "/x", "Range: bytes=0-1\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "01"));
    let whole = ask(&mut client, "/x", "");
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    assert!(whole.is_hit() && origin.last().field("Range").is_none());
    // Of what lies far behind a slice is asked for, the same whoever asks; what is none is not kept.
    let far = ask(&mut client, "/far", "Range: bytes=-2\r\n");
    assert!(!far.is_hit());
    assert_eq!(origin.last().field("Range"), Some("bytes=0-1048575"));
}

#[test]
fn parts_and_confirmations_that_nobody_asked_for_are_bad_gateways() {
    let origin = Origin::start();
    origin.answer(
        "/part",
        "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2\r\n\r\n01",
    );
    origin.answer(
        "/304",
        "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n",
    );
    let edge = cached(&origin);
    for path in ["/part", "/304"] {
        for _ in 0..2 {
            let response = edge.get("a.test", path);
            assert!(
                response.status == 502 && !response.is_hit(),
                "{path}: {response:?}"
            );
        }
    }
}

#[test]
fn a_body_that_was_cut_off_is_not_stored() {
    let origin = Origin::start();
    for (path, head, body) in [
        ("/length", "Content-Length: 10", "01234"),
        ("/chunks", "Transfer-Encoding: chunked", "5\r\n01234\r\n"),
        ("/chunk", "Transfer-Encoding: chunked", "a\r\n01234"),
    ] {
        origin.answer_and_close(
            path,
            format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{head}\r\n\r\n{body}"),
        );
    }
    let edge = cached(&origin);
    for path in ["/length", "/chunks", "/chunk"] {
        for hits in 1..=2 {
            let mut client = edge.client();
            client.ask("a.test", path);
            let whole = client.try_response();
            assert!(
                whole.is_err() || whole.is_ok_and(|r| r.status == 502),
                "{path}"
            );
            assert_eq!(origin.hits(path), hits, "{path}");
        }
    }
}

#[test]
fn a_body_behind_an_answer_to_head_is_nobody_s_answer() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let evil = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nevil";
        let good = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\n";
        if request.method == "HEAD" {
            exchange.send(format!("{good}{evil}"));
        } else {
            exchange.send(format!("{good}good"));
        }
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let head = client
        .send("HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!(head.status, 200);
    for _ in 0..2 {
        assert_eq!(client.get("a.test", "/x").text(), "good");
    }
}

#[test]
fn an_origin_s_field_that_would_split_its_response_is_refused_and_not_stored() {
    let origin = Origin::start();
    origin.answer(
        "/split",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX: a\rContent-Length: 0\r\nContent-Length: 4\r\n\r\nbody",
    );
    origin.answer(
        "/behind",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nevil",
    );
    origin.serve("/next", "Cache-Control: max-age=60\r\n", "next");
    let edge = cached(&origin);
    for _ in 0..2 {
        assert_eq!(edge.get("a.test", "/split").status, 502);
    }
    let mut client = edge.client();
    assert_eq!(client.get("a.test", "/behind").text(), "body");
    assert_eq!(client.get("a.test", "/next").text(), "next");
    assert_eq!(client.get("a.test", "/next").text(), "next");
}

#[test]
fn only_what_is_of_the_same_origin_is_dropped_by_an_answer_to_post() {
    let origin = Origin::start();
    for path in ["/a/list", "/a/other"] {
        origin.serve(path, "Cache-Control: max-age=60\r\n", "body");
    }
    let post = |location: &str| {
        origin.answer(
            "/a/new",
            format!("HTTP/1.1 201 Created\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"),
        );
    };
    let edge = cached(&origin);
    let cases = [
        ("/a/list", true),
        ("list", true),
        ("http://a.test/a/list", true),
        ("http://A.TEST/a/list", true),
        ("//a.test/a/list#part", true),
        ("/a/other", false),
        ("http://b.test/a/list", false),
        ("https://a.test/a/list", false),
        ("http://a.test.evil/a/list", false),
        ("http://a.test@evil/a/list", false),
        ("/a/ list", false),
    ];
    for (location, dropped) in cases {
        edge.get("a.test", "/a/list");
        assert!(edge.get("a.test", "/a/list").is_hit());
        post(location);
        edge.exchange("POST /a/new HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(
            !edge.get("a.test", "/a/list").is_hit(),
            dropped,
            "{location}"
        );
    }
}

#[test]
fn a_client_that_stops_reading_holds_up_nobody() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    let body = "0123456789abcdef".repeat(64 << 10);
    let sent = body.clone();
    origin.script("/big", move |_, exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        ));
        closed.pass();
        exchange.send(&sent);
        Then::Keep
    });
    let edge = cached(&origin);
    let mut idle = edge.client();
    idle.ask("a.test", "/big").head();
    let mut reading = edge.client();
    reading.ask("a.test", "/big");
    gate.open();
    assert!(reading.response().text() == body);
    assert!(edge.get("a.test", "/big").is_hit());
    assert_eq!(origin.hits("/big"), 1);
}

#[test]
fn conditions_and_ranges_of_one_client_are_not_answered_to_another() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let provoked = ["If-Match", "If-Unmodified-Since", "If-None-Match", "Range", "Expect"]
            .iter()
            .any(|name| request.field(name).is_some());
        exchange.send(if provoked {
            "HTTP/1.1 412 Precondition Failed\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood"
        });
        Then::Keep
    });
    for field in [
        "If-Match: \"evil\"",
        "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "If-None-Match: \"evil\"",
        "Range: bytes=9-",
        "Range: bytes=5-1,evil",
    ] {
        let edge = cached(&origin);
        let mut client = edge.client();
        ask(&mut client, "/x", &format!("{field}\r\n"));
        let victim = ask(&mut client, "/x", "");
        assert_eq!(
            (victim.status, victim.text().as_str()),
            (200, "good"),
            "{field}"
        );
    }
}

#[test]
fn a_page_behind_a_delimiter_that_only_the_origin_knows_is_not_kept_by_default() {
    // Frameworks end a path at one of these, and answer with the page before it.
    let targets = [
        "/account;x.css",
        "/account%3bx.css",
        "/account%0ax.css",
        "/account%23x.css",
        "/account%3fx.css",
        "/account.x.css",
        "/account!x.css",
        "/account%00.css",
        "/account/%2e%2e%3b/x.css",
    ];
    let origin = Origin::start();
    for target in targets {
        origin.serve(target, "Content-Type: text/html\r\n", "secret");
    }
    let edge = cached_by_default(&origin);
    for target in targets {
        for _ in 0..2 {
            let response = edge.get("a.test", target);
            assert!(!response.is_hit(), "{target}: {response:?}");
        }
    }
}

#[test]
fn a_host_in_other_letters_is_no_other_page_and_no_other_page_s_key() {
    let origin = Origin::start();
    repeats(&origin, "/x", "Host");
    let edge = cached(&origin);
    let get = |host: &str| edge.exchange(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    // What a careless origin repeats of it, or refuses in it, would be everybody's.
    assert_eq!(get("A.TesT").text(), "a.test");
    let victim = get("a.test");
    assert_eq!(victim.text(), "a.test", "{victim:?}");
    for host in ["a.test.", "a.test:", "a.test:080", "a.test, evil.test"] {
        let odd = get(host);
        let victim = get("a.test");
        assert!(
            victim.is_hit() && victim.text() == "a.test",
            "{host}: {odd:?} {victim:?}"
        );
    }
    let two = edge.exchange("GET /x HTTP/1.1\r\nHost: a.test\r\nHost: evil.test\r\n\r\n");
    assert_eq!(two.status, 400);
}

#[test]
fn parts_of_a_key_cannot_be_made_to_look_like_others() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let said = format!(
            "{}|{}",
            request.field("X-A").unwrap_or(""),
            request.field("X-B").unwrap_or("")
        );
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        ));
        Then::Keep
    });
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites: [{{ host: a.test, cache: {{ vary: {{ headers: [X-A, X-B] }} }}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    for (a, b) in [
        ("1", "2"),
        ("12", ""),
        ("", "12"),
        ("1=2", ""),
        ("1", "=2"),
        ("1, 2", "3"),
        ("1", "2, 3"),
    ] {
        let fields = format!("X-A: {a}\r\nX-B: {b}\r\n");
        let first = ask(&mut client, "/x", &fields);
        assert!(!first.is_hit(), "{a:?} {b:?}");
        assert_eq!(first.text(), format!("{a}|{b}"));
        assert!(ask(&mut client, "/x", &fields).is_hit());
    }
}

#[test]
fn what_only_one_client_negotiated_is_not_given_to_others() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let asked = request
            .field("Accept-Encoding")
            .unwrap_or("none")
            .to_owned();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{asked}",
            asked.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let attacked = ask(&mut client, "/x", "Accept-Encoding: evil, identity;q=0\r\n");
    assert!(!attacked.text().contains("evil"), "{attacked:?}");
    let victim = ask(&mut client, "/x", "");
    assert!(!victim.text().contains("evil"), "{victim:?}");
}

/// The list of attacks names tests that there are.
#[test]
fn every_attack_of_the_list_has_its_test() {
    let list = include_str!("../../suites/cache_attacks.md");
    let sources = [
        include_str!("cache_attacks.rs"),
        include_str!("cache_keys.rs"),
        include_str!("cache.rs"),
        include_str!("cache_slices.rs"),
        include_str!("purge.rs"),
    ];
    let named: Vec<&str> = list.split('`').filter(|word| word.contains('_')).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let heading = format!("fn {name}(");
        assert!(sources.iter().any(|text| text.contains(&heading)), "{name}");
    }
}
