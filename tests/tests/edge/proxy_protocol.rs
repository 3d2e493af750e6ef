//! The PROXY protocol before a connection: who may say it, what it changes, and how others say it.

use seawall_tests::{Client, Edge, Origin, Peer, Running, eventually, tls};
use std::process::Command;

const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x02\x30\x39\x01\xbb";

fn behind_a_proxy(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "listen: [{{ http: \"@http@\", proxy_protocol: {{ from: [127.0.0.0/8] }} }}]
sites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start()
}

#[test]
fn the_client_is_whom_the_header_names() {
    let origin = Origin::start();
    let edge = behind_a_proxy(&origin);
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for header in [&b"PROXY TCP4 192.0.2.7 198.51.100.2 12345 443\r\n"[..], V2] {
        let mut client = edge.client();
        assert_eq!(
            client.send([header, request].concat()).response().status,
            200
        );
        assert_eq!(origin.last().field("X-Forwarded-For"), Some("192.0.2.7"));
        // The header stands before the connection, not before each request.
        assert_eq!(client.send(request).response().status, 200);
    }
    let six = "PROXY TCP6 2001:db8::7 ::1 1 2\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(edge.exchange(six).status, 200);
    assert_eq!(origin.last().field("X-Forwarded-For"), Some("2001:db8::7"));
    // One that speaks for itself is who it is.
    let local = "PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(edge.exchange(local).status, 200);
    assert_eq!(origin.last().field("X-Forwarded-For"), Some("127.0.0.1"));
    eventually("the first client's line", || {
        let log = edge.access_log();
        log.starts_with("192.0.2.7 - - [").then_some(())
    });
}

#[test]
fn a_header_in_pieces_is_one_header() {
    let origin = Origin::start();
    let edge = behind_a_proxy(&origin);
    let whole = [V2, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat();
    for size in [1, 7, 13, 27] {
        let mut client = edge.client();
        for piece in whole.chunks(size) {
            client.send(piece);
        }
        assert_eq!(client.response().status, 200, "pieces of {size}");
        assert_eq!(origin.last().field("X-Forwarded-For"), Some("192.0.2.7"));
    }
}

#[test]
fn without_a_header_there_is_no_connection() {
    let origin = Origin::start();
    let edge = behind_a_proxy(&origin);
    for bad in [
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.2 12345 99999\r\n",
        "PROXY TCP4 192.0.2.7\nGET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(edge.client().send(bad).is_closed(), "{bad}");
    }
    assert_eq!(origin.connections(), 0);
    edge.counts("seawall_proxy_protocol_refused_total{reason=\"bad\"}", 3);
    edge.logged("broken PROXY protocol line, client: 127.0.0.1");
}

#[test]
fn strangers_cannot_name_an_address() {
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\", proxy_protocol: { from: 10.0.0.0/8 } }]
sites: [{ host: a.test, respond: 200 }]",
    )
    .start();
    let mut client = edge.client();
    let _ = client
        .try_send("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(client.is_closed());
    edge.counts(
        "seawall_proxy_protocol_refused_total{reason=\"untrusted\"}",
        1,
    );
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for() {
    let edge = Edge::yaml(
        "limits: { head_timeout: 200ms }
listen: [{ http: \"@http@\", proxy_protocol: { from: 127.0.0.1 } }]
sites: [{ host: a.test, respond: 200 }]",
    )
    .start();
    let mut client = edge.client();
    client.send("PROXY TCP4 ");
    assert!(client.is_closed());
    edge.counts("seawall_proxy_protocol_refused_total{reason=\"late\"}", 1);
}

#[test]
fn haproxy_and_curl_say_who_their_client_is() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "listen:
  - {{ http: \"@http@\", proxy_protocol: {{ from: 127.0.0.1 }} }}
  - {{ https: \"@https@\", proxy_protocol: {{ from: 127.0.0.1 }} }}
sites: [{{ host: a.test, to: \"{origin}\" }}]"
    ));
    let text = edge.fill_in(
        "global
defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
listen one
  bind @one@
  server edge @https@ send-proxy
listen two
  bind @two@
  server edge @https@ send-proxy-v2
",
    );
    edge.write("haproxy.cfg", text);
    let (one, two) = (edge.address("one"), edge.address("two"));
    let edge = edge.start();
    let config = edge.path("haproxy.cfg");
    let arguments = ["-db".as_ref(), "-f".as_ref(), config.as_os_str()];
    let _haproxy = Peer::start("haproxy", &arguments, &edge.path(""), two);
    let ca = edge.path("state/ca/ca.pem");
    for address in [one, two] {
        let before = origin.received().len();
        let mut session = tls::connect(address, "a.test", &ca).expect("a handshake");
        assert_eq!(session.client.get("a.test", "/").status, 200);
        assert_eq!(origin.received().len(), before + 1);
        assert_eq!(origin.last().field("X-Forwarded-For"), Some("127.0.0.1"));
    }
    let said = Command::new("curl")
        .args(["-sS", "-k", "--haproxy-protocol"])
        .args([
            "--connect-to",
            &format!("a.test:443:{}", edge.address("https")),
        ])
        .args(["-o", "/dev/null", "-w", "%{http_code}", "https://a.test/"])
        .output()
        .expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "200", "{said:?}");
    assert_eq!(origin.last().field("X-Forwarded-For"), Some("127.0.0.1"));
}

#[test]
fn a_request_to_the_proxy_itself_is_none_of_ours() {
    let origin = Origin::start();
    let edge = super::in_front_of(&origin);
    // Absolute form: its authority is the host, whatever the Host line says (RFC 9112 §3.2.2).
    let absolute = "GET http://a.test/x?y HTTP/1.1\r\nHost: b.test\r\n\r\n";
    assert!(matches!(edge.exchange(absolute).status, 200 | 400));
    let same = "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(edge.exchange(same).status, 200);
    assert_eq!(origin.last().path(), "/x");
    let connect = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
    assert_eq!(edge.exchange(connect).status, 405);
    let before = origin.received().len();
    let mut client = Client::connect(edge.address("http"));
    let options = client
        .send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    assert_eq!(options.status, 200);
    assert_eq!(origin.received().len(), before + 1, "the origin is asked");
    assert_eq!(origin.last().path(), "*");
}
