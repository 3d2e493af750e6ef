//! The tier by itself: what is written is read, what is broken is not there.

use super::*;
use crate::{
    head::Head,
    key::KeyBuf,
    object::{Body, Meta},
    policy::{Decision, Profile, Reason},
    purge::{Labels, Manner, Scope},
    testing,
    vary::Vary,
};
use std::{os::unix::fs::FileExt, path::Path};

fn object(path: &str, language: &str, body: &[u8]) -> Arc<Object> {
    let mut key = KeyBuf::new();
    key.part(path.as_bytes());
    let response = testing::Head::new(&[
        ("Date", "x"),
        ("ETag", "\"1\""),
        ("Vary", "Accept-Language"),
    ]);
    let request = testing::Head::new(&[("Accept-Language", language)]);
    let head = Head::of_response(200, &response.fields(), &[], Profile::Rfc9111, 0);
    let vary = Vary::of(&response.fields(), &request.fields(), false).unwrap();
    let labels = Labels::new(
        "shop".into(),
        format!("shop.test{path}").as_bytes().into(),
        b"red\n"[..].into(),
    );
    let mut decision = Decision::pass(Reason::MaxAge);
    decision.store = true;
    decision.fresh_until_ms = 7;
    let meta = Meta::new(head, decision, vary, Arc::new(labels), 0, 5);
    let pieces = body.chunks(100_000).map(bytes::Bytes::copy_from_slice);
    Arc::new(Object::new(
        key.finish().to_key(),
        meta,
        Body::Pieces(pieces.collect()),
    ))
}

fn open(directory: &Path, bytes: u64) -> Disk {
    let options = DiskOptions {
        path: directory.into(),
        bytes,
        min_free_bytes: 0,
    };
    let disk = Disk::open(&options).unwrap();
    disk.flush();
    disk
}

fn find(disk: &Disk, path: &str, language: &str) -> Option<Arc<Object>> {
    let request = testing::Head::new(&[("Accept-Language", language)]);
    let wanted = object(path, language, b"");
    let key = wanted.key.as_ref();
    let request = crate::Request {
        method: seawall_http::Method::Get,
        fields: request.fields(),
        now_ms: 1_000_000,
    };
    let place = disk.find(key, &request, None)?;
    disk.read(place, key)?.blocking_recv().unwrap()
}

fn body(object: &Object) -> Vec<u8> {
    match object.loaded().unwrap() {
        Some(loaded) => loaded.chunks().concat(),
        None => object.chunks().concat(),
    }
}

#[test]
fn what_was_written_is_read_also_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..2_500_000u32).map(|n| (n % 251) as u8).collect();
    let disk = open(directory.path(), 64 << 20);
    for (path, language, bytes) in [
        ("/a", "de", &b"eins"[..]),
        ("/a", "en", b"one"),
        ("/b", "de", &large),
        ("/c", "de", b""),
    ] {
        disk.offer(&object(path, language, bytes));
    }
    disk.flush();
    let check = |disk: &Disk| {
        assert_eq!(body(&find(disk, "/a", "de").unwrap()), b"eins");
        assert_eq!(body(&find(disk, "/a", "en").unwrap()), b"one");
        assert!(find(disk, "/a", "fr").is_none());
        assert_eq!(body(&find(disk, "/c", "de").unwrap()), b"");
        let found = find(disk, "/b", "de").unwrap();
        assert!(body(&found) == large);
        assert_eq!(
            (found.site(), found.url(), found.etag()),
            ("shop", &b"shop.test/b"[..], Some(&b"\"1\""[..]))
        );
        assert_eq!(found.tags().collect::<Vec<_>>(), [b"red"]);
        assert_eq!(
            (
                found.decision().reason.as_str(),
                found.decision().fresh_until_ms
            ),
            ("max-age", 7)
        );
        assert_eq!(disk.stats().objects, 4);
    };
    check(&disk);
    drop(disk);
    check(&open(directory.path(), 64 << 20));
}

