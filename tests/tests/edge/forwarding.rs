//! What an origin is told of the way a request took, and whom it is told to believe.

use crate::in_front_of;
use seawall_tests::{Edge, Origin, Running};

const CLAIMS: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                      X-Forwarded-Port: 1\r\nX-Real-IP: 203.0.113.9\r\nX_Forwarded_For: 203.0.113.9\r\n\
                      X_Real_IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n";

fn ask(edge: &Running, fields: &str) -> u16 {
    edge.exchange(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
        .status
}

fn with(origin: &Origin, before: &str, site: &str) -> Running {
    Edge::yaml(format!(
        "{before}\nsites: [{{ host: a.test, to: \"{origin}\", {site} }}]"
    ))
    .start()
}

#[test]
fn what_a_stranger_claims_of_itself_goes_no_further() {
    let origin = Origin::start();
    for site in [
        "",
        "forwarded: off",
        "forwarded: { x: false, rfc7239: true, real_ip: true }",
    ] {
        let edge = with(&origin, "", site);
        assert_eq!(ask(&edge, CLAIMS), 200);
        let asked = origin.last();
        for (name, value) in &asked.fields {
            let lies = value.contains("203.0.113.9") || value.contains("evil") || value == "1";
            assert!(!lies, "{site}: {name}: {value}");
        }
        assert_eq!(asked.field("X_Forwarded_For"), None, "{site}");
    }
}

#[test]
fn by_default_the_x_fields_and_via_are_sent() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    assert_eq!(ask(&edge, "Via: 1.0 fred\r\n"), 200);
    let asked = origin.last();
    let port = edge.address("http").port().to_string();
    assert_eq!(asked.field("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(asked.field("X-Forwarded-Proto"), Some("http"));
    assert_eq!(asked.field("X-Forwarded-Host"), Some("a.test"));
    assert_eq!(asked.field("X-Forwarded-Port"), Some(port.as_str()));
    assert_eq!(asked.field("Via"), Some("1.0 fred, 1.1 seawall"));
    assert_eq!(asked.count("Via"), 1);
    assert_eq!(asked.field("Forwarded"), None);
    assert_eq!(asked.field("X-Real-IP"), None);
}

#[test]
fn forwarded_quotes_what_must_be_quoted() {
    let origin = Origin::start();
    let edge = Edge::yaml(
        format!(
            "listen: [{{ http: \"[::1]:@port@\" }}, {{ http: \"@http@\" }}]\n\
         sites: [{{ host: a.test, to: \"{origin}\", forwarded: {{ rfc7239: true, via: off }} }}]"
        )
        .replace("@port@", &seawall_tests::free_address().port().to_string()),
    )
    .start();
    edge.exchange("GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n");
    assert_eq!(
        origin.last().field("Forwarded"),
        Some("for=127.0.0.1;host=\"a.test:8080\";proto=http")
    );
    assert_eq!(origin.last().field("Via"), None);
}

#[test]
fn an_ipv6_client_stands_in_brackets_and_quotes() {
    let origin = Origin::start();
    let port = seawall_tests::free_address().port();
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"[::1]:{port}\" }}]\n\
         sites: [{{ host: a.test, to: \"{origin}\", forwarded: {{ rfc7239: true }} }}]"
    ))
    .start();
    let address = format!("[::1]:{port}").parse().expect("an address");
    let mut client = seawall_tests::Client::connect(address);
    assert_eq!(client.get("a.test", "/").status, 200);
    assert_eq!(
        origin.last().field("Forwarded"),
        Some("for=\"[::1]\";host=a.test;proto=http")
    );
    assert_eq!(origin.last().field("X-Forwarded-For"), Some("::1"));
    drop(edge);
}

#[test]
fn a_trusted_proxy_is_added_to_and_not_replaced() {
    let origin = Origin::start();
    let edge = with(
        &origin,
        "trusted_proxies: [127.0.0.0/8]",
        "forwarded: { rfc7239: true, real_ip: true }",
    );
    ask(
        &edge,
        "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n\
         X-Forwarded-Port: 443\r\nForwarded: for=198.51.100.1;proto=https\r\n",
    );
    let asked = origin.last();
    assert_eq!(
        asked.field("X-Forwarded-For"),
        Some("198.51.100.1, 127.0.0.1")
    );
    assert_eq!(asked.field("X-Forwarded-Proto"), Some("https"));
    assert_eq!(asked.field("X-Forwarded-Host"), Some("shop.test"));
    assert_eq!(asked.field("X-Forwarded-Port"), Some("443"));
    assert_eq!(asked.field("X-Real-IP"), Some("198.51.100.1"));
    assert_eq!(
        asked.field("Forwarded"),
        Some("for=198.51.100.1;proto=https, for=127.0.0.1;host=a.test;proto=http")
    );
}

