//! What nginx's proxy module changes of requests and responses: places, cookies, fields, the body, retries, copies, speed.

use seawall_tests::{Edge, Origin, Running, eventually};
use std::time::{Duration, Instant};

/// One server with these locations.
fn locations(text: &str) -> Running {
    Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@; server_name front.test; {text} }} }}"
    ))
    .start()
}

fn moved(origin: &Origin, path: &str, fields: &str) {
    origin.answer(
        path,
        format!("HTTP/1.1 302 Found\r\n{fields}Content-Length: 0\r\n\r\n"),
    );
}

#[test]
fn places_that_name_the_origin_name_us_instead() {
    let origin = Origin::start();
    let at = origin.to_string();
    let edge = locations(&format!(
        "location / {{ proxy_pass http://{at}; }}
         location /app/ {{ proxy_pass http://{at}/inner/; }}
         location /off/ {{ proxy_pass http://{at}/; proxy_redirect off; }}
         location /own/ {{ proxy_pass http://{at}/;
             proxy_redirect http://other.test/a/ https://$host/b/;
             proxy_redirect ~^http://([a-z]+)\\.old\\.test(.*)$ http://$1.new.test$2; }}
         location /both/ {{ proxy_pass http://{at}/; proxy_redirect default; proxy_redirect /x/ /y/; }}"
    ));
    let port = edge.address("http").port();
    let us = format!("http://front.test:{port}");
    for (path, asked, sent, seen) in [
        (
            "/1",
            "/1",
            format!("http://{at}/there?a=b"),
            format!("{us}/there?a=b"),
        ),
        (
            "/2",
            "/2",
            "http://elsewhere.test/".to_owned(),
            "http://elsewhere.test/".to_owned(),
        ),
        ("/3", "/3", "/as/it/is".to_owned(), "/as/it/is".to_owned()),
        (
            "/app/1",
            "/inner/1",
            format!("http://{at}/inner/x"),
            format!("{us}/app/x"),
        ),
        (
            "/app/2",
            "/inner/2",
            format!("http://{at}/outer"),
            format!("http://{at}/outer"),
        ),
        (
            "/off/o",
            "/o",
            format!("http://{at}/x"),
            format!("http://{at}/x"),
        ),
        (
            "/own/p",
            "/p",
            "http://other.test/a/x".to_owned(),
            "https://front.test/b/x".to_owned(),
        ),
        (
            "/own/q",
            "/q",
            "http://www.old.test/z".to_owned(),
            "http://www.new.test/z".to_owned(),
        ),
        (
            "/own/r",
            "/r",
            format!("http://{at}/x"),
            format!("http://{at}/x"),
        ),
        (
            "/both/s",
            "/s",
            format!("http://{at}/x"),
            format!("{us}/both/x"),
        ),
        ("/both/t", "/t", "/x/1".to_owned(), format!("{us}/y/1")),
    ] {
        moved(&origin, asked, &format!("Location: {sent}\r\n"));
        assert_eq!(edge.get("front.test", path).has("Location"), seen, "{path}");
    }
    origin.serve(
        "/refresh",
        &format!("Refresh: 5; URL=http://{at}/x\r\n"),
        "",
    );
    let refreshed = edge.get("front.test", "/refresh");
    assert_eq!(refreshed.has("Refresh"), "5; URL=/x");
}

#[test]
fn cookies_get_other_domains_paths_and_flags() {
    let origin = Origin::start();
    let edge = locations(&format!(
        "location / {{ proxy_pass http://{origin};
             proxy_cookie_domain inner.test outer.test;
             proxy_cookie_domain ~\\.([a-z]+)\\.lan$ $1.example;
             proxy_cookie_path /one/ /;
             proxy_cookie_path ~*^/user/([a-z]+) /u/$1;
             proxy_cookie_flags plain nosecure nohttponly;
             proxy_cookie_flags ~ secure samesite=strict;
             location /off {{ proxy_pass http://{origin}; proxy_cookie_domain off; proxy_cookie_path off; proxy_cookie_flags off; }} }}"
    ));
    for (sent, seen) in [
        (
            "a=1; Domain=.Inner.test; Path=/one/two",
            "a=1; Domain=outer.test; Path=/two; Secure; SameSite=Strict",
        ),
        (
            "a=1; domain=x.web.lan; path=/User/joe/x",
            "a=1; domain=web.example; path=/u/joe; Secure; SameSite=Strict",
        ),
        ("plain=1; Secure; HttpOnly; Path=/", "plain=1; Path=/"),
        ("a=1; Secure; SameSite=lax", "a=1; Secure; SameSite=Strict"),
    ] {
        origin.serve(
            "/",
            &format!("Set-Cookie: {sent}\r\nSet-Cookie: z=9; Path=/z\r\n"),
            "",
        );
        let got = edge.get("front.test", "/");
        assert_eq!(got.has("Set-Cookie"), seen);
        let all: Vec<_> = got
            .fields
            .iter()
            .filter(|(n, _)| n == "Set-Cookie")
            .collect();
        assert_eq!(all[1].1, "z=9; Path=/z; Secure; SameSite=Strict");
    }
    origin.serve(
        "/off",
        "Set-Cookie: a=1; Domain=inner.test; Path=/one/\r\n",
        "",
    );
    assert_eq!(
        edge.get("front.test", "/off").has("Set-Cookie"),
        "a=1; Domain=inner.test; Path=/one/"
    );
}

#[test]
fn fields_are_hidden_passed_and_not_heeded() {
    let origin = Origin::start();
    origin.serve(
        "/",
        "Server: inner\r\nX-Secret: 1\r\nX-Accel-Charset: utf-8\r\nContent-Type: text/plain\r\n",
        "ok",
    );
    let edge = locations(&format!(
        "location / {{ proxy_pass http://{origin}; }}
         location /hide {{ proxy_pass http://{origin}/; proxy_hide_header x-secret; }}
         location /pass {{ proxy_pass http://{origin}/; proxy_hide_header X-Secret; proxy_pass_header X-Secret;
             proxy_pass_header Server; }}
         location /deaf {{ proxy_pass http://{origin}/; proxy_ignore_headers X-Accel-Charset X-Accel-Redirect; }}"
    ));
    let plain = edge.get("front.test", "/");
    assert!(plain.has("Server").starts_with("seawall/"));
    assert_eq!(plain.has("X-Secret"), "1");
    assert_eq!(plain.has("Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(plain.field("X-Accel-Charset"), None);
    assert_eq!(edge.get("front.test", "/hide").field("X-Secret"), None);
    let passed = edge.get("front.test", "/pass");
    assert_eq!(
        (passed.has("Server"), passed.has("X-Secret")),
        ("inner", "1")
    );
    let deaf = edge.get("front.test", "/deaf");
    assert_eq!(deaf.has("Content-Type"), "text/plain");
    assert_eq!(deaf.field("X-Accel-Charset"), None);
    origin.serve("/x", "X-Accel-Redirect: /elsewhere\r\n", "stays");
    assert_eq!(edge.get("front.test", "/deafx").text(), "stays");
}

#[test]
fn what_a_cache_is_not_to_heed_it_does_not() {
    let origin = Origin::start();
    origin.serve(
        "/",
        "Cache-Control: no-store\r\nSet-Cookie: a=1\r\nVary: *\r\n",
        "kept",
    );
    let edge = Edge::nginx(format!(
        "events {{}} http {{ proxy_cache_path @dir@/cache keys_zone=one:1m;
         server {{ listen @http@; location / {{ proxy_pass http://{origin}; proxy_cache one; proxy_cache_valid 1m;
             proxy_ignore_headers Cache-Control Set-Cookie Vary; proxy_cookie_path / /x; }} }} }}"
    ))
    .start();
    for _ in 0..3 {
        let got = edge.get("x", "/");
        assert_eq!(
            (got.text().as_str(), got.has("Cache-Control")),
            ("kept", "no-store")
        );
    }
    assert_eq!(origin.hits("/"), 1);
}

#[test]
fn the_next_upstream_is_asked_where_it_is_said() {
    let (bad, good) = (Origin::start(), Origin::start());
    bad.answer("/", "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nbad");
    good.serve("/", "", "good");
    let edge = Edge::nginx(format!(
        "events {{}} http {{ upstream u {{ server {bad} max_fails=0; server {good} backup; }}
         server {{ listen @http@;
           location / {{ proxy_pass http://u; proxy_next_upstream http_404; }}
           location /not/ {{ proxy_pass http://u/; }}
           location /once/ {{ proxy_pass http://u/; proxy_next_upstream http_404; proxy_next_upstream_tries 1; }}
           location /off/ {{ proxy_pass http://u/; proxy_next_upstream off; }}
           location /post/ {{ proxy_pass http://u/; proxy_next_upstream http_404; }}
           location /postal/ {{ proxy_pass http://u/; proxy_next_upstream http_404 non_idempotent; }} }} }}"
    ))
    .start();
    for (path, text) in [
        ("/", "good"),
        ("/not/", "bad"),
        ("/once/", "bad"),
        ("/off/", "bad"),
    ] {
        assert_eq!(edge.get("x", path).text(), text, "{path}");
    }
    for (path, text) in [("/post/", "bad"), ("/postal/", "good")] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(edge.exchange(post).text(), text, "{path}");
    }
}

#[test]
fn another_method_body_and_head_may_be_sent() {
    let origin = Origin::start();
    let edge = locations(&format!(
        "location /method {{ proxy_pass http://{origin}; proxy_method $arg_m; }}
         location /body {{ proxy_pass http://{origin}; proxy_set_body \"<$request_method>\"; }}
         location /bare {{ proxy_pass http://{origin}; proxy_pass_request_headers off; proxy_pass_request_body off; }}"
    ));
    edge.get("front.test", "/method?m=PATCH");
    assert_eq!(origin.last().method, "PATCH");
    assert_eq!(
        edge.get("front.test", "/method?m=a%20b").status,
        200,
        "an argument stays escaped"
    );
    let mut client = edge.client();
    for path in ["/body", "/bare"] {
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: front.test\r\nX-Mine: 1\r\nContent-Length: 6\r\n\r\nclient"
        ));
        assert_eq!(client.response().status, 200);
        let asked = origin.last();
        match path {
            "/body" => assert_eq!(
                (asked.body.as_slice(), asked.field("X-Mine")),
                (&b"<POST>"[..], Some("1"))
            ),
            _ => {
                assert_eq!(
                    (asked.body.as_slice(), asked.field("X-Mine")),
                    (&b""[..], None)
                );
                assert_eq!(asked.field("Content-Length"), None);
            }
        }
    }
    assert_eq!(edge.get("front.test", "/body").status, 200);
    assert_eq!(origin.last().body, b"<GET>");
}

#[test]
fn copies_go_to_other_locations_with_and_without_the_body() {
    let (origin, copy) = (Origin::start(), Origin::start());
    let edge = locations(&format!(
        "location / {{ mirror /copy; mirror /two; proxy_pass http://{origin};
             location /bare {{ mirror /bodiless; mirror_request_body off; proxy_pass http://{origin}; }}
             location /none {{ mirror off; proxy_pass http://{origin}; }} }}
         location = /copy {{ internal; proxy_pass http://{copy}$request_uri; }}
         location = /two {{ internal; proxy_pass http://{copy}/two; }}
         location = /bodiless {{ internal; proxy_pass http://{copy}; proxy_pass_request_body off;
             proxy_set_header Content-Length \"\"; proxy_set_header X-Original $request_uri; }}"
    ));
    let post = |path: &str| {
        let text =
            format!("POST {path} HTTP/1.1\r\nHost: front.test\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(edge.exchange(text).status, 200);
    };
    post("/page?x=1");
    eventually("both copies", || (copy.received().len() == 2).then_some(()));
    let all = copy.received();
    let first = all
        .iter()
        .find(|r| r.target == "/page?x=1")
        .expect("a copy");
    assert_eq!(
        (first.method.as_str(), first.body.as_slice()),
        ("POST", &b"body"[..])
    );
    assert!(all.iter().any(|r| r.path() == "/two" && r.body == b"body"));
    assert_eq!(origin.last().body, b"body");
    post("/bare");
    eventually("the copy", || (copy.hits("/bodiless") == 1).then_some(()));
    let bare = copy.last();
    assert_eq!(
        (bare.body.as_slice(), bare.field("X-Original")),
        (&b""[..], Some("/bare"))
    );
    post("/none");
    assert_eq!(
        edge.get("front.test", "/copy").status,
        404,
        "it is internal"
    );
    assert_eq!(copy.received().len(), 3);
}

/// The least time that this many bytes may take.
fn at_least(edge: &Running, path: &str, least: Duration) {
    let began = Instant::now();
    assert_eq!(edge.get("front.test", path).body.len(), 30_000, "{path}");
    assert!(began.elapsed() >= least, "{path}: {:?}", began.elapsed());
}

#[test]
fn a_response_is_sent_no_faster_than_it_may_be() {
    let origin = Origin::start();
    let body = "x".repeat(30_000);
    origin.serve("/slow", "", &body);
    origin.serve("/said", "X-Accel-Limit-Rate: 20000\r\n", &body);
    origin.serve("/deaf", "X-Accel-Limit-Rate: 1\r\n", &body);
    let edge = Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@; root @dir@;
           location / {{ proxy_pass http://{origin}; location /slow {{ limit_rate 20000; proxy_pass http://{origin}; }} }}
           location /deaf {{ proxy_pass http://{origin}; proxy_ignore_headers X-Accel-Limit-Rate; }}
           location /file {{ limit_rate 20k; }}
           location /free {{ limit_rate 1; limit_rate_after 40k; }} }} }}"
    ));
    edge.write("file", &body);
    edge.write("free", &body);
    let edge = edge.start();
    let yaml = Edge::yaml(format!(
        "sites: [{{ host: front.test, pace: {{ rate: 19KiB, after: 1KiB }}, to: \"{origin}\" }}]"
    ))
    .start();
    // 20,000 at once, the rest in half a second: bounds from below, which no load can break.
    for path in ["/slow", "/said", "/file"] {
        at_least(&edge, path, Duration::from_millis(350));
    }
    at_least(&yaml, "/slow", Duration::from_millis(350));
    at_least(&edge, "/deaf", Duration::ZERO);
    at_least(&edge, "/free", Duration::ZERO);
}

#[test]
fn a_variable_names_an_upstream_an_address_or_a_name() {
    let origin = Origin::start();
    let port = origin.address().port();
    let edge = Edge::nginx(format!(
        "events {{}} http {{ upstream named {{ server {origin}; }}
         server {{ listen @http@;
           location /a {{ set $b {origin}; proxy_pass http://$b; }}
           location /fixed {{ set $b {origin}; proxy_pass http://$b/there; }}
           location /up {{ set $b named; proxy_pass http://$b; }}
           location /whole {{ set $b http://{origin}/whole?x=$arg_y; proxy_pass $b; }}
           location /bad {{ set $b ftp://x; proxy_pass $b; }}
           location /name {{ set $b localhost; proxy_pass http://$b:{port}; }} }} }}"
    ))
    .start();
    for (path, target, host) in [
        ("/a/b?c=d", "/a/b?c=d", origin.to_string()),
        ("/fixed/b?c=d", "/there", origin.to_string()),
        ("/up/b", "/up/b", "named".to_owned()),
        ("/whole?y=7", "/whole?x=7", origin.to_string()),
    ] {
        assert_eq!(edge.get("x", path).status, 200, "{path}");
        let asked = origin.last();
        assert_eq!(
            (asked.target.as_str(), asked.field("Host")),
            (target, Some(host.as_str())),
            "{path}"
        );
    }
    assert_eq!(edge.get("x", "/bad").status, 500);
    edge.logged("invalid URL prefix in \"ftp://x\"");
    assert_eq!(edge.get("x", "/name").status, 502);
    edge.logged("no resolver defined to resolve localhost");
}

#[test]
fn the_body_of_a_request_is_a_variable_or_a_file() {
    let origin = Origin::start();
    let edge = Edge::nginx(format!(
        "events {{}} http {{ client_body_temp_path @dir@/bodies;
         server {{ listen @http@; http2 on;
           add_header X-Body \"$request_body\"; add_header X-File \"$request_body_file\"; add_header X-H2 \"[$http2]\";
           add_header X-Sid \"$upstream_cookie_sid\";
           location / {{ proxy_pass http://{origin}; }}
           location /file {{ client_body_in_file_only on; proxy_pass http://{origin}; }}
           location /clean {{ client_body_in_file_only clean; proxy_pass http://{origin}; }} }} }}"
    ))
    .start();
    origin.serve("/", "Set-Cookie: sid=abc; Path=/\r\n", "");
    let post = |path: &str| {
        edge.exchange(format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        ))
    };
    let kept = post("/");
    assert_eq!((kept.has("X-Body"), kept.field("X-File")), ("hello", None));
    assert_eq!((kept.has("X-H2"), kept.has("X-Sid")), ("[]", "abc"));
    assert_eq!(origin.last().body, b"hello");
    let filed = post("/file");
    assert_eq!(filed.field("X-Body"), None);
    assert_eq!(
        std::fs::read(filed.has("X-File")).expect("the file stays"),
        b"hello"
    );
    assert_eq!(origin.last().body, b"hello");
    let cleaned = post("/clean").has("X-File").to_owned();
    eventually("its end", || {
        (!std::path::Path::new(&cleaned).exists()).then_some(())
    });
}
