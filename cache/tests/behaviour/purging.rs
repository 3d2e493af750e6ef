//! Purges, also of what is on its way.

use crate::rig::*;
use bytes::Bytes;
use seawall_cache::*;
use seawall_http::{Fields, Method};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

const FRESH: [(&str, &str); 1] = [(CC, "max-age=60")];

#[test]
fn a_purge_takes_all_variants_and_nothing_else() {
    let rig = Rig::new();
    for language in ["de", "en"] {
        let varies = [(CC, "max-age=60"), ("Vary", "Accept-Language")];
        rig.store_for("/a", &[("Accept-Language", language)], &varies, language);
    }
    rig.store("/b", &FRESH, "b");
    assert!(rig.cache.purge(key("/a").as_ref()));
    assert!(!rig.cache.purge(key("/a").as_ref()));
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[("Accept-Language", "de")])),
        "miss"
    );
    assert_eq!(
        (kind(&rig.get("/b")), rig.cache.stats().objects),
        ("hit", 1)
    );
}

#[test]
fn what_was_being_fetched_does_not_come_back() {
    for purge_all in [false, true] {
        let rig = Rig::new();
        let mut old = miss(rig.get("/a"));
        rig.respond(&mut old, &[], 200, &FRESH);
        old.push(Bytes::from_static(b"old")).unwrap();
        if purge_all {
            drop(rig.cache.purge_all());
        } else {
            assert!(rig.cache.purge(key("/a").as_ref()));
        }
        // Whoever asks after the purge fetches anew, whatever ends first.
        let new = miss(rig.get("/a"));
        assert!(old.finish().is_none());
        assert_eq!(kind(&rig.get("/a")), "join");
        rig.complete(new, &[], &FRESH, "new").unwrap();
        assert_eq!(body(&hit(rig.get("/a")).object), b"new");
        assert_eq!(rig.cache.stats().fill_bytes, 0);
    }
}

#[tokio::test]
async fn readers_of_a_purged_fill_get_all_of_it() {
    let rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let mut reader = join(rig.get("/a"));
    rig.respond(&mut fill, &[], 200, &FRESH);
    rig.cache.purge(key("/a").as_ref());
    fill.push(Bytes::from_static(b"old")).unwrap();
    assert!(fill.finish().is_none());
    assert!(matches!(reader.head().await, FillStart::Head(head) if head.status() == 200));
    assert_eq!(
        reader.chunk().await,
        FillChunk::Data(Bytes::from_static(b"old"))
    );
    assert_eq!(reader.chunk().await, FillChunk::End);
}

#[test]
fn a_purged_answer_does_not_stand_in_for_a_failure() {
    let mut rig = Rig::new();
    rig.store(
        "/a",
        &[(CC, "max-age=60, stale-if-error=600"), ("ETag", "\"a\"")],
        "old",
    );
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    rig.cache.purge(key("/a").as_ref());
    assert!(matches!(
        rig.respond(&mut fill, &[], 503, &[]),
        Responded::Pass(_)
    ));
}

#[test]
fn a_purge_of_everything_gives_the_memory_back() {
    let rig = Rig::new();
    (0..1000).for_each(|n| drop(rig.store(&format!("/{n}"), &FRESH, "x")));
    drop(rig.cache.purge_all());
    let stats = rig.cache.stats();
    assert_eq!((stats.objects, stats.bytes), (0, 0));
    assert_eq!(kind(&rig.get("/1")), "miss");
}

#[test]
fn an_unsafe_request_invalidates_rfc_9111_4_4() {
    let rig = Rig::new();
    rig.store("/a", &FRESH, "x");
    let post = Request {
        method: Method::Post,
        fields: Fields::EMPTY,
        now_ms: rig.now_ms,
    };
    let lookup = rig.cache.lookup(key("/a").as_ref(), &post, &rig.rules);
    assert_eq!(kind(&lookup), "method");
    assert!(rig.cache.invalidate(key("/a").as_ref()));
    assert_eq!(kind(&rig.get("/a")), "miss");
}

#[test]
fn after_a_purge_nobody_sees_what_was_before_however_many_threads_fill() {
    const ROUNDS: u64 = 2000;
    let rig = Rig::new();
    // What the origin serves: the purger changes it, then purges, then looks.
    let version = AtomicU64::new(0);
    let is_done = AtomicBool::new(false);
    let seen = |lookup: Lookup| match lookup {
        Lookup::Hit(hit) => Some(
            String::from_utf8(body(&hit.object))
                .unwrap()
                .parse()
                .unwrap(),
        ),
        _ => None,
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_done.load(SeqCst) {
                    if let Lookup::Miss(fill) = rig.get("/a") {
                        let now = version.load(SeqCst).to_string();
                        rig.complete(fill, &[], &FRESH, &now);
                    }
                }
            });
        }
        let mut hits = 0;
        for round in 1..=ROUNDS {
            version.store(round, SeqCst);
            if round % 2 == 0 {
                drop(rig.cache.purge_all());
            } else {
                rig.cache.purge(key("/a").as_ref());
            }
            if let Some(version) = seen(rig.get("/a")) {
                assert_eq!(version, round);
                hits += 1;
            }
            // The last round waits for a fill, so that at least one is seen.
            while round == ROUNDS && hits == 0 {
                hits += u64::from(seen(rig.get("/a")) == Some(round));
            }
        }
        is_done.store(true, SeqCst);
    });
}
