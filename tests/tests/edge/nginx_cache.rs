//! `proxy_cache` and what goes with it, as nginx does it.

use seawall_tests::{Client, Edge, Gate, Origin, Response, Running, Then, eventually};

fn cached(origin: &Origin, directives: &str) -> Running {
    Edge::nginx(format!(
        "events {{}}
http {{
    proxy_cache_path cache keys_zone=z:1m;
    add_header X-Cache $upstream_cache_status always;
    server {{
        listen @http@;
        location / {{ proxy_pass http://{origin}; proxy_cache z; {directives} }}
    }}
}}"
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

fn status(response: &Response) -> &str {
    response.field("X-Cache").unwrap_or_default()
}

#[test]
fn bypass_makes_an_answer_anew_and_stores_it() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin, "proxy_cache_bypass $cookie_fresh $arg_fresh;");
    let mut client = edge.client();
    assert_eq!(status(&ask(&mut client, "/x", "")), "MISS");
    assert_eq!(status(&ask(&mut client, "/x", "")), "HIT");
    assert_eq!(
        status(&ask(&mut client, "/x", "Cookie: fresh=1\r\n")),
        "BYPASS"
    );
    assert_eq!(
        status(&ask(&mut client, "/x", "Cookie: fresh=0\r\n")),
        "HIT"
    );
    assert_eq!(origin.hits("/x"), 2);
}

#[test]
fn no_cache_keeps_an_answer_out() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin, "proxy_no_cache $arg_a $http_x_private;");
    let mut client = edge.client();
    for _ in 0..2 {
        assert_eq!(status(&ask(&mut client, "/x", "X-Private: 1\r\n")), "MISS");
    }
    ask(&mut client, "/y", "");
    assert_eq!(origin.hits("/x"), 2);
}

#[test]
fn ignored_headers_decide_nothing() {
    let origin = Origin::start();
    origin.serve(
        "/x",
        "Cache-Control: no-store\r\nSet-Cookie: a=b\r\nVary: *\r\n",
        "body",
    );
    let edge = cached(
        &origin,
        "proxy_cache_valid 1m; proxy_ignore_headers Cache-Control Set-Cookie Vary;",
    );
    let mut client = edge.client();
    ask(&mut client, "/x", "");
    assert_eq!(status(&ask(&mut client, "/x", "")), "HIT");
}

#[test]
fn use_stale_names_what_a_stale_answer_stands_in_for() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/x", move |request, exchange| {
        let head = match request.field("X-Say") {
            None => "200 OK\r\nX-Accel-Expires: 1".to_owned(),
            Some(say) => say.to_owned(),
        };
        let _ = &closed;
        exchange.send(format!("HTTP/1.1 {head}\r\nContent-Length: 4\r\n\r\nbody"));
        Then::Keep
    });
    let edge = cached(&origin, "proxy_cache_use_stale http_503 error;");
    let mut client = edge.client();
    ask(&mut client, "/x", "");
    eventually("an expired answer", || {
        let response = ask(&mut client, "/x", "X-Say: 503 Gone for lunch\r\n");
        (status(&response) == "STALE" && response.status == 200).then_some(())
    });
    let refused = ask(&mut client, "/x", "X-Say: 500 Broken\r\n");
    assert_eq!(refused.status, 500);
    origin.stop();
    let stale = ask(&mut client, "/x", "");
    assert_eq!((stale.status, status(&stale)), (200, "STALE"));
}

#[test]
fn revalidate_asks_whether_it_has_changed() {
    for (directive, expected) in [
        ("", "EXPIRED"),
        ("proxy_cache_revalidate on;", "REVALIDATED"),
    ] {
        let origin = Origin::start();
        origin.script("/x", |request, exchange| {
            let fields = "X-Accel-Expires: 1\r\nETag: \"1\"\r\n";
            exchange.send(match request.field("If-None-Match") {
                Some(_) => format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n"),
                None => format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nbody"),
            });
            Then::Keep
        });
        let edge = cached(&origin, directive);
        let mut client = edge.client();
        ask(&mut client, "/x", "");
        eventually(expected, || {
            let response = ask(&mut client, "/x", "");
            assert_eq!(response.text(), "body");
            (status(&response) == expected).then_some(())
        });
    }
}

