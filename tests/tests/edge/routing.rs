//! Sites by name, routes by path, what is done with both.

use seawall_tests::{Edge, Origin};

#[test]
fn sites_are_found_by_exact_name_then_suffix_then_any() {
    let edge = Edge::yaml(
        "sites:
  - { host: \"*\", respond: { status: 200, body: any } }
  - { host: \"*.a.test\", respond: { status: 200, body: suffix } }
  - { host: [a.test, www.a.test], respond: { status: 200, body: exact } }",
    )
    .start();
    for (host, body) in [
        ("a.test", "exact"),
        ("A.Test", "exact"),
        ("www.a.test:8080", "exact"),
        ("www.a.test.", "exact"),
        ("x.a.test", "suffix"),
        ("x.y.a.test", "suffix"),
        ("b.test", "any"),
        ("127.0.0.1", "any"),
    ] {
        assert_eq!(edge.get(host, "/").text(), body, "{host}");
    }
}

#[test]
fn the_first_route_that_matches_answers() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { exact: /healthz, respond: { status: 200, body: exact } }
      - { path: /api, respond: { status: 200, body: api } }
      - { regex: '^/p/(?<id>[0-9]+)$', respond: { status: 200, body: \"product $id\" } }
      - { path: /gone, respond: 410 }
      - { path: /, respond: { status: 200, body: rest } }",
    )
    .start();
    for (path, body) in [
        ("/healthz", "exact"),
        ("/healthz/", "rest"),
        ("/api", "api"),
        ("/api/x?y", "api"),
        ("/apix", "rest"),
        ("/p/42", "product 42"),
        ("/p/x", "rest"),
        // Decoded and normalised before it is matched.
        ("/x/../api/y", "api"),
        ("/%61pi", "api"),
        ("//api", "api"),
    ] {
        assert_eq!(edge.get("a.test", path).text(), body, "{path}");
    }
    assert_eq!(edge.get("a.test", "/gone").status, 410);
}

#[test]
fn the_target_reaches_the_origin_byte_for_byte_unless_it_is_rewritten() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites:
  - host: a.test
    routes:
      - {{ path: /api, to: \"{origin}\", rewrite: {{ strip: /api, add: /v1 }} }}
      - {{ path: /, to: \"{origin}\" }}"
    ))
    .start();
    for (asked, forwarded) in [
        ("/plain?q=1&q=2", "/plain?q=1&q=2"),
        ("/a%2Fb%20c?x=%00", "/a%2Fb%20c?x=%00"),
        ("/api/items?x=y", "/v1/items?x=y"),
        ("/api", "/v1"),
    ] {
        edge.get("a.test", asked);
        assert_eq!(origin.last().target, forwarded, "{asked}");
    }
}

#[test]
fn redirects_keep_what_they_are_told_to() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    redirects: { /blog: \"https://blog.test$uri\" }
    routes:
      - { path: /old, redirect: { to: \"/new$is_args$args\", status: 302 } }
      - { path: /, respond: { status: 200, body: rest } }",
    )
    .start();
    let blog = edge.get("a.test", "/blog/2026");
    assert!((300..400).contains(&blog.status), "{}", blog.status);
    assert_eq!(blog.has("Location"), "https://blog.test/blog/2026");
    let old = edge.get("a.test", "/old?a=b");
    assert_eq!(old.status, 302);
    assert!(
        old.has("Location").ends_with("/new?a=b"),
        "{}",
        old.has("Location")
    );
}

#[test]
fn a_redirect_cannot_be_made_to_carry_another_header() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, redirect: { to: \"https://b.test$uri\", status: 302 } }]",
    )
    .start();
    let response = edge.get("a.test", "/x%0d%0aSet-Cookie:%20a=1");
    assert_eq!(response.field("Set-Cookie"), None);
    assert!(matches!(response.status, 302 | 400), "{}", response.status);
}

#[test]
fn response_headers_are_set_and_removed() {
    let origin = Origin::start();
    origin.serve(
        "/",
        "X-Powered-By: magic\r\nX-Frame-Options: none\r\n",
        "ok",
    );
    let edge = Edge::yaml(format!(
        "defaults: {{ headers: {{ response: {{ set: {{ X-Frame-Options: DENY, X-Id: $request_id }}, remove: [X-Powered-By] }} }} }}
sites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let response = edge.get("a.test", "/");
    assert_eq!(response.field("X-Powered-By"), None);
    assert_eq!(
        response
            .fields
            .iter()
            .filter(|(n, _)| n == "X-Frame-Options")
            .count(),
        1
    );
    assert_eq!(response.has("X-Frame-Options"), "DENY");
    assert!(response.has("X-Id").len() >= 16);
}

#[test]
fn files_are_served_from_below_their_root_only() {
    let edge = Edge::yaml("sites: [{ host: a.test, root: @dir@/www }]");
    edge.write("www/index.html", "<p>front</p>");
    edge.write("www/sub/page.txt", "text");
    edge.write("secret", "secret");
    std::os::unix::fs::symlink("../secret", edge.path("www/link")).unwrap();
    let edge = edge.start();
    let front = edge.get("a.test", "/");
    assert_eq!((front.status, front.text().as_str()), (200, "<p>front</p>"));
    assert!(front.has("Content-Type").starts_with("text/html"));
    let page = edge.get("a.test", "/sub/page.txt");
    assert_eq!(
        (page.text().as_str(), page.has("Content-Length")),
        ("text", "4")
    );
    assert_eq!(edge.get("a.test", "/missing").status, 404);
    assert!(edge.get("a.test", "/sub").status >= 300);
    for escape in [
        "/../secret",
        "/%2e%2e/secret",
        "/sub/../../secret",
        "/..%2fsecret",
    ] {
        assert!(edge.get("a.test", escape).status >= 400, "{escape}");
    }
    let again = edge
        .client()
        .send(format!(
            "GET /sub/page.txt HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: {}\r\n\r\n",
            page.has("ETag")
        ))
        .response();
    assert_eq!(again.status, 304);
}
