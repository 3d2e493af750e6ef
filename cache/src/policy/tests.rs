//! The policy as tables: request, response, rules, and what becomes of it.

use super::*;
use crate::testing::Head;
use seawall_http::Method;
use std::time::Duration;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOW_S: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const MINUTE_AGO: &str = "Sun, 06 Nov 1994 08:48:37 GMT";
const MINUTE_AHEAD: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const LONG_AGO: &str = "Sat, 05 Nov 1994 08:49:37 GMT";

type Lines<'a> = &'a [(&'a str, &'a str)];

fn decide_with(request: Lines<'_>, status: u16, response: Lines<'_>, rules: &Rules) -> Decision {
    let (request, response) = (Head::new(request), Head::new(response));
    let request = Request {
        method: Method::Get,
        fields: request.fields(),
        now_ms: NOW_S * 1000,
    };
    let meta = ResponseMeta {
        status,
        fields: response.fields(),
        request_time_ms: NOW_S * 1000,
        response_time_ms: NOW_S * 1000,
    };
    decide(&request, &meta, rules)
}

fn nginx() -> Rules {
    Rules {
        profile: Profile::Nginx,
        ..Rules::default()
    }
}

/// Stored with this reason and lifetime.
fn assert_stored(
    request: Lines<'_>,
    status: u16,
    response: Lines<'_>,
    rules: &Rules,
    reason: &str,
    ttl_s: i64,
) {
    let decision = decide_with(request, status, response, rules);
    assert_eq!(
        (decision.store, decision.reason.as_str(), decision.ttl_s),
        (true, reason, ttl_s),
        "{status} {response:?}"
    );
    assert_eq!(
        decision.fresh_until_ms as i64,
        NOW_S as i64 * 1000 + ttl_s * 1000
    );
}

/// Not stored, for this reason.
fn assert_passed(
    request: Lines<'_>,
    status: u16,
    response: Lines<'_>,
    rules: &Rules,
    reason: &str,
) {
    let decision = decide_with(request, status, response, rules);
    assert_eq!(
        (decision.store, decision.reason.as_str()),
        (false, reason),
        "{status} {response:?}"
    );
}

const CC: &str = "Cache-Control";

