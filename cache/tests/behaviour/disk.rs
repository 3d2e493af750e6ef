//! Two tiers: what comes back from the disk, and what must not.

use crate::rig::*;
use bytes::Bytes;
use seawall_cache::*;

const TAGGED: [(&str, &str); 3] = [
    (CC, "max-age=60"),
    ("ETag", "\"a\""),
    ("Surrogate-Key", "red"),
];

/// Stores a page and asks for it once more, so that the disk gets it.
fn write(rig: &Rig, path: &str, body: &str) {
    let mut fill = miss(rig.get_loaded(path));
    fill.locate(&"shop".into(), format!("shop.test{path}").as_bytes());
    rig.complete(fill, &[], &TAGGED, body).unwrap();
    hit(rig.get(path));
    rig.cache.flush();
}

#[test]
fn what_was_asked_for_twice_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::on(directory.path());
    write(&rig, "/a", "twice");
    rig.store("/b", &TAGGED, "once");
    drop(rig);
    let rig = Rig::on(directory.path());
    assert_eq!(kind(&rig.get("/a")), "load");
    let found = hit(rig.get_loaded("/a"));
    assert_eq!(body(&found.object), b"twice");
    assert_eq!(kind(&rig.get("/a")), "hit");
    assert_eq!(kind(&rig.get_loaded("/b")), "miss");
    let stats = rig.cache.disk_stats().unwrap();
    assert!(stats.objects == 1 && stats.reads > 0, "{stats:?}");
}

#[test]
fn a_large_body_is_served_from_its_file_and_renewed_there() {
    let directory = tempfile::tempdir().unwrap();
    let text = "large ".repeat(20_000);
    write(&Rig::on(directory.path()), "/a", &text);
    let mut rig = Rig::on(directory.path());
    let found = hit(rig.get_loaded("/a"));
    assert!(found.object.chunks().is_empty() && found.object.is_in_file());
    assert!(from_file(&found) == text);
    assert!(rig.cache.stats().bytes < 3000, "{:?}", rig.cache.stats());
    // A 304 leaves the body where it is, and the next process has it under the new head.
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let responded = rig.respond(&mut fill, &[], 304, &TAGGED);
    assert!(matches!(&responded, Responded::NotModified(hit) if from_file(hit) == text));
    rig.cache.flush();
    let now_ms = rig.now_ms;
    drop((fill, rig));
    let mut rig = Rig::on(directory.path());
    rig.now_ms = now_ms;
    let found = hit(rig.get_loaded("/a"));
    assert!(from_file(&found) == text);
    // Who reads along with a renewal is sent to the file as well.
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let mut reader = join(rig.get("/a"));
    rig.respond(&mut fill, &[], 304, &TAGGED);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let FillStart::Elsewhere(object) = runtime.block_on(reader.head()) else {
        panic!("in a file")
    };
    assert!(from_file(&Hit::new(object, rig.now_ms)) == text);
    // A purge of everything takes the file, and with it what is in memory of it.
    scope(&rig, Scope::All);
    assert_eq!(kind(&rig.get_loaded("/a")), "miss");
}

fn from_file(hit: &Hit) -> String {
    use std::os::unix::fs::FileExt;
    let body = hit.file.as_ref().expect("a file");
    let mut bytes = vec![0; hit.object.content_length() as usize];
    body.file.read_exact_at(&mut bytes, body.at).unwrap();
    String::from_utf8(bytes).unwrap()
}

type Named<'a> = (&'a str, &'a dyn Fn(&Rig));

#[test]
fn what_was_purged_does_not_come_back() {
    let purges: [Named<'_>; 6] = [
        ("key", &|rig| assert!(rig.cache.purge(key("/a").as_ref()))),
        ("url", &|rig| scope(rig, Scope::Url(b"shop.test/a"))),
        ("prefix", &|rig| scope(rig, Scope::Prefix(b"shop.test/"))),
        ("tag", &|rig| scope(rig, Scope::Tag(b"red"))),
        ("site", &|rig| scope(rig, Scope::Site(b"shop"))),
        ("all", &|rig| scope(rig, Scope::All)),
    ];
    for (name, purge) in purges {
        for after_restart in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut rig = Rig::on(directory.path());
            write(&rig, "/a", "old");
            if after_restart {
                drop(rig);
                rig = Rig::on(directory.path());
            }
            purge(&rig);
            assert_eq!(kind(&rig.get_loaded("/a")), "miss", "{name}");
            drop(rig);
            let rig = Rig::on(directory.path());
            assert_eq!(kind(&rig.get_loaded("/a")), "miss", "{name}");
            // What is stored after the purge stays.
            write(&rig, "/a", "new");
            drop(rig);
            let rig = Rig::on(directory.path());
            assert_eq!(body(&hit(rig.get_loaded("/a")).object), b"new", "{name}");
        }
    }
}

fn scope(rig: &Rig, scope: Scope<'_>) {
    let durable = rig.cache.purge_scope(scope, Manner::Hard, rig.now_ms);
    assert!(durable.wait_blocking());
}

#[test]
fn a_soft_purge_holds_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::on(directory.path());
    write(&rig, "/a", "old");
    let durable = rig
        .cache
        .purge_scope(Scope::Tag(b"red"), Manner::Soft, rig.now_ms);
    assert!(durable.wait_blocking());
    drop(rig);
    let rig = Rig::on(directory.path());
    assert_eq!(kind(&rig.get_loaded("/a")), "revalidate");
}