#[test]
fn a_lock_is_waited_for_no_longer_than_said() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/x", move |request, exchange| {
        if request.field("X-Slow").is_some() {
            closed.pass();
        }
        exchange
            .send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nbody");
        Then::Keep
    });
    let edge = cached(
        &origin,
        "proxy_cache_lock on; proxy_cache_lock_timeout 100ms;",
    );
    let mut slow = edge.client();
    slow.send("GET /x HTTP/1.1\r\nHost: a.test\r\nX-Slow: 1\r\n\r\n");
    gate.wait_for(1);
    let mut client = edge.client();
    let waited = ask(&mut client, "/x", "");
    assert_eq!((waited.text().as_str(), status(&waited)), ("body", "MISS"));
    gate.open();
    assert_eq!(slow.response().text(), "body");
    assert_eq!(status(&ask(&mut client, "/x", "")), "HIT");
}

#[test]
fn min_uses_counts_requests_of_a_key() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let edge = cached(&origin, "proxy_cache_min_uses 2;");
    let mut client = edge.client();
    let seen: Vec<String> = (0..3)
        .map(|_| status(&ask(&mut client, "/x", "")).to_owned())
        .collect();
    assert_eq!(seen, ["MISS", "MISS", "HIT"]);
}

#[test]
fn ranges_are_cut_from_the_whole_unless_they_begin_too_far_behind() {
    let origin = Origin::start();
    let body = "0123456789";
    for path in ["/near", "/far"] {
        origin.script(path, move |request, exchange| {
            exchange.send(match request.field("Range") {
                None => format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n{body}"
                ),
                Some(_) => "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 8-9/10\r\nContent-Length: 2\r\n\r\n89".to_owned(),
            });
            Then::Keep
        });
    }
    let edge = cached(&origin, "proxy_cache_max_range_offset 5;");
    let mut client = edge.client();
    let near = ask(&mut client, "/near", "Range: bytes=4-5\r\n");
    assert_eq!((near.status, near.text().as_str()), (206, "45"));
    assert_eq!(
        status(&ask(&mut client, "/near", "Range: bytes=8-\r\n")),
        "HIT"
    );
    for range in ["bytes=8-9", "bytes=-2"] {
        let far = ask(&mut client, "/far", &format!("Range: {range}\r\n"));
        assert_eq!((far.status, far.text().as_str()), (206, "89"));
        assert_eq!(origin.last().field("Range"), Some(range));
    }
    let edge = cached(&origin, "");
    let part = ask(&mut edge.client(), "/far", "Range: bytes=-2\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "89"));
    assert_eq!(origin.last().field("Range"), None, "the whole is fetched");
}

#[test]
fn what_one_location_does_not_store_another_with_the_same_key_may() {
    let origin = Origin::start();
    origin.serve("/x", "", "body");
    let edge = Edge::nginx(format!(
        "events {{}}
http {{
    proxy_cache_path cache keys_zone=z:1m;
    add_header X-Cache $upstream_cache_status always;
    server {{
        listen @http@;
        location /never/ {{ proxy_pass http://{origin}/; proxy_cache z; }}
        location /valid/ {{ proxy_pass http://{origin}/; proxy_cache z; proxy_cache_valid 200 1m; }}
    }}
}}"
    ))
    .start();
    let mut client = edge.client();
    let seen: Vec<String> = ["/never/x", "/never/x", "/valid/x", "/valid/x", "/never/x"]
        .iter()
        .map(|target| status(&ask(&mut client, target, "")).to_owned())
        .collect();
    assert_eq!(seen, ["MISS", "MISS", "MISS", "HIT", "HIT"]);
}

#[test]
fn a_cache_s_path_keeps_answers_over_a_restart() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=600\r\n", "body");
    let directory = tempfile::tempdir().unwrap();
    let edge = Edge::nginx(format!(
        "events {{}}
http {{
    proxy_cache_path {} levels=1:2 keys_zone=z:1m max_size=64m use_temp_path=off;
    add_header X-Cache $upstream_cache_status always;
    server {{ listen @http@; location / {{ proxy_pass http://{origin}; proxy_cache z; }} }}
}}",
        directory.path().display()
    ))
    .start();
    eventually("a record on the disk", || {
        edge.get("a.test", "/x");
        let mut files = std::fs::read_dir(directory.path()).unwrap().flatten();
        let wrote = |file: &std::fs::DirEntry| {
            let is_segment = file.path().extension().is_some();
            is_segment && file.metadata().is_ok_and(|m| m.len() > 100)
        };
        files.any(|file| wrote(&file)).then_some(())
    });
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, edge) = edge.wait();
    let before = origin.hits("/x");
    let edge = edge.start();
    eventually("a hit from the disk", || {
        (status(&edge.get("a.test", "/x")) == "HIT").then_some(())
    });
    assert!(origin.hits("/x") <= before + 1);
}

#[test]
fn slice_fetches_parts_and_keeps_them() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let whole = "0123456789abcdef".repeat(12 << 10);
        let asked = request.field("Range").expect("a range");
        let (first, last) = asked.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let first: usize = first.parse().unwrap();
        let last = last.parse::<usize>().unwrap().min(whole.len() - 1);
        exchange.send(format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\r\n",
            whole.len(),
            last - first + 1
        ));
        exchange.send(&whole[first..=last]);
        Then::Keep
    });
    let edge = cached(
        &origin,
        "slice 64k; proxy_cache_key $uri$is_args$args$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h;",
    );
    let mut client = edge.client();
    let whole = ask(&mut client, "/x", "");
    assert_eq!((whole.status, whole.body.len()), (200, 192 << 10));
    assert_eq!(origin.hits("/x"), 3);
    let part = ask(&mut client, "/x", "Range: bytes=65535-65536\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "f0"));
    assert_eq!(status(&part), "HIT");
    assert_eq!(origin.hits("/x"), 3);
}

/// A location that caches answers to POST by their bodies.
fn searching(origin: &Origin, more: &str) -> Running {
    cached(
        origin,
        &format!(
            "proxy_cache_methods POST; proxy_cache_key $request_method$uri$request_body; proxy_cache_valid 1h; {more}"
        ),
    )
}

fn post(client: &mut Client, body: &str) -> Response {
    let length = format!("Content-Length: {}\r\n", body.len());
    let fields = "If-None-Match: \"x\"\r\nRange: bytes=0-0\r\n";
    client
        .send(format!(
            "POST /search HTTP/1.1\r\nHost: a.test\r\n{length}{fields}\r\n{body}"
        ))
        .response()
}

/// Answers with the method and the body it was asked with.
fn echoes(origin: &Origin) {
    origin.script("/search", |request, exchange| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let said = format!("{} {}", request.method, body.get(..16).unwrap_or(&body));
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        ));
        Then::Keep
    });
}

