//! When stale answers stand in, and for whom a fill is begun.

use crate::rig::*;
use seawall_cache::*;
use seawall_http::Method;
use std::time::Duration;

const ETAG: (&str, &str) = ("ETag", "\"1\"");

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn while_the_origin_cannot_be_reached_a_stale_answer_stands_in_unless_that_was_forbidden() {
    // RFC 9111 §4.2.4 and its four prohibitions.
    for (control, stands_in) in [
        ("max-age=60", true),
        ("max-age=60, must-revalidate", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, no-cache", false),
        ("s-maxage=60", false),
    ] {
        let mut rig = Rig::new();
        rig.rules.stale_while_disconnected = secs(100);
        rig.store("/a", &[(CC, control), ETAG], "old");
        rig.pass_s(61);
        let fill = revalidate(rig.get("/a"));
        let served = fill.failed(Failure::Unreached, rig.now_ms);
        assert_eq!(served.is_some(), stands_in, "{control}");
    }
}

#[test]
fn an_error_of_the_origin_is_an_answer_and_no_disconnection() {
    let mut rig = Rig::new();
    rig.rules.stale_while_disconnected = secs(100);
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "old");
    rig.pass_s(61);
    let mut fill = revalidate(rig.get("/a"));
    assert!(matches!(
        rig.respond(&mut fill, &[], 503, &[]),
        Responded::Pass(_)
    ));
    drop(fill);
    rig.pass_s(2);
    let fill = revalidate(rig.get("/a"));
    assert!(fill.failed(Failure::Invalid, rig.now_ms).is_none());
    rig.pass_s(100);
    let fill = revalidate(rig.get("/a"));
    assert!(fill.failed(Failure::TimedOut, rig.now_ms).is_none());
}

/// nginx's profile, with lifetimes for all and what stands in.
fn nginx(use_stale: UseStale) -> Rig {
    let mut rig = Rig::new();
    rig.rules.profile = Profile::Nginx;
    rig.rules.valid = vec![(vec![], Duration::from_secs(60))];
    rig.rules.use_stale = use_stale;
    rig
}

#[test]
fn in_the_profile_of_nginx_exactly_what_is_named_is_stood_in_for_however_stale() {
    let all: &[Failure] = &[
        Failure::Unreached,
        Failure::TimedOut,
        Failure::Invalid,
        Failure::Status(503),
        Failure::Status(404),
    ];
    let named = UseStale {
        timed_out: true,
        statuses: [404, 0, 0, 0, 0, 0, 0],
        ..UseStale::default()
    };
    for &failure in all {
        let mut rig = nginx(named);
        rig.store("/a", &[], "old");
        rig.pass_s(100_000);
        let mut fill = revalidate(rig.get("/a"));
        let stood_in = match failure {
            Failure::Status(status) => matches!(
                rig.respond(&mut fill, &[], status, &[]),
                Responded::StaleIfError(_)
            ),
            failure => fill.failed(failure, rig.now_ms).is_some(),
        };
        let expected = matches!(failure, Failure::TimedOut | Failure::Status(404));
        assert_eq!(stood_in, expected, "{failure:?}");
    }
}

#[test]
fn updating_serves_the_others_while_the_first_waits_and_the_first_too_in_the_background() {
    let updating = UseStale {
        updating: true,
        ..UseStale::default()
    };
    for background in [false, true] {
        let mut rig = nginx(updating);
        rig.rules.background_update = background;
        rig.store("/a", &[], "old");
        rig.pass_s(61);
        let first = rig.get("/a");
        let expected = if background {
            "stale, renew"
        } else {
            "revalidate"
        };
        assert_eq!(kind(&first), expected);
        assert_eq!(kind(&rig.get("/a")), "stale");
        drop(first);
    }
}

#[test]
fn nginx_validates_only_where_it_is_told_to() {
    for told in [false, true] {
        let mut rig = nginx(UseStale::default());
        rig.rules.revalidate = told;
        rig.store("/a", &[ETAG], "old");
        rig.pass_s(61);
        let fill = revalidate(rig.get("/a"));
        assert_eq!(fill.validators().is_some(), told);
    }
}