#[test]
fn the_client_may_be_named_by_another_field() {
    for (header, line, client) in [
        (
            "Forwarded",
            "Forwarded: for=192.0.2.1, for=\"[2001:db8::7]:1234\";proto=https",
            "2001:db8::7",
        ),
        ("Forwarded", "X-Forwarded-For: 192.0.2.1", "127.0.0.1"),
        (
            "CF-Connecting-IP",
            "CF-Connecting-IP: 192.0.2.7",
            "192.0.2.7",
        ),
        (
            "X-Forwarded-For",
            "X-Forwarded-For: 192.0.2.1, 127.0.0.1",
            "192.0.2.1",
        ),
        (
            "X-Forwarded-For",
            "X-Forwarded-For: 192.0.2.1, nobody",
            "127.0.0.1",
        ),
    ] {
        let edge = Edge::yaml(format!(
            "trusted_proxies: {{ from: [127.0.0.0/8], header: {header} }}\n\
             sites: [{{ host: a.test, respond: {{ status: 200, body: $client_ip }} }}]"
        ))
        .start();
        let answer = edge.exchange(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{line}\r\n\r\n"));
        assert_eq!(answer.text(), client, "{header}: {line}");
    }
}

#[test]
fn a_request_that_goes_in_circles_is_stopped() {
    let edge =
        Edge::yaml("sites: [{ host: a.test, to: \"@http@\", forwarded: { via: edge-one } }]")
            .start();
    let answer = edge.get("a.test", "/");
    assert_eq!(answer.status, 508);
    edge.logged("passed here too often");
    edge.counts("seawall_loops_total", 1);
}

#[test]
fn request_and_response_fields_are_added_beside_those_that_are_there() {
    let origin = Origin::start();
    origin.serve("/", "Link: </a>\r\n", "x");
    let edge = Edge::yaml(format!(
        "defaults:
  headers: {{ response: {{ add: {{ Link: </default>, X-Site: \"1\" }} }} }}
sites:
  - host: a.test
    to: \"{origin}\"
    headers:
      request: {{ add: {{ X-Tag: [one, \"$request_method\"] }}, set: {{ X-Only: set }}, remove: [Accept-Language] }}
      response: {{ add: {{ Link: [</b>, </c>] }} }}"
    ))
    .start();
    let answer = edge.exchange(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Tag: zero\r\nX-Only: mine\r\nAccept-Language: de\r\n\r\n",
    );
    let links: Vec<_> = answer
        .fields
        .iter()
        .filter(|(n, _)| n == "Link")
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(links, ["</a>", "</b>", "</c>"]);
    assert_eq!(answer.has("X-Site"), "1");
    let asked = origin.last();
    let tags: Vec<_> = asked
        .fields
        .iter()
        .filter(|(n, _)| n == "X-Tag")
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(tags, ["zero", "one", "GET"]);
    assert_eq!(
        (asked.count("X-Only"), asked.field("X-Only")),
        (1, Some("set"))
    );
    assert_eq!(asked.field("Accept-Language"), None);
}

#[test]
fn the_preset_mends_what_an_origin_forgot_and_hsts_is_for_tls() {
    let origin = Origin::start();
    origin.serve(
        "/own",
        "X-Frame-Options: ALLOWALL\r\nStrict-Transport-Security: max-age=1\r\n",
        "x",
    );
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
sites:
  - {{ host: a.test, tls: internal, to: \"{origin}\", security_headers: basic,
      hsts: {{ max_age: 365d, include_subdomains: true }} }}
  - {{ host: b.test, tls: off, to: \"{origin}\", security_headers: strict, hsts: 180d, forwarded: {{ via_response: true }} }}"
    ))
    .start();
    let mut tls = edge.tls("a.test").client;
    let answer = tls.get("a.test", "/");
    assert_eq!(answer.has("X-Content-Type-Options"), "nosniff");
    assert_eq!(answer.has("X-Frame-Options"), "SAMEORIGIN");
    assert_eq!(
        answer.has("Strict-Transport-Security"),
        "max-age=31536000; includeSubDomains"
    );
    let own = tls.get("a.test", "/own");
    assert_eq!(own.has("X-Frame-Options"), "ALLOWALL");
    let hsts: Vec<_> = own
        .fields
        .iter()
        .filter(|(n, _)| n == "Strict-Transport-Security")
        .collect();
    assert_eq!(hsts.len(), 1, "{hsts:?}");
    let plain = edge.get("b.test", "/");
    assert!(
        plain
            .has("Content-Security-Policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(plain.field("Strict-Transport-Security"), None);
    assert_eq!(plain.has("Via"), "1.1 seawall");
}
