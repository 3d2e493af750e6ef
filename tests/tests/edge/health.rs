//! Checks by gRPC and over TLS, against real servers.

use seawall_tests::{
    Edge, Running, eventually, free_address, http2::HealthOrigin, php::Nginx, tls::Authority,
};

const QUICK: &str = "interval: 20ms, fast_interval: 20ms, fall: 1, rise: 1";

fn passed(edge: &Running) {
    eventually("a check that succeeds", || {
        let passed = r#"seawall_origin_events_total{event="check_passed",pool="p"}"#;
        (edge.metric(passed) > 0).then_some(())
    });
}

fn goes_down_and_up(edge: &Running, server: &HealthOrigin) {
    passed(edge);
    server.say(2);
    let line = edge.logged(&format!("server {server} is down"));
    assert!(line.contains("serving status 2"), "{line}");
    server.say(1);
    edge.logged(&format!("server {server} is up"));
    let (path, message) = server.asked().remove(0);
    assert_eq!(path, "/grpc.health.v1.Health/Check");
    assert_eq!(message, b"\0\0\0\0\x06\x0a\x04shop");
}

#[test]
fn a_check_by_grpc_asks_for_its_service() {
    let server = HealthOrigin::start(free_address(), None);
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{server}\"], protocol: h2, health: {{ grpc: shop, {QUICK} }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    goes_down_and_up(&edge, &server);
}

#[test]
fn a_check_by_grpc_over_tls_verifies_its_server() {
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"https://@peer@\"], tls: {{ ca: @dir@/ca-root.pem, sni: peer.test }}, protocol: h2, health: {{ grpc: shop, {QUICK} }} }}\nsites: [{{ host: a.test, to: p }}]"
    ));
    let ca = Authority::make(&edge.path(""), "ca", "peer.test");
    let identity = Some((&*ca.server.0, &*ca.server.1));
    let server = HealthOrigin::start(edge.address("peer"), identity);
    goes_down_and_up(&edge.start(), &server);
}

#[test]
fn a_check_by_http_over_tls_verifies_its_server() {
    for (sni, is_right) in [("peer.test", true), ("wrong.test", false)] {
        let edge = Edge::yaml(format!(
            "pools:\n  p: {{ servers: [\"https://@peer@\"], tls: {{ ca: @dir@/ca-root.pem, sni: {sni} }}, health: {{ path: /ready, {QUICK} }} }}\nsites: [{{ host: a.test, to: p }}]"
        ));
        let directory = edge.path("");
        let ca = Authority::make(&directory, "ca", "peer.test");
        let address = edge.address("peer");
        let _nginx = Nginx::start(
            &directory,
            address,
            &format!(
                "server {{ listen {address} ssl; ssl_certificate {}; ssl_certificate_key {};\n\
                 location /ready {{ return 200; }} }}",
                ca.server.0.display(),
                ca.server.1.display(),
            ),
        );
        let edge = edge.start();
        if is_right {
            passed(&edge);
            assert!(!edge.error_log().contains("is down"));
        } else {
            let line = edge.logged(&format!("server {address} is down"));
            assert!(line.contains("not valid for name"), "{line}");
        }
    }
}