#[test]
fn a_key_is_stored_once_it_was_asked_for_often_enough() {
    let mut rig = Rig::new();
    rig.rules.min_uses = 3;
    assert_eq!(kind(&rig.get("/a")), "pass");
    assert_eq!(kind(&rig.get("/a")), "pass");
    assert_eq!(kind(&rig.get("/b")), "pass");
    let fill = miss(rig.get("/a"));
    rig.complete(fill, &[], &[(CC, "max-age=60")], "a");
    assert_eq!(kind(&rig.get("/a")), "hit");
}

#[test]
fn a_fill_that_takes_too_long_is_overtaken_and_not_stored() {
    let mut rig = Rig::new();
    rig.rules.fill_age = secs(5);
    let slow = miss(rig.get("/a"));
    assert_eq!(kind(&rig.get("/a")), "join");
    rig.pass_s(6);
    let quick = miss(rig.get("/a"));
    assert!(
        rig.complete(slow, &[], &[(CC, "max-age=60")], "slow")
            .is_none()
    );
    assert!(
        rig.complete(quick, &[], &[(CC, "max-age=60")], "quick")
            .is_some()
    );
    assert_eq!(hit(rig.get("/a")).object.body().unwrap(), "quick");
}

#[test]
fn a_reload_fetches_what_is_fresh_and_its_answer_takes_its_place() {
    let rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG], "old");
    let asked = Head::new(&[]);
    let request = Request {
        method: Method::Get,
        fields: asked.fields(),
        now_ms: rig.now_ms,
    };
    let reload = || rig.cache.reload(key("/a").as_ref(), &request, &rig.rules);
    let fill = miss(reload());
    assert!(fill.validators().is_none());
    assert_eq!(kind(&reload()), "bypass", "the second goes past the cache");
    assert_eq!(kind(&rig.get("/a")), "hit", "others are served");
    rig.complete(fill, &[], &[(CC, "max-age=60")], "new");
    assert_eq!(hit(rig.get("/a")).object.body().unwrap(), "new");
}

#[test]
fn what_is_refused_is_not_stored_and_not_waited_for() {
    let rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let Responded::Pass(decision) = fill.refuse(Reason::Oversize, rig.now_ms, true) else {
        panic!()
    };
    assert_eq!(decision.reason, Reason::Oversize);
    assert_eq!(kind(&rig.get("/a")), "pass");
}

/// A HEAD that went to the origin and came back.
fn head_came(rig: &Rig, status: u16, lines: &[(&str, &str)]) {
    let (asked, answered) = (Head::new(&[]), Head::new(lines));
    let request = Request {
        method: Method::Head,
        fields: asked.fields(),
        now_ms: rig.now_ms,
    };
    let response = ResponseMeta {
        status,
        fields: answered.fields(),
        request_time_ms: rig.now_ms,
        response_time_ms: rig.now_ms,
    };
    rig.cache
        .freshen(key("/a").as_ref(), &request, &rig.rules, &response);
}

#[test]
fn an_answer_to_head_updates_what_is_stored_rfc_9111_4_3_5() {
    let mut rig = Rig::new();
    rig.store("/a", &[(CC, "max-age=60"), ETAG, ("X", "1")], "body");
    rig.pass_s(61);
    let length = ("Content-Length", "4");
    head_came(&rig, 200, &[(CC, "max-age=90"), ETAG, ("X", "2"), length]);
    let hit = hit(rig.get("/a"));
    assert_eq!(hit.object.fields().find(b"X"), Some(b"2".as_slice()));
    assert_eq!(
        (hit.ttl_s, hit.object.body().unwrap().as_ref()),
        (90, &b"body"[..])
    );
}

#[test]
fn an_answer_to_head_that_speaks_of_another_representation_drops_what_is_stored() {
    type Lines = &'static [(&'static str, &'static str)];
    let cases: [(u16, Lines, bool); 6] = [
        (200, &[(CC, "max-age=90"), ("ETag", "\"2\"")], false),
        (200, &[(CC, "max-age=90"), ("Content-Length", "5")], false),
        (200, &[(CC, "no-store")], false),
        (404, &[], false),
        (410, &[], false),
        (500, &[], true),
    ];
    for (status, lines, kept) in cases {
        let rig = Rig::new();
        rig.store("/a", &[(CC, "max-age=60"), ETAG], "body");
        head_came(&rig, status, lines);
        assert_eq!(kind(&rig.get("/a")) == "hit", kept, "{status} {lines:?}");
    }
}
