//! Pages of other origins.

use seawall_tests::{Edge, Origin, Running};

fn edge(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}
sites:
  - host: a.test
    to: \"{origin}\"
    routes:
      - {{ path: /open, cors: {{ origins: \"*\" }} }}
      - path: /app
        cache: default
        cors:
          origins: [https://app.test, \"https://*.shop.test\"]
          methods: [GET, PUT]
          headers: [X-Token, Content-Type]
          expose: [X-Total]
          credentials: true
          max_age: 1h"
    ))
    .start()
}

fn ask(edge: &Running, line: &str, fields: &str) -> seawall_tests::Response {
    edge.exchange(format!("{line} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
}

#[test]
fn a_preflight_is_answered_here() {
    let origin = Origin::start();
    let edge = edge(&origin);
    let answer = ask(
        &edge,
        "OPTIONS /app",
        "Origin: https://app.test\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-token\r\n",
    );
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.has("Access-Control-Allow-Origin"),
        "https://app.test"
    );
    assert_eq!(answer.has("Access-Control-Allow-Methods"), "GET, PUT");
    assert_eq!(
        answer.has("Access-Control-Allow-Headers"),
        "X-Token, Content-Type"
    );
    assert_eq!(answer.has("Access-Control-Allow-Credentials"), "true");
    assert_eq!(answer.has("Access-Control-Max-Age"), "3600");
    assert_eq!(answer.has("Vary"), "Origin");
    assert_eq!(origin.received().len(), 0);
    edge.counts(
        "seawall_access_total{result=\"preflight\",site=\"a.test\"}",
        1,
    );
    // OPTIONS that is no preflight is the origin's.
    assert_eq!(
        ask(&edge, "OPTIONS /app", "Origin: https://app.test\r\n").status,
        200
    );
    assert_eq!(origin.received().len(), 1);
}

#[test]
fn others_are_told_nothing_they_could_use() {
    let origin = Origin::start();
    let edge = edge(&origin);
    for stranger in [
        "https://evil.test",
        "null",
        "https://app.test.evil.test",
        "http://app.test",
    ] {
        for line in ["OPTIONS /app", "GET /app"] {
            let answer = ask(
                &edge,
                line,
                &format!("Origin: {stranger}\r\nAccess-Control-Request-Method: GET\r\n"),
            );
            for (name, value) in &answer.fields {
                assert!(
                    !name.to_ascii_lowercase().starts_with("access-control"),
                    "{stranger}: {name}: {value}"
                );
            }
            assert_eq!(answer.has("Vary"), "Origin", "{stranger}");
        }
    }
    let anyone = ask(&edge, "GET /open", "Origin: https://evil.test\r\n");
    assert_eq!(anyone.has("Access-Control-Allow-Origin"), "*");
    assert_eq!(anyone.field("Access-Control-Allow-Credentials"), None);
    let null = ask(&edge, "GET /open", "Origin: null\r\n");
    assert_eq!(null.field("Access-Control-Allow-Origin"), None);
}

#[test]
fn a_stored_response_is_told_to_each_page_in_its_own_words() {
    let origin = Origin::start();
    origin.serve(
        "/app",
        "Cache-Control: max-age=60\r\nAccess-Control-Allow-Origin: *\r\nX-Total: 3\r\n",
        "x",
    );
    let edge = edge(&origin);
    for page in [
        "https://app.test",
        "https://de.shop.test",
        "https://app.test",
    ] {
        let answer = ask(&edge, "GET /app", &format!("Origin: {page}\r\n"));
        let allowed: Vec<_> = answer
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case("Access-Control-Allow-Origin"))
            .map(|(_, v)| v.as_str())
            .collect();
        assert_eq!(allowed, [page]);
        assert_eq!(answer.has("Access-Control-Expose-Headers"), "X-Total");
    }
    assert_eq!(origin.hits("/app"), 1);
}

#[test]
fn any_origin_with_credentials_and_the_null_origin_are_no_configuration() {
    for (cors, word) in [
        ("{ origins: \"*\", credentials: true }", "credentials"),
        ("{ origins: [\"null\"] }", "null"),
        ("{ origins: [app.test] }", "scheme"),
        ("{ methods: [GET] }", "origins"),
    ] {
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, respond: 200, cors: {cors} }}]"
        ));
        let (status, said) = edge.start_in_vain();
        assert!(!status.success() && said.contains(word), "{cors}: {said}");
    }
}
