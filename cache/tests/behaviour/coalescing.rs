//! One fill a key, for all threads.

use crate::rig::*;
use bytes::Bytes;
use seawall_cache::*;
use seawall_http::Method;
use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

const FRESH: [(&str, &str); 1] = [(CC, "max-age=60")];
const THREADS: usize = 4;
const TASKS: usize = 25;

fn assert_send<T: Send>(value: T) -> T {
    value
}

async fn read(reader: &mut FillReader) -> (Vec<u8>, FillChunk) {
    let mut body = Vec::new();
    loop {
        match reader.chunk().await {
            FillChunk::Data(bytes) => body.extend_from_slice(&bytes),
            end => return (body, end),
        }
    }
}

/// Runs a task many times on every one of several runtimes, all at once.
fn on_many_runtimes<F, Fut>(task: F)
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (task, barrier) = (task.clone(), barrier.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, async move {
                    barrier.wait();
                    let tasks: Vec<_> = (0..TASKS)
                        .map(|n| tokio::task::spawn_local(task(thread * TASKS + n)))
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn many_ask_one_fetches_all_get_the_same_bytes() {
    let rig = Arc::new(Rig::new());
    let leaders = Arc::new(AtomicUsize::new(0));
    let expected: Arc<Vec<u8>> = Arc::new((0..200_000u32).map(|n| (n % 253) as u8).collect());
    let (seen_leaders, body) = (leaders.clone(), expected.clone());
    let cache = rig.cache.clone();
    on_many_runtimes(move |_| {
        let (rig, leaders, expected) = (rig.clone(), leaders.clone(), expected.clone());
        async move {
            match rig.get("/a") {
                Lookup::Miss(mut fill) => {
                    leaders.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    rig.respond(&mut fill, &[], 200, &FRESH);
                    for chunk in expected.chunks(7_001) {
                        tokio::task::yield_now().await;
                        fill.push(Bytes::copy_from_slice(chunk)).unwrap();
                    }
                    assert_send(fill).finish().unwrap();
                }
                Lookup::Join(reader) => {
                    let mut reader = assert_send(reader);
                    assert!(matches!(reader.head().await, FillStart::Head(_)));
                    assert_eq!(read(&mut reader).await, (expected.to_vec(), FillChunk::End));
                }
                Lookup::Hit(hit) => assert_eq!(hit.object.chunks().concat(), *expected),
                other => panic!("{}", kind(&other)),
            }
        }
    });
    assert_eq!(seen_leaders.load(SeqCst), 1);
    let stats = cache.stats();
    assert_eq!(
        (stats.misses, stats.joins + stats.hits),
        (1, (THREADS * TASKS - 1) as u64)
    );
    assert_eq!((stats.fill_bytes, stats.objects), (0, 1));
    assert!(stats.bytes > body.len() as u64);
}

#[test]
fn however_many_threads_see_it_stale_one_renews_it() {
    let mut rig = Rig::new();
    rig.store(
        "/a",
        &[(CC, "max-age=60, stale-while-revalidate=600")],
        "old",
    );
    rig.pass_s(61);
    let rig = Arc::new(rig);
    let renewals = Arc::new(AtomicUsize::new(0));
    let seen = renewals.clone();
    on_many_runtimes(move |_| {
        let (rig, renewals) = (rig.clone(), renewals.clone());
        async move {
            match rig.get("/a") {
                Lookup::Stale(_, Some(fill), _) => {
                    renewals.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    rig.complete(fill, &[], &FRESH, "new").unwrap();
                }
                Lookup::Stale(hit, None, _) => assert_eq!(hit.object.chunks().concat(), b"old"),
                Lookup::Hit(hit) => assert_eq!(hit.object.chunks().concat(), b"new"),
                other => panic!("{}", kind(&other)),
            }
        }
    });
    assert_eq!(seen.load(SeqCst), 1);
}

#[tokio::test]
async fn a_leader_that_is_dropped_releases_its_waiters() {
    let rig = Rig::new();
    let fill = miss(rig.get("/a"));
    let mut before_head = join(rig.get("/a"));
    drop(fill);
    assert!(matches!(before_head.head().await, FillStart::Aborted));

    let mut fill = miss(rig.get("/a"));
    let mut midway = join(rig.get("/a"));
    rig.respond(&mut fill, &[], 200, &FRESH);
    fill.push(Bytes::from_static(b"half")).unwrap();
    fill.abort();
    assert!(matches!(midway.head().await, FillStart::Head(_)));
    assert_eq!(
        read(&mut midway).await,
        (b"half".to_vec(), FillChunk::Aborted)
    );
    assert_eq!(kind(&rig.get("/a")), "miss");
}

#[tokio::test]
async fn waiters_of_what_cannot_be_shared_go_in_parallel_and_so_does_the_next_round() {
    let mut rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let mut readers: Vec<_> = (0..3).map(|_| join(rig.get("/a"))).collect();
    rig.respond(&mut fill, &[], 200, &[(CC, "private")]);
    for reader in &mut readers {
        assert!(matches!(reader.head().await, FillStart::Pass));
    }
    for _ in 0..3 {
        assert!(matches!(rig.get("/a"), Lookup::Pass(Pass::Unstorable)));
    }
    rig.pass_s(6);
    let fill = miss(rig.get("/a"));
    rig.complete(fill, &[], &FRESH, "x").unwrap();
    assert_eq!(kind(&rig.get("/a")), "hit");
}

#[tokio::test]
async fn a_waiter_for_another_variant_goes_on_its_own() {
    let rig = Rig::new();
    let german = [("Accept-Language", "de")];
    let mut fill = miss(rig.ask(Method::Get, "/a", &german));
    let mut english = join(rig.ask(Method::Get, "/a", &[("Accept-Language", "en")]));
    let mut same = join(rig.ask(Method::Get, "/a", &german));
    rig.respond(
        &mut fill,
        &german,
        200,
        &[(CC, "max-age=60"), ("Vary", "Accept-Language")],
    );
    assert!(matches!(english.head().await, FillStart::Pass));
    assert!(matches!(same.head().await, FillStart::Head(_)));
}

#[tokio::test]
async fn waiters_of_a_revalidation_get_the_stored_body_with_its_age() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ("ETag", "\"a\"")], "body");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let mut reader = join(rig.get("/a"));
    rig.respond(&mut fill, &[], 304, &[("Age", "3"), (CC, "max-age=60")]);
    let FillStart::Head(head) = reader.head().await else {
        panic!()
    };
    assert_eq!((head.age_s(), head.content_length()), (3, Some(4)));
    assert_eq!(read(&mut reader).await, (b"body".to_vec(), FillChunk::End));
}