#[test]
fn a_directory_belongs_to_one() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path(), 64 << 20);
    let options = DiskOptions {
        path: directory.path().into(),
        bytes: 64 << 20,
        min_free_bytes: 0,
    };
    assert!(Disk::open(&options).is_err());
}

#[test]
fn a_newer_object_takes_the_place_of_its_variant_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", b"old"));
    disk.offer(&object("/a", "de", b"new"));
    disk.flush();
    assert_eq!(body(&find(&disk, "/a", "de").unwrap()), b"new");
    assert_eq!(disk.stats().objects, 1);
    drop(disk);
    assert_eq!(
        body(&find(&open(directory.path(), 64 << 20), "/a", "de").unwrap()),
        b"new"
    );
}

/// Where the records of the only segment begin and end, and its path.
fn only_segment(directory: &Path) -> std::path::PathBuf {
    let found = segment::list(directory).unwrap();
    assert_eq!(found.len(), 1);
    found[0].1.clone()
}

#[test]
fn a_record_that_is_cut_or_rotten_anywhere_is_not_there_and_those_before_are() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", b"first"));
    disk.flush();
    let path = only_segment(directory.path());
    let first_end = std::fs::metadata(&path).unwrap().len();
    disk.offer(&object("/b", "de", &[b'b'; 300]));
    disk.flush();
    drop(disk);
    let whole = std::fs::read(&path).unwrap();
    let id_of = |n: usize| directory.path().join(format!("{n:08x}.segment"));
    for at in (first_end..whole.len() as u64).step_by(7) {
        for cut in [true, false] {
            std::fs::remove_file(id_of(0)).unwrap();
            let mut broken = whole.clone();
            if cut {
                broken.truncate(at as usize);
            } else {
                broken[at as usize] ^= 0x40;
            }
            std::fs::write(id_of(0), &broken).unwrap();
            let disk = open(directory.path(), 64 << 20);
            assert_eq!(body(&find(&disk, "/a", "de").unwrap()), b"first", "{at}");
            assert!(find(&disk, "/b", "de").is_none(), "{at} {cut}");
        }
    }
}

#[test]
fn random_bytes_are_no_segment_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut seed = 88_172_645_463_325_252_u64;
    for round in 0..50 {
        let disk = open(directory.path(), 64 << 20);
        disk.offer(&object("/a", "de", &[b'x'; 1000]));
        disk.flush();
        drop(disk);
        let found = segment::list(directory.path()).unwrap();
        for (_, path) in found {
            let file = File::options().write(true).open(&path).unwrap();
            for _ in 0..20 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = 16 + seed % 900;
                file.write_all_at(&seed.to_le_bytes(), at).unwrap();
            }
        }
        let disk = open(directory.path(), 64 << 20);
        if let Some(found) = find(&disk, "/a", "de") {
            assert_eq!(body(&found), [b'x'; 1000], "{round}");
        }
    }
}

#[test]
fn the_budget_holds_and_what_is_read_outlives_what_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 8 << 20;
    let disk = open(directory.path(), limit);
    let kept = object("/kept", "de", &[b'k'; 1000]);
    disk.offer(&kept);
    for n in 0..400 {
        disk.offer(&object(&format!("/{n}"), "de", &[b'x'; 100_000]));
        if n % 10 == 0 {
            disk.flush();
            assert!(disk.stats().bytes <= limit, "{:?}", disk.stats());
            assert!(find(&disk, "/kept", "de").is_some(), "{n}");
        }
    }
    disk.flush();
    assert!(find(&disk, "/0", "de").is_none());
    assert!(find(&disk, "/399", "de").is_some());
    let files: u64 = segment::list(directory.path())
        .unwrap()
        .iter()
        .map(|(_, path)| std::fs::metadata(path).unwrap().len())
        .sum();
    assert!(files <= limit, "{files}");
}

