//! DNS over QUIC (RFC 9250).

use nix::sys::signal::Signal;
use seawall_tests::{Edge, Running, dns::Type, eventually, process, quic::Quic, tls};

const ZONE: &str = "$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n";

fn served(site: &str) -> Edge {
    let edge = Edge::yaml(format!(
        "listen: [{{ https: \"@https@\" }}]
dns:
  listen: \"@dns@\"
  doq: \"@doq@\"
  zones: [{{ name: shop.test, file: shop.test.zone }}]
sites: [{{ host: ns1.shop.test, {site}, respond: {{ status: 200, body: ok }} }}]"
    ));
    edge.write("shop.test.zone", ZONE);
    edge
}

fn connect(edge: &Running) -> Quic {
    let (server, ca) = (edge.address("doq"), edge.path("state/ca/ca.pem"));
    Quic::connect(server, "ns1.shop.test", &ca).expect("a connection")
}

#[test]
fn a_zone_is_answered_over_quic_with_a_sites_certificate_through_a_reload() {
    let edge = served("tls: internal").start();
    let client = connect(&edge);
    let ask = |name: &str| client.ask(name, Type::A).expect("an answer").data();
    assert_eq!(ask("www.shop.test"), ["192.0.2.2"]);
    edge.counts("seawall_dns_transports_total{transport=\"quic\"}", 1);
    edge.write("shop.test.zone", ZONE.replace("192.0.2.2", "192.0.2.3"));
    edge.signal(Signal::SIGHUP);
    eventually("the new zone on the old connection", || {
        (ask("www.shop.test") == ["192.0.2.3"]).then_some(())
    });
}

#[test]
fn a_new_certificate_is_shown_from_the_next_connection_on() {
    let edge = served("tls: { certificate: site.pem, key: site.key }");
    let renew = |edge: &Edge| {
        let (cert, key) = (edge.path("site.pem"), edge.path("site.key"));
        tls::write_certificate("ns1.shop.test", &cert, &key);
    };
    renew(&edge);
    let edge = edge.start();
    let connect = || {
        let ca = edge.path("site.pem");
        Quic::connect(edge.address("doq"), "ns1.shop.test", &ca).ok()
    };
    let old = connect().expect("a connection");
    renew(&edge);
    edge.signal(Signal::SIGHUP);
    let new = eventually("the new certificate", connect);
    assert_ne!(old.certificate(), new.certificate());
    for client in [old, new] {
        let answer = client.ask("www.shop.test", Type::A);
        assert_eq!(answer.expect("an answer").data(), ["192.0.2.2"]);
    }
}

#[test]
fn an_upgrade_closes_connections_in_order_and_the_next_one_is_served() {
    let edge = served("tls: internal").start();
    let client = connect(&edge);
    assert_eq!(
        client.ask("www.shop.test", Type::A).unwrap().data(),
        ["192.0.2.2"]
    );
    edge.signal(Signal::SIGUSR2);
    edge.logged("upgrade: seawall/");
    assert_eq!(client.closed(), Some(0), "DOQ_NO_ERROR");
    let again = connect(&edge);
    assert_eq!(
        again.ask("www.shop.test", Type::A).unwrap().data(),
        ["192.0.2.2"]
    );
    eventually("one worker", || {
        (process::children(edge.pid()).len() == 1).then_some(())
    });
}

#[test]
fn plain_datagrams_and_quic_have_no_address_in_common() {
    let edge = served("tls: internal").start();
    let text = std::fs::read_to_string(edge.path("seawall.yaml")).unwrap();
    let (plain, quic) = (edge.address("dns"), edge.address("doq"));
    edge.write(
        "both.yaml",
        text.replace(&quic.to_string(), &plain.to_string()),
    );
    let check = edge.seawall(&["check", "-c", "both.yaml"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(
        said.contains("plain datagrams") && said.contains('^'),
        "{said}"
    );
}
