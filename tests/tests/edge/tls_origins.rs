//! TLS to origins: whom they have to be, and who we say we are. The origin is nginx.

use seawall_tests::{Edge, Running, php::Nginx, tls::Authority};

/// An edge whose pool has this `tls`, and an nginx with a certificate for `peer.test` that runs these directives.
fn edge(tls: &str, directives: &str) -> (Running, Nginx) {
    let edge = Edge::yaml(format!(
        "pools: {{ a: {{ servers: [\"https://@peer@\"], tls: {{ {tls} }} }} }}\nsites: [{{ host: a.test, to: a }}]"
    ));
    let directory = edge.path("");
    let ca = Authority::make(&directory, "ca", "peer.test");
    Authority::make(&directory, "other", "other.test");
    let address = edge.address("peer");
    let nginx = Nginx::start(
        &directory,
        address,
        &format!(
            "server {{ listen {address} ssl; ssl_certificate {}; ssl_certificate_key {};\n\
             ssl_client_certificate {}; ssl_session_cache shared:a:1m; ssl_protocols TLSv1.2 TLSv1.3; {directives}\n\
             location / {{ return 200 \"$ssl_server_name $ssl_session_reused $ssl_client_verify $ssl_protocol\"; }} }}",
            ca.server.0.display(),
            ca.server.1.display(),
            ca.root.display()
        ),
    );
    (edge.start(), nginx)
}

const TRUSTED: &str = "ca: @dir@/ca-root.pem, sni: peer.test";

#[test]
fn an_origin_that_proves_its_name_is_asked_by_that_name() {
    let (edge, _nginx) = edge(TRUSTED, "");
    assert_eq!(edge.get("a.test", "/").text(), "peer.test . NONE TLSv1.3");
}

#[test]
fn a_certificate_that_does_not_hold_is_a_502_and_the_log_says_why() {
    for (tls, why) in [
        ("ca: @dir@/other-root.pem, sni: peer.test", "UnknownIssuer"),
        (
            "ca: @dir@/ca-root.pem, sni: wrong.test",
            "not valid for name",
        ),
        // The name asked for is the address that is connected to.
        ("ca: @dir@/ca-root.pem", "not valid for name"),
        // The system's authorities have never heard of it.
        ("sni: peer.test", "UnknownIssuer"),
    ] {
        let (edge, _nginx) = edge(tls, "");
        let response = edge.get("a.test", "/");
        assert_eq!(response.status, 502, "{tls}");
        let line = edge.logged("TLS handshake for");
        assert!(line.contains(why), "{tls}: {line}");
        assert!(
            !response.text().contains("certificate"),
            "the client is not told"
        );
    }
}

#[test]
fn without_verification_any_certificate_will_do() {
    let (edge, _nginx) = edge("verify: false", "");
    assert_eq!(edge.get("a.test", "/").status, 200);
}

#[test]
fn a_session_is_resumed_by_the_next_connection() {
    let (edge, _nginx) = edge(TRUSTED, "keepalive_timeout 0;");
    // Each thread may make the pool's first connection; after that the session is known.
    let answers: Vec<String> = (0..6).map(|_| edge.get("a.test", "/").text()).collect();
    let resumed = answers.iter().filter(|a| a.contains(" r ")).count();
    assert!(resumed >= 4, "{answers:?}");
}

#[test]
fn a_certificate_is_shown_to_an_origin_that_asks_for_one() {
    let identity = "certificate: @dir@/ca-client.pem, key: @dir@/ca-client.key";
    let (shown, _nginx) = edge(&format!("{TRUSTED}, {identity}"), "ssl_verify_client on;");
    assert!(shown.get("a.test", "/").text().contains("SUCCESS"));
    let (silent, _nginx) = edge(TRUSTED, "ssl_verify_client on;");
    // nginx's own answer to a client without a certificate.
    assert_eq!(silent.get("a.test", "/").status, 400);
}

#[test]
fn files_that_do_not_fit_are_told_by_the_check() {
    let edge = Edge::yaml(
        "pools: { a: { servers: [\"https://@peer@\"], tls: { certificate: @dir@/ca-client.pem, key: @dir@/ca-server.key } } }\n\
         sites: [{ host: a.test, to: a }]",
    );
    Authority::make(&edge.path(""), "ca", "peer.test");
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    assert!(
        said.contains("does not belong to the certificate"),
        "{said}"
    );
}

#[test]
fn nginx_conf_verifies_names_and_shows_itself_where_it_says_so() {
    let serve = |directives: &str| {
        let edge = Edge::nginx(format!(
            "events {{}}\nhttp {{ server {{ listen @http@; location / {{ proxy_pass https://@peer@; {directives} }} }} }}"
        ));
        let directory = edge.path("");
        let ca = Authority::make(&directory, "ca", "peer.test");
        let address = edge.address("peer");
        let nginx = Nginx::start(
            &directory,
            address,
            &format!(
                "server {{ listen {address} ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {};\n\
                 ssl_verify_client optional; location / {{ return 200 \"$ssl_server_name $ssl_client_verify\"; }} }}",
                ca.server.0.display(),
                ca.server.1.display(),
                ca.root.display()
            ),
        );
        (edge.start(), nginx)
    };
    let (plain, _nginx) = serve("");
    assert_eq!(
        plain.get("a.test", "/").text(),
        " NONE",
        "nothing verified, no name sent"
    );
    let verified = "proxy_ssl_verify on; proxy_ssl_trusted_certificate ca-root.pem; proxy_ssl_name";
    let (good, _nginx) = serve(&format!(
        "{verified} peer.test; proxy_ssl_server_name on; proxy_ssl_certificate ca-client.pem; proxy_ssl_certificate_key ca-client.key;"
    ));
    assert_eq!(good.get("a.test", "/").text(), "peer.test SUCCESS");
    let (bad, _nginx) = serve(&format!("{verified} wrong.test;"));
    assert_eq!(bad.get("a.test", "/").status, 502);
    bad.logged("not valid for name");
}
