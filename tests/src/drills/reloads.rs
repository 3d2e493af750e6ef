//! Random configurations under load, half of them broken: no request may fail, none may be answered by a configuration that
//! was refused, and nothing may be left behind.

use super::{Random, call};
use crate::{
    Edge, Origin, Running, eventually,
    load::{Habit, Load, Shot},
    process,
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Open files.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

impl Held {
    /// Now.
    pub fn by(pid: u32) -> Self {
        let count =
            |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
        Self {
            resident_kib: process::resident_kib(pid),
            files: count("fd"),
            threads: count("task"),
        }
    }
}

/// What came of them.
#[derive(Debug)]
pub struct Reloads {
    /// Those that were served.
    pub taken: usize,
    /// Those that were refused, as they should be.
    pub refused: usize,
    /// Of the broken ones, by their kind, those that were taken all the same; and the right ones that were refused.
    pub misjudged: Vec<String>,
    /// Requests under way meanwhile.
    pub requests: usize,
    /// Of them, those that failed.
    pub failed: Vec<Shot>,
    /// Of them, those that were answered by a configuration that had been refused.
    pub wrong: usize,
    /// The median of a reload that was taken, until it was answered.
    pub median: Duration,
    /// The slowest.
    pub slowest: Duration,
    /// The worker at rest with the first configuration, after a twentieth of the reloads and after all.
    pub worker: (Held, Held),
    /// The keeper, likewise.
    pub keeper: (Held, Held),
}

/// The configuration that everything is measured with.
const CALM: &str = "pools: { p: { servers: [\"@origin_of_p@\"], keepalive: off } }
sites: [{ host: a.test, routes: [{ exact: /who, respond: { status: 200, body: \"0\" } }, { path: /, to: p }] }]";

/// A configuration that is right, and that answers `/who` with its number.
fn right(random: &mut Random, number: usize) -> String {
    let mut text = String::new();
    let mut listen = vec!["{ http: \"@http@\" }"];
    if random.one_in(2) {
        listen.push("{ http: \"@second@\" }");
    }
    if random.one_in(2) {
        listen.push("{ https: \"@https@\" }");
    }
    text += &format!("listen: [{}]\n", listen.join(", "));
    if random.one_in(2) {
        text += "dns: { listen: \"@dns@\", zones: [{ name: a.test, file: @dir@/a.test.zone }] }\n";
    }
    let waf = if random.one_in(4) { "waf: w, " } else { "" };
    text += "wafs: { w: { rules: [@dir@/rules.conf], mode: block } }\n";
    let cache = if random.one_in(2) { "cache: c, " } else { "" };
    text += random.of(&["caches: { c: 16MiB }\n", "caches: { c: 32MiB, d: 16MiB }\n"]);
    let balance = random.of(&[
        "round_robin",
        "least_conn",
        "p2c",
        "ewma",
        "ip_hash",
        "random",
    ]);
    let extra = random.of(&[
        "",
        ", health: { path: / }",
        ", eject: { after: 3, for: 1s }",
        ", breaker: { failures: 50%, min_requests: 20, window: 10s, open_for: 1s, probes: 3 }",
        ", queue: { size: 10, timeout: 1s }",
        ", retry: { attempts: 2 }",
    ]);
    text += &format!(
        "pools: {{ p: {{ servers: [\"@origin_of_p@\"], balance: {balance}, keepalive: {{ timeout: 300ms }}{extra} }} }}\n"
    );
    let headers = random.of(&[
        "",
        "headers: { response: { set: { X-Is: this } } }, ",
        "compress: on, ",
    ]);
    text += &format!(
        "sites:\n  - {{ host: a.test, tls: off, {waf}{headers}routes: [{{ exact: /who, respond: {{ status: 200, body: \"{number}\" }} }}, {{ path: /, {cache}to: p }}] }}\n"
    );
    for n in 0..random.below(40) {
        text += &format!("  - {{ host: s{n}.test, {waf}to: p }}\n");
    }
    text
}

/// The ways in which a configuration is broken: a name, and what is done to a right one.
type Break = (&'static str, fn(String) -> String);

const BREAKS: &[Break] = &[
    ("an unknown field", |text| {
        text.replace("exact: /who", "exakt: /who")
    }),
    ("a pool that is not there", |text| {
        text.replace("to: p", "to: q")
    }),
    ("cut off in the middle", |text| {
        text[..text.len() * 2 / 3]
            .trim_end_matches(['}', ']', '\n'])
            .to_owned()
            + " {"
    }),
    ("a port that is none", |text| {
        text + "metrics: \"127.0.0.1:70000\"\n"
    }),
    ("an address that somebody has", |text| {
        text.replace(
            "{ http: \"@http@\" }",
            "{ http: \"@http@\" }, { http: \"@origin_of_p@\" }",
        )
    }),
    ("a field twice", |text| {
        text.replace("pools:", "pools: {}\npools:")
    }),
    ("a file of rules that is none", |text| {
        text.replace("@dir@/rules.conf", "@dir@/broken.conf")
    }),
    ("another version", |text| format!("version: 2\n{text}")),
    ("thousands of brackets", |text| {
        format!("{text}x: {}\n", "[".repeat(5000))
    }),
    ("bytes of no text", |text| {
        format!("{text}# \u{0}\u{1}\nsites: \u{7f}\n")
    }),
    ("nothing", |_| "sites: []\npools: 7\n".to_owned()),
];

fn start(origin: &Origin) -> Running {
    let edge = Edge::yaml("");
    edge.be("origin_of_p", origin.address());
    edge.write(
        "a.test.zone",
        "$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n",
    );
    edge.write(
        "rules.conf",
        "SecRule ARGS \"@contains evil\" \"id:1,phase:2,deny\"\n",
    );
    edge.write("broken.conf", "SecRule ARGS \"@rx (\" \"id:1\nSecWhat\n");
    edge.rewrite(CALM);
    edge.start()
}

fn reload(edge: &Running) -> (u16, String) {
    let socket = edge.path("admin.sock");
    call(
        &socket,
        "POST",
        "/api/v1/config/reload",
        "application/json",
        "",
    )
    .expect("the API answers")
}

/// How long nothing may change before it is rest: threads of a pool end ten seconds after their last work, and idle
/// connections to the origin, also those of configurations before, sooner.
const REST: Duration = Duration::from_secs(11);

/// What the two processes hold once nothing is under way.
fn at_rest(edge: &Running) -> (Held, Held) {
    edge.rewrite(CALM);
    assert_eq!(reload(edge).0, 200);
    let still = |held: Held| (held.files, held.threads);
    let mut before = None;
    let mut since = Instant::now();
    eventually("rest", || {
        let now = (Held::by(edge.worker()), Held::by(edge.pid()));
        let counts = Some((still(now.0), still(now.1)));
        if before != counts {
            (before, since) = (counts, Instant::now());
        }
        (since.elapsed() >= REST).then_some(now)
    })
}

/// So many random reloads under load, about half of them broken, as the seed says.
///
/// # Panics
/// When the daemon ends, or its API does not answer.
pub fn reloads(count: usize, seed: u64) -> Reloads {
    let origin = Origin::start();
    origin.serve("/", "Cache-Control: max-age=1\r\n", "from the origin");
    let edge = start(&origin);
    let worker = edge.worker();
    let mut random = Random::new(seed);
    let mut seen = Seen::default();
    let warm = (count / 20).max(1);
    seen.round(&edge, &mut random, 1..=warm);
    let first = at_rest(&edge);
    seen.round(&edge, &mut random, warm + 1..=count);
    let last = at_rest(&edge);
    assert_eq!(edge.worker(), worker, "the worker has not died");
    seen.times.sort();
    Reloads {
        taken: seen.taken.len(),
        refused: seen.refused,
        misjudged: seen.misjudged,
        requests: seen.requests,
        failed: seen.failed,
        wrong: seen.wrong,
        median: seen
            .times
            .get(seen.times.len() / 2)
            .copied()
            .unwrap_or_default(),
        slowest: seen.times.last().copied().unwrap_or_default(),
        worker: (first.0, last.0),
        keeper: (first.1, last.1),
    }
}

#[derive(Default)]
struct Seen {
    taken: Vec<usize>,
    refused: usize,
    misjudged: Vec<String>,
    requests: usize,
    failed: Vec<Shot>,
    wrong: usize,
    times: Vec<Duration>,
}

impl Seen {
    fn round(
        &mut self,
        edge: &Running,
        random: &mut Random,
        numbers: std::ops::RangeInclusive<usize>,
    ) {
        let habit = |target, fresh| Habit { target, fresh };
        let load = Load::with(
            edge.address("http"),
            &[
                habit("/who", false),
                habit("/who", true),
                habit("/", false),
                habit("/", true),
            ],
        );
        for number in numbers {
            let text = right(random, number);
            if random.one_in(2) {
                let (kind, breaking) = BREAKS[random.below(BREAKS.len())];
                self.broken(edge, kind, &breaking(text));
            } else {
                self.right(edge, &text, number);
            }
            // Also as people do it: by the signal, while another reload may be under way.
            if random.one_in(4) {
                edge.signal(nix::sys::signal::Signal::SIGHUP);
            }
            load.more(10);
        }
        let shots = load.end();
        self.requests += shots.len();
        for shot in shots {
            if shot.status != Some(200) {
                self.failed.push(shot);
            } else if shot.text != "from the origin" {
                let by: Option<usize> = shot.text.parse().ok();
                let is_known = by.is_some_and(|n| n == 0 || self.taken.contains(&n));
                self.wrong += usize::from(!is_known);
            }
        }
    }

    fn right(&mut self, edge: &Running, text: &str, number: usize) {
        edge.rewrite(text);
        let began = Instant::now();
        let (status, said) = reload(edge);
        self.times.push(began.elapsed());
        if status != 200 || edge.get("a.test", "/who").text() != number.to_string() {
            self.misjudged
                .push(format!("{number} is right: {status} {said}"));
        }
        self.taken.push(number);
    }

    fn broken(&mut self, edge: &Running, kind: &str, text: &str) {
        let before = edge.get("a.test", "/who").text();
        edge.rewrite(text);
        let (status, said) = reload(edge);
        if status == 200 || edge.get("a.test", "/who").text() != before {
            self.misjudged.push(format!("{kind}: {status} {said}"));
        }
        self.refused += 1;
    }
}
