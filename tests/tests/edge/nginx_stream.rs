//! nginx's `stream {}`.

use seawall_tests::{Client, Edge, Origin, PATIENCE, free_address, tls};
use std::{
    net::{TcpListener, UdpSocket},
    thread,
};

#[test]
fn connections_go_to_an_upstream_and_past_a_server_that_is_gone() {
    let origin = Origin::start();
    origin.serve("/who", "", "me");
    let gone = free_address();
    let edge = Edge::nginx(format!(
        "events {{}}
         http {{ server {{ listen @http@; }} }}
         stream {{
             log_format short '$remote_addr $protocol $status $bytes_sent $upstream_addr';
             access_log @dir@/stream.log short;
             upstream u {{ server {gone}; server {origin}; }}
             server {{ listen @tcp@; proxy_pass u; proxy_connect_timeout 5s; proxy_timeout 1m; }}
             server {{ listen @closed@; deny all; proxy_pass u; }}
         }}"
    ))
    .start();
    for _ in 0..4 {
        let got = Client::connect(edge.address("tcp")).get("a.test", "/who");
        assert_eq!(got.text(), "me");
    }
    assert_eq!(origin.hits("/who"), 4);
    assert!(Client::connect(edge.address("closed")).is_closed());
    let line = seawall_tests::eventually("the log's line", || {
        let log = std::fs::read_to_string(edge.path("stream.log")).ok()?;
        log.lines().next().map(str::to_owned)
    });
    assert!(line.starts_with("127.0.0.1 TCP 200 "), "{line}");
}

#[test]
fn tls_is_led_by_its_name_and_datagrams_go_through() {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (
        directory.path().join("c.pem"),
        directory.path().join("k.pem"),
    );
    tls::write_certificate("in.test", &certificate, &key);
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let echo = udp.local_addr().expect("its address");
    thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((n, from)) = udp.recv_from(&mut bytes) {
            let _ = udp.send_to(&bytes[..n], from);
        }
    });
    let other = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let rest = other.local_addr().expect("its address");
    let edge = Edge::nginx(format!(
        "events {{}}
         http {{ server {{ listen @inner@ ssl; server_name in.test; ssl_certificate {}; ssl_certificate_key {};
                          location / {{ return 200 inner; }} }} }}
         stream {{
             map $ssl_preread_server_name $where {{ in.test @inner@; default {rest}; }}
             server {{ listen @tls@; ssl_preread on; proxy_pass $where; }}
             server {{ listen @udp@ udp; proxy_pass {echo}; proxy_responses 1; }}
         }}",
        certificate.display(),
        key.display()
    ))
    .start();
    let mut session = tls::connect(edge.address("tls"), "in.test", &certificate).expect("TLS");
    assert_eq!(session.client.get("in.test", "/").text(), "inner");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client
        .send_to(b"hello", edge.address("udp"))
        .expect("a datagram");
    let mut bytes = [0; 64];
    let n = client.recv(&mut bytes).expect("it comes back");
    assert_eq!(&bytes[..n], b"hello");
}