#[test]
fn explicit_freshness_by_precedence_rfc_9111_4_2_1() {
    let rules = Rules::default();
    let table: &[(Lines<'_>, &str, i64)] = &[
        (&[(CC, "max-age=60")], "max-age", 60),
        (&[(CC, "MAX-AGE = 60")], "max-age", 60),
        (&[(CC, "max-age=\"60\"")], "max-age", 60),
        (&[(CC, "max-age=60, s-maxage=30")], "s-maxage", 30),
        (&[(CC, "max-age=60"), (CC, "s-maxage=90")], "s-maxage", 90),
        (&[(CC, "max-age=60"), ("Expires", LONG_AGO)], "max-age", 60),
        (&[("Date", DATE), ("Expires", MINUTE_AHEAD)], "expires", 60),
        (
            &[("Date", MINUTE_AGO), ("Expires", MINUTE_AHEAD)],
            "expires",
            60,
        ),
        (&[(CC, "max-age=60, max-age=10")], "max-age", 10),
        (&[(CC, "max-age=99999999999999999999")], "max-age", 1 << 31),
        (&[(CC, "x=\"max-age=5\", max-age=60")], "max-age", 60),
    ];
    for (response, reason, ttl_s) in table {
        assert_stored(&[], 200, response, &rules, reason, *ttl_s);
    }
}

#[test]
fn what_cannot_be_read_has_expired_rfc_9111_4_2_1_and_5_3() {
    let rules = Rules::default();
    let table: &[Lines<'_>] = &[
        &[(CC, "max-age=abc")],
        &[(CC, "max-age=-1")],
        &[(CC, "max-age")],
        &[(CC, "max-age=1.5")],
        &[(CC, "max-age=0")],
        &[("Date", DATE), ("Expires", "0")],
        &[("Date", DATE), ("Expires", LONG_AGO)],
    ];
    for response in table {
        assert_passed(&[], 200, response, &rules, "expired");
        // With a validator it may be kept and asked about each time.
        let with_validator = [*response, &[("ETag", "\"a\"")]].concat();
        assert!(decide_with(&[], 200, &with_validator, &rules).store);
    }
}

#[test]
fn age_counts_from_where_the_answer_was_made_rfc_9111_4_2_3() {
    let rules = Rules::default();
    let table: &[(Lines<'_>, i64)] = &[
        (&[(CC, "max-age=100"), ("Age", "30")], 70),
        (&[(CC, "max-age=100"), ("Date", MINUTE_AGO)], 40),
        (
            &[(CC, "max-age=100"), ("Date", MINUTE_AGO), ("Age", "70")],
            30,
        ),
        (
            &[(CC, "max-age=100"), ("Date", MINUTE_AGO), ("Age", "20")],
            40,
        ),
        (&[(CC, "max-age=100"), ("Date", MINUTE_AHEAD)], 100),
        (&[(CC, "max-age=100"), ("Age", "junk")], 100),
        (&[(CC, "max-age=100"), ("Age", "30, 90")], 70),
    ];
    for (response, ttl_s) in table {
        assert_stored(&[], 200, response, &rules, "max-age", *ttl_s);
    }
}

#[test]
fn the_response_delay_counts_as_age_rfc_9111_4_2_3() {
    let response = Head::new(&[(CC, "max-age=100"), ("Age", "10")]);
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: NOW_S * 1000,
    };
    let meta = ResponseMeta {
        status: 200,
        fields: response.fields(),
        request_time_ms: (NOW_S - 5) * 1000,
        response_time_ms: NOW_S * 1000,
    };
    assert_eq!(decide(&request, &meta, &Rules::default()).ttl_s, 85);
}

#[test]
fn what_must_not_be_stored_rfc_9111_3() {
    let rules = Rules::default();
    let table: &[(u16, Lines<'_>, &str)] = &[
        (200, &[(CC, "max-age=60, no-store")], "no-store"),
        (200, &[(CC, "private, max-age=60")], "private"),
        (
            200,
            &[(CC, "max-age=60"), ("Vary", "Accept, *")],
            "vary-star",
        ),
        (
            200,
            &[(CC, "public, max-age=60"), ("Set-Cookie", "a=b")],
            "set-cookie",
        ),
        (206, &[(CC, "max-age=60")], "partial"),
        (304, &[(CC, "max-age=60")], "partial"),
        (101, &[(CC, "max-age=60")], "status"),
        (
            299,
            &[(CC, "max-age=60, must-understand")],
            "must-understand",
        ),
        (200, &[], "no-freshness"),
        (200, &[("ETag", "\"a\"")], "no-freshness"),
        (500, &[], "no-freshness"),
    ];
    for (status, response, reason) in table {
        assert_passed(&[], *status, response, &rules, reason);
    }
    // Understood: no-store is for those who do not (§5.2.2.3).
    assert_stored(
        &[],
        200,
        &[(CC, "must-understand, no-store, max-age=60")],
        &rules,
        "max-age",
        60,
    );
    assert_stored(&[], 503, &[(CC, "max-age=60")], &rules, "max-age", 60);
}

#[test]
fn other_methods_are_not_stored() {
    let response = Head::new(&[(CC, "max-age=60")]);
    let meta = ResponseMeta {
        status: 200,
        fields: response.fields(),
        request_time_ms: 0,
        response_time_ms: 0,
    };
    let post = Request {
        method: Method::Post,
        fields: Fields::EMPTY,
        now_ms: 0,
    };
    assert_eq!(decide(&post, &meta, &Rules::default()).reason, "method");
}

#[test]
fn no_cache_and_private_may_name_fields_only_rfc_9111_5_2_2_4() {
    let response = Head::new(&[(CC, "max-age=60, no-cache=\"x-a, X-B\", private=\"x-c\"")]);
    let request = Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: 0,
    };
    let meta = ResponseMeta {
        status: 200,
        fields: response.fields(),
        request_time_ms: 0,
        response_time_ms: 0,
    };
    let verdict = judge(&request, &meta, &Rules::default());
    assert_eq!((verdict.decision.store, verdict.decision.ttl_s), (true, 60));
    assert_eq!(
        verdict.withheld,
        [
            b"x-a".as_slice().into(),
            b"X-B".as_slice().into(),
            Box::from(b"x-c".as_slice())
        ]
    );
}

#[test]
fn no_cache_is_kept_to_be_validated_each_time_rfc_9111_5_2_2_4() {
    let rules = Rules {
        stale_while_revalidate: Some(Duration::from_secs(60)),
        ..Rules::default()
    };
    let decision = decide_with(
        &[],
        200,
        &[(CC, "no-cache, max-age=60"), ("ETag", "\"a\"")],
        &rules,
    );
    assert!(decision.store && decision.must_revalidate);
    assert_eq!((decision.reason.as_str(), decision.ttl_s), ("no-cache", 0));
    assert_eq!(decision.swr_until_ms, decision.fresh_until_ms);
    assert_passed(&[], 200, &[(CC, "no-cache")], &rules, "expired");
}

#[test]
fn credentials_need_the_origins_word_rfc_9111_3_5() {
    let rules = Rules::default();
    let authorized: Lines<'_> = &[("Authorization", "Basic eA==")];
    let cookie: Lines<'_> = &[("Cookie", "a=b")];
    assert_passed(
        authorized,
        200,
        &[(CC, "max-age=60")],
        &rules,
        "authorization",
    );
    assert_passed(cookie, 200, &[(CC, "max-age=60")], &rules, "cookie");
    for allowed in ["public, max-age=60", "s-maxage=60"] {
        assert!(decide_with(authorized, 200, &[(CC, allowed)], &rules).store);
        assert!(decide_with(cookie, 200, &[(CC, allowed)], &rules).store);
    }
    assert!(
        decide_with(
            authorized,
            200,
            &[(CC, "max-age=60, must-revalidate")],
            &rules
        )
        .store
    );
    assert_passed(
        cookie,
        200,
        &[(CC, "max-age=60, must-revalidate")],
        &rules,
        "cookie",
    );
    assert_passed(
        &[(CC, "no-store")],
        200,
        &[(CC, "max-age=60")],
        &rules,
        "request-no-store",
    );
    let decision = decide_with(&[], 200, &[(CC, "max-age=60")], &rules);
    assert!(!decision.shareable && !decision.authorized);
}

#[test]
fn grace_is_what_the_origin_says_or_the_route_rfc_5861() {
    let rules = Rules {
        stale_while_revalidate: Some(Duration::from_secs(7)),
        stale_if_error: Some(Duration::from_secs(8)),
        ..Rules::default()
    };
    let silent = Rules::default();
    // Cache-Control, rules, seconds of stale-while-revalidate and of stale-if-error, must-revalidate.
    let table: &[(&str, &Rules, u64, u64, bool)] = &[
        ("max-age=60", &silent, 0, 0, false),
        ("max-age=60", &rules, 7, 8, false),
        (
            "max-age=60, stale-while-revalidate=30, stale-if-error=40",
            &rules,
            30,
            40,
            false,
        ),
        ("max-age=60, stale-while-revalidate=0", &rules, 0, 8, false),
        (
            "max-age=60, must-revalidate, stale-while-revalidate=30",
            &rules,
            0,
            0,
            true,
        ),
        ("max-age=60, proxy-revalidate", &rules, 0, 0, true),
        ("s-maxage=60", &silent, 0, 0, true),
        (
            "s-maxage=60, stale-while-revalidate=30",
            &silent,
            30,
            0,
            false,
        ),
    ];
    for (value, rules, swr_s, sie_s, must_revalidate) in table {
        let decision = decide_with(&[], 200, &[(CC, value)], rules);
        let after = |until_ms: u64| (until_ms - decision.fresh_until_ms) / 1000;
        let seen = (
            after(decision.swr_until_ms),
            after(decision.sie_until_ms),
            decision.must_revalidate,
        );
        assert_eq!(seen, (*swr_s, *sie_s, *must_revalidate), "{value}");
    }
}

#[test]
fn the_targeted_field_replaces_the_general_ones_rfc_9213() {
    let rules = Rules::default();
    const CDN: &str = "CDN-Cache-Control";
    assert_stored(
        &[],
        200,
        &[(CDN, "max-age=10"), (CC, "no-store")],
        &rules,
        "targeted",
        10,
    );
    assert_stored(
        &[],
        200,
        &[(CDN, "max-age=10;x=1"), (CC, "s-maxage=60")],
        &rules,
        "targeted",
        10,
    );
    assert_passed(
        &[],
        200,
        &[(CDN, "no-store"), (CC, "max-age=60")],
        &rules,
        "no-store",
    );
    assert_passed(
        &[],
        200,
        &[(CDN, "private"), (CC, "max-age=60")],
        &rules,
        "private",
    );
    assert_passed(
        &[],
        200,
        &[(CDN, "must-revalidate"), ("Expires", MINUTE_AHEAD)],
        &rules,
        "no-freshness",
    );
    // Not a dictionary, or empty: as if it were not there (§2.2).
    assert_stored(
        &[],
        200,
        &[(CDN, "MAX-AGE=10"), (CC, "max-age=60")],
        &rules,
        "max-age",
        60,
    );
    assert_stored(
        &[],
        200,
        &[(CDN, ""), (CC, "max-age=60")],
        &rules,
        "max-age",
        60,
    );
    assert_stored(
        &[],
        200,
        &[(CDN, "max-age=\u{1}"), (CC, "max-age=60")],
        &rules,
        "max-age",
        60,
    );
    assert_passed(
        &[],
        200,
        &[(CDN, "max-age=10"), (CDN, "private")],
        &rules,
        "private",
    );
    // A member of the wrong type is ignored.
    assert_passed(
        &[],
        200,
        &[(CDN, "max-age=\"10\""), (CC, "max-age=60")],
        &rules,
        "no-freshness",
    );
    assert!(decide_with(&[("Cookie", "a")], 200, &[(CDN, "max-age=10")], &rules).store);
}

#[test]
fn the_route_speaks_where_the_origin_is_silent_or_in_its_place() {
    let default = Rules {
        default_ttl: Some(Duration::from_secs(5)),
        ..Rules::default()
    };
    assert_stored(&[], 200, &[], &default, "default-ttl", 5);
    assert_stored(&[], 200, &[(CC, "max-age=60")], &default, "max-age", 60);
    assert_passed(&[], 200, &[(CC, "no-store")], &default, "no-store");
    assert_passed(&[], 500, &[], &default, "no-freshness");

    let force = Rules {
        force_ttl: Some(Duration::from_secs(5)),
        ..Rules::default()
    };
    assert_stored(
        &[],
        200,
        &[(CC, "no-store"), ("Age", "9")],
        &force,
        "force-ttl",
        5,
    );
    assert_stored(
        &[("Cookie", "a=b")],
        200,
        &[("Set-Cookie", "a=b")],
        &force,
        "force-ttl",
        5,
    );
    assert_passed(&[], 200, &[("Vary", "*")], &force, "vary-star");
    assert_passed(&[], 500, &[], &force, "no-freshness");
}

#[test]
fn heuristics_only_when_asked_for_rfc_9111_4_2_2() {
    let asked = Rules {
        heuristics: true,
        ..Rules::default()
    };
    let response: Lines<'_> = &[("Date", DATE), ("Last-Modified", LONG_AGO)];
    assert_stored(&[], 200, response, &asked, "heuristic", 8640);
    assert_stored(
        &[],
        200,
        &[
            ("Date", DATE),
            ("Last-Modified", "Sat, 05 Nov 1974 08:49:37 GMT"),
        ],
        &asked,
        "heuristic",
        86_400,
    );
    assert_passed(&[], 302, response, &asked, "no-freshness");
    assert_passed(&[], 200, response, &Rules::default(), "no-freshness");
}

#[test]
fn nginx_looks_at_x_accel_expires_first() {
    let valid = Rules {
        valid: vec![(vec![200, 301], Duration::from_secs(5))],
        ..nginx()
    };
    const XA: &str = "X-Accel-Expires";
    let soon = format!("@{}", NOW_S + 7);
    let table: &[(u16, Lines<'_>, &Rules, &str, i64)] = &[
        (
            200,
            &[(XA, "9"), (CC, "max-age=60")],
            &valid,
            "x-accel-expires",
            9,
        ),
        (
            200,
            &[(XA, "9"), (CC, "no-store")],
            &valid,
            "x-accel-expires",
            9,
        ),
        (200, &[(XA, &soon)], &valid, "x-accel-expires", 7),
        (
            200,
            &[(XA, "junk"), (CC, "max-age=60")],
            &valid,
            "max-age",
            60,
        ),
        (
            200,
            &[(CC, "max-age=60"), ("Expires", LONG_AGO)],
            &valid,
            "max-age",
            60,
        ),
        (
            200,
            &[(CC, "max-age=60,s-maxage=30")],
            &valid,
            "max-age",
            30,
        ),
        (200, &[("Expires", MINUTE_AHEAD)], &valid, "expires", 60),
        (301, &[], &valid, "valid", 5),
        (500, &[(CC, "max-age=60")], &valid, "max-age", 60),
        (
            200,
            &[(CC, "max-age=60"), ("Age", "30"), ("Date", MINUTE_AGO)],
            &valid,
            "max-age",
            60,
        ),
    ];
    for (status, response, rules, reason, ttl_s) in table {
        assert_stored(
            &[("Cookie", "a"), ("Authorization", "b")],
            *status,
            response,
            rules,
            reason,
            *ttl_s,
        );
    }
    let table: &[(u16, Lines<'_>, &str)] = &[
        (200, &[(XA, "0")], "x-accel-expires"),
        (200, &[(CC, "max-age=0")], "expired"),
        (200, &[("Expires", LONG_AGO)], "expired"),
        (200, &[(CC, "no-cache")], "no-cache"),
        (200, &[(CC, "private, max-age=60")], "private"),
        (200, &[("Set-Cookie", "a=b")], "set-cookie"),
        (200, &[("Vary", "*")], "vary-star"),
        (404, &[], "no-freshness"),
        (206, &[(CC, "max-age=60")], "partial"),
    ];
    for (status, response, reason) in table {
        assert_passed(&[], *status, response, &valid, reason);
    }
}

#[test]
fn nginx_ignores_what_a_request_says() {
    let any = Rules {
        valid: vec![(vec![], Duration::from_secs(5))],
        ..nginx()
    };
    assert_stored(
        &[(CC, "no-store"), ("Pragma", "no-cache")],
        404,
        &[],
        &any,
        "valid",
        5,
    );
}

#[test]
fn directives_past_the_limit_are_not_read() {
    let many = format!("{}max-age=60", "x, ".repeat(crate::options::DIRECTIVES_MAX));
    assert_passed(&[], 200, &[(CC, &many)], &Rules::default(), "no-freshness");
    let fewer = format!(
        "{}max-age=60",
        "x, ".repeat(crate::options::DIRECTIVES_MAX - 1)
    );
    assert_stored(&[], 200, &[(CC, &fewer)], &Rules::default(), "max-age", 60);
}

#[test]
fn public_makes_any_status_one_that_heuristics_apply_to_rfc_9111_4_2_2() {
    let rules = Rules {
        heuristics: true,
        ..Rules::default()
    };
    let old = ("Last-Modified", LONG_AGO);
    let day_s = 24 * 3600;
    for status in [200, 203, 204, 301, 404, 410, 414, 501] {
        assert_stored(&[], status, &[old], &rules, "heuristic", day_s / 10);
    }
    for status in [201, 302, 403, 500, 502, 503, 504, 599] {
        assert_passed(&[], status, &[old], &rules, "no-freshness");
        let public = &[old, (CC, "public")];
        assert_stored(&[], status, public, &rules, "heuristic", day_s / 10);
    }
    assert_passed(&[], 200, &[old], &Rules::default(), "no-freshness");
}

#[test]
fn a_range_that_is_none_does_not_keep_an_answer_from_being_stored_rfc_9110_14_4() {
    let rules = Rules::default();
    let lines = &[(CC, "max-age=60"), ("Content-Range", "bytes 0-1/2")];
    assert_stored(&[], 200, lines, &rules, "max-age", 60);
    assert_passed(&[], 206, lines, &rules, "partial");
}

#[test]
fn what_becomes_of_set_cookie_is_for_the_route_to_say() {
    let lines = &[(CC, "max-age=60"), ("Set-Cookie", "a=b")];
    for (set_cookie, stored, withheld) in [
        (SetCookie::Pass, false, 0),
        (SetCookie::Strip, true, 1),
        (SetCookie::Store, true, 0),
    ] {
        let rules = Rules {
            set_cookie,
            ..Rules::default()
        };
        let (request, response) = (Head::new(&[]), Head::new(lines));
        let request = Request {
            method: Method::Get,
            fields: request.fields(),
            now_ms: NOW_S * 1000,
        };
        let meta = ResponseMeta {
            status: 200,
            fields: response.fields(),
            request_time_ms: NOW_S * 1000,
            response_time_ms: NOW_S * 1000,
        };
        let verdict = judge(&request, &meta, &rules);
        assert_eq!(
            (verdict.decision.store, verdict.withheld.len()),
            (stored, withheld),
            "{set_cookie:?}"
        );
    }
}

#[test]
fn a_field_that_is_ignored_decides_nothing() {
    let lines = &[
        (CC, "private"),
        ("Set-Cookie", "a=b"),
        ("X-Accel-Expires", "0"),
        ("Expires", MINUTE_AHEAD),
    ];
    let mut rules = nginx();
    assert_passed(&[], 200, lines, &rules, "set-cookie");
    rules.ignored = Name::SetCookie.bit();
    assert_passed(&[], 200, lines, &rules, "x-accel-expires");
    rules.ignored |= Name::XAccelExpires.bit();
    assert_passed(&[], 200, lines, &rules, "private");
    rules.ignored |= Name::CacheControl.bit();
    assert_stored(&[], 200, lines, &rules, "expires", 60);
}
