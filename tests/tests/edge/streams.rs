//! What is carried as it is: TCP, TLS by name, datagrams.

use nix::sys::signal::Signal;
use seawall_tests::{
    Client, Edge, Origin, PATIENCE, Peer, Running,
    dns::{Type, ask},
    eventually, free_address, tls,
};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

const SITE: &str = "sites: [{ host: a.test, respond: 200 }]";

/// A server that hands over its one connection.
fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

fn connect(edge: &Running, name: &str) -> TcpStream {
    let stream = TcpStream::connect(edge.address(name)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn taken(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

#[test]
fn redis_is_served_through_a_stream() {
    let address = free_address();
    let edge = Edge::yaml(format!(
        "streams:
  - {{ listen: \"@redis@\", to: \"{address}\", log: {{ path: @dir@/stream.log, buffer: 0 }} }}
{SITE}"
    ))
    .start();
    let port = address.port().to_string();
    let arguments = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ];
    let _redis = Peer::start("redis-server", &arguments, &edge.path(""), address);
    let mut redis = connect(&edge, "redis");
    let value = vec![b'x'; 1 << 20];
    redis
        .write_all(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len()).as_bytes())
        .unwrap();
    redis.write_all(&value).unwrap();
    redis.write_all(b"\r\n").unwrap();
    let mut answer = [0; 5];
    redis.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
    redis.write_all(b"GET k\r\n").unwrap();
    let mut head = [0; 10];
    redis.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"$1048576\r\n");
    let mut back = vec![0; value.len() + 2];
    redis.read_exact(&mut back).unwrap();
    assert!(back.starts_with(&value));
    redis.write_all(b"QUIT\r\n").unwrap();
    redis.read_exact(&mut answer).unwrap();
    assert_eq!(
        redis.read(&mut answer).unwrap(),
        0,
        "the server's end comes through"
    );
    drop(redis);
    let line = eventually("the stream's line", || {
        let text = std::fs::read_to_string(edge.path("stream.log")).ok()?;
        text.lines().next().map(str::to_owned)
    });
    assert!(line.starts_with("127.0.0.1 ["), "{line}");
    assert!(line.contains("] TCP 200 1048"), "{line}");
    assert!(line.ends_with(&format!("\"{address}\"")), "{line}");
}

#[test]
fn each_side_may_end_its_half() {
    let (listener, address) = listening();
    let edge = Edge::yaml(format!(
        "streams: [{{ listen: \"@s@\", to: \"{address}\" }}]\n{SITE}"
    ))
    .start();
    let mut client = connect(&edge, "s");
    let mut server = taken(&listener);
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn another_server_is_tried_and_a_dead_one_is_left_out() {
    let (listener, alive) = listening();
    let dead = free_address();
    let edge = Edge::yaml(format!(
        "pools: {{ p: {{ servers: [\"{dead}\", \"{alive}\"], eject: {{ after: 2, for: 1h, at_most: 50% }} }} }}
streams: [{{ listen: \"@s@\", to: p }}]
{SITE}"
    ))
    .start();
    for n in 0..6 {
        let mut client = connect(&edge, "s");
        let mut server = taken(&listener);
        server.write_all(&[n]).unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [n]);
    }
    edge.logged("connect() failed");
    // Ejected after the second failure: no third one.
    edge.counts(
        "seawall_origin_events_total{event=\"connect_failure\",pool=\"p\"}",
        2,
    );
    edge.counts("seawall_retries_total", 2);
}

#[test]
fn no_server_is_said_and_counted() {
    let dead = free_address();
    let edge = Edge::yaml(format!(
        "streams: [{{ listen: \"@s@\", to: \"{dead}\" }}]\n{SITE}"
    ))
    .start();
    assert_eq!(connect(&edge, "s").read(&mut [0]).unwrap_or(0), 0);
    let name = edge.address("s");
    edge.counts(
        &format!("seawall_stream_events_total{{event=\"unconnected\",stream=\"{name}\"}}"),
        1,
    );
}

#[test]
fn a_server_is_told_who_the_client_is() {
    for (version, expected) in [
        ("v1", &b"PROXY TCP4 192.0.2.7 198.51.100.2 5 6\r\n"[..]),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n"),
    ] {
        let (listener, address) = listening();
        let edge = Edge::yaml(format!(
            "streams: [{{ listen: \"@s@\", to: \"{address}\", accept_proxy: {{ from: 127.0.0.1 }}, proxy_protocol: {version} }}]\n{SITE}"
        ))
        .start();
        let mut client = connect(&edge, "s");
        client
            .write_all(b"PROXY TCP4 192.0.2.7 198.51.100.2 5 6\r\nhello")
            .unwrap();
        let mut server = taken(&listener);
        let mut begin = vec![0; expected.len()];
        server.read_exact(&mut begin).unwrap();
        assert_eq!(begin, expected);
        client.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(b"hello"), "{}", rest.escape_ascii());
        if version == "v2" {
            assert_eq!(
                &rest[..16],
                b"\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x02\0\x05\0\x06"
            );
        }
    }
}

#[test]
fn haproxy_understands_what_it_is_told() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "streams:
  - {{ listen: \"@one@\", to: \"@proxy@\", proxy_protocol: v1 }}
  - {{ listen: \"@two@\", to: \"@proxy@\", proxy_protocol: v2 }}
{SITE}"
    ));
    let text = edge.fill_in(&format!(
        "global
defaults
  mode http
  timeout connect 10s
  timeout client 30s
  timeout server 30s
listen proxy
  bind @proxy@ accept-proxy
  http-request set-header X-Source %[src]:%[src_port]
  http-request set-header X-Destination %[dst]:%[dst_port]
  server origin {origin}
"
    ));
    edge.write("haproxy.cfg", text);
    let proxy = edge.address("proxy");
    let edge = edge.start();
    let config = edge.path("haproxy.cfg");
    let arguments = ["-db".as_ref(), "-f".as_ref(), config.as_os_str()];
    let _haproxy = Peer::start("haproxy", &arguments, &edge.path(""), proxy);
    for name in ["one", "two"] {
        let socket = connect(&edge, name);
        let from = socket.local_addr().unwrap().to_string();
        let mut client = Client::over(Box::new(socket));
        assert_eq!(client.get("a.test", "/").status, 200);
        let seen = origin.last();
        assert_eq!(seen.field("X-Source"), Some(from.as_str()));
        assert_eq!(
            seen.field("X-Destination"),
            Some(edge.address(name).to_string().as_str())
        );
    }
}

#[test]
fn limits_of_a_stream_hold() {
    let (listener, address) = listening();
    let edge = Edge::yaml(format!(
        "streams:
  - {{ listen: \"@few@\", to: \"{address}\", connections: 1 }}
  - {{ listen: \"@none@\", to: \"{address}\", allow: 10.0.0.0/8 }}
  - {{ listen: \"@brief@\", to: \"{address}\", timeouts: {{ tunnel_idle: 200ms }} }}
{SITE}"
    ))
    .start();
    let event = |name: &str, event: &str| {
        format!(
            "seawall_stream_events_total{{event=\"{event}\",stream=\"{}\"}}",
            edge.address(name)
        )
    };
    let first = connect(&edge, "few");
    let _held = taken(&listener);
    assert_eq!(connect(&edge, "few").read(&mut [0]).unwrap_or(0), 0);
    edge.counts(&event("few", "too_many"), 1);
    // A reload knows of the connections that were open before it.
    edge.signal(Signal::SIGHUP);
    eventually("the reload", || {
        (edge.metric("seawall_reloads_total") == 1).then_some(())
    });
    assert_eq!(connect(&edge, "few").read(&mut [0]).unwrap_or(0), 0);
    drop(first);
    assert_eq!(connect(&edge, "none").read(&mut [0]).unwrap_or(0), 0);
    edge.counts(&event("none", "forbidden"), 1);
    let mut silent = connect(&edge, "brief");
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    edge.counts(&event("brief", "timeout"), 1);
}

#[test]
fn a_reload_leaves_a_stream_as_it_is() {
    let (listener, address) = listening();
    let text =
        |extra: &str| format!("streams: [{{ listen: \"@s@\", to: \"{address}\" }}{extra}]\n{SITE}");
    let edge = Edge::yaml(text("")).start();
    let mut client = connect(&edge, "s");
    let mut server = taken(&listener);
    edge.rewrite(text(", { listen: \"@more@\", to: \"127.0.0.1:1\" }"));
    edge.signal(Signal::SIGHUP);
    eventually("the other stream", || {
        TcpStream::connect(edge.address("more")).ok()
    });
    client.write_all(b"still").unwrap();
    let mut still = [0; 5];
    server.read_exact(&mut still).unwrap();
    assert_eq!(&still, b"still");
    // And one that is taken away finishes what it has.
    edge.rewrite(SITE);
    edge.signal(Signal::SIGHUP);
    eventually("the stream's end", || {
        TcpStream::connect(edge.address("s")).is_err().then_some(())
    });
    server.write_all(b"on").unwrap();
    client.read_exact(&mut still[..2]).unwrap();
    assert_eq!(&still[..2], b"on");
}

/// Two daemons: the first chooses by name and decrypts nothing, the second has the certificates.
#[test]
fn tls_goes_through_by_name_and_is_decrypted_for_the_others() {
    let inner = Edge::yaml(
        "listen: [{ https: \"@https@\" }]
sites: [{ host: mail.test, respond: { status: 200, body: inner } }]",
    )
    .start();
    let edge = Edge::yaml(format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
sites:
  - {{ host: [mail.test, \"*.mail.test\"], tls: passthrough, to: \"{}\" }}
  - {{ host: a.test, respond: {{ status: 200, body: outer }} }}",
        inner.address("https")
    ))
    .start();
    let ca = inner.path("state/ca/ca.pem");
    let mut through =
        tls::connect(edge.address("https"), "mail.test", &ca).expect("the inner certificate");
    assert_eq!(through.client.get("mail.test", "/").text(), "inner");
    assert_eq!(edge.tls("a.test").client.get("a.test", "/").text(), "outer");
    assert!(tls::connect(edge.address("https"), "other.test", &ca).is_err());
    // What is no TLS, or never ends, reaches nobody.
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[22, 3, 1, 0x40, 0, 1, 0, 0x40, 0xc0],
    ] {
        let mut client = Client::connect(edge.address("https"));
        let _ = client.try_send([bytes, &[0; 20_000]].concat());
        client.finish();
        client.rest();
    }
    assert_eq!(edge.tls("a.test").client.get("a.test", "/").text(), "outer");
    // Nobody here answers for the name in plain.
    assert_eq!(edge.get("mail.test", "/").status, 421);
}

#[test]
fn a_hello_in_pieces_is_read_whole() {
    let (listener, address) = listening();
    let edge = Edge::yaml(format!(
        "streams: [{{ listen: \"@s@\", names: {{ \"*.mail.test\": \"{address}\" }} }}]\n{SITE}"
    ))
    .start();
    let hello = client_hello("x.mail.test");
    let mut client = connect(&edge, "s");
    client.set_nodelay(true).unwrap();
    for piece in hello.chunks(5) {
        client.write_all(piece).unwrap();
    }
    let mut server = taken(&listener);
    let mut seen = vec![0; hello.len()];
    server.read_exact(&mut seen).unwrap();
    assert!(seen == hello, "not the bytes that were sent");
    let mut stranger = connect(&edge, "s");
    stranger.write_all(&client_hello("other.test")).unwrap();
    assert_eq!(stranger.read(&mut [0]).unwrap_or(0), 0);
    edge.logged("no server for the name \"other.test\"");
}

fn client_hello(name: &str) -> Vec<u8> {
    use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut bytes = Vec::new();
    let mut client = ClientConnection::new(config.into(), name).unwrap();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

const ZONE: &str = "\
$ORIGIN shop.test.
$TTL 300
@        IN SOA ns1 admin 1 3600 600 86400 60
@        IN NS  ns1
ns1      IN A   192.0.2.1
@        IN A   192.0.2.10
";

#[test]
fn questions_to_a_name_server_go_through() {
    let edge = Edge::yaml(format!(
        "dns: {{ listen: \"@dns@\", zones: [{{ name: shop.test, file: shop.test.zone }}] }}
streams: [{{ listen: \"@udp@\", protocol: udp, to: \"@dns@\", responses: 1, log: {{ path: @dir@/udp.log, buffer: 0 }} }}]
{SITE}"
    ));
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    for _ in 0..20 {
        let answer = ask(edge.address("udp"), "shop.test", Type::A);
        assert_eq!(answer.data(), ["192.0.2.10"]);
    }
    // Each had its answer, so each session is over.
    let lines = eventually("twenty lines", || {
        let text = std::fs::read_to_string(edge.path("udp.log")).ok()?;
        (text.lines().count() >= 20).then_some(text)
    });
    assert!(lines.contains("] UDP 200 "), "{lines}");
}

#[test]
fn sessions_of_datagrams_are_kept_apart_and_bounded() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    thread::spawn(move || {
        let mut buf = [0; 100];
        while let Ok((n, from)) = server.recv_from(&mut buf) {
            let answer = [&buf[..n], b" back"].concat();
            if server.send_to(&answer, from).is_err() {
                return;
            }
        }
    });
    let edge = Edge::yaml(format!(
        "streams: [{{ listen: \"@s@\", protocol: udp, to: \"{address}\", connections: 2, timeouts: {{ tunnel_idle: 1h }} }}]\n{SITE}"
    ))
    .start();
    let client = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(edge.address("s")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let (one, two, three) = (client(), client(), client());
    for (socket, text) in [(&one, "one"), (&two, "two"), (&one, "one")] {
        socket.send(text.as_bytes()).unwrap();
        let mut buf = [0; 100];
        let n = socket.recv(&mut buf).unwrap();
        assert_eq!(&buf[..n], format!("{text} back").as_bytes());
    }
    three.send(b"three").unwrap();
    let name = edge.address("s");
    let event = |e: &str| format!("seawall_stream_events_total{{event=\"{e}\",stream=\"{name}\"}}");
    edge.counts(&event("too_many"), 1);
    edge.counts(&event("connection"), 3);
}

#[test]
fn streams_are_reached_over_unix_sockets_and_ipv6() {
    let (listener, address) = listening();
    let edge = Edge::yaml(format!(
        "streams:
  - {{ listen: \"unix:@dir@/in.sock\", to: \"{address}\" }}
  - {{ listen: \"@s@\", to: \"unix:@dir@/in.sock\" }}
{SITE}"
    ))
    .start();
    let mut client = connect(&edge, "s");
    let mut server = taken(&listener);
    client.write_all(b"twice").unwrap();
    let mut buf = [0; 5];
    server.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"twice");
}
