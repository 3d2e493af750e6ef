//! Redirect maps, rewritten targets, programs and fixed answers in YAML.

use seawall_tests::{Edge, Origin, eventually};

#[test]
fn a_file_of_redirects_is_exact_and_reloaded() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, redirects: { file: moved.map, status: 308 }, respond: { status: 200, body: rest } }]",
    );
    let mut map = String::from("# moved\n/old /new\n/a https://b.test/x 301;\n/q?id=1 /one\n");
    for n in 0..5000 {
        map.push_str(&format!("/n/{n} /m/{n}\n"));
    }
    edge.write("moved.map", &map);
    let edge = edge.start();
    for (path, status, to) in [
        ("/old", 308, "/new"),
        ("/old?x=y", 308, "/new"),
        ("/%6fld", 308, "/new"),
        ("/a", 301, "https://b.test/x"),
        ("/q?id=1", 308, "/one"),
        ("/n/4321", 308, "/m/4321"),
    ] {
        let answer = edge.get("a.test", path);
        assert_eq!(
            (answer.status, answer.has("Location")),
            (status, to),
            "{path}"
        );
    }
    for path in ["/old/", "/OLD", "/q?id=2", "/n/5000"] {
        assert_eq!(edge.get("a.test", path).text(), "rest", "{path}");
    }
    edge.write("moved.map", "/new /newest\n");
    eventually("the new map", || {
        (edge.get("a.test", "/new").has("Location") == "/newest").then_some(())
    });
    assert_eq!(edge.get("a.test", "/old").text(), "rest");
}

#[test]
fn what_is_wrong_with_a_file_of_redirects_is_told_with_its_line() {
    let edge =
        Edge::yaml("sites: [{ host: a.test, redirects: { file: moved.map }, respond: 404 }]");
    edge.write("moved.map", "/old /new\nold /new\n/x\n");
    let config = edge.config();
    let said = edge.seawall(&["run".as_ref(), "-c".as_ref(), config.as_os_str()]);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(
        text.contains("moved.map:2: `old` is no path") && text.contains("moved.map:3:"),
        "{text}"
    );
}

