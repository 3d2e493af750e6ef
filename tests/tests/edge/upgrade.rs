//! A newer binary takes over under load: no request, tunnel or question is lost.
//!
//! `SEAWALL_UPGRADES=n` makes it a drill of so many rounds.

use nix::sys::signal::Signal;
use seawall_tests::{Client, Edge, Origin, Then, dns, eventually, load::Load, process};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ASK: &str =
    "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn rounds(few: usize) -> usize {
    let asked = std::env::var("SEAWALL_UPGRADES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn edge(origin: &Origin) -> Edge {
    let edge = Edge::yaml(format!(
        "dns:
  listen: [\"@dns@\"]
  zones: [{{ name: a.test, file: @dir@/a.test.zone }}]
caches: {{ c: {{ memory: 8MiB, disk: {{ path: @dir@/disk, size: 64MiB }} }} }}
pools: {{ p: {{ servers: [\"{origin}\"] }} }}
sites:
  - host: a.test
    routes:
      - {{ path: /ws, to: p }}
      - {{ path: /kept, to: p, cache: {{ name: c, default_ttl: 1h }} }}
      - {{ path: /, respond: {{ status: 200, body: \"$pid\" }} }}"
    ));
    edge.write(
        "a.test.zone",
        "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n@ A 192.0.2.7\n",
    );
    edge
}

fn echo(origin: &Origin) {
    origin.script("/ws", |_, exchange| {
        exchange.send(SWITCH);
        loop {
            let byte = exchange.receive(1);
            if byte.is_empty() || !exchange.send(byte) {
                return Then::Close;
            }
        }
    });
}

/// Asks the name server until it is told to stop: answers, and what went wrong.
struct Digging {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    digger: thread::JoinHandle<()>,
}

impl Digging {
    fn start(server: std::net::SocketAddr) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, answered) = (stop.clone(), done.clone());
        let digger = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let answer = dns::ask_once(server, "a.test.", dns::Type::A).expect("an answer");
                assert_eq!(answer.data(), ["192.0.2.7"]);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { stop, done, digger }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.digger.join().expect("every question was answered");
        self.done.load(Ordering::SeqCst)
    }
}

#[test]
fn upgrades_under_load_lose_no_request_no_tunnel_and_no_question() {
    let origin = Origin::start();
    echo(&origin);
    let edge = edge(&origin).start();
    let load = Load::start(edge.address("http"), 4);
    let digging = Digging::start(edge.address("dns"));
    let mut tunnels: Vec<Client> = Vec::new();
    let rounds = rounds(3);
    for round in 1..=rounds {
        let mut tunnel = edge.client();
        assert_eq!(tunnel.send(ASK).head().status, 101);
        tunnels.push(tunnel);
        load.more(50);
        edge.signal(Signal::SIGUSR2);
        eventually("the upgrade", || {
            (edge.error_log().matches("upgrade: seawall/").count() >= round
                && edge.error_log().matches("serves\n").count() >= round)
                .then_some(())
        });
        load.more(50);
        for tunnel in &mut tunnels {
            assert_eq!(tunnel.send("x").bytes(1), b"x");
        }
    }
    let shots = load.end();
    let failed = shots.iter().filter(|s| s.is_error()).count();
    let answered = digging.end();
    let pids: std::collections::BTreeSet<_> = shots.iter().map(|s| s.text.clone()).collect();
    println!(
        "{rounds} upgrades: {} requests, {failed} failed; {answered} questions answered; {} tunnels open through all; {} workers answered",
        shots.len(),
        tunnels.len(),
        pids.len()
    );
    assert_eq!(failed, 0);
    assert_eq!(pids.len(), rounds + 1, "every worker has served");
    drop(tunnels);
    eventually("one worker", || {
        (process::children(edge.pid()).len() == 1).then_some(())
    });
}

#[test]
fn what_was_cached_on_the_disk_and_purged_stays_so_through_an_upgrade() {
    let origin = Origin::start();
    for name in ["/kept/a", "/kept/b"] {
        origin.serve(name, "", "body");
    }
    let edge = edge(&origin).start();
    let get = |path: &str| edge.get("a.test", path);
    let fetched = |path: &str| {
        let before = origin.hits(path);
        assert_eq!(get(path).text(), "body");
        origin.hits(path) - before
    };
    for name in ["/kept/a", "/kept/b"] {
        // Twice asked for, it goes to the disk.
        (0..3).for_each(|_| drop(get(name)));
    }
    eventually("both on the disk", || {
        (edge.metric("seawall_cache_disk_objects") == 2).then_some(())
    });
    let purged = edge.seawall(&[
        "purge",
        &format!("http://a.test:{}/kept/b", edge.address("http").port()),
        "-c",
        "seawall.yaml",
    ]);
    assert!(purged.status.success(), "{purged:?}");
    edge.signal(Signal::SIGUSR2);
    edge.logged("upgrade: seawall/");
    eventually("one worker", || {
        (process::children(edge.pid()).len() == 1).then_some(())
    });
    eventually("the disk looked through", || {
        (edge.metric("seawall_cache_disk_objects") >= 1).then_some(())
    });
    assert_eq!(fetched("/kept/a"), 0, "it came from the disk");
    assert_eq!(fetched("/kept/b"), 1, "it was purged");
}

#[test]
fn killed_workers_under_load_refuse_no_connection() {
    let origin = Origin::start();
    let edge = edge(&origin).start();
    let load = Load::start(edge.address("http"), 4);
    for _ in 0..rounds(3) {
        load.more(50);
        let worker = edge.worker();
        process::signal(worker, Signal::SIGKILL);
        eventually("its death", || (!process::is_alive(worker)).then_some(()));
    }
    load.more(50);
    // What the dead worker had in its hands is lost; whoever connects is served by the next one.
    let refused = load
        .end()
        .into_iter()
        .filter(|s| s.text == "refused")
        .count();
    assert_eq!(refused, 0);
}
