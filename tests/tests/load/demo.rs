//! `seawall demo`: the whole house with the bundled shop, on the ports that the README names.

use crate::alone;
use nix::sys::signal::Signal;
use seawall_tests::{Client, dns, eventually, process, program, tls};
use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;
const DNS: u16 = 5353;
const ADMIN: u16 = 9180;
const API: u16 = 7010;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn the_demo_shows_every_room() {
    let _alone = alone();
    // Its ports are fixed: whoever holds one of them (a demo that runs) must stop for this test.
    for port in [HTTP, HTTPS, DNS, ADMIN] {
        assert!(
            TcpListener::bind(at(port)).is_ok(),
            "port {port} is taken: stop what listens there"
        );
    }
    let state = tempfile::tempdir().expect("a directory");
    let mut demo = Command::new(program())
        .args(["demo", "--state"])
        .arg(state.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo starts");
    let said = BufReader::new(demo.stdout.take().expect("its output"));
    let ready = said
        .lines()
        .map_while(Result::ok)
        .any(|l| l.starts_with("ready"));
    let judged = std::panic::catch_unwind(|| judge(state.path()));
    process::signal(demo.id(), Signal::SIGTERM);
    let ended = demo.wait().expect("its end");
    assert!(ready, "it never said ready");
    if let Err(failure) = judged {
        std::panic::resume_unwind(failure);
    }
    assert!(ended.success(), "{ended}");
    assert!(
        TcpListener::bind(at(HTTP)).is_ok(),
        "the port is free again"
    );
}

/// The shop tells the edge which tag changed, and the change is answered when the edge has forgotten its pages: nobody waits for staleness.
fn a_changed_price_is_seen_at_once(client: &mut Client) {
    let page = |client: &mut Client| client.get("shop.localhost", "/products/1");
    eventually("a page that is kept", || {
        page(client).is_hit().then_some(())
    });
    let shown = |page: &seawall_tests::Response| {
        page.text().contains("54,321")
            || page.text().contains("54321")
            || page.text().contains("543.21")
    };
    assert!(!shown(&page(client)));
    let change = r#"{"price_cents": 54321}"#;
    let mut api = Client::connect(at(API));
    let changed = api
        .send(format!(
            "POST /products/1 HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{change}",
            change.len()
        ))
        .response();
    assert_eq!(changed.status, 200, "{}", changed.text());
    let after = page(client);
    assert!(!after.is_hit() && shown(&after), "{}", after.text());
    eventually("the new page that is kept", || {
        let again = page(client);
        assert!(shown(&again));
        again.is_hit().then_some(())
    });
}

fn judge(state: &std::path::Path) {
    let mut client = Client::connect(at(HTTP));
    let front = client.get("shop.localhost", "/");
    assert_eq!(front.status, 200);
    let page = front.text();
    let asset = page
        .split(['"', '\''])
        .find(|word| word.starts_with("/assets/"))
        .expect("a page with assets");
    client.get("shop.localhost", asset);
    assert!(client.get("shop.localhost", asset).is_hit(), "{asset}");
    a_changed_price_is_seen_at_once(&mut client);
    let attack = client.get("shop.localhost", "/search?q=%27%20or%201%3D1--");
    assert_eq!(attack.status, 403);
    assert_eq!(client.get("shop.localhost", "/search?q=coat").status, 200);
    let mut secure = tls::connect(at(HTTPS), "shop.test", &state.join("ca/ca.pem")).expect("TLS");
    assert_eq!(secure.client.get("shop.test", "/").status, 200);
    assert!(
        !dns::ask(at(DNS), "shop.test", dns::Type::A)
            .data()
            .is_empty()
    );
    let metrics = Client::connect(at(ADMIN)).get("127.0.0.1", "/metrics");
    assert!(metrics.text().contains("seawall_panics_total 0"));
}