#[test]
fn a_purge_is_there_after_a_restart_and_without_a_journal_nothing_is() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", b"a"));
    disk.flush();
    let entry = disk.purges().note(Scope::Tag(b"red"), Manner::Hard, 0);
    assert!(disk.note(entry).wait_blocking());
    let after = object("/b", "de", b"b");
    after.set_judged(disk.purges().epoch());
    disk.offer(&after);
    disk.flush();
    drop(disk);
    let disk = open(directory.path(), 64 << 20);
    assert!(find(&disk, "/a", "de").is_none());
    assert!(find(&disk, "/b", "de").is_some());
    drop(disk);
    std::fs::remove_file(directory.path().join("purges.journal")).unwrap();
    let disk = open(directory.path(), 64 << 20);
    assert_eq!(disk.stats().objects, 0);
    assert!(segment::list(directory.path()).unwrap().is_empty());
}

#[test]
fn a_directory_that_goes_away_raises_an_alert_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("cache");
    let disk = open(&inner, 64 << 20);
    std::fs::remove_dir_all(&inner).unwrap();
    disk.offer(&object("/a", "de", b"a"));
    disk.flush();
    assert!(find(&disk, "/a", "de").is_none());
    let alerts = disk.take_alerts();
    assert!(
        alerts.iter().any(|alert| alert.contains("failed")),
        "{alerts:?}"
    );
    assert!(disk.take_alerts().is_empty());
    assert_eq!(disk.stats().errors, 1);
}

#[test]
fn a_directory_that_was_left_is_anothers_and_no_purge_is_acknowledged_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path(), 64 << 20);
    first.offer(&object("/a", "de", b"kept"));
    first.flush();
    first.leave();
    let second = open(directory.path(), 64 << 20);
    second.flush();
    assert_eq!(body(&find(&second, "/a", "de").unwrap()), b"kept");
    let entry = first
        .purges()
        .note(crate::purge::Scope::All, crate::Manner::Hard, 0);
    assert!(!first.note(entry).wait_blocking());
    first.offer(&object("/b", "de", b"late"));
    first.clear();
    first.flush();
    assert!(find(&first, "/a", "de").is_none());
    drop(first);
    assert_eq!(body(&find(&second, "/a", "de").unwrap()), b"kept");
}

/// A body that stays in its file.
fn large(byte: u8) -> Vec<u8> {
    vec![byte; 100_000]
}

#[test]
fn a_large_body_stays_in_its_file_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 8 << 20);
    disk.offer(&object("/large", "de", &large(b'l')));
    disk.offer(&object("/small", "de", &[b's'; 1000]));
    disk.flush();
    let small = find(&disk, "/small", "de").unwrap();
    assert!(small.filed().is_none() && small.chunks().concat() == [b's'; 1000]);
    let found = find(&disk, "/large", "de").unwrap();
    assert!(found.chunks().is_empty() && found.content_length() == 100_000);
    assert!(found.weight() < 2000, "{}", found.weight());
    assert!(body(&found) == large(b'l'));
    let hit = crate::Hit::new(found.clone(), 0);
    let held = hit.file.unwrap();
    disk.clear();
    disk.flush();
    assert!(!found.filed().unwrap().is_here());
    assert!(crate::Hit::new(found, 0).is_lost());
    // Who is being served has it to the end.
    let mut sent = vec![0; 100_000];
    held.file.read_exact_at(&mut sent, held.at).unwrap();
    assert!(sent == large(b'l'));
}

#[test]
fn a_large_body_that_is_rotten_is_not_there_and_one_that_was_compared_is_not_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", &large(b'a')));
    disk.flush();
    assert!(find(&disk, "/a", "de").is_some());
    let rot = |byte: &[u8]| {
        let path = only_segment(directory.path());
        let end = std::fs::metadata(&path).unwrap().len();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(byte, end - 500).unwrap();
    };
    rot(b"x");
    // Only its head is looked at.
    assert!(find(&disk, "/a", "de").is_some());
    drop(disk);
    let disk = open(directory.path(), 64 << 20);
    assert!(find(&disk, "/a", "de").is_none());
    assert_eq!(disk.stats().torn, 1);
    rot(b"a");
    drop(disk);
    let disk = open(directory.path(), 64 << 20);
    assert!(body(&find(&disk, "/a", "de").unwrap()) == large(b'a'));
}

