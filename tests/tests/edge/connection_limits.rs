//! Limits on the requests served at once: exact whichever thread serves them, and nginx's `limit_req` and `limit_conn`
//! beside nginx.

use nix::sys::signal::Signal;
use seawall_tests::{Client, Edge, Gate, Origin, eventually, free_address, php::Nginx};
use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, channel},
    thread,
};

const REFUSED: &str = "seawall_connection_limited_total{result=\"refused\",site=\"a.test\"}";

fn limited(origin: &Origin, limit: &str) -> String {
    format!(
        "pools: {{ p: {{ servers: [\"{origin}\"] }} }}\nsites: [{{ host: a.test, connection_limit: {limit}, to: p }}]"
    )
}

/// Asks on so many connections at once; the statuses come as the answers do.
fn crowd(address: SocketAddr, path: &'static str, count: usize) -> Receiver<u16> {
    let (say, heard) = channel();
    for _ in 0..count {
        let say = say.clone();
        thread::spawn(move || say.send(Client::connect(address).get("a.test", path).status));
    }
    heard
}

fn statuses(heard: &Receiver<u16>, count: usize) -> Vec<u16> {
    (0..count).map(|_| heard.recv().expect("answers")).collect()
}

#[test]
fn as_many_are_served_at_once_as_may_whichever_thread_serves_them() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "ok");
    let edge = Edge::yaml(limited(&origin, "{ key: $client_ip, max: 20 }")).start();
    let heard = crowd(edge.address("http"), "/slow", 60);
    // Those who pass stand before the origin, the others hear at once.
    assert_eq!(statuses(&heard, 40), [503; 40]);
    gate.wait_for(20);
    edge.counts(REFUSED, 40);
    edge.logged("limiting connections by \"$client_ip\", client: 127.0.0.1");
    // A reload counts on: nobody else comes in while those are served.
    edge.rewrite(limited(
        &origin,
        "{ key: $client_ip, max: 20, status: 429 }",
    ));
    edge.signal(Signal::SIGHUP);
    eventually("the reload", || {
        (edge.metric("seawall_reloads_total") == 1).then_some(())
    });
    assert_eq!(edge.get("a.test", "/slow").status, 429);
    gate.open();
    assert_eq!(statuses(&heard, 20), [200; 20]);
    // Their places are free again.
    eventually("a place", || {
        (edge.get("a.test", "/slow").status == 200).then_some(())
    });
}

#[test]
fn a_place_is_free_again_when_its_client_leaves() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "ok");
    origin.serve("/", "", "ok");
    let edge = Edge::yaml(limited(&origin, "{ max: 1 }")).start();
    let mut client = edge.client();
    client.ask("a.test", "/slow");
    gate.wait_for(1);
    assert_eq!(edge.get("a.test", "/").status, 503);
    drop(client);
    gate.open();
    eventually("a place", || {
        (edge.get("a.test", "/").status == 200).then_some(())
    });
}

#[test]
fn keys_are_counted_apart_and_a_refusal_holds_no_place() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "ok");
    origin.serve("/", "", "ok");
    let edge = Edge::yaml(limited(
        &origin,
        "[{ key: $host, max: 2 }, { key: $arg_user, max: 1, status: 429 }, { key: $host, max: 1, dry_run: true }]",
    ))
    .start();
    let mut slow = edge.client();
    slow.ask("a.test", "/slow?user=a");
    gate.wait_for(1);
    for _ in 0..3 {
        // Were its place in the first limit kept, the next would be refused by that one.
        assert_eq!(edge.get("a.test", "/?user=a").status, 429);
    }
    eventually("a place", || {
        (edge.get("a.test", "/?user=b").status == 200).then_some(())
    });
    edge.logged("limiting connections, dry run, by \"$host\"");
    gate.open();
    assert_eq!(slow.response().status, 200);
}

#[test]
fn nginx_refuses_the_same_requests() {
    let (origin, gate) = (Origin::start(), Gate::new());
    origin.serve_after(&gate, "/slow", "", "ok");
    let http = |listen: &str| {
        format!(
            "limit_req_zone $arg_k zone=r:1m rate=1r/m;
limit_req_zone $host zone=all:1m rate=1r/m;
limit_conn_zone $host zone=c:1m;
limit_req_status 429;
server {{ listen {listen}; server_name a.test;
error_page 404 =200 /ok; location = /ok {{ internal; return 200; }}
location /none {{ limit_req zone=r; }}
location /some {{ limit_req zone=r burst=3 nodelay; limit_req_status 508; }}
location /both {{ limit_req zone=r burst=5 nodelay; limit_req zone=all burst=2 nodelay; }}
location /dry {{ limit_req zone=r; limit_req_dry_run on; }}
location /slow {{ limit_conn c 5; limit_conn_status 429; proxy_pass http://{origin}; }} }}"
        )
    };
    let edge = Edge::nginx(format!("events {{}}\nhttp {{ {} }}", http("@http@"))).start();
    let address = free_address();
    let directory = tempfile::tempdir().expect("a directory");
    let _nginx = Nginx::start(directory.path(), address, &http(&address.to_string()));

    let ask = |address: SocketAddr| -> Vec<u16> {
        let mut client = Client::connect(address);
        [
            "/none?k=a",
            "/none?k=a",
            "/none",
            "/none",
            "/some?k=b",
            "/some?k=b",
            "/some?k=b",
            "/some?k=b",
            "/some?k=b",
            "/none?k=b",
            "/both?k=c",
            "/both?k=c",
            "/both?k=d",
            "/both?k=e",
            "/both?k=c",
            "/some?k=c",
            "/some?k=c",
            "/dry?k=f",
            "/dry?k=f",
        ]
        .iter()
        .map(|path| client.get("a.test", path).status)
        .collect()
    };
    let (ours, theirs) = (ask(edge.address("http")), ask(address));
    assert_eq!(ours, theirs);
    assert!(ours.contains(&429) && ours.contains(&508) && ours.contains(&200));
    edge.logged(" by zone \"all\", client: 127.0.0.1");
    edge.logged("limiting requests, dry run, excess: ");

    let crowds = [
        crowd(edge.address("http"), "/slow", 12),
        crowd(address, "/slow", 12),
    ];
    for heard in &crowds {
        assert_eq!(statuses(heard, 7), [429; 7]);
    }
    gate.wait_for(10);
    gate.open();
    for heard in &crowds {
        assert_eq!(statuses(heard, 5), [200; 5]);
    }
    edge.logged("limiting connections by zone \"c\"");
}
