//! The worker or the keeper is killed at any moment, under load and while an operator changes things: what was acknowledged
//! is there afterwards, and nobody is refused but while the keeper itself was dead.

use super::{Random, call};
use crate::{
    Client, Edge, Origin, Running, Then, eventually,
    load::{Load, REFUSED},
    pebble::Pebble,
    process, tls,
};
use nix::sys::signal::Signal;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Pages that are cached and purged.
const PAGES: usize = 16;

/// Configurations that are put at most: the daemon keeps 200 revisions.
const PUTS_MAX: u64 = 150;

const ZONE: &str = "\
$ORIGIN shop.test.
$TTL 60
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
@ A 127.0.0.1
ns1 A 127.0.0.1
";

/// What came of them.
#[derive(Debug, Default)]
pub struct Kills {
    /// Kills of a worker.
    pub workers: usize,
    /// Kills of the keeper.
    pub keepers: usize,
    /// Requests meanwhile.
    pub requests: usize,
    /// Of them, those that broke with the process that had them.
    pub broken: usize,
    /// Of them, those that were refused a connection while the keeper was dead.
    pub refused_while_dead: usize,
    /// And at any other time.
    pub refused: usize,
    /// The longest from a keeper's death until its successor served.
    pub dead_at_most: Duration,
    /// Acknowledged purges, and answers from before one of them.
    pub purges: u64,
    /// Answers that were older than an acknowledged purge.
    pub stale: usize,
    /// Readings of pages that were compared.
    pub read: usize,
    /// Acknowledged configurations.
    pub puts: u64,
    /// Of them, those that no revision holds.
    pub puts_lost: Vec<u64>,
    /// Acknowledged orders for another certificate.
    pub renewals: u64,
    /// Certificates that the CA issued and that were served.
    pub certificates: usize,
    /// Calls whose answer did not come.
    pub unanswered: u64,
    /// Acknowledged changes that the audit log does not know.
    pub unaudited: u64,
    /// What `seawall audit verify` said.
    pub audit: String,
}

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    /// The version of each page that a purge was acknowledged for.
    purged: [AtomicU64; PAGES],
    /// The version of each page that the origin serves.
    current: [AtomicU64; PAGES],
    purges: AtomicU64,
    puts: std::sync::Mutex<Vec<u64>>,
    renewals: AtomicU64,
    unanswered: AtomicU64,
    acknowledged: AtomicUsize,
    stale: AtomicUsize,
    read: AtomicUsize,
    stop: AtomicBool,
}

impl Ledger {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn puts(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.puts.lock().expect("the ledger")
    }
}

