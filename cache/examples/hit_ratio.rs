//! Hit ratios on recorded traces, through the store as it is shipped, beside an exact LRU of the same bytes:
//! `cargo run --release -p seawall-cache --example hit_ratio -- TRACES`, where TRACES is a directory with `web07.trace.xz`, `web12.trace.xz` and
//! `OLTP.lis.zst` (unpacked by `xz` and `zstd`).
//!
//! Each trace is run twice: with objects of one size, where the capacity is a number of objects, and with sizes between 1 and 64 KiB, which
//! the traces do not tell and which are made from the key, where it is as many bytes. Exits with 1 if a bar is missed: on the web traces 2.5
//! points above LRU, on the database's LRU, and never fewer bytes than LRU.

use bytes::Bytes;
use seawall_cache::*;
use seawall_http::{Field, Fields, Method, Name, Range32};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
};

/// File, capacities in objects, points above LRU that are wanted.
const TRACES: [(&str, &[u64], f64); 3] = [
    ("web07.trace.xz", &[500, 1000], 2.5),
    ("web12.trace.xz", &[500, 1000], 2.5),
    ("OLTP.lis.zst", &[1000, 2000, 5000], 0.0),
];
const NOW_MS: u64 = 1_800_000_000_000;
const SIZE: usize = 1024;

fn load(path: &Path) -> Vec<u64> {
    let tool = match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xz",
        _ => "zstd",
    };
    let unpacked = Command::new(tool).arg("-dc").arg(path).output();
    let bytes = unpacked.expect("xz and zstd are installed").stdout;
    assert!(!bytes.is_empty(), "{} is empty or absent", path.display());
    if tool == "xz" {
        let keys = bytes.chunks_exact(4);
        return keys
            .map(|key| u64::from(u32::from_be_bytes(key.try_into().expect("four bytes"))))
            .collect();
    }
    let text = String::from_utf8(bytes).expect("text");
    let runs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        Some((words.next()?.ok()?, words.next()?.ok()?))
    });
    runs.flat_map(|(start, count)| start..start + count)
        .collect()
}

/// What a key's object is long: log-uniform between 1 and 64 KiB.
fn sized(key: u64) -> usize {
    let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let fraction = (mixed >> 40) as f64 / (1u64 << 24) as f64;
    (SIZE as f64 * 64f64.powf(fraction)) as usize
}

const LINE: &[u8] = b"Cache-Control: max-age=600";

/// Asks, and fetches what is not there. True for a hit.
fn ask(cache: &Arc<Cache>, buf: &mut KeyBuf, key: u64, body: Bytes) -> bool {
    let name = Range32::new(0, 13);
    let value = Range32::new(15, LINE.len());
    let fields = [Field {
        id: Name::CacheControl,
        name,
        value,
    }];
    let response = ResponseMeta {
        status: 200,
        fields: Fields {
            fields: &fields,
            buf: LINE,
            present: Name::CacheControl.bit(),
        },
        request_time_ms: NOW_MS,
        response_time_ms: NOW_MS,
    };
    let rules = Rules::default();
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: NOW_MS,
    };
    buf.clear();
    // As long whatever the number, so that all weigh the same.
    buf.part(&key.to_be_bytes());
    let Lookup::Miss(mut fill) = cache.lookup(buf.finish(), &request, &rules) else {
        return true;
    };
    fill.respond(&request, &rules, response);
    let _ = fill.push(body);
    fill.finish();
    false
}

fn options(bytes: u64) -> Options {
    Options {
        // A small cache must be able to fetch what it can hold.
        fill_bytes_in_flight_max: bytes,
        ..Options::with_memory(bytes)
    }
}

/// What an object weighs beside its body.
fn overhead() -> u64 {
    let cache = Cache::new(Options::default());
    ask(&cache, &mut KeyBuf::new(), 1, vec![0; SIZE].into());
    cache.stats().bytes - SIZE as u64
}

#[derive(Default)]
struct Ratio {
    hits: u64,
    hit_bytes: u64,
    requests: u64,
    bytes: u64,
}

impl Ratio {
    fn note(&mut self, is_hit: bool, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
        if is_hit {
            self.hits += 1;
            self.hit_bytes += bytes;
        }
    }

    fn percent(&self) -> (f64, f64) {
        let part = |of: u64, all: u64| of as f64 * 100.0 / all as f64;
        (
            part(self.hits, self.requests),
            part(self.hit_bytes, self.bytes),
        )
    }
}

fn ours(trace: &[u64], size: fn(u64) -> usize, capacity: u64) -> (f64, f64) {
    let cache = Cache::new(options(capacity));
    let (mut buf, mut ratio) = (KeyBuf::new(), Ratio::default());
    let zeros = Bytes::from(vec![0; 64 * SIZE]);
    for &key in trace {
        let size = size(key);
        let is_hit = ask(&cache, &mut buf, key, zeros.slice(..size));
        ratio.note(is_hit, size as u64);
    }
    assert!(cache.stats().bytes <= capacity);
    ratio.percent()
}

fn lru(trace: &[u64], size: fn(u64) -> usize, overhead: u64, capacity: u64) -> (f64, f64) {
    let (mut seen, mut order) = (HashMap::new(), BTreeMap::new());
    let (mut used, mut ratio) = (0, Ratio::default());
    for (now, &key) in trace.iter().enumerate() {
        let weight = size(key) as u64 + overhead;
        let before = seen.insert(key, now);
        ratio.note(before.is_some(), size(key) as u64);
        match before {
            Some(before) => drop(order.remove(&before)),
            None => used += weight,
        }
        order.insert(now, key);
        while used > capacity {
            let Some((_, oldest)) = order.pop_first() else {
                break;
            };
            seen.remove(&oldest);
            used -= size(oldest) as u64 + overhead;
        }
    }
    ratio.percent()
}

fn main() -> ExitCode {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("hit_ratio TRACES");
        return ExitCode::from(2);
    };
    let overhead = overhead();
    println!("{overhead} bytes an object beside its body");
    println!("trace\tshards\tobjects\tsizes\tobject hit\tLRU\tgain\tbyte hit\tLRU\tgain");
    let mut missed = false;
    for (file, capacities, wanted) in TRACES {
        let trace = load(&Path::new(&directory).join(file));
        for &objects in capacities {
            for (name, size) in [("one", (|_| SIZE) as fn(u64) -> usize), ("1-64 KiB", sized)] {
                // As many objects of the mean size.
                let mean =
                    trace.iter().map(|key| size(*key) as u64).sum::<u64>() / trace.len() as u64;
                let capacity = objects * (mean + overhead);
                let (hit, bytes) = ours(&trace, size, capacity);
                let shards = options(capacity).shards;
                let (lru_hit, lru_bytes) = lru(&trace, size, overhead, capacity);
                println!(
                    "{file}\t{shards}\t{objects}\t{name}\t{hit:.2}\t{lru_hit:.2}\t{:+.2}\t{bytes:.2}\t{lru_bytes:.2}\t{:+.2}",
                    hit - lru_hit,
                    bytes - lru_bytes
                );
                missed |= hit < lru_hit + wanted || bytes < lru_bytes;
            }
        }
    }
    ExitCode::from(u8::from(missed))
}
