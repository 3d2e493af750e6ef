//! A million small objects: what each costs beside its bytes, by the process's own memory, and what a purge by tag takes:
//! `cargo run --release -p seawall-cache --example many_objects`.

use bytes::Bytes;
use seawall_cache::*;
use seawall_http::{Field, Fields, Method, Name, Range32};
use std::{sync::Arc, time::Instant};

const OBJECTS: u64 = 1_000_000;
const TAGGED: u64 = 100_000;
const BODY_BYTES: usize = 100;
const NOW_MS: u64 = 1_800_000_000_000;
const LINES: &[u8] = b"Cache-Control: max-age=600\r\nSurrogate-Key: catalogue\r\n";

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok());
    pages.expect("pages") * 4096
}

fn ask(cache: &Arc<Cache>, n: u64) -> bool {
    let field = |id, name: (usize, usize), value: (usize, usize)| Field {
        id,
        name: Range32::new(name.0, name.1),
        value: Range32::new(value.0, value.1),
    };
    let fields = [
        field(Name::CacheControl, (0, 13), (15, 26)),
        field(Name::SurrogateKey, (28, 41), (43, 52)),
    ];
    let tagged = n < TAGGED;
    let fields = Fields {
        fields: fields.get(..1 + usize::from(tagged)).unwrap_or_default(),
        buf: LINES,
        present: Name::CacheControl.bit() | if tagged { Name::SurrogateKey.bit() } else { 0 },
    };
    let rules = Rules::default();
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: NOW_MS,
    };
    let path = format!("/product/{n}");
    let mut key = KeyBuf::new();
    ["https", "shop.test", &path]
        .iter()
        .for_each(|part| key.part(part.as_bytes()));
    let Lookup::Miss(mut fill) = cache.lookup(key.finish(), &request, &rules) else {
        return true;
    };
    fill.locate(&"shop.test".into(), format!("shop.test{path}").as_bytes());
    let response = ResponseMeta {
        status: 200,
        fields,
        request_time_ms: NOW_MS,
        response_time_ms: NOW_MS,
    };
    fill.respond(&request, &rules, response);
    let _ = fill.push(Bytes::from_static(&[b'x'; BODY_BYTES]));
    fill.finish();
    false
}

fn main() {
    let before = resident_bytes();
    let cache = Cache::new(Options::with_memory(4 << 30));
    let hits = (0..OBJECTS).filter(|n| ask(&cache, *n)).count();
    assert_eq!(hits, 0);
    let stats = cache.stats();
    assert_eq!(stats.objects, OBJECTS);
    let resident = resident_bytes() - before;
    println!(
        "{OBJECTS} objects of {BODY_BYTES} bytes: {} bytes resident each, {} counted each, {} of them beside the body",
        resident / OBJECTS,
        stats.bytes / OBJECTS,
        resident / OBJECTS - BODY_BYTES as u64
    );
    let began = Instant::now();
    let durable = cache.purge_scope(Scope::Tag(b"catalogue"), Manner::Hard, NOW_MS);
    assert!(durable.wait_blocking());
    println!(
        "purge by a tag of {TAGGED} of them: {:.3} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
    let began = Instant::now();
    let gone = (0..TAGGED).filter(|n| !ask(&cache, *n)).count();
    println!(
        "{gone} of them were fetched again, {:.2} us each; the others: {}",
        began.elapsed().as_secs_f64() * 1e6 / TAGGED as f64,
        (TAGGED..OBJECTS).filter(|n| ask(&cache, *n)).count()
    );
}
