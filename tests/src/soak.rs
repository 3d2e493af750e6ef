//! The cache under load for long: a body that is many times its memory, and hours with an origin that dies now and again.

use crate::{Client, Edge, Origin, Received, Running, Then, eventually};
use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Bytes that say where they are: those of an offset are the same in every answer.
fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    for (n, byte) in out.iter_mut().enumerate() {
        let at = offset + n as u64;
        let word = (at / 8)
            .wrapping_add(seed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *byte = word.to_le_bytes()[(at % 8) as usize];
    }
}

/// The range that is asked for, first byte and the one behind the last.
fn range_of(request: &Received, length: u64) -> Option<(u64, u64)> {
    let spec = request.field("Range")?.strip_prefix("bytes=")?;
    let (first, last) = spec.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = last.parse().ok()?;
    (first < length).then(|| (first, (last + 1).min(length)))
}

/// Serves a body of that length, or a part of it, made as it is sent.
fn give(
    request: &Received,
    exchange: &mut crate::Exchange<'_>,
    seed: u64,
    length: u64,
    fields: &str,
) {
    let part = range_of(request, length);
    let (from, to) = part.unwrap_or((0, length));
    let (status, range) = match part {
        Some(_) => (
            "206 Partial Content",
            format!("Content-Range: bytes {from}-{}/{length}\r\n", to - 1),
        ),
        None => ("200 OK", String::new()),
    };
    exchange.send(format!(
        "HTTP/1.1 {status}\r\n{fields}ETag: \"{seed}\"\r\nAccept-Ranges: bytes\r\n{range}Content-Length: {}\r\n\r\n",
        to - from
    ));
    let mut at = from;
    let mut chunk = vec![0; 256 << 10];
    while at < to {
        let count = (to - at).min(chunk.len() as u64) as usize;
        fill(seed, at, &mut chunk[..count]);
        if !exchange.send(&chunk[..count]) {
            return;
        }
        at += count as u64;
    }
}

