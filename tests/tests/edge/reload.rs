//! A configuration changes while requests run.

use nix::sys::signal::Signal;
use seawall_tests::{Edge, Gate, Origin, Running, Then, eventually};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn says(word: &str) -> String {
    format!("sites: [{{ host: a.test, respond: {{ status: 200, body: {word} }} }}]")
}

fn reload(edge: &Running) -> std::process::Output {
    let admin = format!("unix:{}", edge.path("admin.sock").display());
    // By its address, because a configuration that is broken names none.
    edge.seawall(&["reload", "--admin", &admin])
}

#[test]
fn hup_makes_a_new_configuration_live() {
    let edge = Edge::yaml(says("old")).start();
    let worker = edge.worker();
    assert_eq!(edge.get("a.test", "/").text(), "old");
    edge.rewrite(says("new"));
    edge.signal(Signal::SIGHUP);
    eventually("the new answer", || {
        (edge.get("a.test", "/").text() == "new").then_some(())
    });
    assert_eq!(edge.worker(), worker, "inside the same worker");
}

#[test]
fn a_changed_file_is_noticed() {
    let edge = Edge::yaml(says("old")).start();
    assert_eq!(edge.get("a.test", "/").text(), "old");
    edge.rewrite(says("new"));
    eventually("the new answer", || {
        (edge.get("a.test", "/").text() == "new").then_some(())
    });
}

#[test]
fn a_broken_configuration_leaves_the_old_one_and_says_why() {
    let edge = Edge::yaml(says("old")).start();
    edge.rewrite("sites: [{ host: a.test, respnd: { status: 200 } }]");
    let failed = reload(&edge);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.contains("respnd") && said.contains('^'), "{said}");
    edge.logged("respnd");
    assert_eq!(edge.get("a.test", "/").text(), "old");
    assert!(edge.metric("seawall_reload_failures_total") >= 1);
    edge.rewrite(says("mended"));
    eventually("the mended one", || {
        (edge.get("a.test", "/").text() == "mended").then_some(())
    });
}

#[test]
fn an_address_that_cannot_be_bound_leaves_the_old_configuration() {
    let origin = Origin::start();
    let edge = Edge::yaml(says("old")).start();
    edge.rewrite(format!(
        "listen: [\"@http@\", \"{origin}\"]\n{}",
        says("new")
    ));
    let failed = reload(&edge);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(edge.get("a.test", "/").text(), "old");
}

#[test]
fn listeners_come_and_go() {
    let edge = Edge::yaml(says("x")).start();
    edge.rewrite(format!("listen: [\"@http@\", \"@second@\"]\n{}", says("x")));
    assert!(reload(&edge).status.success());
    let mut client = seawall_tests::Client::connect(edge.address("second"));
    assert_eq!(client.get("a.test", "/").text(), "x");
    edge.rewrite(says("x"));
    assert!(reload(&edge).status.success());
    eventually("a closed port", || {
        seawall_tests::Client::try_connect(edge.address("second"))
            .is_err()
            .then_some(())
    });
    assert_eq!(edge.get("a.test", "/").text(), "x");
}

#[test]
fn no_request_fails_and_a_download_completes_while_configurations_come_and_go() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/long", move |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        closed.pass();
        exchange.send("again");
        Then::Keep
    });
    let version = |n: usize| {
        format!(
            "sites:
  - host: a.test
    routes:
      - {{ exact: /version, respond: {{ status: 200, body: \"{n}\" }} }}
      - {{ path: /, to: \"{origin}\" }}"
        )
    };
    let edge = Edge::yaml(version(0)).start();
    let mut download = edge.client();
    download.ask("a.test", "/long").head();
    assert_eq!(download.bytes(5), b"first");
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for kept in [true, true, false] {
            let (edge, over, served) = (&edge, &over, &served);
            scope.spawn(move || {
                let mut client = edge.client();
                while !over.load(Ordering::Relaxed) {
                    if !kept {
                        client = edge.client();
                    }
                    assert_eq!(client.get("a.test", "/x").status, 200);
                    assert_eq!(client.get("a.test", "/version").status, 200);
                    served.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for n in 1..=10 {
            let before = served.load(Ordering::Relaxed);
            edge.rewrite(version(n));
            edge.signal(Signal::SIGHUP);
            eventually("the version", || {
                (edge.get("a.test", "/version").text() == n.to_string()).then_some(())
            });
            eventually("requests", || {
                (served.load(Ordering::Relaxed) > before).then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    gate.open();
    assert_eq!(download.bytes(5), b"again");
    edge.counts("seawall_panics_total", 0);
    println!(
        "{} requests over ten reloads",
        served.load(Ordering::Relaxed)
    );
}

#[test]
fn the_cache_and_the_counters_survive_a_reload() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=60\r\n", "body");
    let yaml = |header: &str| {
        format!(
            "caches: {{ default: 16MiB }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\", headers: {{ response: {{ set: {{ X-Version: {header} }} }} }} }}]"
        )
    };
    let edge = Edge::yaml(yaml("one")).start();
    edge.get("a.test", "/x");
    assert!(edge.get("a.test", "/x").is_hit());
    edge.rewrite(yaml("two"));
    assert!(reload(&edge).status.success());
    let after = edge.get("a.test", "/x");
    assert!(
        after.is_hit() && after.has("X-Version") == "two",
        "{after:?}"
    );
    assert_eq!(origin.hits("/x"), 1);
    edge.counts(
        "seawall_cache_requests_total{cache=\"default\",reason=\"fresh\",result=\"hit\",route=\"/\",site=\"a.test\"}",
        2,
    );
}
