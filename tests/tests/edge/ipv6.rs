//! IPv6 all the way: listeners, servers of pools, trusted proxies, access; and TLS over a unix socket.

use seawall_tests::{Client, Edge, Origin, tls};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    sync::Arc,
};

/// A free address of the IPv6 loopback.
fn free_address_v6() -> SocketAddr {
    let listener = TcpListener::bind("[::1]:0").expect("the IPv6 loopback");
    listener.local_addr().expect("its address")
}

#[test]
fn a_client_and_a_server_may_both_be_at_ipv6_addresses() {
    let origin = Origin::at(free_address_v6());
    let address = free_address_v6();
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"@http@\" }}, {{ http: \"{address}\" }}]
pools: {{ p: {{ servers: [\"{origin}\"] }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /who, respond: {{ status: 200, body: \"$client_ip $remote_addr\" }} }}
      - {{ path: /, to: p }}"
    ))
    .start();
    let asked = Client::connect(address).get("a.test", "/page");
    assert_eq!(asked.status, 200);
    let seen = origin.last();
    assert_eq!(seen.field("X-Forwarded-For"), Some("::1"));
    assert_eq!(
        Client::connect(address).get("a.test", "/who").text(),
        "::1 ::1"
    );
    assert_eq!(edge.get("a.test", "/page").status, 200, "from IPv4 to IPv6");
}

#[test]
fn a_proxy_at_an_ipv6_address_may_be_trusted_and_clients_told_apart() {
    let address = free_address_v6();
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"@http@\" }}, {{ http: \"{address}\" }}]
trusted_proxies: [\"::1/128\"]
sites:
  - host: a.test
    routes:
      - {{ path: /guarded, allow: [\"2001:db8:1::/48\"], respond: {{ status: 200, body: in }} }}
      - {{ path: /barred, deny: [\"2001:db8:1::/48\"], respond: {{ status: 200, body: in }} }}
      - {{ path: /, respond: {{ status: 200, body: \"$client_ip\" }} }}"
    ))
    .start();
    let ask = |path: &str, from: &str| {
        Client::connect(address)
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {from}\r\n\r\n"
            ))
            .response()
    };
    assert_eq!(ask("/", "2001:db8:1::7").text(), "2001:db8:1::7");
    for (path, from, status) in [
        ("/guarded", "2001:db8:1::7", 200),
        ("/guarded", "2001:db8:2::7", 403),
        ("/guarded", "192.0.2.1", 403),
        ("/barred", "2001:db8:1::7", 403),
        ("/barred", "2001:db8:2::7", 200),
    ] {
        assert_eq!(ask(path, from).status, status, "{path} from {from}");
    }
    // Who is not trusted may say what he likes.
    let told =
        edge.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 2001:db8:1::7\r\n\r\n");
    assert_eq!(told.text(), "127.0.0.1");
}

#[test]
fn tls_is_spoken_over_a_unix_socket() {
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\" }, { https: \"unix:@dir@/tls.sock\" }]
sites: [{ host: a.test, tls: internal, respond: { status: 200, body: \"$scheme $server_protocol\" } }]",
    )
    .start();
    let config = tls::trusting(&edge.path("state/ca/ca.pem"), &[b"http/1.1"]).expect("the CA");
    let name = rustls::pki_types::ServerName::try_from("a.test").expect("a name");
    let connection = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a client");
    let socket = UnixStream::connect(edge.path("tls.sock")).expect("the socket");
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer and close_notify");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("https HTTP/1.1"), "{answer}");
}
