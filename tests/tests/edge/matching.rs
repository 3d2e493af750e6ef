//! Routes that ask for more than a path.

use seawall_tests::{Edge, Running};

fn edge() -> Running {
    Edge::yaml(
        "trusted_proxies: [127.0.0.1]
sites:
  - host: a.test
    routes:
      - { path: /api, methods: [POST, PUT], respond: { status: 200, body: write } }
      - { path: /api, when: { header: { X-Version: \"2\" } }, respond: { status: 200, body: version 2 } }
      - { path: /api, when: { header: { X-Version: { regex: '^[34]$' } } }, respond: { status: 200, body: \"version 3 or 4\" } }
      - { path: /api, when: { header: { X-Debug: present }, not: { cookie: { role: guest } } }, respond: { status: 200, body: debug } }
      - { path: /api, when: { query: { lang: [de, at] } }, respond: { status: 200, body: german } }
      - { path: /api, when: { cookie: { beta: \"1\" } }, respond: { status: 200, body: beta } }
      - { path: /api, respond: { status: 200, body: rest } }
      - { path: /admin, when: { from: [10.0.0.0/8, \"2001:db8::/32\"] }, respond: { status: 200, body: admin } }
      - { regex: '^/p/(?<id>[0-9]+)$', when: { method: GET }, respond: { status: 200, body: \"one $id\" } }
      - { path: /p, respond: { status: 200, body: \"other $1\" } }
      - { path: /admin, respond: 404 }",
    )
    .start()
}

fn ask(edge: &Running, line: &str, fields: &str) -> (u16, String) {
    let answer = edge.exchange(format!(
        "{line} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n{fields}\r\n"
    ));
    (answer.status, answer.text())
}

#[test]
fn the_first_route_whose_path_and_conditions_fit_answers() {
    let edge = edge();
    for (line, fields, body) in [
        ("POST /api", "", "write"),
        ("PUT /api/x", "X-Version: 2\r\n", "write"),
        ("GET /api", "", "rest"),
        ("GET /api", "X-Version: 2\r\n", "version 2"),
        ("GET /api", "x-version: 4\r\n", "version 3 or 4"),
        ("GET /api", "X-Version: 34\r\n", "rest"),
        // One of several field lines is enough.
        ("GET /api", "X-Version: 1\r\nX-Version: 2\r\n", "version 2"),
        ("GET /api", "X-Debug: \r\n", "debug"),
        ("GET /api", "X-Debug: 1\r\nCookie: role=guest\r\n", "rest"),
        ("GET /api", "X-Debug: 1\r\nCookie: role=admin\r\n", "debug"),
        ("GET /api?lang=de", "", "german"),
        ("GET /api?l%61ng=%61t&x", "", "german"),
        ("GET /api?lang=deu", "", "rest"),
        ("GET /api?xlang=de", "", "rest"),
        ("GET /api", "Cookie: a=b; beta=1\r\n", "beta"),
        ("GET /api", "Cookie: a=b; beta=12\r\n", "rest"),
    ] {
        assert_eq!(
            ask(&edge, line, fields),
            (200, body.into()),
            "{line} {fields}"
        );
    }
}

#[test]
fn a_route_may_ask_where_its_client_is() {
    let edge = edge();
    for (from, status) in [
        ("", 404),
        ("X-Forwarded-For: 10.1.2.3\r\n", 200),
        ("X-Forwarded-For: 2001:db8::7\r\n", 200),
        // Whoever stands before the last untrusted address only says so.
        ("X-Forwarded-For: 10.1.2.3, 192.0.2.1\r\n", 404),
    ] {
        assert_eq!(ask(&edge, "GET /admin", from).0, status, "{from}");
    }
}

#[test]
fn what_an_expression_captured_goes_with_its_route() {
    let edge = edge();
    assert_eq!(ask(&edge, "GET /p/42", "").1, "one 42");
    assert_eq!(ask(&edge, "POST /p/42", "").1, "other ");
}

#[test]
fn check_warns_of_a_hidden_route_and_not_of_one_that_asks_for_less() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { path: /, when: { method: GET }, respond: 200 }
      - { path: /x, when: { method: GET, header: { A: b } }, respond: 201 }
      - { path: /y, when: { method: POST }, respond: 202 }",
    );
    let config = edge.config();
    let said = edge.seawall(&["check".as_ref(), "-c".as_ref(), config.as_os_str()]);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    assert_eq!(
        text.matches("nothing reaches this route").count(),
        1,
        "{text}"
    );
    assert!(text.contains("/x"), "{text}");
}