#[test]
fn a_renewed_answer_whose_body_is_in_a_file_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", &large(b'a')));
    disk.flush();
    let found = find(&disk, "/a", "de").unwrap();
    let mut meta = found.meta.clone();
    meta.decision.fresh_until_ms = 99;
    let renewed = Arc::new(found.renewed(meta));
    assert!(disk.forget_variant(&renewed));
    disk.offer(&renewed);
    disk.flush();
    drop(disk);
    let disk = open(directory.path(), 64 << 20);
    let found = find(&disk, "/a", "de").unwrap();
    assert_eq!(found.decision().fresh_until_ms, 99);
    assert!(body(&found) == large(b'a'));
}

/// A segment of a device that answers everything with EIO: the kernel does so for addresses that nothing is mapped at.
fn failing_segment(id: u32) -> Arc<Segment> {
    let path = Path::new("/proc/self/mem");
    let file = File::options().read(true).write(true).open(path).unwrap();
    Arc::new(Segment::over(file, id, 1 << 20))
}

fn is_of_device(alerts: &[String], what: &str) -> bool {
    let is_it = |alert: &String| alert.starts_with(what) && alert.contains("os error 5");
    alerts.iter().any(is_it)
}

#[test]
fn a_device_that_cannot_be_read_raises_an_alert_and_the_object_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", &large(b'a')));
    disk.flush();
    disk.inner.segments.write().insert(0, failing_segment(0));
    assert!(find(&disk, "/a", "de").is_none());
    assert!(is_of_device(&disk.take_alerts(), "reading"));
    assert_eq!((disk.stats().errors, disk.stats().objects), (1, 0));
}

#[test]
fn a_device_that_cannot_be_written_pauses_the_writing_with_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    let mut writer = Writer {
        inner: disk.inner.clone(),
        found: Vec::new(),
        active: Some(failing_segment(7)),
        next_id: 8,
        paused_until: None,
    };
    let written = object("/a", "de", b"a");
    written.set_offered(true);
    writer.write(&written);
    assert!(is_of_device(&disk.take_alerts(), "writing"));
    assert!(!written.is_offered(), "it may be offered again");
    writer.write(&written);
    assert!(
        disk.take_alerts().is_empty(),
        "nothing is tried for a while"
    );
    assert_eq!((disk.stats().errors, disk.stats().objects), (1, 0));
    writer.paused_until = Some(Instant::now());
    writer.write(&written);
    assert!(disk.take_alerts().iter().any(|a| a.contains("works again")));
    assert_eq!(disk.stats().objects, 1);
}

#[test]
fn a_disk_that_is_to_stay_free_is_not_filled() {
    let directory = tempfile::tempdir().unwrap();
    let disk = open(directory.path(), 64 << 20);
    disk.offer(&object("/a", "de", b"a"));
    disk.flush();
    let mut options = DiskOptions {
        path: directory.path().into(),
        bytes: 64 << 20,
        min_free_bytes: u64::MAX,
    };
    disk.set_limits(&options);
    disk.offer(&object("/b", "de", b"b"));
    disk.flush();
    assert!(find(&disk, "/b", "de").is_none());
    // Ours made room, for what it is worth.
    assert!(find(&disk, "/a", "de").is_none());
    assert!(
        disk.take_alerts()
            .iter()
            .any(|a| a.contains("no storage space"))
    );
    options.min_free_bytes = 1;
    disk.set_limits(&options);
    assert!(disk.inner.min_free_bytes.load(Relaxed) == 1);
}
