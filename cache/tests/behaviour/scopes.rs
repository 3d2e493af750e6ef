//! Purges by what an object is labelled with.

use crate::rig::*;
use bytes::Bytes;
use seawall_cache::*;

/// A fill that is told where it is.
fn located(rig: &Rig, path: &str) -> Fill {
    let mut fill = miss(rig.get(path));
    fill.locate(&"shop".into(), format!("shop.test{path}").as_bytes());
    fill
}

fn stored(lines: &[(&str, &str)]) -> Rig {
    let rig = Rig::new();
    let fill = located(&rig, "/a/1");
    rig.complete(fill, &[], lines, "old").unwrap();
    rig
}

fn purge(rig: &Rig, scope: Scope<'_>, manner: Manner) {
    let durable = rig.cache.purge_scope(scope, manner, rig.now_ms);
    assert!(durable.wait_blocking());
}

const TAGGED: [(&str, &str); 3] = [
    (CC, "max-age=60, stale-while-revalidate=30"),
    ("Surrogate-Key", "red green"),
    ("Cache-Tag", "blue, dark blue"),
];

const NAMING: [Scope<'static>; 6] = [
    Scope::All,
    Scope::Site(b"shop"),
    Scope::Tag(b"dark blue"),
    Scope::Tag(b"red"),
    Scope::Prefix(b"shop.test/a/"),
    Scope::Url(b"shop.test/a/1"),
];

#[test]
fn a_hard_purge_drops_what_it_names() {
    for scope in NAMING {
        let rig = stored(&TAGGED);
        assert_eq!(kind(&rig.get("/a/1")), "hit");
        purge(&rig, scope, Manner::Hard);
        assert_eq!(kind(&rig.get("/a/1")), "miss", "{scope:?}");
        assert_eq!(rig.cache.stats().objects, 0, "{scope:?}");
    }
    let rig = stored(&TAGGED);
    for scope in [
        Scope::Site(b"a"),
        Scope::Tag(b"dark"),
        Scope::Prefix(b"shop.test/b"),
    ] {
        purge(&rig, scope, Manner::Hard);
        assert_eq!(kind(&rig.get("/a/1")), "hit", "{scope:?}");
    }
}

#[test]
fn a_soft_purge_lets_it_serve_while_it_is_renewed_and_not_longer() {
    for scope in NAMING {
        let mut rig = stored(&TAGGED);
        rig.pass_s(10);
        purge(&rig, scope, Manner::Soft);
        let Lookup::Stale(stale, Some(fill), _) = rig.get("/a/1") else {
            panic!("{scope:?}: stale, with a fill to renew it")
        };
        assert_eq!((stale.age_s, stale.ttl_s), (10, 0));
        assert_eq!(kind(&rig.get("/a/1")), "stale", "while it is renewed");
        rig.complete(fill, &[], &TAGGED, "new").unwrap();
        assert_eq!(body(&hit(rig.get("/a/1")).object), b"new");
        // The window is as long as it was, from the purge on.
        purge(&rig, scope, Manner::Soft);
        rig.pass_s(29);
        assert_eq!(kind(&rig.get("/a/1")), "stale, renew");
        rig.pass_s(1);
        assert_eq!(kind(&rig.get("/a/1")), "revalidate");
    }
}

#[test]
fn a_soft_purge_of_what_may_not_be_stale_is_validated() {
    let rig = stored(&[(CC, "max-age=60"), ("ETag", "\"a\""), ("CDN-Tag", "red")]);
    purge(&rig, Scope::Tag(b"red"), Manner::Soft);
    let mut fill = revalidate(rig.get("/a/1"));
    assert!(fill.validators().is_some());
    let renewed = rig.respond(&mut fill, &[], 304, &[(CC, "max-age=60")]);
    assert!(matches!(renewed, Responded::NotModified(_)));
    drop(fill);
    let hit = hit(rig.get("/a/1"));
    // A 304 without a word on tags leaves those that were.
    assert_eq!(hit.object.tags().collect::<Vec<_>>(), [b"red"]);
    purge(&rig, Scope::Tag(b"red"), Manner::Hard);
    assert_eq!(kind(&rig.get("/a/1")), "miss");
}