#[test]
fn answers_to_post_are_stored_by_their_bodies_where_a_location_says_so() {
    let origin = Origin::start();
    echoes(&origin);
    let edge = searching(&origin, "");
    let mut client = edge.client();
    for (body, expected) in [
        ("q=a", "MISS"),
        ("q=a", "HIT"),
        ("q=b", "MISS"),
        ("", "MISS"),
        ("", "HIT"),
        ("q=a", "HIT"),
    ] {
        let response = post(&mut client, body);
        assert_eq!(response.text(), format!("POST {body}"), "{response:?}");
        assert_eq!(status(&response), expected, "{body}");
        let asked = origin.last();
        assert_eq!(
            (asked.field("If-None-Match"), asked.field("Range")),
            (None, None)
        );
    }
    assert_eq!(origin.hits("/search"), 3);
    // A GET has a key of its own here.
    let got = ask(&mut client, "/search", "");
    assert_eq!((status(&got), got.text().as_str()), ("MISS", "GET "));
    // What no variable can hold is no key: two long bodies with the same beginning.
    let long = "q".repeat(100 << 10);
    for end in ["a", "b"] {
        let response = post(&mut client, &format!("{long}{end}"));
        assert_eq!((response.status, status(&response)), (200, "MISS"));
    }
    assert_eq!(origin.hits("/search"), 6);
}

#[test]
fn a_stale_answer_to_post_is_asked_for_with_the_body_again() {
    let origin = Origin::start();
    let gate = std::sync::atomic::AtomicUsize::new(0);
    origin.script("/search", move |request, exchange| {
        let n = gate.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let said = format!("{} {body} {n}", request.method);
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nX-Accel-Expires: 1\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        ));
        Then::Keep
    });
    let edge = searching(
        &origin,
        "proxy_cache_use_stale updating; proxy_cache_background_update on;",
    );
    let mut client = edge.client();
    assert_eq!(post(&mut client, "q=a").text(), "POST q=a 0");
    let renewed = eventually("a renewed answer", || {
        let response = post(&mut client, "q=a");
        (status(&response) == "EXPIRED").then_some(response)
    });
    assert_eq!(renewed.text(), "POST q=a 1");
    assert_eq!(origin.last().method, "POST");
}

