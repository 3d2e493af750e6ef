//! The processes: what a signal does, what a crash does.

use nix::sys::signal::Signal;
use seawall_tests::{Client, Edge, Gate, Origin, Then, eventually, process};
use std::time::Instant;

const FIXED: &str = "sites: [{ host: a.test, respond: { status: 200, body: fixed } }]";

#[test]
fn a_killed_worker_is_replaced_without_a_refused_connection() {
    let edge = Edge::yaml(FIXED).start();
    for _ in 0..3 {
        let worker = edge.worker();
        let killed = Instant::now();
        process::signal(worker, Signal::SIGKILL);
        // Some connections may have been in the dying worker's hands; none is refused.
        eventually("an answer", || {
            let mut client = Client::try_connect(edge.address("http")).expect("the port is open");
            client
                .try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                .ok()?;
            client.try_response().ok().filter(|r| r.text() == "fixed")
        });
        println!("answered {:?} after the kill", killed.elapsed());
        eventually("another worker", || {
            Some(edge.worker()).filter(|pid| *pid != worker)
        });
    }
    assert_eq!(edge.pid_file(), Some(edge.pid()));
}

#[test]
fn quit_lets_a_download_end_and_takes_no_new_ones() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/long", move |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        closed.pass();
        exchange.send("again");
        Then::Keep
    });
    let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]"));
    // Longer than the others' two seconds, so that only the gate decides.
    edge.rewrite(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]"));
    let text = std::fs::read_to_string(edge.config())
        .unwrap()
        .replace("drain: 2s", "drain: 30s");
    std::fs::write(edge.config(), text).unwrap();
    let edge = edge.start();
    let mut idle = edge.client();
    idle.get("a.test", "/");
    let mut download = edge.client();
    download.ask("a.test", "/long").head();
    assert_eq!(download.bytes(5), b"first");
    edge.signal(Signal::SIGQUIT);
    assert!(idle.is_closed(), "an idle connection is not waited for");
    eventually("a closed port", || {
        Client::try_connect(edge.address("http"))
            .is_err()
            .then_some(())
    });
    gate.open();
    assert_eq!(download.bytes(5), b"again");
    let (status, place) = edge.wait();
    assert!(status.success());
    assert!(!place.path("seawall.pid").exists());
}

#[test]
fn term_ends_at_once_whatever_is_open() {
    let origin = Origin::start();
    origin.script("/long", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        exchange.until_closed();
        Then::Close
    });
    let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]")).start();
    let mut download = edge.client();
    download.ask("a.test", "/long").head();
    assert_eq!(download.bytes(5), b"first");
    edge.signal(Signal::SIGTERM);
    let (status, _) = edge.wait();
    assert!(status.success());
    assert!(download.rest().is_empty());
}

#[test]
fn usr1_goes_on_in_new_log_files() {
    let edge = Edge::yaml(FIXED).start();
    edge.get("a.test", "/before");
    eventually("the line", || {
        edge.access_log().contains("/before").then_some(())
    });
    for log in ["access.log", "error.log"] {
        std::fs::rename(edge.path(log), edge.path(&format!("{log}.1"))).unwrap();
    }
    edge.signal(Signal::SIGUSR1);
    eventually("new files", || {
        (edge.path("access.log").exists() && edge.path("error.log").exists()).then_some(())
    });
    eventually("a line in the new file", || {
        edge.get("a.test", "/after");
        edge.access_log().contains("/after").then_some(())
    });
    assert!(
        std::fs::read_to_string(edge.path("access.log.1"))
            .unwrap()
            .contains("/before")
    );
}

#[test]
fn a_second_daemon_on_the_same_port_is_told_so() {
    let first = Edge::yaml(FIXED).start();
    let second = Edge::yaml(format!("listen: \"{}\"\n{FIXED}", first.address("http")));
    let (status, said) = second.start_in_vain();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("Address already in use")
            && said.contains(&first.address("http").to_string()),
        "{said}"
    );
    assert!(!second.path("seawall.pid").exists());
    assert_eq!(
        first.get("a.test", "/").text(),
        "fixed",
        "the first serves on"
    );
}

#[test]
fn a_broken_configuration_does_not_start_and_all_its_errors_are_shown() {
    let edge =
        Edge::yaml("sites:\n  - { host: a.test, too: x }\n  - { host: b.test, to: nowhere }\n");
    let (status, said) = edge.start_in_vain();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("too") && said.contains("nowhere") && said.contains('^'),
        "{said}"
    );
}
