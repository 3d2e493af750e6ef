//! Servers that are found while the daemon runs, and how they are checked.

use seawall_tests::{Edge, Origin, Running, eventually};
use std::{io::Write, net::TcpListener};

fn named(name: &'static str) -> Origin {
    let origin = Origin::start();
    origin.serve("/who", "", name);
    origin
}

fn asked(edge: &Running) -> Vec<String> {
    let mut names: Vec<String> = (0..8).map(|_| edge.get("a.test", "/who").text()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_service_in_dns_names_primaries_and_backups_and_is_followed() {
    let (a, b, spare) = (named("a"), named("b"), named("spare"));
    let zone = |records: &str| {
        format!(
            "$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\nhere A 127.0.0.1\n{records}"
        )
    };
    let srv = |priority: u16, o: &Origin| {
        format!("_http._tcp SRV {priority} 1 {} here\n", o.address().port())
    };
    let edge = Edge::yaml(
        "dns: { listen: [\"@dns@\"], zones: [{ name: svc.test, file: svc.zone }] }
pools:
  p: { servers: [{ srv: _http._tcp.svc.test }], resolver: [\"@dns@\"] }
sites: [{ host: a.test, to: p }]",
    );
    edge.write(
        "svc.zone",
        zone(&(srv(1, &a) + &srv(1, &b) + &srv(2, &spare))),
    );
    let edge = edge.start();
    eventually("the service", || (asked(&edge) == ["a", "b"]).then_some(()));
    assert_eq!(spare.hits("/who"), 0, "a backup");
    edge.write(
        "svc.zone",
        zone(&srv(1, &b)).replace("hostmaster 1 ", "hostmaster 2 "),
    );
    edge.signal(nix::sys::signal::Signal::SIGHUP);
    eventually("the change", || (asked(&edge) == ["b"]).then_some(()));
}

#[test]
fn a_file_of_servers_is_followed_and_a_bad_one_changes_nothing() {
    let (a, b) = (named("a"), named("b"));
    let edge = Edge::yaml(
        "pools:\n  p: { servers: [{ file: servers.txt }] }\nsites: [{ host: a.test, to: p }]",
    );
    edge.write("servers.txt", format!("# one\n{a}\n"));
    let edge = edge.start();
    eventually("the file", || (asked(&edge) == ["a"]).then_some(()));
    edge.write("servers.txt", format!("{a}\n{b} weight=1\n"));
    eventually("the change", || (asked(&edge) == ["a", "b"]).then_some(()));
    edge.write("servers.txt", "nonsense\n");
    edge.logged("line 1:");
    assert_eq!(asked(&edge), ["a", "b"]);
}

#[test]
fn a_service_that_nobody_knows_keeps_nothing_from_starting() {
    let a = named("a");
    let edge = Edge::yaml(format!(
        "pools:\n  lost: {{ servers: [{{ srv: _http._tcp.nowhere.test }}], resolver: [\"@nobody@\"] }}
sites: [{{ host: a.test, to: \"{a}\" }}, {{ host: b.test, to: lost }}]"
    ))
    .start();
    assert_eq!(edge.get("a.test", "/who").text(), "a");
    assert_eq!(edge.get("b.test", "/").status, 502);
    edge.logged("names no servers");
}

#[test]
fn a_check_may_ask_for_a_text_and_a_status() {
    let (a, b) = (named("a"), named("b"));
    for origin in [&a, &b] {
        origin.answer(
            "/ready",
            "HTTP/1.1 418 Teapot\r\nContent-Length: 8\r\n\r\nall good",
        );
    }
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\", \"{b}\"], health: {{ path: /ready, host: check.test, headers: {{ X-Check: \"1\" }}, expect: {{ status: [418], body: good }}, interval: 20ms, fall: 1, rise: 1 }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    eventually("checks", || {
        (a.hits("/ready") > 1 && b.hits("/ready") > 1).then_some(())
    });
    assert_eq!(asked(&edge), ["a", "b"]);
    let check = a
        .received()
        .into_iter()
        .find(|r| r.path() == "/ready")
        .unwrap();
    assert_eq!(
        (check.field("Host"), check.field("X-Check")),
        (Some("check.test"), Some("1"))
    );
    a.answer(
        "/ready",
        "HTTP/1.1 418 Teapot\r\nContent-Length: 7\r\n\r\nall bad",
    );
    let line = edge.logged(&format!("server {a} is down"));
    assert!(line.contains("does not hold"), "{line}");
    assert_eq!(asked(&edge), ["b"]);
}

#[test]
fn a_server_needs_rise_and_fall_to_change_its_state() {
    let a = named("a");
    let turn = std::sync::atomic::AtomicUsize::new(0);
    a.script("/ready", move |_, exchange| {
        let is_odd = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 == 1;
        let status = if is_odd { "503 No" } else { "200 OK" };
        exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        seawall_tests::Then::Close
    });
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\"], health: {{ path: /ready, interval: 10ms, fast_interval: 10ms, fall: 2, rise: 2 }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    eventually("flapping", || (a.hits("/ready") > 20).then_some(()));
    assert!(
        !edge.error_log().contains("is down"),
        "every other check failed"
    );
}

#[test]
fn a_check_by_tcp_needs_a_listener_and_no_http() {
    let a = named("a");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"");
    });
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{address}\", \"{a}\"], health: {{ tcp: true, interval: 20ms, fall: 1, rise: 1 }}, retry: {{ when: [connect], attempts: 2, budget: 100% }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    accepting.join().unwrap();
    edge.logged(&format!("server {address} is down"));
    assert_eq!(asked(&edge), ["a"]);
}