#[test]
fn answers_to_post_are_not_stored_unless_a_location_says_so() {
    let origin = Origin::start();
    echoes(&origin);
    let edge = cached(
        &origin,
        "proxy_cache_key $request_method$uri$request_body; proxy_cache_valid 1h;",
    );
    let mut client = edge.client();
    for _ in 0..2 {
        let response = client
            .send("POST /search HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
            .response();
        assert_eq!(status(&response), "");
    }
    assert_eq!(origin.hits("/search"), 2);
}

#[test]
fn a_head_is_asked_for_by_get_and_stored_unless_a_location_says_otherwise() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let body = if request.method == "HEAD" { "" } else { "body" };
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}"
        ));
        Then::Keep
    });
    let head = |client: &mut Client| {
        client
            .send("HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .response_to_head()
    };
    let edge = cached(&origin, "proxy_cache_valid 1h;");
    let mut client = edge.client();
    let first = head(&mut client);
    assert_eq!((status(&first), first.has("Content-Length")), ("MISS", "4"));
    assert_eq!(origin.last().method, "GET");
    assert_eq!(status(&head(&mut client)), "HIT");
    let got = ask(&mut client, "/x", "");
    assert_eq!((status(&got), got.text().as_str()), ("HIT", "body"));
    assert_eq!(origin.hits("/x"), 1);

    let edge = cached(
        &origin,
        "proxy_cache_valid 1h; proxy_cache_convert_head off;",
    );
    let mut client = edge.client();
    for _ in 0..2 {
        assert_eq!(head(&mut client).has("Content-Length"), "4");
        assert_eq!(origin.last().method, "HEAD");
    }
    assert_eq!(status(&ask(&mut client, "/x", "")), "MISS");
    assert_eq!(status(&head(&mut client)), "HIT");
}

/// Every word of `$upstream_cache_status`, in one server: ngx_http_upstream's table of them.
#[test]
fn each_status_is_said_where_nginx_says_it() {
    let origin = Origin::start();
    let gate = Gate::new();
    let slow = gate.clone();
    let answer = move |request: &seawall_tests::Received,
                       exchange: &mut seawall_tests::Exchange<'_>| {
        if request.field("X-Slow").is_some() {
            slow.pass();
        }
        let fields = "X-Accel-Expires: 1\r\nETag: \"1\"\r\n";
        exchange.send(
            match (request.field("If-None-Match"), request.field("X-Fail")) {
                (_, Some(_)) => "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n".to_owned(),
                (Some(_), None) => format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n"),
                (None, None) => format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nbody"),
            },
        );
        Then::Keep
    };
    for path in ["/plain", "/checked", "/failing", "/updating"] {
        origin.script(path, answer.clone());
    }
    let edge = Edge::nginx(format!(
        "events {{}}
http {{
    proxy_cache_path cache keys_zone=z:1m;
    proxy_cache z;
    proxy_cache_bypass $http_x_fresh;
    add_header X-Cache $upstream_cache_status always;
    server {{
        listen @http@;
        location / {{ proxy_pass http://{origin}; }}
        location /checked {{ proxy_pass http://{origin}; proxy_cache_revalidate on; }}
        location /failing {{ proxy_pass http://{origin}; proxy_cache_use_stale http_500; }}
        location /updating {{ proxy_pass http://{origin}; proxy_cache_use_stale updating; }}
        location /uncached {{ proxy_pass http://{origin}; proxy_cache off; }}
    }}
}}"
    ))
    .start();
    let mut client = edge.client();
    for path in ["/plain", "/checked", "/failing", "/updating"] {
        assert_eq!(status(&ask(&mut client, path, "")), "MISS", "{path}");
        let again = ask(&mut client, path, "");
        assert!(
            ["HIT", "EXPIRED", "REVALIDATED"].contains(&status(&again)),
            "{path}: {again:?}"
        );
        let fresh = ask(&mut client, path, "X-Fresh: 1\r\n");
        assert_eq!(status(&fresh), "BYPASS", "{path}");
    }
    let until = |client: &mut Client, path: &str, fields: &str, expected: &str| {
        eventually(expected, || {
            let response = ask(client, path, fields);
            assert_eq!(response.status, 200, "{path}");
            (status(&response) == expected).then_some(())
        });
    };
    until(&mut client, "/plain", "", "HIT");
    until(&mut client, "/plain", "", "EXPIRED");
    until(&mut client, "/checked", "", "REVALIDATED");
    until(&mut client, "/failing", "X-Fail: 1\r\n", "STALE");
    // Who renews waits; the others get what is stored meanwhile.
    let mut renewing = eventually("an answer while another is waited for", || {
        let mut slow = edge.client();
        slow.send("GET /updating HTTP/1.1\r\nHost: a.test\r\nX-Slow: 1\r\n\r\n");
        (status(&ask(&mut client, "/updating", "")) == "UPDATING").then_some(slow)
    });
    gate.open();
    assert_eq!(status(&renewing.response()), "EXPIRED");
    assert_eq!(status(&ask(&mut client, "/uncached", "")), "");
}
