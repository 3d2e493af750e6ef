//! Another service says who may pass.

use seawall_tests::{Edge, Origin, Response, Running};

/// `/verify` lets pass whoever has the cookie `session=good`, says who that is, and sends all others to the login.
fn verifier() -> Origin {
    let origin = Origin::start();
    origin.script("/verify", |asked, exchange| {
        let answer = match asked.field("Cookie") {
            Some("session=good") => {
                "HTTP/1.1 200 OK\r\nRemote-User: alice\r\nRemote-Groups: staff\r\nRemote-Groups: admin\r\n\
                 X-Other: not copied\r\nSet-Cookie: session=renewed\r\nContent-Length: 2\r\n\r\nok"
            }
            Some("session=weak") => {
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"sso\"\r\nContent-Length: 7\r\n\r\nwho are"
            }
            Some("session=none") => "HTTP/1.1 204 No Content\r\n\r\n",
            Some("session=broken") => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            _ => {
                "HTTP/1.1 302 Found\r\nLocation: https://login.test/?rd=x\r\nSet-Cookie: csrf=1\r\n\
                 Content-Length: 8\r\n\r\nto login"
            }
        };
        exchange.send(answer);
        seawall_tests::Then::Keep
    });
    origin
}

fn edge(origin: &Origin, verifier: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}
sites:
  - host: a.test
    to: \"{origin}\"
    cache: default
    auth: {{ forward: \"http://{verifier}/verify?a=b\", copy: [Remote-User, Remote-Groups] }}
    routes:
      - {{ path: /public, auth: off }}
      - {{ path: / }}"
    ))
    .start()
}

