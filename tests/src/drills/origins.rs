//! Three origins under load, one of which is killed, fails, is drained or comes back.

use super::call;
use crate::{
    Edge, Origin, Running, Then, eventually, free_address, load::Load, load::Shot, php::Nginx,
};
use std::{
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Connections at once.
    pub connections: usize,
    /// Requests for each step of a drill.
    pub requests: usize,
    /// How long a recovered server takes to its whole share.
    pub slow_start: Duration,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn origins() -> [Origin; 3] {
    NAMES.map(named)
}

fn named(name: &str) -> Origin {
    let origin = Origin::start();
    heal(&origin, name);
    origin
}

fn heal(origin: &Origin, name: &str) {
    origin.serve("/who", "", name);
}

fn edge(origins: &[Origin; 3], fields: &str) -> Running {
    let [a, b, c] = origins;
    Edge::yaml(format!(
        "pools:\n  p: {{ balance: round_robin, servers: [\"{a}\", \"{b}\", \"{c}\"], {fields} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start()
}

fn errors(shots: &[Shot]) -> usize {
    shots.iter().filter(|shot| shot.is_error()).count()
}

fn served_by(shots: &[Shot], name: &str) -> usize {
    shots.iter().filter(|shot| shot.text == name).count()
}

/// Changes a server by the API: `drain`, `undrain`, or `weight` with a body.
///
/// # Panics
/// When the API does not take it.
pub fn change_server(edge: &Running, server: SocketAddr, change: &str, body: &str) {
    let target = format!("/api/v1/pools/p/servers/{server}/{change}");
    let answer = call(
        &edge.path("admin.sock"),
        "POST",
        &target,
        "application/json",
        body,
    );
    let (status, said) = answer.expect("the API answers");
    assert_eq!(status, 200, "{change}: {said}");
}

/// One of three is killed and comes back.
#[derive(Debug)]
pub struct Kill {
    /// Requests in all.
    pub requests: usize,
    /// Of them, what a client would call an error.
    pub errors: usize,
    /// Requests tried on another server.
    pub retries: u64,
    /// From its death until it was left out.
    pub ejected_after: Duration,
    /// From its return until it was taken back.
    pub readmitted_after: Duration,
    /// Requests that it answered after its return.
    pub served_again: usize,
}

/// Kills one of three under load, a process of its own, and starts it again.
pub fn kill(scale: Scale) -> Kill {
    let [a, _, c] = origins();
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let serve = || {
        let http = format!("server {{ listen {address}; location = /who {{ return 200 b; }} }}");
        Nginx::start(directory.path(), address, &http)
    };
    let b = serve();
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ balance: round_robin, servers: [\"{a}\", \"{address}\", \"{c}\"], eject: {{ after: 3, for: 500ms }}, retry: {{ when: [connect, timeout, 502, 503], attempts: 3, budget: 50% }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    let load = Load::start(edge.address("http"), scale.connections);
    load.more(scale.requests);
    let dead = Instant::now();
    // The dropped guard sends SIGKILL to its processes.
    drop(b);
    edge.logged(&format!("server {address} is ejected"));
    let ejected_after = dead.elapsed();
    load.more(scale.requests);
    eventually("its end", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    let (back, back_at) = (Instant::now(), load.now());
    let _b = serve();
    edge.logged(&format!("server {address} is readmitted"));
    let readmitted_after = back.elapsed();
    load.more(scale.requests);
    let shots = load.end();
    let after: Vec<Shot> = shots.iter().filter(|s| s.at > back_at).cloned().collect();
    Kill {
        requests: shots.len(),
        errors: errors(&shots),
        retries: edge.metric("seawall_retries_total"),
        ejected_after,
        readmitted_after,
        served_again: served_by(&after, "b"),
    }
}

/// One of three answers 500 on half.
#[derive(Debug)]
pub struct Half {
    /// Answers with 500 that clients saw until it was left out.
    pub errors_before: usize,
    /// From its first 500 until it was left out.
    pub ejected_after: Duration,
    /// From its healing until it was taken back.
    pub readmitted_after: Duration,
    /// Requests after it was taken back.
    pub requests_after: usize,
    /// Of them, errors.
    pub errors_after: usize,
    /// Of them, answered by the healed server.
    pub served_again: usize,
}

/// One of three answers 500 on half of its requests, then heals.
pub fn half(scale: Scale) -> Half {
    let three = origins();
    let b = &three[1];
    let edge = edge(
        &three,
        "eject: { ratio: { errors: 30%, min_requests: 20, window: 10s }, for: 500ms }",
    );
    let load = Load::start(edge.address("http"), scale.connections);
    load.more(scale.requests);
    let turn = AtomicUsize::new(0);
    let ill = Instant::now();
    b.script("/who", move |_, exchange| {
        let is_odd = turn.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        let status = if is_odd { "500 Oh" } else { "200 OK" };
        exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\nb"));
        Then::Keep
    });
    edge.logged(&format!("server {b} is ejected"));
    let (ejected_after, ejected_at) = (ill.elapsed(), load.now());
    heal(b, "b");
    let healed = Instant::now();
    edge.logged(&format!("server {b} is readmitted"));
    let (readmitted_after, back_at) = (healed.elapsed(), load.now());
    load.more(scale.requests);
    let shots = load.end();
    let before: Vec<Shot> = shots
        .iter()
        .filter(|s| s.at < ejected_at)
        .cloned()
        .collect();
    let after: Vec<Shot> = shots.iter().filter(|s| s.at > back_at).cloned().collect();
    Half {
        errors_before: errors(&before),
        ejected_after,
        readmitted_after,
        requests_after: after.len(),
        errors_after: errors(&after),
        served_again: served_by(&after, "b"),
    }
}

/// All servers fail, then heal, behind a breaker.
#[derive(Debug)]
pub struct Break {
    /// Requests until the breaker refused one.
    pub until_open: usize,
    /// Requests that it refused.
    pub refused: u64,
    /// The median of a refusal's latency.
    pub median: Duration,
    /// Requests that reached an origin while it was open.
    pub leaked: usize,
    /// From its opening until a request was answered again; it stays open for a second.
    pub closed_after: Duration,
    /// Errors after it had closed.
    pub errors_after: usize,
}

/// All fail, so the breaker opens; they heal, so its probes close it.
pub fn breaker(scale: Scale) -> Break {
    let three = origins();
    for origin in &three {
        origin.answer("/who", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    }
    let edge = edge(
        &three,
        "eject: off, breaker: { failures: 50%, min_requests: 20, window: 10s, open_for: 1s, probes: 3 }",
    );
    let hits = || three.iter().map(|o| o.hits("/who")).sum::<usize>();
    let mut client = edge.client();
    let mut until_open = 0;
    while client.get("a.test", "/who").status != 503 {
        until_open += 1;
        assert!(until_open <= 1000, "the breaker stays closed");
    }
    let opened = Instant::now();
    for (origin, name) in three.iter().zip(NAMES) {
        heal(origin, name);
    }
    let asked = hits();
    let mut latencies = Vec::new();
    let mut leaked = 0;
    loop {
        let began = Instant::now();
        let status = client.get("a.test", "/who").status;
        if status != 503 {
            break;
        }
        latencies.push(began.elapsed());
        leaked = hits() - asked;
    }
    let closed_after = opened.elapsed();
    edge.logged("pool p: the circuit breaker is open");
    for _ in 0..3 {
        client.get("a.test", "/who");
    }
    edge.logged("pool p: the circuit breaker is closed");
    let errors_after = (0..scale.requests)
        .filter(|_| client.get("a.test", "/who").status != 200)
        .count();
    latencies.sort();
    Break {
        until_open,
        refused: edge.metric(r#"seawall_origin_events_total{event="breaker_refusal",pool="p"}"#),
        median: latencies
            .get(latencies.len() / 2)
            .copied()
            .unwrap_or_default(),
        leaked,
        closed_after,
        errors_after,
    }
}

/// A server is drained under load and taken back.
#[derive(Debug)]
pub struct Drain {
    /// Requests in all.
    pub requests: usize,
    /// Of them, errors.
    pub errors: usize,
    /// Requests that were sent while it was drained.
    pub requests_drained: usize,
    /// Of them, answered by the drained server.
    pub to_drained: usize,
    /// Requests that it answered once it was taken back.
    pub served_again: usize,
}

/// Drains one of three by the API under load, and takes it back.
pub fn drain(scale: Scale) -> Drain {
    let three = origins();
    let b = three[1].address();
    let edge = edge(&three, "");
    let load = Load::start(edge.address("http"), scale.connections);
    load.more(scale.requests);
    change_server(&edge, b, "drain", "");
    let from = load.now();
    load.more(scale.requests);
    let to = load.now();
    change_server(&edge, b, "undrain", "");
    load.more(scale.requests);
    let shots = load.end();
    let between = |s: &&Shot| s.at >= from && s.at + s.latency < to;
    let drained: Vec<Shot> = shots.iter().filter(between).cloned().collect();
    let again: Vec<Shot> = shots.iter().filter(|s| s.at >= to).cloned().collect();
    Drain {
        requests: shots.len(),
        errors: errors(&shots),
        requests_drained: drained.len(),
        to_drained: served_by(&drained, "b"),
        served_again: served_by(&again, "b"),
    }
}

/// A server comes back with a slow start.
#[derive(Debug)]
pub struct Ramp {
    /// Errors of all requests.
    pub errors: usize,
    /// Its share in percent in each tenth of the slow start, and in one more after it.
    pub shares: Vec<f64>,
}

/// A server whose check failed comes back and gets its share step by step.
pub fn slow_start(scale: Scale) -> Ramp {
    let three = origins();
    let ms = scale.slow_start.as_millis();
    let [a, b, c] = &three;
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ balance: round_robin, servers: [\"{a}\", {{ address: \"{b}\", slow_start: {ms}ms }}, \"{c}\"], health: {{ path: /ready, interval: 20ms, fast_interval: 20ms, fall: 1, rise: 1 }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    b.answer("/ready", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    edge.logged(&format!("server {b} is down"));
    let load = Load::start(edge.address("http"), scale.connections);
    load.more(scale.requests);
    b.serve("/ready", "", "yes");
    edge.logged(&format!("server {b} is up"));
    let up = load.now();
    let step = scale.slow_start / 10;
    eventually("the end of the slow start", || {
        (load.now() > up + step * 11).then_some(())
    });
    let shots = load.end();
    let share = |n: u32| {
        let (from, to) = (up + step * n, up + step * (n + 1));
        let here: Vec<Shot> = shots
            .iter()
            .filter(|s| s.at >= from && s.at < to)
            .cloned()
            .collect();
        served_by(&here, "b") as f64 * 100.0 / here.len().max(1) as f64
    };
    Ramp {
        errors: errors(&shots),
        shares: (0..11).map(share).collect(),
    }
}
