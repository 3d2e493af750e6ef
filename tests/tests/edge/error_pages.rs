//! Pages in place of errors: of our own and of an origin's.

use seawall_tests::{Edge, Origin};

#[test]
fn a_code_has_its_page_and_a_class_the_rest() {
    let origin = Origin::start();
    origin.answer(
        "/broken",
        "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nOops",
    );
    let edge = Edge::yaml(format!(
        "defaults: {{ errors: {{ 4xx: pages/any.html, \"404\": pages/404.html, 5xx: pages/sorry.html }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /gone, respond: 410 }}
      - {{ path: /teapot, respond: 418, errors: {{ 4xx: off }} }}
      - {{ path: /dead, to: \"127.0.0.1:1\" }}
      - {{ path: /broken, to: \"{origin}\" }}
      - {{ path: /files, root: @dir@/www }}"
    ));
    edge.write("pages/any.html", "any");
    edge.write("pages/404.html", "<p>lost");
    edge.write("pages/sorry.html", "sorry");
    let edge = edge.start();
    for (path, status, body) in [
        ("/none", 404, "<p>lost"),
        ("/files/none", 404, "<p>lost"),
        ("/gone", 410, "any"),
        ("/dead", 502, "sorry"),
        // What an origin says is its own business unless it is intercepted.
        ("/broken", 500, "Oops"),
    ] {
        let answer = edge.get("a.test", path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{path}"
        );
    }
    assert!(
        edge.get("a.test", "/none")
            .has("Content-Type")
            .starts_with("text/html")
    );
    assert!(edge.get("a.test", "/teapot").text().contains("418"));
    let mut client = edge.client();
    client.send("HEAD /none HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!((head.status, head.has("Content-Length")), (404, "7"));
    assert_eq!(client.get("a.test", "/gone").text(), "any");
    // Reloaded with the file.
    edge.write("pages/404.html", "changed");
    seawall_tests::eventually("the new page", || {
        (edge.get("a.test", "/none").text() == "changed").then_some(())
    });
}

#[test]
fn a_page_may_be_a_route_a_location_or_another_status() {
    let origin = Origin::start();
    origin.serve("/down", "X-From: origin\r\n", "page of the origin");
    origin.answer(
        "/missing",
        "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nnot",
    );
    let edge = Edge::yaml(format!(
        "sites:
  - host: a.test
    errors:
      \"404\": {{ to: \"@lost\" }}
      \"410\": {{ to: /down }}
      \"403\": \"https://login.test/\"
      \"418\": {{ to: /tea, status: 200 }}
      \"409\": {{ to: /tea, status: page }}
      \"451\": {{ to: /loop }}
      intercept: true
    routes:
      - {{ path: /gone, respond: 410 }}
      - {{ path: /private, respond: 403 }}
      - {{ path: /pot, respond: 418 }}
      - {{ path: /conflict, respond: 409 }}
      - {{ path: /tea, internal: true, respond: {{ status: 201, body: tea }} }}
      - {{ path: /loop, respond: 451 }}
      - {{ path: /missing, to: \"{origin}\" }}
      - {{ path: /down, to: \"{origin}\" }}
      - {{ name: lost, respond: {{ status: 200, body: \"lost $uri $status\" }} }}"
    ))
    .start();
    for (path, status, body) in [
        ("/none?x", 404, "lost /none 404"),
        ("/missing", 404, "lost /missing 404"),
        ("/gone", 410, "page of the origin"),
        ("/pot", 200, "tea"),
        ("/conflict", 201, "tea"),
    ] {
        let answer = edge.get("a.test", path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{path}"
        );
    }
    let private = edge.get("a.test", "/private");
    assert_eq!(
        (private.status, private.has("Location")),
        (302, "https://login.test/")
    );
    // A page that fails itself gets the plain page, once.
    let looped = edge.get("a.test", "/loop");
    assert!(
        looped.status == 451 && looped.text().contains("451"),
        "{}",
        looped.text()
    );
    assert_eq!(edge.get("a.test", "/tea").status, 404, "internal");
    // The page is asked for with GET and without the body of what failed.
    let post =
        edge.exchange("POST /gone HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(
        (post.status, post.text().as_str()),
        (410, "page of the origin")
    );
    assert_eq!(origin.last().method, "GET");
    assert!(origin.last().body.is_empty() && origin.last().field("Content-Length").is_none());
}

#[test]
fn nginx_s_error_page_is_read_whole() {
    let origin = Origin::start();
    origin.answer("/e500", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");
    origin.answer(
        "/e401",
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 2\r\n\r\nno",
    );
    let edge = Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@; root @dir@/www; error_page 404 /404.html; error_page 401 /401;
  location /named {{ error_page 404 = @fb; return 404; }}
  location @fb {{ return 200 \"fb $uri\"; }}
  location /other {{ error_page 404 =201 /page; return 404; }}
  location /page {{ return 200 page; }}
  location /401 {{ return 200 login; }}
  location /e401 {{ proxy_intercept_errors on; proxy_pass http://{origin}; }}
  location /e500 {{ error_page 500 /page; proxy_pass http://{origin}; }}
  location /i500 {{ error_page 500 502 /page; proxy_intercept_errors on; proxy_pass http://{origin}/e500; }}
  location /out {{ error_page 403 http://b.test/x; return 403; }}
  location /deep {{ recursive_error_pages on; error_page 403 /deep2; return 403; }}
  location /deep2 {{ recursive_error_pages on; error_page 405 =299 @fb; return 405; }}
  location /nowhere {{ error_page 404 @none; return 404; }}
}} }}"
    ));
    edge.write("www/404.html", "own 404");
    let edge = edge.start();
    for (path, status, body) in [
        ("/x", 404, "own 404"),
        ("/named", 200, "fb /named"),
        ("/other", 201, "page"),
        ("/e500", 500, "no"),
        ("/i500", 500, "page"),
        ("/e401", 401, "login"),
        ("/deep", 299, "fb /deep2"),
    ] {
        let answer = edge.get("a.test", path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{path}"
        );
    }
    let denied = edge.get("a.test", "/e401");
    assert_eq!(denied.has("WWW-Authenticate"), "Basic realm=x");
    let out = edge.get("a.test", "/out");
    assert_eq!((out.status, out.has("Location")), (302, "http://b.test/x"));
    assert_eq!(edge.get("a.test", "/nowhere").status, 404);
    edge.logged("could not find named location \"@none\"");
}
