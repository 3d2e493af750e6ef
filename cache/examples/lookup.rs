//! What a fresh hit costs, and the same by `foyer-memory`: `cargo run --release -p seawall-cache --example lookup`.

use bytes::Bytes;
use seawall_cache::*;
use seawall_http::{Field, Fields, Method, Name, Range32};
use std::{hint::black_box, sync::Arc, time::Instant};

const OBJECTS: usize = 10_000;
const ROUNDS: usize = 300;
const NOW_MS: u64 = 1_800_000_000_000;

fn paths() -> Vec<Vec<u8>> {
    (0..OBJECTS)
        .map(|n| format!("/assets/product/{n}/picture-large.webp?v={n}").into_bytes())
        .collect()
}

fn key<'a>(buf: &'a mut KeyBuf, path: &[u8]) -> KeyRef<'a> {
    buf.clear();
    buf.part(b"https");
    buf.part(b"www.shop.test");
    buf.part(path);
    buf.finish()
}

fn filled(paths: &[Vec<u8>], head: Fields<'_>) -> Arc<Cache> {
    let cache = Cache::new(Options::with_memory(256 << 20));
    let rules = Rules::default();
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: NOW_MS,
    };
    let response = ResponseMeta {
        status: 200,
        fields: head,
        request_time_ms: NOW_MS,
        response_time_ms: NOW_MS,
    };
    for path in paths {
        if let Lookup::Miss(mut fill) =
            cache.lookup(key(&mut KeyBuf::new(), path), &request, &rules)
        {
            fill.respond(&request, &rules, response);
            let _ = fill.push(Bytes::from_static(&[b'x'; 1024]));
            fill.finish();
        }
    }
    cache
}

fn measure(threads: usize, name: &str, work: impl Fn(usize) + Send + Sync) {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    let nanoseconds = start.elapsed().as_nanos() as f64 / (OBJECTS * ROUNDS) as f64;
    println!("{name:40} {threads} threads: {nanoseconds:6.1} ns");
}

fn main() {
    let line = b"Cache-Control: max-age=600";
    let fields = [Field {
        id: Name::CacheControl,
        name: Range32::new(0, 13),
        value: Range32::new(15, line.len()),
    }];
    let head = Fields {
        fields: &fields,
        buf: line,
        present: Name::CacheControl.bit(),
    };
    let paths = paths();
    let cache = filled(&paths, head);
    let foyer: foyer_memory::Cache<Vec<u8>, Bytes> = foyer_memory::CacheBuilder::new(256 << 20)
        .with_eviction_config(foyer_memory::S3FifoConfig::default())
        .with_shards(64)
        .with_weighter(|key: &Vec<u8>, value: &Bytes| key.len() + value.len())
        .build();
    for path in &paths {
        foyer.insert(
            key(&mut KeyBuf::new(), path).bytes.to_vec(),
            Bytes::from_static(&[b'x'; 1024]),
        );
    }
    for threads in [1, 2] {
        measure(threads, "key and lookup", |_| {
            let (mut buf, rules) = (KeyBuf::new(), Rules::default());
            let request = Request {
                method: Method::Get,
                fields: Fields::EMPTY,
                now_ms: NOW_MS,
            };
            for path in paths.iter().cycle().take(OBJECTS * ROUNDS) {
                let lookup = cache.lookup(key(&mut buf, path), &request, &rules);
                assert!(matches!(black_box(lookup), Lookup::Hit(_)));
            }
        });
        measure(threads, "key and foyer-memory's get", |_| {
            let mut buf = KeyBuf::new();
            for path in paths.iter().cycle().take(OBJECTS * ROUNDS) {
                assert!(black_box(foyer.get(key(&mut buf, path).bytes)).is_some());
            }
        });
        measure(threads, "key alone", |_| {
            let mut buf = KeyBuf::new();
            for path in paths.iter().cycle().take(OBJECTS * ROUNDS) {
                black_box(key(&mut buf, path));
            }
        });
    }
    oversized();
}

/// What an object larger than a shard does to the limit.
fn oversized() {
    let foyer: foyer_memory::Cache<u64, Bytes> = foyer_memory::CacheBuilder::new(64 << 20)
        .with_shards(64)
        .with_weighter(|_: &u64, value: &Bytes| value.len())
        .build();
    for n in 0..64 {
        foyer.insert(n, vec![0; 4 << 20].into());
    }
    println!(
        "foyer-memory, 64 MiB in 64 shards, after 64 objects of 4 MiB: {} MiB",
        foyer.usage() >> 20
    );
}
