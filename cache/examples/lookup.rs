//! What a fresh hit costs beside `foyer-memory`'s get, on objects that fit the processor's caches and on objects that do not:
//! `cargo run --release -p seawall-cache --example lookup`.

use bytes::Bytes;
use seawall_cache::*;
use seawall_http::{Field, Fields, Method, Name, Range32};
use std::{hint::black_box, sync::Arc, time::Instant};

const LOOKUPS: usize = 1_000_000;
const ROUNDS: usize = 5;
const NOW_MS: u64 = 1_800_000_000_000;

fn paths(objects: usize) -> Vec<Vec<u8>> {
    (0..objects)
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

const LINE: &[u8] = b"Cache-Control: max-age=600";

fn our_cache(paths: &[Vec<u8>]) -> Arc<Cache> {
    let cache = Cache::new(Options::with_memory(256 << 20));
    paths.iter().for_each(|path| {
        get_or_fill(&cache, path);
    });
    cache
}

/// Whether it was there; it is afterwards.
fn get_or_fill(cache: &Arc<Cache>, path: &[u8]) -> bool {
    let name = Range32::new(0, 13);
    let fields = [Field {
        id: Name::CacheControl,
        name,
        value: Range32::new(15, LINE.len()),
    }];
    let fields = Fields {
        fields: &fields,
        buf: LINE,
        present: Name::CacheControl.bit(),
    };
    let rules = Rules::default();
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: NOW_MS,
    };
    let response = ResponseMeta {
        status: 200,
        fields,
        request_time_ms: NOW_MS,
        response_time_ms: NOW_MS,
    };
    let Lookup::Miss(mut fill) = cache.lookup(key(&mut KeyBuf::new(), path), &request, &rules)
    else {
        return true;
    };
    fill.respond(&request, &rules, response);
    let _ = fill.push(Bytes::from_static(&[b'x'; 1024]));
    fill.finish();
    false
}

fn foyer_cache(paths: &[Vec<u8>]) -> foyer_memory::Cache<Vec<u8>, Bytes> {
    let foyer = foyer_memory::CacheBuilder::new(256 << 20)
        .with_eviction_config(foyer_memory::S3FifoConfig::default())
        .with_shards(64)
        .with_weighter(|key: &Vec<u8>, value: &Bytes| key.len() + value.len())
        .build();
    for path in paths {
        foyer.insert(
            key(&mut KeyBuf::new(), path).bytes.to_vec(),
            vec![b'x'; 1024].into(),
        );
    }
    foyer
}

/// The best of some rounds, for the machine may have other work.
fn measure(threads: usize, name: &str, work: impl Fn() + Send + Sync) {
    let round = || {
        let start = Instant::now();
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(&work))));
        start.elapsed().as_nanos() as f64 / LOOKUPS as f64
    };
    let best = (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{name:30} {threads} threads: {best:6.1} ns");
}

fn main() {
    for objects in [100, 10_000] {
        println!("{objects} objects");
        let paths = paths(objects);
        let (cache, foyer) = (our_cache(&paths), foyer_cache(&paths));
        let each = || paths.iter().cycle().take(LOOKUPS);
        for threads in [1, 2] {
            measure(threads, "key alone", || {
                let mut buf = KeyBuf::new();
                each().for_each(|path| {
                    black_box(key(&mut buf, path).hash);
                });
            });
            measure(threads, "key and lookup", || {
                let (mut buf, rules) = (KeyBuf::new(), Rules::default());
                let request = Request {
                    method: Method::Get,
                    fields: Fields::EMPTY,
                    now_ms: NOW_MS,
                };
                for path in each() {
                    let lookup = cache.lookup(key(&mut buf, path), &request, &rules);
                    assert!(matches!(black_box(lookup), Lookup::Hit(_)));
                }
            });
            measure(threads, "key and foyer-memory's get", || {
                let mut buf = KeyBuf::new();
                for path in each() {
                    assert!(black_box(foyer.get(key(&mut buf, path).bytes)).is_some());
                }
            });
        }
    }
    hit_ratios();
    oversized();
}

/// Hits of both on the same popularity (Zipf's, over 100,000 paths) with room for a twentieth of them.
fn hit_ratios() {
    const PATHS: f64 = 100_000.0;
    let cache = our_cache(&paths(1));
    let weight = cache.stats().bytes;
    let room = weight * (PATHS as u64) / 20;
    let cache = Cache::new(Options {
        shards: 16,
        ..Options::with_memory(room)
    });
    let foyer: foyer_memory::Cache<u64, ()> = foyer_memory::CacheBuilder::new(room as usize)
        .with_eviction_config(foyer_memory::S3FifoConfig::default())
        .with_shards(16)
        .with_weighter(move |_: &u64, _: &()| weight as usize)
        .build();
    let (mut seed, mut ours, mut theirs) = (88_172_645_463_325_252_u64, 0, 0);
    for _ in 0..LOOKUPS {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // The logarithm of the rank is evenly distributed.
        let rank = PATHS.powf(seed as f64 / u64::MAX as f64) as u64;
        ours += usize::from(get_or_fill(&cache, format!("/{rank}").as_bytes()));
        match foyer.get(&rank) {
            Some(_) => theirs += 1,
            None => drop(foyer.insert(rank, ())),
        }
    }
    let percent = |hits: usize| hits as f64 * 100.0 / LOOKUPS as f64;
    println!(
        "hits: {:.2} %, foyer-memory {:.2} %",
        percent(ours),
        percent(theirs)
    );
}

/// What objects larger than a shard do to the limit.
fn oversized() {
    let foyer: foyer_memory::Cache<u64, Bytes> = foyer_memory::CacheBuilder::new(64 << 20)
        .with_shards(64)
        .with_weighter(|_: &u64, value: &Bytes| value.len())
        .build();
    (0..64).for_each(|n| drop(foyer.insert(n, vec![0; 4 << 20].into())));
    println!(
        "foyer-memory with 64 MiB in 64 shards holds {} MiB of 64 objects of 4 MiB",
        foyer.usage() >> 20
    );
}