fn text(pebble: &Pebble, origin: &Origin) -> String {
    format!(
        "listen: [{{ http: \"@http@\" }}, {{ https: \"@https@\" }}]
dns: {{ listen: \"@dns@\", zones: [{{ name: shop.test, file: @dir@/shop.test.zone }}] }}
acme: {{ directory: \"{}\", ca: \"{}\", email: admin@shop.test, agree_tos: true, retry: 500ms, resolver: \"@dns@\" }}
caches: {{ c: {{ memory: 8MiB, disk: {{ path: @dir@/disk, size: 64MiB }} }} }}
pools: {{ p: {{ servers: [\"{origin}\"] }} }}
sites:
  - {{ host: shop.test, tls: acme, respond: {{ status: 200, body: hello }} }}
  - host: a.test
    tls: off
    routes:
      - {{ exact: /who, respond: {{ status: 200, body: ok }} }}
      - {{ exact: /conf, respond: {{ status: 200, body: \"conf-0.\" }} }}
      - {{ path: /kept, to: p, cache: {{ name: c, default_ttl: 1h }} }}",
        pebble.directory(),
        pebble.server_root().display(),
    )
}

/// An operator's program: purges, puts configurations, orders certificates, one after the other, until it is told to stop.
struct Operator {
    ledger: Arc<Ledger>,
    socket: PathBuf,
    address: SocketAddr,
    configuration: String,
    random: Random,
    tried: u64,
}

impl Operator {
    fn run(mut self) {
        while !self.ledger.stopped() {
            let done = match self.random.below(8) {
                0 => self.put(),
                1 => self.renew(),
                _ => self.purge(),
            };
            if done {
                self.ledger.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn call(&self, method: &str, target: &str, kind: &str, body: &str) -> bool {
        match call(&self.socket, method, target, kind, body) {
            Ok((200..=299, _)) => true,
            // The API is up a little later than the sockets; whoever is told so asks again.
            Ok(_) => false,
            Err(_) => {
                self.ledger.unanswered.fetch_add(1, Ordering::SeqCst);
                // Nobody listens: as a person would, not a thousand times a second.
                thread::sleep(Duration::from_millis(2));
                false
            }
        }
    }

    fn purge(&mut self) -> bool {
        let page = self.random.below(PAGES);
        let version = self.ledger.current[page].fetch_add(1, Ordering::SeqCst) + 1;
        let port = self.address.port();
        let body = format!("{{\"url\": \"http://a.test:{port}/kept/{page}\"}}");
        let done = self.call("POST", "/api/v1/cache/purge", "application/json", &body);
        if done {
            self.ledger.purged[page].fetch_max(version, Ordering::SeqCst);
            self.ledger.purges.fetch_add(1, Ordering::SeqCst);
        }
        done
    }

    fn put(&mut self) -> bool {
        if self.tried >= PUTS_MAX {
            return false;
        }
        self.tried += 1;
        let text = self
            .configuration
            .replace("conf-0.", &format!("conf-{}.", self.tried));
        let done = self.call("PUT", "/api/v1/config", "application/yaml", &text);
        if done {
            self.ledger.puts().push(self.tried);
        }
        done
    }

    fn renew(&mut self) -> bool {
        let done = self.call(
            "POST",
            "/api/v1/certs/shop.test/renew",
            "application/json",
            "",
        );
        self.ledger
            .renewals
            .fetch_add(u64::from(done), Ordering::SeqCst);
        done
    }
}

/// A reader of the pages: none may be older than a purge that was acknowledged before it was asked for.
fn read(ledger: &Ledger, address: SocketAddr, seed: u64) {
    let mut random = Random::new(seed);
    let mut kept: Option<Client> = None;
    while !ledger.stopped() {
        let page = random.below(PAGES);
        let floor = ledger.purged[page].load(Ordering::SeqCst);
        let answer = kept
            .take()
            .map_or_else(|| Client::try_connect(address), Ok)
            .and_then(|mut client| {
                client.try_send(format!("GET /kept/{page} HTTP/1.1\r\nHost: a.test\r\n\r\n"))?;
                let response = client.try_response()?;
                let closes = response.field("Connection") == Some("close");
                kept = (!closes).then_some(client);
                Ok(response)
            });
        match answer {
            Ok(response) if response.status == 200 => {
                let version: u64 = response.text().parse().unwrap_or(0);
                ledger.read.fetch_add(1, Ordering::SeqCst);
                if version < floor {
                    eprintln!(
                        "/kept/{page}: {version} after the purge of what was before {floor}: {:?}",
                        response.field("Cache-Status")
                    );
                    ledger.stale.fetch_add(1, Ordering::SeqCst);
                }
            }
            Ok(_) => {}
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn pages(origin: &Origin, ledger: &Arc<Ledger>) {
    for page in 0..PAGES {
        let ledger = ledger.clone();
        origin.script(&format!("/kept/{page}"), move |_, exchange| {
            let version = ledger.current[page].load(Ordering::SeqCst).to_string();
            exchange.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{version}",
                version.len()
            ));
            Then::Keep
        });
    }
}

/// The certificate that is served, which must be the CA's.
fn certificate(edge: &Running, root: &Path) -> Vec<u8> {
    let session = eventually("the CA's certificate", || {
        tls::connect(edge.address("https"), "shop.test", root).ok()
    });
    session.certificate
}

/// So many kills, each of the worker or (once in `keepers_in`) of the keeper, as the seed says.
///
/// # Panics
/// When the daemon does not come up again.
pub fn kills(count: usize, keepers_in: usize, seed: u64) -> Kills {
    let (origin, ledger) = (Origin::start(), Arc::<Ledger>::default());
    pages(&origin, &ledger);
    let edge = Edge::yaml("");
    edge.write("shop.test.zone", ZONE);
    let pebble = Pebble::beside(&edge).start();
    edge.rewrite(text(&pebble, &origin));
    let mut edge = edge.start();
    let root = pebble.root();
    let mut certificates = vec![certificate(&edge, &root)];
    let (address, mut random) = (edge.address("http"), Random::new(seed));
    let operator = Operator {
        ledger: ledger.clone(),
        socket: edge.path("admin.sock"),
        address,
        configuration: fs::read_to_string(edge.config()).expect("the configuration"),
        random: Random::new(seed + 1),
        tried: 0,
    };
    let mut threads: Vec<JoinHandle<()>> = vec![thread::spawn(move || operator.run())];
    for reader in 0..2 {
        let ledger = ledger.clone();
        threads.push(thread::spawn(move || {
            read(&ledger, address, seed + 2 + reader)
        }));
    }
    let load = Load::start(address, 4);
    let mut seen = Kills::default();
    let mut dead = Vec::new();
    for _ in 0..count {
        load.more(20);
        let goal = ledger.acknowledged.load(Ordering::SeqCst) + random.below(20);
        eventually("changes", || {
            (ledger.acknowledged.load(Ordering::SeqCst) >= goal).then_some(())
        });
        if random.one_in(keepers_in) {
            let began = (load.now(), Instant::now());
            edge.kill_keeper_and_start_again();
            dead.push((began.0, load.now()));
            seen.dead_at_most = seen.dead_at_most.max(began.1.elapsed());
            seen.keepers += 1;
        } else {
            process::signal(edge.worker(), Signal::SIGKILL);
            seen.workers += 1;
        }
        let served = certificate(&edge, &root);
        if !certificates.contains(&served) {
            certificates.push(served);
        }
    }
    load.more(50);
    ledger.stop.store(true, Ordering::SeqCst);
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("a client"));
    for shot in load.end() {
        seen.requests += 1;
        let was_dead = dead
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&shot.at));
        match (shot.text == REFUSED, was_dead) {
            (true, true) => seen.refused_while_dead += 1,
            (true, false) => seen.refused += 1,
            (false, _) => seen.broken += usize::from(shot.is_error()),
        }
    }
    seen.certificates = certificates.len();
    settle(&mut seen, &mut edge, &ledger, &root);
    seen
}

/// What is there once more has to be what was acknowledged.
fn settle(seen: &mut Kills, edge: &mut Running, ledger: &Ledger, root: &Path) {
    let before = certificate(edge, root);
    edge.kill();
    edge.kill_keeper_and_start_again();
    assert_eq!(
        certificate(edge, root),
        before,
        "the certificate that was served is the one that is stored"
    );
    seen.purges = ledger.purges.load(Ordering::SeqCst);
    seen.renewals = ledger.renewals.load(Ordering::SeqCst);
    seen.unanswered = ledger.unanswered.load(Ordering::SeqCst);
    seen.stale = ledger.stale.load(Ordering::SeqCst);
    seen.read = ledger.read.load(Ordering::SeqCst);
    let puts = ledger.puts().clone();
    seen.puts = puts.len() as u64;
    let live = edge.get("a.test", "/conf").text();
    let live: u64 = live
        .trim_start_matches("conf-")
        .trim_end_matches('.')
        .parse()
        .unwrap_or(0);
    let kept = revisions(edge);
    let is_lost = |put: &u64| {
        *put > live
            || !kept
                .iter()
                .any(|text| text.contains(&format!("conf-{put}.")))
    };
    seen.puts_lost = puts.iter().copied().filter(is_lost).collect();
    let audit = edge.seawall(&["audit", "verify", "-c", "seawall.yaml"]);
    seen.audit = String::from_utf8_lossy(&[audit.stdout, audit.stderr].concat())
        .trim()
        .to_owned();
    let log = fs::read_to_string(edge.path("state/audit.log")).unwrap_or_default();
    let done = |action: &str| {
        let is_done = |line: &&str| {
            line.contains("\"phase\":\"done\"")
                && line.contains("\"status\":20")
                && line.contains(action)
        };
        log.lines().filter(is_done).count() as u64
    };
    seen.unaudited = seen.purges.saturating_sub(done("/api/v1/cache/purge"))
        + seen.puts.saturating_sub(done("PUT /api/v1/config"))
        + seen.renewals.saturating_sub(done("/renew"));
}

fn revisions(edge: &Running) -> Vec<String> {
    let files = fs::read_dir(edge.path("state/revisions"))
        .into_iter()
        .flatten()
        .flatten();
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect()
}