#[test]
fn targets_are_rewritten_by_expressions_and_arguments() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites:
  - host: a.test
    routes:
      - {{ path: /p, to: \"{origin}\", rewrite: {{ regex: {{ pattern: '^/p/(\\d+)/(?<rest>.*)$', to: \"/product/$rest?id=$1\" }} }} }}
      - {{ path: /q, to: \"{origin}\", rewrite: {{ query: {{ set: {{ v: \"2\", who: $http_x_who }}, remove: [utm] }} }} }}
      - {{ path: /s, to: \"{origin}\", rewrite: {{ strip: /s, query: {{ remove: [a] }} }} }}"
    ))
    .start();
    for (asked, forwarded) in [
        ("/p/12/x/y?q=1", "/product/x/y?id=12&q=1"),
        ("/p/none", "/p/none"),
        ("/q/a%2Fb?utm=1&x=1&v=1", "/q/a%2Fb?x=1&v=2&who="),
        ("/q", "/q?v=2&who="),
        ("/s/t?a=1", "/t"),
        ("/s/t?a=1&b=2", "/t?b=2"),
    ] {
        edge.get("a.test", asked);
        assert_eq!(origin.last().target, forwarded, "{asked}");
    }
    edge.exchange("GET /q HTTP/1.1\r\nHost: a.test\r\nX-Who: a b&c=d#\r\n\r\n");
    assert_eq!(origin.last().target, "/q?v=2&who=a%20b%26c=d%23");
}

#[test]
fn a_program_runs_in_order() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - path: /
        do:
          - set: { kind: plain }
          - if: { value: $arg_x, matches: '^v(\\d+)$' }
            then: [{ set: { kind: \"number $1\" } }]
          - if: { value: $arg_out, equals: \"1\" }
            then: [{ return: { status: 307, to: /elsewhere } }]
          - if: { value: $arg_x, not: true }
            then: [{ set: { kind: none } }]
          - if: $arg_stop
            then: [{ return: 410 }]
          - rewrite: { regex: '^/old/(.*)$', to: /new/$1, then: break }
        respond: { status: 200, body: \"$kind $uri\" }",
    )
    .start();
    for (path, body) in [
        ("/?x=v12", "number 12 /"),
        ("/?x=w", "plain /"),
        ("/", "none /"),
        ("/old/x", "none /new/x"),
    ] {
        assert_eq!(edge.get("a.test", path).text(), body, "{path}");
    }
    assert_eq!(
        edge.get("a.test", "/?x=1&out=1").has("Location"),
        "/elsewhere"
    );
    assert_eq!(edge.get("a.test", "/?x=1&stop=1").status, 410);
}

#[test]
fn a_fixed_answer_may_be_a_file_in_memory() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, respond: { status: 203, file: robots.txt } }, { host: b.test, respond: { file: x.bin, type: image/x-test } }]",
    );
    edge.write("robots.txt", "User-agent: *\n$uri");
    edge.write("x.bin", [0, 159, 146, 150]);
    let edge = edge.start();
    let robots = edge.get("a.test", "/robots.txt");
    assert_eq!(
        (robots.status, robots.text().as_str()),
        (203, "User-agent: *\n$uri")
    );
    assert!(robots.has("Content-Type").starts_with("text/plain"));
    let binary = edge.get("b.test", "/");
    assert_eq!(
        (binary.body.as_slice(), binary.has("Content-Type")),
        (&[0, 159, 146, 150][..], "image/x-test")
    );
}

#[test]
fn nginx_s_rewrite_module_surprises_here_as_it_does_there() {
    let origin = Origin::start();
    let edge = Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@;
  location /auto/ {{ proxy_pass http://{origin}; }}
  location /break/ {{ rewrite ^/break/(.*)$ /new/$1 break; proxy_pass http://{origin}/ignored/; }}
  location /if {{ if ($arg_a) {{ add_header X-If a; }} if ($arg_b) {{ add_header X-If b; }} add_header X-If none; return 200 x; }}
  location /id {{ return 200 $request_id; }} }} }}"
    ))
    .start();
    let auto = edge.get("a.test", "/auto?q=1");
    assert_eq!(auto.status, 301);
    assert!(
        auto.has("Location").ends_with("/auto/?q=1"),
        "{}",
        auto.has("Location")
    );
    edge.get("a.test", "/break/x?q=1");
    assert_eq!(origin.last().target, "/new/x?q=1");
    for (path, value) in [("/if?a=1&b=1", "b"), ("/if?a=1", "a"), ("/if", "none")] {
        assert_eq!(edge.get("a.test", path).has("X-If"), value, "{path}");
    }
    assert_eq!(edge.get("a.test", "/id").text().len(), 32);
}

#[test]
fn redirects_and_returns_are_for_those_who_may_pass() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    redirects: { file: moved.map }
    routes:
      - { path: /open, respond: 204 }
      - { path: /made, auth: { basic: users }, do: [{ return: { status: 302, to: /elsewhere } }], respond: 204 }
      - { path: /, auth: { basic: users }, respond: 204 }
  - { host: b.test, auth: { basic: users }, redirects: { /old: /new }, respond: 204 }",
    );
    edge.write("moved.map", "/old /new\n/open /opened\n");
    // The password is `secret` (apr1).
    edge.write("users", "ada:$apr1$seawall0$64oiearVQrel64r9OrDCU/\n");
    let edge = edge.start();
    for path in ["/old", "/made"] {
        let refused = edge.get("a.test", path);
        assert_eq!(
            (refused.status, refused.field("Location")),
            (401, None),
            "{path}"
        );
    }
    assert_eq!(edge.get("b.test", "/old").status, 401);
    assert_eq!(edge.get("a.test", "/open").has("Location"), "/opened");
    for (path, to) in [("/old", "/new"), ("/made", "/elsewhere")] {
        // ada:secret
        let led = edge.exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic YWRhOnNlY3JldA==\r\n\r\n"
        ));
        assert_eq!(led.has("Location"), to, "{path}");
    }
}
