//! Connections to origins: how many are kept, and what is said on them before HTTP.

use seawall_tests::{Edge, Gate, Origin, Running};
use std::{io::Read, net::TcpListener};

fn edge(pool: &str) -> Running {
    Edge::yaml(format!(
        "pools: {{ a: {{ {pool} }} }}\nsites: [{{ host: a.test, to: a }}]"
    ))
    .start()
}

/// Connections that `rounds` rounds of `many` requests at once are carried over.
fn connections(origin: &Origin, edge: &Running, many: usize, rounds: usize) -> usize {
    for _ in 0..rounds {
        let gate = Gate::new();
        origin.serve_after(&gate, "/", "", "ok");
        let mut clients: Vec<_> = (0..many).map(|_| edge.client()).collect();
        for client in &mut clients {
            client.ask("a.test", "/");
        }
        gate.wait_for(many);
        gate.open();
        for client in &mut clients {
            assert_eq!(client.response().text(), "ok");
        }
    }
    origin.connections()
}

#[test]
fn a_pool_keeps_as_many_idle_connections_as_it_says() {
    for (keepalive, expected) in [(8, 8), (2, 8 + 6)] {
        let origin = Origin::start();
        // One thread, as each keeps its own.
        let edge = Edge::nginx(format!(
            "worker_processes 1; events {{}}\nhttp {{ upstream a {{ server {origin}; keepalive {keepalive}; }}\n\
             server {{ listen @http@; location / {{ proxy_pass http://a; }} }} }}"
        ))
        .start();
        assert_eq!(connections(&origin, &edge, 8, 2), expected, "{keepalive}");
    }
    let origin = Origin::start();
    let edge = edge(&format!("servers: \"{origin}\", keepalive: 0"));
    assert_eq!(connections(&origin, &edge, 8, 2), 16, "none");
}

#[test]
fn an_idle_connection_that_the_origin_closed_is_not_used() {
    let origin = Origin::start();
    let edge = edge(&format!("servers: \"{origin}\""));
    for _ in 0..3 {
        let post =
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(
            edge.exchange(post).status,
            200,
            "not even what cannot be sent twice"
        );
        origin.close_connections();
    }
    assert_eq!(origin.connections(), 3);
}

#[test]
fn the_proxy_header_names_the_client_and_its_connection_is_not_shared() {
    for version in ["v1", "v2"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let edge = edge(&format!(
            "servers: \"{address}\", proxy_protocol: {version}"
        ));
        for _ in 0..2 {
            let mut client = edge.client();
            client.ask("a.test", "/");
            let (mut socket, _) = listener.accept().unwrap();
            socket
                .set_read_timeout(Some(seawall_tests::PATIENCE))
                .unwrap();
            let mut first = vec![0; if version == "v1" { 20 } else { 28 }];
            socket.read_exact(&mut first).unwrap();
            if version == "v1" {
                assert_eq!(&first, b"PROXY TCP4 127.0.0.1");
            } else {
                assert_eq!(&first[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c");
                assert_eq!(&first[16..24], [127, 0, 0, 1, 127, 0, 0, 1]);
                let port = edge.address("http").port().to_be_bytes();
                assert_eq!(&first[26..28], port);
            }
            std::io::Write::write_all(
                &mut socket,
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            )
            .unwrap();
            assert_eq!(client.response().text(), "ok");
            // It is closed, not kept: what comes next is its end.
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).unwrap();
        }
    }
}