fn ask(edge: &Running, line: &str, fields: &str) -> Response {
    edge.exchange(format!("{line} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
}

#[test]
fn who_may_pass_is_named_to_the_origin() {
    let (origin, verifier) = (Origin::start(), verifier());
    let edge = edge(&origin, &verifier);
    let answer = ask(&edge, "GET /page?x=1", "Cookie: session=good\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.has("Set-Cookie"), "session=renewed");
    let asked = origin.last();
    assert_eq!(asked.field("Remote-User"), Some("alice"));
    assert_eq!(asked.count("Remote-Groups"), 2);
    assert_eq!(asked.field("X-Other"), None);
    assert_eq!(asked.field("Cookie"), Some("session=good"));
    edge.counts(
        "seawall_access_total{result=\"authorized\",site=\"a.test\"}",
        1,
    );
}

#[test]
fn the_verifier_is_told_what_it_is_about() {
    let (origin, verifier) = (Origin::start(), verifier());
    let edge = edge(&origin, &verifier);
    let body = "name=value";
    ask(
        &edge,
        "POST /form?x=1",
        &format!(
            "Cookie: session=good\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /harmless\r\n\
             X-Forwarded-For: 10.0.0.1\r\nRemote-User: root\r\nIf-None-Match: \"x\"\r\nAccept: text/html\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let asked = verifier.last();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("GET", "/verify?a=b")
    );
    assert_eq!(asked.body.len(), 0);
    for (name, value) in [
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/form?x=1"),
        ("X-Forwarded-Host", "a.test"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Accept", "text/html"),
        ("Host", &verifier.to_string()),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
        assert_eq!(asked.count(name), 1, "{name}");
    }
    for none in [
        "Content-Length",
        "Transfer-Encoding",
        "If-None-Match",
        "Remote-User",
    ] {
        assert_eq!(asked.field(none), None, "{none}");
    }
    assert_eq!(origin.last().body, body.as_bytes());
}

#[test]
fn a_client_cannot_name_itself_on_any_route() {
    let (origin, verifier) = (Origin::start(), verifier());
    let edge = edge(&origin, &verifier);
    let lies = "Remote-User: root\r\nremote-user: root\r\nRemote_User: root\r\nREMOTE-GROUPS: wheel\r\nRemote_groups: wheel\r\n";
    for (path, session) in [
        ("/", "session=good"),
        // Lets pass and names nobody.
        ("/", "session=none"),
        // Not guarded, but the application behind it is the same.
        ("/public", ""),
    ] {
        let answer = ask(
            &edge,
            &format!("GET {path}"),
            &format!("{lies}Cookie: {session}\r\n"),
        );
        assert_eq!(answer.status, 200, "{path} {session}");
        for (name, value) in &origin.last().fields {
            assert!(
                value != "root" && value != "wheel",
                "{path} {session}: {name}: {value}"
            );
        }
    }
    // Connection cannot take the proved field away either.
    ask(
        &edge,
        "GET /",
        "Cookie: session=good\r\nConnection: Remote-User\r\n",
    );
    assert_eq!(origin.last().field("Remote-User"), Some("alice"));
}

#[test]
fn others_get_the_verifiers_own_answer() {
    let (origin, verifier) = (Origin::start(), verifier());
    let edge = edge(&origin, &verifier);
    let mut client = edge.client();
    let login = client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    assert_eq!(login.status, 302);
    assert_eq!(login.has("Location"), "https://login.test/?rd=x");
    assert_eq!(login.has("Set-Cookie"), "csrf=1");
    assert_eq!(login.text(), "to login");
    let weak = client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: session=weak\r\n\r\n")
        .response();
    assert_eq!(
        (weak.status, weak.has("WWW-Authenticate")),
        (401, "Basic realm=\"sso\"")
    );
    let head = client
        .send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!(head.status, 302);
    // Still in step.
    assert_eq!(
        client
            .send("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: session=good\r\n\r\n")
            .response()
            .status,
        200
    );
    assert_eq!(origin.received().len(), 1);
    edge.counts(
        "seawall_access_total{result=\"refused\",site=\"a.test\"}",
        3,
    );
}

#[test]
fn nobody_passes_when_the_verifier_is_gone_or_broken() {
    let (origin, verifier) = (Origin::start(), verifier());
    let edge = edge(&origin, &verifier);
    assert_eq!(
        ask(&edge, "GET /", "Cookie: session=broken\r\n").status,
        500
    );
    verifier.answer_and_close("/verify", "nonsense\r\n\r\n");
    assert_eq!(ask(&edge, "GET /", "Cookie: session=good\r\n").status, 503);
    verifier.stop();
    assert_eq!(ask(&edge, "GET /", "Cookie: session=good\r\n").status, 503);
    assert_eq!(origin.received().len(), 0);
    edge.logged("auth request failed");
    edge.counts(
        "seawall_access_total{result=\"unavailable\",site=\"a.test\"}",
        2,
    );
}

#[test]
fn what_an_origin_says_to_one_user_is_not_said_to_another() {
    let (origin, verifier) = (Origin::start(), verifier());
    origin.script("/", |asked, exchange| {
        let body = format!("for {}", asked.field("Remote-User").unwrap_or("nobody"));
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        seawall_tests::Then::Keep
    });
    let edge = edge(&origin, &verifier);
    assert_eq!(
        ask(&edge, "GET /", "Cookie: session=good\r\n").text(),
        "for alice"
    );
    assert_eq!(
        ask(&edge, "GET /", "Cookie: session=none\r\n").text(),
        "for nobody"
    );
    assert_eq!(
        ask(&edge, "GET /", "Cookie: session=good\r\n").text(),
        "for alice"
    );
    // What is stored for those who are nobody is still only for those who may pass.
    let stranger = ask(&edge, "GET /", "");
    assert_eq!(stranger.status, 302);
    assert!(!stranger.text().contains("for"));
}

#[test]
fn several_ways_must_all_hold_or_one_of_them() {
    let (origin, verifier) = (Origin::start(), verifier());
    for (satisfy, cookie, password, status) in [
        ("all", "good", true, 200),
        ("all", "good", false, 401),
        ("all", "bad", true, 302),
        ("any", "good", false, 200),
        ("any", "bad", true, 200),
        ("any", "bad", false, 401),
    ] {
        let edge = Edge::yaml(format!(
            "sites:
  - host: a.test
    to: \"{origin}\"
    satisfy: {satisfy}
    auth: [{{ basic: users }}, {{ forward: \"http://{verifier}/verify\", copy: Remote-User }}]"
        ));
        // user:secret
        edge.write("users", "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
        let edge = edge.start();
        let basic = if password {
            "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"
        } else {
            ""
        };
        let answer = ask(
            &edge,
            "GET /",
            &format!("Cookie: session={cookie}\r\n{basic}"),
        );
        assert_eq!(answer.status, status, "{satisfy} {cookie} {password}");
    }
}
