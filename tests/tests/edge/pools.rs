//! What a pool does for whoever uses it: all addresses of a name, weights by the API, nginx's sessions and queues, streams
//! of datagrams.

use seawall_tests::{
    Edge, Gate, Origin, PATIENCE, drills::change_server, eventually, free_address,
};
use std::{net::UdpSocket, thread};

#[test]
fn every_address_of_a_name_is_a_server() {
    // One port on two addresses of the loopback.
    let one = free_address();
    let two = std::net::SocketAddr::new([127, 0, 0, 2].into(), one.port());
    let origins = [(one, "one"), (two, "two")].map(|(address, name)| {
        let origin = Origin::at(address);
        origin.serve("/who", "", name);
        origin
    });
    let edge = Edge::yaml(format!(
        "dns: {{ listen: [\"@dns@\"], zones: [{{ name: svc.test, file: svc.zone }}] }}
pools:
  p: {{ servers: [{{ address: \"all.svc.test:{}\", resolve: all }}], resolver: [\"@dns@\"] }}
sites: [{{ host: a.test, to: p }}]",
        one.port()
    ));
    edge.write(
        "svc.zone",
        "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\nall A 127.0.0.1\nall A 127.0.0.2\n",
    );
    let edge = edge.start();
    eventually("both addresses", || {
        edge.get("a.test", "/who");
        origins.iter().all(|o| o.hits("/who") > 0).then_some(())
    });
}

#[test]
fn a_servers_weight_is_changed_over_the_api() {
    let (a, b) = (Origin::start(), Origin::start());
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ balance: round_robin, servers: [\"{a}\", \"{b}\"] }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    change_server(&edge, a.address(), "weight", r#"{"weight": 3}"#);
    let mut client = edge.client();
    for _ in 0..40 {
        assert_eq!(client.get("a.test", "/who").status, 200);
    }
    assert_eq!((a.hits("/who"), b.hits("/who")), (30, 10));
}

#[test]
fn an_nginx_sticky_cookie_keeps_its_server() {
    let origins = ["a", "b"].map(|name| {
        let origin = Origin::start();
        origin.serve("/who", "", name);
        origin
    });
    let [a, b] = &origins;
    let edge = Edge::nginx(format!(
        "events {{}} http {{ upstream u {{ server {a}; server {b}; sticky cookie srv expires=1h path=/; }}
           server {{ listen @http@; location / {{ proxy_pass http://u; }} }} }}"
    ))
    .start();
    let first = edge.get("a.test", "/who");
    let set = first.has("Set-Cookie").to_owned();
    assert!(set.starts_with("srv="), "{set}");
    let cookie = set.split(';').next().unwrap_or_default();
    for _ in 0..20 {
        let request = format!("GET /who HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n");
        assert_eq!(edge.exchange(request).text(), first.text());
    }
}

#[test]
fn an_nginx_queue_lets_wait_and_refuses_what_does_not_fit() {
    let origin = Origin::start();
    let gate = Gate::new();
    origin.serve_after(&gate, "/slow", "", "done");
    let edge = Edge::nginx(format!(
        "events {{}} http {{ upstream u {{ zone u 64k; server {origin} max_conns=1; queue 1 timeout=20s; }}
           server {{ listen @http@; location / {{ proxy_pass http://u; }} }} }}"
    ))
    .start();
    // One is answered, one waits; of two more at least one is refused while the gate is closed.
    let mut first = edge.client();
    first.ask("a.test", "/slow");
    gate.wait_for(1);
    let (said, heard) = std::sync::mpsc::channel();
    let address = edge.address("http");
    for _ in 0..2 {
        let said = said.clone();
        thread::spawn(move || {
            let status = seawall_tests::Client::connect(address)
                .get("a.test", "/slow")
                .status;
            let _ = said.send(status);
        });
    }
    let refused = heard.recv_timeout(PATIENCE).expect("a refusal");
    assert!(matches!(refused, 502 | 503), "{refused}");
    assert_eq!(origin.hits("/slow"), 1);
    gate.open();
    assert_eq!(first.response().text(), "done");
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(200), "the one that waited");
}

#[test]
fn datagrams_follow_a_file_of_servers() {
    let [one, two] = ["one", "two"].map(|name| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("its address");
        thread::spawn(move || {
            let mut buf = [0; 100];
            while let Ok((_, from)) = socket.recv_from(&mut buf) {
                let _ = socket.send_to(name.as_bytes(), from);
            }
        });
        address
    });
    let edge = Edge::yaml(
        "pools:\n  p: { servers: [{ file: servers.txt }] }
streams: [{ listen: \"@udp@\", protocol: udp, to: p, responses: 1 }]
sites: [{ host: a.test, respond: 200 }]",
    );
    edge.write("servers.txt", format!("{one}\n"));
    let edge = edge.start();
    let answered_by = |name: &str| {
        eventually(name, || {
            // A socket for each question: a session keeps its server.
            let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
            socket.connect(edge.address("udp")).ok()?;
            socket.set_read_timeout(Some(PATIENCE / 300)).ok()?;
            socket.send(b"who").ok()?;
            let mut buf = [0; 100];
            let n = socket.recv(&mut buf).ok()?;
            (&buf[..n] == name.as_bytes()).then_some(())
        });
    };
    answered_by("one");
    edge.write("servers.txt", format!("{two}\n"));
    answered_by("two");
}
