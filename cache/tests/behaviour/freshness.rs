//! Fresh, stale, validated, standing in.

use crate::rig::*;
use seawall_cache::*;
use seawall_http::{Fields, Method};
use std::time::Duration;

const ETAG: (&str, &str) = ("ETag", "\"v1\"");

#[test]
fn what_was_stored_is_served_with_its_age_until_it_is_stale() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ("Age", "10"), ETAG], "body");
    rig.pass_s(5);
    let hit = hit(rig.get("/a"));
    assert_eq!((hit.age_s, hit.ttl_s), (15, 45));
    assert_eq!(body(&hit.object), b"body");
    let head = std::str::from_utf8(hit.object.head()).unwrap();
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 4\r\n"
    );
    rig.pass_s(45);
    assert_eq!(kind(&rig.get("/a")), "revalidate");
}

#[test]
fn an_empty_body_is_a_body() {
    let rig = Rig::new();
    let object = rig.store("/a", &[(CC, "max-age=60"), ("Content-Length", "0")], "");
    assert_eq!(
        (
            object.content_length(),
            object.body().map(|body| body.len())
        ),
        (0, Some(0))
    );
    assert_eq!(kind(&rig.get("/a")), "hit");
}

#[test]
fn a_304_renews_head_and_freshness_over_the_same_body() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG, ("X-A", "1")], "body");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    assert_eq!(fill.validators(), Some((Some(b"\"v1\"".as_slice()), None)));
    let lines = [(CC, "max-age=30"), ETAG, ("X-A", "2"), ("Age", "4")];
    let Responded::NotModified(renewed) = rig.respond(&mut fill, &[], 304, &lines) else {
        panic!()
    };
    assert_eq!((renewed.age_s, renewed.ttl_s), (4, 26));
    drop(fill);
    rig.pass_s(25);
    let hit = hit(rig.get("/a"));
    assert_eq!(body(&hit.object), b"body");
    assert_eq!(hit.object.fields().find(b"x-a"), Some(b"2".as_slice()));
    assert_eq!((hit.age_s, rig.cache.stats().objects), (29, 1));
}

#[test]
fn a_200_to_a_revalidation_replaces_what_was_stored() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "old");
    rig.pass_s(61);
    let fill = revalidate(rig.get("/a"));
    rig.complete(fill, &[], &[(CC, "max-age=60"), ("ETag", "\"v2\"")], "new")
        .unwrap();
    assert_eq!(body(&hit(rig.get("/a")).object), b"new");
    assert_eq!(rig.cache.stats().objects, 1);
}

#[test]
fn a_304_that_names_another_answer_serves_once_and_drops_the_stored_one() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "old");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let responded = rig.respond(&mut fill, &[], 304, &[("ETag", "\"other\"")]);
    assert!(matches!(responded, Responded::NotModified(hit) if body(&hit.object) == b"old"));
    assert_eq!(rig.cache.stats().objects, 0);
}

#[test]
fn a_304_that_nobody_asked_for_is_not_stored_or_remembered() {
    let rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let responded = rig.respond(&mut fill, &[], 304, &[(CC, "max-age=60")]);
    assert!(matches!(responded, Responded::Pass(decision) if decision.reason == "unsolicited-304"));
    drop(fill);
    assert_eq!(kind(&rig.get("/a")), "miss");
}

#[test]
fn an_answer_that_may_not_be_kept_supersedes_the_stored_one() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "old");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    assert!(matches!(
        rig.respond(&mut fill, &[], 200, &[(CC, "no-store")]),
        Responded::Pass(_)
    ));
    drop(fill);
    assert_eq!(rig.cache.stats().objects, 0);
    // Remembered for some seconds: everybody goes on their own.
    assert_eq!(kind(&rig.get("/a")), "pass");
    assert_eq!(kind(&rig.get("/a")), "pass");
    rig.pass_s(6);
    drop(miss(rig.get("/a")));
}

#[test]
fn a_stale_answer_stands_in_for_a_failing_origin_rfc_5861_4() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60, stale-if-error=100"), ETAG], "old");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    let Responded::StaleIfError(stale) = rig.respond(&mut fill, &[], 503, &[]) else {
        panic!()
    };
    assert_eq!(
        (body(&stale.object).as_slice(), stale.ttl_s),
        (b"old".as_slice(), -1)
    );
    drop(fill);
    // For a second it stands in at once; then the origin is asked again, and cannot be reached.
    assert_eq!(kind(&rig.get("/a")), "stale");
    rig.pass_s(2);
    let fill = revalidate(rig.get("/a"));
    assert_eq!(
        fill.failed(Failure::Unreached, rig.now_ms)
            .map(|hit| body(&hit.object)),
        Some(b"old".to_vec())
    );
    rig.pass_s(100);
    let fill = revalidate(rig.get("/a"));
    assert!(fill.failed(Failure::Unreached, rig.now_ms).is_none());
}

#[test]
fn what_must_be_revalidated_never_stands_in_rfc_9111_5_2_2_2() {
    let mut rig = Rig::new();
    rig.rules.stale_if_error = Some(Duration::from_secs(600));
    rig.store("/a", &[(CC, "max-age=60, must-revalidate"), ETAG], "old");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    assert!(matches!(
        rig.respond(&mut fill, &[], 503, &[]),
        Responded::Pass(_)
    ));
}

