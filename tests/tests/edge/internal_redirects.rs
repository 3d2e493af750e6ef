//! X-Accel-Redirect: an origin decides, the edge delivers.

use seawall_tests::{Edge, Origin};

#[test]
fn an_origin_leads_to_internal_routes_and_its_fields_go_along() {
    let origin = Origin::start();
    let lead = |path: &str, to: &str| {
        origin.answer(
            path,
            format!(
                "HTTP/1.1 200 OK\r\nX-Accel-Redirect: {to}\r\nContent-Type: application/x-report\r\nSet-Cookie: seen=1\r\n\
                 Content-Disposition: attachment\r\nX-Other: no\r\nContent-Length: 6\r\n\r\nhidden"
            ),
        );
    };
    lead("/download", "/protected/a%20b.txt");
    lead("/open", "/public/x");
    lead("/named", "@made");
    lead("/bad", "/protected/../../x");
    lead("/loop", "/loop");
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 1MiB }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /protected, internal: true, root: @dir@/www }}
      - {{ path: /public, respond: {{ status: 200, body: public }} }}
      - {{ name: made, respond: {{ status: 200, body: \"made $uri\" }} }}
      - {{ path: /cached, to: \"{origin}\", rewrite: {{ strip: /cached }}, cache: {{ force_ttl: 1h }} }}
      - {{ path: /, to: \"{origin}\" }}"
    ));
    edge.write("www/protected/a b.txt", "content");
    let edge = edge.start();
    let mut client = edge.client();
    for path in ["/download", "/cached/download", "/cached/download"] {
        let got = client.get("a.test", path);
        assert_eq!(
            (got.status, got.text().as_str()),
            (200, "content"),
            "{path}"
        );
        assert_eq!(got.has("Content-Type"), "application/x-report");
        assert_eq!(got.has("Set-Cookie"), "seen=1");
        assert_eq!(got.has("Content-Disposition"), "attachment");
        assert_eq!(got.field("X-Other"), None);
        assert_eq!(got.field("X-Accel-Redirect"), None);
        assert_eq!(
            got.fields
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case("content-type"))
                .count(),
            1
        );
    }
    assert_eq!(client.get("a.test", "/named").text(), "made /named");
    // The client itself is not let in, and the origin is not let out.
    assert_eq!(client.get("a.test", "/protected/a%20b.txt").status, 404);
    assert_eq!(client.get("a.test", "/open").status, 404);
    edge.logged("X-Accel-Redirect to \"/public/x\", whose route is not internal");
    assert_eq!(client.get("a.test", "/bad").status, 404);
    edge.logged("leads nowhere");
    let ranged = client
        .send("GET /download HTTP/1.1\r\nHost: a.test\r\nRange: bytes=0-2\r\n\r\n")
        .response();
    assert_eq!((ranged.status, ranged.text().as_str()), (206, "con"));
}

#[test]
fn a_client_cannot_name_a_file_by_itself() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites:
  - host: a.test
    routes:
      - {{ path: /protected, internal: true, respond: {{ status: 200, body: secret }} }}
      - {{ path: /, to: \"{origin}\" }}"
    ))
    .start();
    let sent =
        edge.exchange("GET /x HTTP/1.1\r\nHost: a.test\r\nX-Accel-Redirect: /protected/x\r\n\r\n");
    assert!(sent.status == 200 && !sent.text().contains("secret"));
    for path in [
        "/protected/x",
        "/x/../protected/x",
        "/%70rotected/x",
        "//protected",
    ] {
        assert_eq!(edge.get("a.test", path).status, 404, "{path}");
    }
}

#[test]
fn nginx_leads_anywhere_and_at_most_ten_times() {
    let origin = Origin::start();
    origin.answer(
        "/loop",
        "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /loop\r\nContent-Length: 0\r\n\r\n",
    );
    origin.answer(
        "/out",
        "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /plain?a=b\r\nContent-Length: 0\r\n\r\n",
    );
    let edge = Edge::nginx(format!(
        "events {{}} http {{ server {{ listen @http@;
  location / {{ proxy_pass http://{origin}; }}
  location /plain {{ return 200 \"$uri $args\"; }} }} }}"
    ))
    .start();
    assert_eq!(edge.get("a.test", "/out?x=y").text(), "/plain a=b");
    assert_eq!(edge.get("a.test", "/loop").status, 500);
    edge.logged("internal redirection cycle");
    assert_eq!(origin.hits("/loop"), 11);
}
