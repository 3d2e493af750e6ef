//! Issued, stored, renewed: each challenge, and under load.

use super::{ONE_SITE, issued, say, told, with_ca};
use nix::sys::signal::Signal;
use seawall_tests::{eventually, process, tls};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

#[test]
fn tls_alpn_01_issues_and_the_internal_ca_stands_in_until_then() {
    let (edge, mut pebble) = with_ca(ONE_SITE, "", |p| p);
    let edge = edge.start();
    // The CA is not there yet: that keeps nothing from being served.
    assert_eq!(
        edge.tls("shop.test").client.get("shop.test", "/").text(),
        "hello"
    );
    assert!(say(&edge, &["cert", "ls"]).contains("acme (stand-in)"));
    pebble.run();
    let mut session = issued(&edge, &pebble, "shop.test");
    assert_eq!(session.client.get("shop.test", "/").text(), "hello");
    let shown = told(&edge, "shop.test", "stored as");
    for step in [
        "tls-alpn-01",
        "the CA has seen the proofs",
        "it is served from now on",
    ] {
        assert!(shown.contains(step), "{shown}");
    }
    assert_eq!(
        edge.metric("seawall_acme_orders_total{outcome=\"issued\"}"),
        1
    );
    let expiry = "seawall_certificate_not_after_seconds{site=\"shop.test\",source=\"acme\"}";
    assert!(edge.metric(expiry) > 1_700_000_000);
    // Who offers what a CA offers, when none is at work, is turned away.
    let config = tls::trusting(&pebble.root(), &[b"acme-tls/1"]).unwrap();
    assert!(tls::shake(edge.address("https"), "shop.test", config).is_err());
}

#[test]
fn http_01_is_answered_before_the_redirect_to_https() {
    let (edge, pebble) = with_ca(ONE_SITE, ", challenge: http-01", |p| p.start());
    let edge = edge.start();
    let mut session = issued(&edge, &pebble, "shop.test");
    assert_eq!(session.client.get("shop.test", "/").status, 200);
    assert_eq!(
        edge.get("shop.test", "/.well-known/acme-challenge/x")
            .status,
        308
    );
    assert!(told(&edge, "shop.test", "stored as").contains("http-01 is answered on plain HTTP"));
}

#[test]
fn what_is_stored_is_private_and_survives_kill_9_without_another_order() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.start());
    let edge = edge.start();
    let first = issued(&edge, &pebble, "shop.test");
    told(&edge, "shop.test", "stored as");
    let mode = |name: &str| {
        let path = edge.path("state/acme").join(name);
        let entries = fs::read_dir(path).unwrap().flatten();
        let modes = entries.map(|e| e.metadata().unwrap().permissions().mode() & 0o777);
        modes.collect::<Vec<u32>>()
    };
    assert_eq!(mode("certificates"), [0o600]);
    assert!(mode("accounts").iter().all(|m| *m == 0o600));
    process::signal(edge.worker(), Signal::SIGKILL);
    let again = issued(&edge, &pebble, "shop.test");
    assert_eq!(again.certificate, first.certificate);
    let shown = told(&edge, "shop.test", "the stored certificate is served");
    assert!(!shown.contains("ordered for"), "{shown}");
}