#[test]
fn a_purge_during_a_fill_wins_whenever_it_comes() {
    for scope in NAMING {
        for after_head in [false, true] {
            for asked_again in [false, true] {
                let rig = Rig::new();
                let mut old = located(&rig, "/a/1");
                if !after_head {
                    purge(&rig, scope, Manner::Hard);
                }
                rig.respond(&mut old, &[], 200, &TAGGED);
                if after_head {
                    purge(&rig, scope, Manner::Hard);
                }
                old.push(Bytes::from_static(b"old")).unwrap();
                let new = asked_again.then(|| miss(rig.get("/a/1")));
                assert!(old.finish().is_none(), "{scope:?}");
                drop(new);
                assert_eq!(kind(&rig.get("/a/1")), "miss", "{scope:?}");
            }
        }
    }
}

#[test]
fn a_soft_purge_during_a_fill_leaves_it_stale() {
    let rig = Rig::new();
    let fill = located(&rig, "/a/1");
    purge(&rig, Scope::Tag(b"red"), Manner::Soft);
    rig.complete(fill, &[], &TAGGED, "old").unwrap();
    assert_eq!(kind(&rig.get("/a/1")), "stale, renew");
}

#[test]
fn a_fill_that_no_purge_meant_is_joined_and_stored() {
    let rig = Rig::new();
    let mut fill = located(&rig, "/a/1");
    rig.respond(&mut fill, &[], 200, &TAGGED);
    purge(&rig, Scope::Tag(b"other"), Manner::Hard);
    assert_eq!(kind(&rig.get("/a/1")), "join");
    fill.push(Bytes::from_static(b"x")).unwrap();
    assert!(fill.finish().is_some());
    assert_eq!(kind(&rig.get("/a/1")), "hit");
}

#[test]
fn tags_are_not_told_to_clients() {
    let rig = stored(&TAGGED);
    let hit = hit(rig.get("/a/1"));
    let head = String::from_utf8(hit.object.head().to_vec()).unwrap();
    assert!(!head.contains("red") && !head.contains("blue"), "{head}");
    assert_eq!(hit.object.tags().count(), 4);
    assert_eq!(
        (hit.object.site(), hit.object.url()),
        ("shop", &b"shop.test/a/1"[..])
    );
}

#[test]
fn what_could_not_be_purged_by_all_its_tags_is_not_stored() {
    let rig = Rig::new();
    let mut fill = located(&rig, "/a/1");
    let tags = "x,".repeat(10_000);
    let responded = rig.respond(
        &mut fill,
        &[],
        200,
        &[(CC, "max-age=60"), ("Cache-Tag", &tags)],
    );
    assert!(matches!(responded, Responded::Pass(decision) if decision.reason == "tags"));
}

#[test]
fn looking_tells_what_a_request_would_get_and_changes_nothing() {
    let mut rig = stored(&TAGGED);
    let explain = |rig: &Rig, lines: &[(&str, &str)]| {
        let head = Head::new(lines);
        let request = Request {
            method: seawall_http::Method::Get,
            fields: head.fields(),
            now_ms: rig.now_ms,
        };
        let said = rig
            .cache
            .explain(key("/a/1").as_ref(), &request, &rig.rules);
        format!("{}: {}", said.answer, said.why)
    };
    let before = rig.cache.stats();
    assert_eq!(explain(&rig, &[]), "hit: fresh");
    assert_eq!(explain(&rig, &[(CC, "no-cache")]), "revalidate: request");
    assert_eq!(explain(&rig, &[(CC, "no-store")]), "pass: request-no-store");
    assert_eq!(explain(&rig, &[("Cookie", "a=b")]), "pass: credentials");
    rig.pass_s(65);
    assert_eq!(explain(&rig, &[]), "stale: stale-while-revalidate");
    rig.pass_s(65);
    assert_eq!(explain(&rig, &[]), "revalidate: stale");
    assert_eq!(
        explain(&rig, &[(CC, "only-if-cached")]),
        "only-if-cached: stale"
    );
    assert_eq!(rig.cache.variants(key("/a/1").as_ref()).len(), 1);
    assert_eq!(
        rig.cache.list(10, &|object| object.site() == "shop").len(),
        1
    );
    purge(&rig, Scope::Tag(b"red"), Manner::Hard);
    assert_eq!(explain(&rig, &[]), "miss: absent");
    assert!(rig.cache.variants(key("/a/1").as_ref()).is_empty());
    assert!(rig.cache.list(10, &|_| true).is_empty());
    assert_eq!(rig.cache.stats(), before);
}
