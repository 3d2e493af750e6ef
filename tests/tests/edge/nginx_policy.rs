//! nginx.conf: who may pass, whom a client is taken for, variables computed from others.

use base64::{Engine, engine::general_purpose::STANDARD};
use seawall_tests::{Edge, Origin, Running, Then};

fn edge(http: &str, server: &str) -> Edge {
    Edge::nginx(format!(
        "events {{}}\nhttp {{\n{http}\nserver {{ listen @http@; server_name a.test; set_real_ip_from 127.0.0.1;\n{server}\n}} }}"
    ))
}

fn ask(edge: &Running, line: &str, client: &str, fields: &str) -> seawall_tests::Response {
    edge.exchange(format!(
        "{line} HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: {client}\r\nContent-Length: 0\r\n{fields}\r\n"
    ))
}

/// user:secret
const USERS: &str = "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

fn good() -> String {
    format!(
        "Authorization: Basic {}\r\n",
        STANDARD.encode("user:secret")
    )
}

#[test]
fn rules_passwords_and_satisfy_hold_together_as_in_nginx() {
    let origin = Origin::start();
    let edge = edge(
        "",
        &format!(
            "auth_basic_user_file users;
location /rules {{ deny 10.0.0.1; allow 10.0.0.0/8; allow 2001:db8::/32; deny all; proxy_pass http://{origin}; }}
location /basic {{ auth_basic \"The \\\"house\\\"\"; proxy_pass http://{origin}; }}
location /both {{ allow 10.0.0.0/8; deny all; auth_basic x; proxy_pass http://{origin}; location /both/open {{ allow all; auth_basic off; proxy_pass http://{origin}; }} }}
location /any {{ satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; proxy_pass http://{origin}; }}
location /read {{ proxy_pass http://{origin}; limit_except GET {{ deny 10.0.0.1; auth_basic x; }} }}"
        ),
    );
    edge.write("users", USERS);
    let edge = edge.start();
    let good = good();
    for (line, client, fields, status) in [
        ("GET /rules", "10.0.0.1", "", 403),
        ("GET /rules", "10.0.0.2", "", 200),
        ("GET /rules", "2001:db8::5", "", 200),
        ("GET /rules", "192.0.2.1", "", 403),
        ("GET /basic", "192.0.2.1", "", 401),
        ("GET /basic", "192.0.2.1", &good, 200),
        ("GET /both", "192.0.2.1", &good, 403),
        ("GET /both", "10.0.0.2", "", 401),
        ("GET /both", "10.0.0.2", &good, 200),
        ("GET /both/open", "192.0.2.1", "", 200),
        ("GET /any", "10.0.0.2", "", 200),
        ("GET /any", "192.0.2.1", "", 401),
        ("GET /any", "192.0.2.1", &good, 200),
        ("GET /read", "10.0.0.1", "", 200),
        ("HEAD /read", "10.0.0.1", "", 200),
        ("POST /read", "10.0.0.1", &good, 403),
        ("POST /read", "10.0.0.2", "", 401),
        ("POST /read", "10.0.0.2", &good, 200),
    ] {
        let mut connection = edge.client();
        connection.send(format!(
            "{line} HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: {client}\r\nContent-Length: 0\r\n{fields}\r\n"
        ));
        let answer = if line.starts_with("HEAD") {
            connection.response_to_head()
        } else {
            connection.response()
        };
        assert_eq!(answer.status, status, "{line} {client} {fields}");
    }
    let asked = ask(&edge, "GET /basic", "192.0.2.1", "");
    assert_eq!(
        asked.has("WWW-Authenticate"),
        "Basic realm=\"The \\\"house\\\"\""
    );
}

#[test]
fn auth_request_asks_a_location_and_keeps_what_it_says() {
    let origin = Origin::start();
    origin.script("/check", |asked, exchange| {
        exchange.send(match asked.field("Cookie") {
            Some("good") => "HTTP/1.1 204 No Content\r\nX-User: alice\r\n\r\n",
            Some("denied") => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            Some("odd") => "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            _ => "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"sso\"\r\nContent-Length: 0\r\n\r\n",
        });
        Then::Keep
    });
    let edge = edge(
        "",
        &format!(
            "location / {{ auth_request /auth; auth_request_set $user $upstream_http_x_user;
  proxy_set_header X-User $user; proxy_pass http://{origin}; }}
location = /auth {{ proxy_pass http://{origin}/check; proxy_set_header X-Original-URI $request_uri; }}
location /gone {{ auth_request /nowhere; proxy_pass http://{origin}; }}
location = /nowhere {{ proxy_pass http://127.0.0.1:1; }}
location /closed {{ auth_request /no; proxy_pass http://{origin}; }}
location = /no {{ return 403; }}"
        ),
    )
    .start();
    for (cookie, status) in [("good", 200), ("denied", 403), ("odd", 500), ("", 401)] {
        let answer = ask(
            &edge,
            "POST /page?x=1",
            "192.0.2.1",
            &format!("Cookie: {cookie}\r\nX-User: root\r\n"),
        );
        assert_eq!(answer.status, status, "{cookie}");
        if status == 401 {
            assert_eq!(answer.has("WWW-Authenticate"), "Basic realm=\"sso\"");
        }
        if status == 200 {
            let asked = origin.last();
            assert_eq!(
                (asked.method.as_str(), asked.target.as_str()),
                ("POST", "/page?x=1")
            );
            assert_eq!(
                (asked.field("X-User"), asked.count("X-User")),
                (Some("alice"), 1)
            );
        }
    }
    let check = origin
        .received()
        .into_iter()
        .find(|r| r.path() == "/check")
        .expect("a question");
    assert_eq!(
        (check.method.as_str(), check.field("X-Original-URI")),
        ("GET", Some("/page?x=1"))
    );
    assert_eq!(check.field("Content-Length"), None);
    assert_eq!(ask(&edge, "GET /gone", "192.0.2.1", "").status, 500);
    assert_eq!(ask(&edge, "GET /closed", "192.0.2.1", "").status, 403);
    edge.logged("auth request failed: unexpected status: 302");
}

#[test]
fn the_real_ip_is_taken_from_trusted_proxies_only() {
    let edge = Edge::nginx(
        "events {}
http {
 server { listen @http@; server_name r.test; set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8;
  real_ip_header X-Forwarded-For; real_ip_recursive on;
  location / { return 200 \"$remote_addr $realip_remote_addr $proxy_add_x_forwarded_for\"; } }
 server { listen @http@; server_name one.test; set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
  location / { return 200 $remote_addr; } }
 server { listen @http@; server_name other.test; set_real_ip_from 192.0.2.0/24; real_ip_header X-Forwarded-For;
  location / { return 200 $remote_addr; } }
}",
    )
    .start();
    let ask = |host: &str| {
        edge.exchange(format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 198.51.100.9, 10.1.1.1\r\n\r\n"
        ))
        .text()
    };
    assert_eq!(
        ask("r.test"),
        "198.51.100.9 127.0.0.1 198.51.100.9, 10.1.1.1, 198.51.100.9"
    );
    assert_eq!(ask("one.test"), "10.1.1.1");
    assert_eq!(ask("other.test"), "127.0.0.1");
}

#[test]
fn maps_networks_and_shares_give_what_nginx_gives() {
    // The expected values are nginx 1.22's.
    let edge = edge(
        "split_clients \"$arg_k\" $share { 10% a; 20.5% b; 0.5% c; * rest; }
map $arg_h $host_map { hostnames; default d; *.x.test wild; .y.test dot; www.z.* pre; A.test exact;
  ~^re(?<n>[0-9]+)\\.(?<w>.*)$ \"n=$n,2=$2,w=$w\"; }
geo $arg_ip $net { default none; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 2001:db8::/32 doc; 192.0.2.7 one; }
map $net $twice { none nothing; default \"<$net $request_method>\"; }
geo $where { default out; 192.0.2.0/24 in; }",
        "location /share { return 200 $share; } location /host { return 200 $host_map; }
location /net { return 200 $net; } location /twice { return 200 $twice; } location /where { return 200 $where; }",
    )
    .start();
    for (target, value) in [
        ("/share?k=", "a"),
        ("/share?k=a", "rest"),
        ("/share?k=ab", "b"),
        ("/share?k=abc", "a"),
        ("/share?k=abcd", "b"),
        ("/share?k=abcde", "rest"),
        ("/share?k=8", "a"),
        ("/share?k=user-17", "rest"),
        ("/host?h=a.test", "exact"),
        ("/host?h=A.TEST", "exact"),
        ("/host?h=q.x.test", "wild"),
        ("/host?h=x.test", "d"),
        ("/host?h=y.test", "dot"),
        ("/host?h=q.y.test", "dot"),
        ("/host?h=www.z.example", "pre"),
        ("/host?h=re12.foo.bar", "n=12,2=foo.bar,w=foo.bar"),
        ("/host?h=none", "d"),
        ("/net?ip=10.2.3.4", "ten"),
        ("/net?ip=10.1.3.4", "ten-one"),
        ("/net?ip=2001:db8::1", "doc"),
        ("/net?ip=192.0.2.7", "one"),
        ("/net?ip=192.0.2.8", "none"),
        ("/net?ip=nonsense", "none"),
        ("/twice?ip=10.2.3.4", "<ten GET>"),
        ("/twice?ip=1.2.3.4", "nothing"),
        ("/where", "in"),
    ] {
        assert_eq!(
            ask(&edge, &format!("GET {target}"), "192.0.2.9", "").text(),
            value,
            "{target}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_said() {
    for (http, server, word) in [
        ("map $a $b { x y z; }", "", "number of the map parameters"),
        (
            "map $b $a { default $b; } map $a $b { default $a; }",
            "location / { return 200 $a; }",
            "cycle",
        ),
        ("geo $a { 10.0.0.0/99 x; }", "", "invalid network"),
        (
            "split_clients $uri $a { 60% x; 50% y; }",
            "",
            "greater than 100%",
        ),
        ("", "allow nobody;", "invalid parameter"),
        ("", "satisfy some;", "invalid value"),
        (
            "",
            "location / { limit_except FETCH { deny all; } }",
            "invalid method",
        ),
    ] {
        let (status, said) = edge(http, server).start_in_vain();
        assert!(
            !status.success() && said.contains(word),
            "{http} {server}: {said}"
        );
    }
}
