//! The memory budget, under random load.

use crate::rig::*;
use bytes::Bytes;
use proptest::prelude::*;
use seawall_cache::*;

const LIMIT: u64 = 256 << 10;

fn options() -> Options {
    Options {
        object_bytes_max: 64 << 10,
        shards: 8,
        ..Options::with_memory(LIMIT)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Fetch { path: u8, length: usize },
    Begin { path: u8, length: usize },
    FinishOldest,
    AbortOldest,
    Purge { path: u8 },
    PurgeAll,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![0..2000usize, 0..100_000usize];
    prop_oneof![
        8 => (any::<u8>(), length.clone()).prop_map(|(path, length)| Step::Fetch { path, length }),
        3 => (any::<u8>(), length).prop_map(|(path, length)| Step::Begin { path, length }),
        2 => Just(Step::FinishOldest),
        1 => Just(Step::AbortOldest),
        1 => any::<u8>().prop_map(|path| Step::Purge { path }),
        1 => prop_oneof![9 => Just(Step::FinishOldest), 1 => Just(Step::PurgeAll)],
    ]
}

fn begin(rig: &Rig, path: u8, length: usize) -> Option<Fill> {
    let mut fill = match rig.get(&format!("/{path}")) {
        Lookup::Miss(fill) => fill,
        _ => return None,
    };
    rig.respond(&mut fill, &[], 200, &[(CC, "max-age=60")]);
    vec![path; length].chunks(9000).for_each(|chunk| {
        let _ = fill.push(chunk.to_vec().into());
    });
    Some(fill)
}

fn check(rig: &Rig) {
    let stats = rig.cache.stats();
    assert!(stats.bytes <= LIMIT, "{stats:?}");
    assert!(
        stats.fill_bytes <= stats.bytes && stats.fill_bytes <= LIMIT / 4,
        "{stats:?}"
    );
    assert!(
        stats.bytes - stats.fill_bytes >= stats.objects * OBJECT_OVERHEAD_BYTES,
        "{stats:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_held_never_exceeds_the_budget(steps in prop::collection::vec(step(), 1..200)) {
        let rig = Rig::with(options());
        let mut open = std::collections::VecDeque::new();
        for step in steps {
            match step {
                Step::Fetch { path, length } => drop(begin(&rig, path, length).map(Fill::finish)),
                Step::Begin { path, length } => open.extend(begin(&rig, path, length)),
                Step::FinishOldest => drop(open.pop_front().map(Fill::finish)),
                Step::AbortOldest => drop(open.pop_front()),
                Step::Purge { path } => drop(rig.cache.purge(key(&format!("/{path}")).as_ref())),
                Step::PurgeAll => drop(rig.cache.purge_all()),
            }
            check(&rig);
        }
        drop(open);
        drop(rig.cache.purge_all());
        let stats = rig.cache.stats();
        prop_assert_eq!((stats.bytes, stats.fill_bytes, stats.objects), (0, 0, 0));
    }
}

#[test]
fn many_threads_keep_the_budget_and_the_books() {
    let rig = std::sync::Arc::new(Rig::with(options()));
    let threads: Vec<_> = (0..4u64)
        .map(|seed| {
            let rig = rig.clone();
            std::thread::spawn(move || {
                let mut random = Seeded::new(seed + 1);
                for _ in 0..2000 {
                    let fill = begin(&rig, random.below(200) as u8, random.below(8000) as usize);
                    match random.below(10) {
                        0 => drop(fill),
                        1 => drop(
                            rig.cache
                                .purge(key(&format!("/{}", random.below(200))).as_ref()),
                        ),
                        _ => drop(fill.map(Fill::finish)),
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    check(&rig);
    assert!(rig.cache.stats().evictions > 0);
    drop(rig.cache.purge_all());
    assert_eq!(rig.cache.stats().bytes, 0);
}

#[test]
fn what_is_asked_for_again_outlives_a_scan() {
    let rig = Rig::with(Options {
        shards: 1,
        ..Options::with_memory(LIMIT)
    });
    let fresh = [(CC, "max-age=60")];
    let popular: Vec<String> = (0..20).map(|n| format!("/popular/{n}")).collect();
    popular
        .iter()
        .for_each(|path| drop(rig.store(path, &fresh, "x")));
    for _ in 0..3 {
        popular.iter().for_each(|path| drop(hit(rig.get(path))));
    }
    (0..5000).for_each(|n| drop(rig.store(&format!("/scan/{n}"), &fresh, "x")));
    assert!(popular.iter().all(|path| kind(&rig.get(path)) == "hit"));
}

#[test]
fn an_object_larger_than_a_shards_share_fits() {
    let rig = Rig::with(Options {
        shards: 64,
        object_bytes_max: 200 << 10,
        fill_bytes_in_flight_max: 200 << 10,
        ..options()
    });
    let body = "x".repeat(150 << 10);
    rig.store("/large", &[(CC, "max-age=60")], &body);
    assert_eq!(kind(&rig.get("/large")), "hit");
}

#[test]
fn bytes_on_their_way_past_their_limit_are_not_stored_and_free_themselves() {
    let rig = Rig::with(Options {
        fill_bytes_in_flight_max: 50_000,
        ..options()
    });
    let first = begin(&rig, 1, 40_000).unwrap();
    let second = begin(&rig, 2, 40_000).unwrap();
    assert!(second.finish().is_none());
    assert!(first.finish().is_some());
    let again = begin(&rig, 2, 40_000).unwrap();
    assert!(again.finish().is_some());
    assert_eq!(rig.cache.stats().fill_bytes, 0);
}

#[test]
fn coded_forms_count_in_the_budget_stay_with_the_body_and_go_with_it() {
    use seawall_http::Coding;
    let mut rig = Rig::new();
    let before = rig.cache.stats().bytes;
    let etag = ("ETag", "\"1\"");
    let object = rig.store("/a", &[(CC, "max-age=60"), etag], "body");
    let plain = rig.cache.stats().bytes;
    assert!(object.coded(Coding::Br).is_none());
    let coded = || Bytes::from_static(b"coded");
    assert!(object.keep_coded(&rig.cache, Coding::Br, coded()));
    assert!(!object.keep_coded(&rig.cache, Coding::Br, coded()), "once");
    assert_eq!(rig.cache.stats().bytes, plain + 5);
    drop(object);
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let renewed = rig.respond(&mut fill, &[], 304, &[(CC, "max-age=60"), etag]);
    let Responded::NotModified(hit) = renewed else {
        panic!()
    };
    assert_eq!(hit.object.coded(Coding::Br), Some(&coded()));
    assert!(hit.object.coded(Coding::Gzip).is_none());
    drop((hit, fill));
    rig.cache.purge(key("/a").as_ref());
    assert_eq!(rig.cache.stats().bytes, before);
    let huge = Bytes::from(vec![0; 128 << 20]);
    let object = rig.store("/b", &[(CC, "max-age=60")], "body");
    assert!(
        !object.keep_coded(&rig.cache, Coding::Gzip, huge),
        "no room"
    );
}
