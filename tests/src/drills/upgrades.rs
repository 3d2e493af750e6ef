//! A newer binary takes over under load, again and again, with tunnels open and a resolver asking.

use crate::{Client, Edge, Origin, Running, Then, dns, eventually, load::Load, process};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
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

/// What came of them.
#[derive(Debug)]
pub struct Upgrades {
    /// Upgrades.
    pub rounds: usize,
    /// Requests meanwhile.
    pub requests: usize,
    /// Of them, those that failed.
    pub failed: usize,
    /// Questions that the name server was asked meanwhile.
    pub questions: usize,
    /// Of them, those without a right answer.
    pub unanswered: usize,
    /// Tunnels that were open through all upgrades after their beginning.
    pub tunnels: usize,
    /// Bytes that did not come back through one of them.
    pub unechoed: usize,
    /// Workers that answered.
    pub workers: usize,
}

/// Asks the name server until it is told to stop.
struct Digging {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    digger: thread::JoinHandle<usize>,
}

impl Digging {
    fn start(server: SocketAddr) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, done) = (stop.clone(), answered.clone());
        let digger = thread::spawn(move || {
            let mut lost = 0;
            while !stopped.load(Ordering::SeqCst) {
                let answer = dns::ask_once(server, "a.test.", dns::Type::A);
                let is_right = answer.is_some_and(|a| a.data() == ["192.0.2.7"]);
                let count = if is_right {
                    &*done
                } else {
                    &AtomicUsize::new(0)
                };
                count.fetch_add(1, Ordering::SeqCst);
                lost += usize::from(!is_right);
            }
            lost
        });
        Self {
            stop,
            answered,
            digger,
        }
    }

    /// Questions that were answered, and those that were not.
    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        let lost = self.digger.join().expect("the digger");
        (self.answered.load(Ordering::SeqCst), lost)
    }
}

fn start(origin: &Origin) -> Running {
    let edge = Edge::yaml(format!(
        "dns: {{ listen: [\"@dns@\"], zones: [{{ name: a.test, file: @dir@/a.test.zone }}] }}
pools: {{ p: {{ servers: [\"{origin}\"] }} }}
sites:
  - host: a.test
    routes: [{{ path: /ws, to: p }}, {{ path: /, respond: {{ status: 200, body: \"$pid\" }} }}]"
    ));
    edge.write(
        "a.test.zone",
        "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n@ A 192.0.2.7\n",
    );
    edge.start()
}

/// So many upgrades by USR2, each with a tunnel more than the one before (32 at most).
///
/// # Panics
/// When an upgrade does not come to its end.
pub fn upgrades(rounds: usize) -> Upgrades {
    const TUNNELS: usize = 32;
    let origin = Origin::start();
    origin.script("/ws", |_, exchange| {
        exchange.send(SWITCH);
        loop {
            let byte = exchange.receive(1);
            if byte.is_empty() || !exchange.send(byte) {
                return Then::Close;
            }
        }
    });
    let edge = start(&origin);
    let load = Load::start(edge.address("http"), 4);
    let digging = Digging::start(edge.address("dns"));
    let mut tunnels: Vec<Client> = Vec::new();
    let mut unechoed = 0;
    let mut worker = edge.get("a.test", "/who").text();
    for round in 1..=rounds {
        if tunnels.len() < TUNNELS {
            let mut tunnel = edge.client();
            assert_eq!(tunnel.send(ASK).head().status, 101);
            tunnels.push(tunnel);
        }
        load.until(&worker);
        edge.signal(Signal::SIGUSR2);
        eventually("the upgrade", || {
            let log = edge.error_log();
            let count = |text| log.matches(text).count();
            (count("upgrade: seawall/") >= round && count("serves\n") >= round).then_some(())
        });
        // The one before accepts until it is told to leave.
        worker = eventually("an answer by the next one", || {
            let now = edge.get("a.test", "/who").text();
            (now != worker).then_some(now)
        });
        load.until(&worker);
        for tunnel in &mut tunnels {
            unechoed += usize::from(tunnel.send("x").bytes(1) != b"x");
        }
    }
    let shots = load.end();
    let (answered, unanswered) = digging.end();
    let pids: BTreeSet<_> = shots.iter().map(|shot| &shot.text).collect();
    let seen = Upgrades {
        rounds,
        requests: shots.len(),
        failed: shots.iter().filter(|shot| shot.is_error()).count(),
        questions: answered + unanswered,
        unanswered,
        tunnels: tunnels.len(),
        unechoed,
        workers: pids.len(),
    };
    drop(tunnels);
    eventually("one worker", || {
        (process::children(edge.pid()).len() == 1).then_some(())
    });
    seen
}