/// Resident bytes of a process: now, and the most so far.
///
/// # Panics
/// Where the process is gone.
pub fn resident(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        number.unwrap_or(0) << 10
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// A body through a small memory.
#[derive(Debug)]
pub struct Large {
    /// Bytes of the body.
    pub bytes: u64,
    /// Resident bytes before the first request.
    pub before: u64,
    /// The most so far after three readings of the whole and some parts.
    pub most: u64,
    /// Bytes that were not what they should be.
    pub wrong: u64,
    /// Requests that the origin saw.
    pub fetches: usize,
    /// How long all took.
    pub took: Duration,
}

/// Reads a body of `bytes` through a cache of `memory` (as YAML writes it): as a whole while it is cut, and twice from its slices.
///
/// # Panics
/// When an answer is no answer.
pub fn large(bytes: u64, memory: &str) -> Large {
    let origin = Origin::start();
    origin.script("/large", move |request, exchange| {
        give(
            request,
            exchange,
            7,
            bytes,
            "Cache-Control: max-age=86400\r\n",
        );
        Then::Keep
    });
    let edge = Edge::yaml(format!(
        "caches: {{ default: {memory} }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]"
    ))
    .start();
    let before = resident(edge.worker()).0;
    let began = Instant::now();
    let mut wrong = 0;
    for _ in 0..3 {
        wrong += read_whole(&edge, bytes);
    }
    for at in [bytes / 2 + 12_345, bytes - 100, 3_000_000 % bytes] {
        let end = (at + 49).min(bytes - 1);
        let mut client = edge.client();
        let answer = client
            .send(format!(
                "GET /large HTTP/1.1\r\nHost: a.test\r\nRange: bytes={at}-{end}\r\n\r\n"
            ))
            .response();
        let mut expected = vec![0; (end - at + 1) as usize];
        fill(7, at, &mut expected);
        wrong += u64::from(answer.status != 206 || answer.body != expected);
    }
    Large {
        bytes,
        before,
        most: resident(edge.worker()).1,
        wrong,
        fetches: origin.hits("/large"),
        took: began.elapsed(),
    }
}

/// Reads the whole without keeping it; how many pieces were wrong.
fn read_whole(edge: &Running, bytes: u64) -> u64 {
    let mut client = edge.client();
    client.ask("a.test", "/large");
    let head = client.head();
    assert_eq!(head.has("Content-Length"), bytes.to_string());
    let (mut at, mut wrong) = (0, 0);
    let mut expected = vec![0; 1 << 20];
    while at < bytes {
        let count = (bytes - at).min(1 << 20) as usize;
        fill(7, at, &mut expected[..count]);
        wrong += u64::from(client.bytes(count) != expected[..count]);
        at += count as u64;
    }
    wrong
}

/// A long run.
#[derive(Debug)]
pub struct Soak {
    /// Requests answered.
    pub requests: u64,
    /// Of them, hits.
    pub hits: u64,
    /// Answers 502 and 504, and bodies that broke off, while the origin was dead.
    pub failures: u64,
    /// Answers with another byte than there should be.
    pub wrong: u64,
    /// Answers of any other status, and the last one's.
    pub strange: (u64, u16),
    /// Times that the origin died.
    pub kills: u64,
    /// Resident bytes of the worker after a quarter of the time, and at the end.
    pub resident: (u64, u64),
    /// The most that it had.
    pub most: u64,
}

struct Counts {
    stop: AtomicBool,
    requests: AtomicU64,
    hits: AtomicU64,
    failures: AtomicU64,
    wrong: AtomicU64,
    strange: AtomicU64,
    strange_status: AtomicU64,
}

/// Pages of the soak.
const PAGES: u64 = 4000;

/// From some bytes to some MiB; a few are kept in slices.
fn length_of(page: u64) -> u64 {
    match page % 100 {
        0 => 9 << 20,
        1..=9 => 300_000 + page * 17,
        _ => 200 + page * 7 % 20_000,
    }
}

fn pages(origin: &Origin) {
    for page in 0..PAGES {
        let lifetime = page % 7;
        origin.script(&format!("/{page}"), move |request, exchange| {
            let fields = format!(
                "Cache-Control: max-age={lifetime}, stale-while-revalidate=2, stale-if-error=5\r\nSurrogate-Key: t{}\r\n",
                page % 50
            );
            let tag = format!("\"{page}\"");
            if request.field("If-None-Match") == Some(&tag) {
                exchange.send(format!("HTTP/1.1 304 Not Modified\r\n{fields}ETag: {tag}\r\n\r\n"));
            } else {
                give(request, exchange, page, length_of(page), &fields);
            }
            Then::Keep
        });
    }
}

/// A cache of 32 MiB and a disk under `clients` at full rate for so long, while the origin dies and comes back.
///
/// # Panics
/// When the edge does not start.
pub fn soak(clients: usize, time: Duration) -> Soak {
    let mut origin = Origin::start();
    let address = origin.address();
    pages(&origin);
    let directory = tempfile::tempdir().expect("a directory");
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 32MiB, disk: {{ path: {}, size: 128MiB }} }} }}\nsites: [{{ host: a.test, cache: default, to: \"{address}\" }}]",
        directory.path().display()
    ))
    .start();
    let counts = Arc::new(Counts {
        stop: AtomicBool::new(false),
        requests: AtomicU64::new(0),
        hits: AtomicU64::new(0),
        failures: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        strange: AtomicU64::new(0),
        strange_status: AtomicU64::new(0),
    });
    let threads: Vec<JoinHandle<()>> = (0..clients)
        .map(|n| {
            let (address, counts) = (edge.address("http"), counts.clone());
            thread::spawn(move || ask_on(address, n as u64 + 1, &counts))
        })
        .collect();
    let worker = edge.worker();
    let began = Instant::now();
    let (mut kills, mut quarter, mut random) = (0, None, Random(99));
    while began.elapsed() < time {
        thread::sleep(Duration::from_millis(500 + random.below(2500)));
        origin.stop();
        kills += 1;
        thread::sleep(Duration::from_millis(random.below(1500)));
        eventually("the address of the origin", || {
            TcpListener::bind(address).ok().map(drop)
        });
        origin = Origin::prepared(address, pages);
        if began.elapsed() > time / 4 && quarter.is_none() {
            quarter = Some(resident(worker).0);
        }
    }
    counts.stop.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(|thread| drop(thread.join()));
    let (now, most) = resident(worker);
    assert_eq!(edge.worker(), worker, "the worker never died");
    Soak {
        requests: counts.requests.load(Ordering::SeqCst),
        hits: counts.hits.load(Ordering::SeqCst),
        failures: counts.failures.load(Ordering::SeqCst),
        wrong: counts.wrong.load(Ordering::SeqCst),
        strange: (
            counts.strange.load(Ordering::SeqCst),
            counts.strange_status.load(Ordering::SeqCst) as u16,
        ),
        kills,
        resident: (quarter.unwrap_or(now), now),
        most,
    }
}

/// A cheap stream of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

fn ask_on(address: SocketAddr, seed: u64, counts: &Counts) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut client: Option<Client> = None;
    let add = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    while !counts.stop.load(Ordering::SeqCst) {
        // A few pages are asked for often.
        let page = random
            .below(PAGES)
            .min(random.below(PAGES))
            .min(random.below(PAGES));
        let length = length_of(page);
        let range = (random.below(5) == 0).then(|| {
            let first = random.below(length);
            (first, (first + random.below(5000)).min(length - 1))
        });
        let field = range.map_or_else(String::new, |(a, b)| format!("Range: bytes={a}-{b}\r\n"));
        let request = format!("GET /{page} HTTP/1.1\r\nHost: a.test\r\n{field}\r\n");
        let connection = match client.take() {
            Some(connection) => Ok(connection),
            None => Client::try_connect(address),
        };
        let answered = connection.and_then(|mut connection| {
            connection.try_send(&request)?;
            let response = connection.try_response()?;
            Ok((connection, response))
        });
        let Ok((connection, response)) = answered else {
            add(&counts.failures);
            continue;
        };
        if !response.says_close() {
            client = Some(connection);
        }
        add(&counts.requests);
        if response.is_hit() {
            add(&counts.hits);
        }
        let (from, to) = match (response.status, range) {
            (206, Some((first, last))) => (first, last + 1),
            (200, _) => (0, length),
            (502 | 504, _) => {
                add(&counts.failures);
                continue;
            }
            (status, _) => {
                add(&counts.strange);
                counts
                    .strange_status
                    .store(status.into(), Ordering::Relaxed);
                continue;
            }
        };
        let mut expected = vec![0; (to - from) as usize];
        fill(page, from, &mut expected);
        if response.body != expected {
            add(&counts.wrong);
        }
    }
}