#[test]
fn a_purge_while_it_is_read_wins() {
    let directory = tempfile::tempdir().unwrap();
    write(&Rig::on(directory.path()), "/a", "old");
    for purge in [Scope::Tag(b"red"), Scope::Url(b"shop.test/a"), Scope::All] {
        let rig = Rig::on(directory.path());
        let Lookup::Load(load) = rig.get("/a") else {
            // The purge before this one took it.
            continue;
        };
        scope(&rig, purge);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(load.ready());
        assert_eq!(kind(&rig.get_loaded("/a")), "miss");
        write(&rig, "/a", "old");
    }
}

#[test]
fn what_comes_up_late_does_not_displace_what_is_newer() {
    let directory = tempfile::tempdir().unwrap();
    write(&Rig::on(directory.path()), "/a", "old");
    let rig = Rig::on(directory.path());
    let Lookup::Load(load) = rig.get("/a") else {
        panic!("from the disk")
    };
    // Meanwhile somebody who does not want a stored answer fetches.
    hit(rig.get_loaded("/a"));
    let fill = revalidate(rig.ask(seawall_http::Method::Get, "/a", &[(CC, "no-cache")]));
    rig.complete(fill, &[(CC, "no-cache")], &TAGGED, "new")
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(load.ready());
    assert_eq!(body(&hit(rig.get("/a")).object), b"new");
    rig.cache.flush();
    drop(rig);
    let rig = Rig::on(directory.path());
    assert_eq!(body(&hit(rig.get_loaded("/a")).object), b"new");
}

#[test]
fn a_memory_too_small_for_it_serves_a_large_body_from_its_file_and_asks_the_origin_for_a_small_one()
{
    let directory = tempfile::tempdir().unwrap();
    write(&Rig::on(directory.path()), "/large", &"x".repeat(100_000));
    write(&Rig::on(directory.path()), "/small", &"x".repeat(20_000));
    let disk = DiskOptions {
        path: directory.path().into(),
        bytes: 64 << 20,
        min_free_bytes: 0,
    };
    let rig = Rig {
        cache: Cache::with_disk(Options::with_memory(10_000), &disk).unwrap(),
        ..Rig::new()
    };
    rig.cache.flush();
    assert_eq!(kind(&rig.get_loaded("/large")), "hit");
    assert_eq!(kind(&rig.get_loaded("/small")), "miss");
}

#[test]
fn many_threads_read_write_and_purge_and_nobody_sees_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::on(directory.path());
    let version = std::sync::atomic::AtomicU64::new(0);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while !is_done.load(SeqCst) {
                    match rig.get_loaded("/a") {
                        Lookup::Miss(mut fill) => {
                            fill.locate(&"shop".into(), b"shop.test/a");
                            let now = version.load(SeqCst).to_string();
                            rig.respond(&mut fill, &[], 200, &TAGGED);
                            let _ = fill.push(Bytes::from(now));
                            fill.finish();
                        }
                        _ => rig.cache.flush(),
                    }
                }
            });
        }
        for round in 1..=300u64 {
            version.store(round, SeqCst);
            scope(
                &rig,
                if round % 3 == 0 {
                    Scope::All
                } else {
                    Scope::Tag(b"red")
                },
            );
            if let Lookup::Hit(hit) = rig.get_loaded("/a") {
                assert_eq!(body(&hit.object), round.to_string().as_bytes());
            }
        }
        is_done.store(true, SeqCst);
    });
    scope(&rig, Scope::Tag(b"red"));
    drop(rig);
    assert_eq!(kind(&Rig::on(directory.path()).get_loaded("/a")), "miss");
}

#[test]
fn what_nobody_asks_for_is_not_served_any_more_from_memory_or_disk() {
    let directory = tempfile::tempdir().unwrap();
    write(&Rig::on(directory.path()), "/disk", "old");
    let disk = DiskOptions {
        path: directory.path().into(),
        bytes: 64 << 20,
        min_free_bytes: 0,
    };
    let options = Options {
        inactive: Some(std::time::Duration::from_secs(10)),
        ..Options::with_memory(64 << 20)
    };
    let mut rig = Rig {
        cache: Cache::with_disk(options, &disk).unwrap(),
        ..Rig::new()
    };
    rig.cache.flush();
    rig.store("/memory", &TAGGED, "old");
    // Each request counts anew, also for what came up from the disk.
    for _ in 0..3 {
        rig.pass_s(9);
        assert_eq!(kind(&rig.get("/memory")), "hit");
        assert_eq!(kind(&rig.get_loaded("/disk")), "hit");
    }
    // Both are on the disk by now.
    rig.cache.flush();
    rig.pass_s(11);
    let key = key("/memory");
    let request = Request {
        method: seawall_http::Method::Get,
        fields: seawall_http::Fields::EMPTY,
        now_ms: rig.now_ms,
    };
    let explained = rig.cache.explain(key.as_ref(), &request, &rig.rules);
    assert_eq!(explained.answer, "miss");
    assert_eq!(kind(&rig.get("/memory")), "miss");
    assert_eq!(kind(&rig.get_loaded("/disk")), "miss");
}