#[test]
fn one_caller_renews_and_all_are_served_rfc_5861_3() {
    let mut rig = Rig::new();
    rig.store(
        "/a",
        &[(CC, "max-age=60, stale-while-revalidate=60"), ETAG],
        "old",
    );
    rig.pass_s(61);
    let Lookup::Stale(_, Some(fill), _) = rig.get("/a") else {
        panic!()
    };
    assert_eq!(kind(&rig.get("/a")), "stale");
    drop(fill);
    // Dropped unfinished: the next one may try.
    let Lookup::Stale(_, Some(fill), _) = rig.get("/a") else {
        panic!()
    };
    rig.complete(fill, &[], &[(CC, "max-age=60")], "new")
        .unwrap();
    assert_eq!(body(&hit(rig.get("/a")).object), b"new");
}

#[test]
fn past_its_grace_an_answer_is_validated_first() {
    let mut rig = Rig::new();
    rig.store(
        "/a",
        &[(CC, "max-age=60, stale-while-revalidate=60")],
        "old",
    );
    rig.pass_s(121);
    // Without a validator the whole answer is fetched.
    assert_eq!(revalidate(rig.get("/a")).validators(), None);
}

#[test]
fn a_request_may_ask_for_more_than_freshness_rfc_9111_5_2_1() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "x");
    rig.pass_s(30);
    let table = [
        ("no-cache", "revalidate"),
        ("max-age=0", "revalidate"),
        ("max-age=29", "revalidate"),
        ("max-age=30", "hit"),
        ("min-fresh=30", "hit"),
        ("min-fresh=31", "revalidate"),
        ("no-store", "request"),
        ("only-if-cached", "hit"),
        ("no-cache, only-if-cached", "only-if-cached"),
    ];
    for (value, expected) in table {
        assert_eq!(
            kind(&rig.ask(Method::Get, "/a", &[(CC, value)])),
            expected,
            "{value}"
        );
    }
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[("Pragma", "no-cache")])),
        "revalidate"
    );
    assert_eq!(
        kind(&rig.ask(Method::Get, "/none", &[(CC, "only-if-cached")])),
        "only-if-cached"
    );
    rig.pass_s(40);
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[(CC, "max-stale=10")])),
        "stale"
    );
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[(CC, "max-stale=9")])),
        "revalidate"
    );
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[(CC, "max-stale")])),
        "stale"
    );
}

#[test]
fn nginx_ignores_what_a_request_asks_and_does_not_validate() {
    let mut rig = Rig::new();
    rig.rules.profile = Profile::Nginx;
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "x");
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[(CC, "no-cache"), ("Cookie", "a=b")])),
        "hit"
    );
    rig.pass_s(61);
    assert_eq!(revalidate(rig.get("/a")).validators(), None);
}

#[test]
fn head_is_answered_from_the_store_or_passes() {
    let rig = Rig::new();
    assert_eq!(kind(&rig.ask(Method::Head, "/a", &[])), "method");
    rig.store("/a", &[(CC, "max-age=60")], "x");
    assert_eq!(kind(&rig.ask(Method::Head, "/a", &[])), "hit");
    assert_eq!(kind(&rig.ask(Method::Post, "/a", &[])), "method");
}

#[test]
fn conditions_are_answered_from_the_store_rfc_9110_13() {
    let rig = Rig::new();
    let modified = ("Last-Modified", "Sat, 05 Nov 1994 08:49:37 GMT");
    let object = rig.store(
        "/a",
        &[(CC, "max-age=60"), ("ETag", "W/\"v1\""), modified],
        "x",
    );
    let (before, after) = (
        "Fri, 04 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
    );
    let table: &[(&[(&str, &str)], bool)] = &[
        (&[], false),
        (&[("If-None-Match", "\"v1\"")], true),
        (&[("If-None-Match", "\"v0\", W/\"v1\"")], true),
        (&[("If-None-Match", "*")], true),
        (&[("If-None-Match", "\"v0\\\", \"v1\"")], true),
        (&[("If-None-Match", "\"v0\"")], false),
        (&[("If-Modified-Since", modified.1)], true),
        (&[("If-Modified-Since", after)], true),
        (&[("If-Modified-Since", before)], false),
        (&[("If-Modified-Since", "yesterday")], false),
        (
            &[("If-None-Match", "\"v0\""), ("If-Modified-Since", after)],
            false,
        ),
    ];
    for (lines, expected) in table {
        let head = Head::new(lines);
        let request = Request {
            method: Method::Get,
            fields: head.fields(),
            now_ms: rig.now_ms,
        };
        assert_eq!(not_modified(&object, &request), *expected, "{lines:?}");
    }
    let post = Request {
        method: Method::Post,
        fields: Fields::EMPTY,
        now_ms: rig.now_ms,
    };
    assert!(!not_modified(&object, &post));
}

#[test]
fn a_body_of_another_length_than_promised_is_not_stored() {
    let rig = Rig::new();
    let fill = miss(rig.get("/a"));
    let lines = [(CC, "max-age=60"), ("Content-Length", "5")];
    assert!(rig.complete(fill, &[], &lines, "four").is_none());
    assert_eq!(
        (kind(&rig.get("/a")), rig.cache.stats().objects),
        ("miss", 0)
    );
}