#[test]
fn a_renewal_under_load_fails_no_request() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.start());
    let edge = edge.start();
    let first = issued(&edge, &pebble, "shop.test");
    told(&edge, "shop.test", "stored as");
    let (root, address) = (pebble.root(), edge.address("https"));
    let (stop, done, failed) = (
        Arc::<AtomicBool>::default(),
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done, failed) = (stop.clone(), done.clone(), failed.clone());
            let root = root.clone();
            thread::spawn(move || {
                // One connection is kept, and a new one is made beside it each time.
                let mut kept = tls::connect(address, "shop.test", &root).unwrap();
                while !stop.load(SeqCst) {
                    let fresh = tls::connect(address, "shop.test", &root);
                    let ok = fresh.is_ok_and(|mut s| s.client.get("shop.test", "/").status == 200)
                        && kept.client.get("shop.test", "/").status == 200;
                    failed.fetch_add(usize::from(!ok), SeqCst);
                    done.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let more = |n: usize| {
        let goal = done.load(SeqCst) + n;
        eventually("requests of the load", || {
            (done.load(SeqCst) >= goal).then_some(())
        });
    };
    for round in 2..=4 {
        more(20);
        assert!(say(&edge, &["cert", "renew", "shop.test"]).contains("asked for"));
        edge.counts("seawall_acme_orders_total{outcome=\"issued\"}", round);
    }
    more(20);
    stop.store(true, SeqCst);
    clients.into_iter().for_each(|c| c.join().unwrap());
    let asked = 2 * done.load(SeqCst);
    assert_eq!(failed.load(SeqCst), 0, "of {asked}");
    println!("{asked} requests, half of them on new connections, over three renewals: none failed");
    let last = tls::connect(address, "shop.test", &root).unwrap();
    assert_ne!(last.certificate, first.certificate);
}

#[test]
fn kill_9_at_any_moment_of_a_renewal_loses_no_certificate() {
    let (edge, pebble) = with_ca(ONE_SITE, "", |p| p.start());
    let edge = edge.start();
    issued(&edge, &pebble, "shop.test");
    told(&edge, "shop.test", "stored as");
    let (root, address) = (pebble.root(), edge.address("https"));
    let mut moment = 7u64;
    for round in 0..10 {
        // The API is up a little later than the listeners.
        eventually("the API", || {
            let said = say(&edge, &["cert", "renew", "shop.test"]);
            said.contains("asked for").then_some(())
        });
        // An order takes some 700 ms: the worker dies before it, in it, and behind it.
        moment = moment.wrapping_mul(6364136223846793005).wrapping_add(1);
        let events = (moment >> 33) % 9;
        let worker = edge.worker();
        let before = say(&edge, &["cert", "show", "shop.test"]);
        let goal = before.lines().count() as u64 + events;
        eventually("a moment of the order", || {
            let shown = say(&edge, &["cert", "show", "shop.test"]);
            let is_over = shown.contains("FAIL") || shown.matches("stored as").count() > 0;
            (shown.lines().count() as u64 >= goal || is_over).then_some(())
        });
        process::signal(worker, Signal::SIGKILL);
        eventually("another worker", || (edge.worker() != worker).then_some(()));
        // What is served is the CA's, at once: nothing was lost, and nothing half written is used.
        let session = eventually("the port", || {
            tls::connect(address, "shop.test", &root).map_or_else(
                |e| {
                    let refused = e.kind() == std::io::ErrorKind::ConnectionRefused;
                    let broken = e.kind() == std::io::ErrorKind::ConnectionReset
                        || e.kind() == std::io::ErrorKind::UnexpectedEof;
                    assert!(refused || broken, "round {round}: {e}");
                    None
                },
                Some,
            )
        });
        assert_eq!({ session }.client.get("shop.test", "/").text(), "hello");
    }
    let left = fs::read_dir(edge.path("state/acme/certificates"))
        .unwrap()
        .flatten();
    let names: Vec<_> = left.map(|e| e.file_name()).collect();
    assert!(names.len() <= 2, "{names:?}");
}

#[test]
fn names_of_one_site_that_no_ca_signs_are_the_internal_cas() {
    let sites =
        "  - { host: [www.example.com, x.shop.test], respond: { status: 200, body: hello } }";
    let (edge, pebble) = with_ca(sites, "", |p| p.start());
    let edge = edge.start();
    assert_eq!(
        edge.tls("x.shop.test")
            .client
            .get("x.shop.test", "/")
            .text(),
        "hello"
    );
    // The CA cannot look the public name up; what it says is told.
    told(&edge, "www.example.com", "FAIL validation");
    let listed = say(&edge, &["cert", "ls"]);
    assert!(
        listed.contains("x.shop.test") && listed.contains("internal"),
        "{listed}"
    );
    drop(pebble);
}