#[tokio::test]
async fn the_client_that_caused_a_fill_may_read_it_like_the_others_and_leave() {
    let rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let request = Request {
        method: Method::Get,
        fields: seawall_http::Fields::EMPTY,
        now_ms: rig.now_ms,
    };
    let reader = fill.reader(&request, &rig.rules);
    assert!(fill.has_readers());
    drop(reader);
    rig.respond(&mut fill, &[], 200, &FRESH);
    fill.push(Bytes::from_static(b"x")).unwrap();
    assert!(fill.finish().is_some());
}

#[tokio::test]
async fn a_body_past_the_limit_reaches_its_readers_and_is_not_stored() {
    const CHUNK: usize = 100_000;
    let options = Options {
        object_bytes_max: 400_000,
        ..Options::with_memory(8 << 20)
    };
    let rig = Arc::new(Rig::with(options));
    let mut fill = miss(rig.get("/a"));
    let mut reader = join(rig.get("/a"));
    let reading = tokio::spawn(async move {
        assert!(matches!(reader.head().await, FillStart::Head(_)));
        read(&mut reader).await
    });
    rig.respond(&mut fill, &[], 200, &FRESH);
    let mut refused = 0;
    for n in 0..40u8 {
        fill.room().await;
        refused += usize::from(fill.push(vec![n; CHUNK].into()) == Err(FillError::TooLarge));
        assert!(rig.cache.stats().fill_bytes <= 400_000 + 1000);
    }
    assert!(fill.finish().is_none());
    let (body, end) = reading.await.unwrap();
    assert_eq!((body.len(), end, refused), (40 * CHUNK, FillChunk::End, 36));
    assert!(
        body.chunks(CHUNK)
            .enumerate()
            .all(|(n, chunk)| chunk.iter().all(|&byte| byte as usize == n))
    );
    assert_eq!((rig.cache.stats().objects, rig.cache.stats().bytes), (0, 0));
}

#[tokio::test]
async fn a_reader_that_falls_too_far_behind_is_cut_off_and_holds_up_nobody() {
    let options = Options {
        object_bytes_max: 300_000,
        ..Options::with_memory(8 << 20)
    };
    let rig = Rig::with(options);
    let mut fill = miss(rig.get("/a"));
    let mut slow = join(rig.get("/a"));
    rig.respond(&mut fill, &[], 200, &FRESH);
    for _ in 0..20 {
        let _ = fill.push(vec![0; 100_000].into());
    }
    assert!(fill.finish().is_none());
    assert!(matches!(slow.head().await, FillStart::Head(_)));
    assert_eq!(read(&mut slow).await, (Vec::new(), FillChunk::Aborted));
}

#[test]
fn a_length_past_the_limit_is_passed_at_once() {
    let rig = Rig::with(Options {
        object_bytes_max: 1000,
        ..Options::with_memory(1 << 20)
    });
    let mut fill = miss(rig.get("/a"));
    let responded = rig.respond(
        &mut fill,
        &[],
        200,
        &[(CC, "max-age=60"), ("Content-Length", "5000")],
    );
    assert!(matches!(responded, Responded::Pass(decision) if decision.reason == "too-large"));
}
