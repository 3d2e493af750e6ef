//! What the public suite of caches (github http-tests/cache-tests) asks of a policy, as data: each status, each field, each way to write
//! a condition or a Vary. What is a table of the policy alone stands beside it (`policy/tables.rs`, `policy/tests.rs`).

use crate::rig::*;
use seawall_cache::*;
use seawall_http::Method;

const HOUR: (&str, &str) = (CC, "max-age=3600");
const ETAG: (&str, &str) = ("ETag", "\"v1\"");

/// Stores an answer of that status; what a request gets then.
fn stored_with(status: u16, lines: &[(&str, &str)]) -> (Rig, bool) {
    let rig = Rig::new();
    let mut fill = miss(rig.get("/a"));
    let stores = matches!(
        rig.respond(&mut fill, &[], status, lines),
        Responded::Store(_)
    );
    if stores {
        let _ = fill.push("body".into());
        assert!(fill.finish().is_some());
    }
    (rig, stores)
}

const STATUSES: [u16; 19] = [
    200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599, 401,
];

#[test]
fn any_status_with_a_lifetime_is_served_until_it_is_over_and_not_a_second_longer() {
    for status in STATUSES {
        let (mut rig, stores) = stored_with(status, &[HOUR, ETAG]);
        assert!(stores, "{status}");
        rig.pass_s(3599);
        let served = hit(rig.get("/a"));
        assert_eq!(served.object.status(), status);
        rig.pass_s(1);
        assert_eq!(kind(&rig.get("/a")), "revalidate", "{status}");
    }
}

#[test]
fn a_status_that_is_not_understood_is_stored_unless_that_was_asked_for() {
    let understood = (CC, "max-age=3600, must-understand");
    for (status, stores) in [(200, true), (404, true), (599, false), (299, false)] {
        assert_eq!(stored_with(status, &[understood]).1, stores, "{status}");
    }
}

#[test]
fn fields_are_stored_as_they_came_but_for_those_of_the_hop() {
    let kept = [
        "Test-Header",
        "X-Test-Header",
        "Content-Foo",
        "X-Content-Foo",
        "Content-Encoding",
        "Content-Location",
        "Content-MD5",
        "Content-Range",
        "Content-Security-Policy",
        "Content-Type",
        "Clear-Site-Data",
        "ETag",
        "Expires",
        "Proxy-Authentication-Info",
        "Public-Key-Pins",
        "Set-Cookie2",
        "X-Frame-Options",
        "X-XSS-Protection",
        "Content-Disposition",
    ];
    let dropped = [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Connection",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
    ];
    for (names, stays) in [(&kept[..], true), (&dropped[..], false)] {
        for name in names {
            let (rig, stores) = stored_with(200, &[HOUR, (name, "a-value")]);
            assert!(stores, "{name}");
            let served = hit(rig.get("/a"));
            let found = served
                .object
                .fields()
                .find(name.to_ascii_lowercase().as_bytes());
            let expected = stays.then_some(b"a-value".as_slice());
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn a_confirmation_updates_every_field_but_those_that_describe_the_stored_body() {
    let updated = [
        "Test-Header",
        "X-Test-Header",
        "Content-Foo",
        "X-Content-Foo",
        "Content-Location",
        "Content-MD5",
        "Content-Security-Policy",
        "Clear-Site-Data",
        "Expires",
        "Public-Key-Pins",
        "Set-Cookie2",
        "X-Frame-Options",
        "X-XSS-Protection",
    ];
    let kept = ["Content-Encoding", "Content-Range", "Content-Type"];
    for (names, becomes) in [(&updated[..], "new"), (&kept[..], "old")] {
        for name in names {
            let mut rig = Rig::new();
            rig.store("/a", &[(CC, "max-age=1"), ETAG, (name, "old")], "body");
            rig.pass_s(2);
            let mut fill = revalidate(rig.get("/a"));
            let responded = rig.respond(&mut fill, &[], 304, &[HOUR, ETAG, (name, "new")]);
            assert!(matches!(responded, Responded::NotModified(_)), "{name}");
            drop(fill);
            let served = hit(rig.get("/a"));
            let found = served
                .object
                .fields()
                .find(name.to_ascii_lowercase().as_bytes());
            assert_eq!(found, Some(becomes.as_bytes()), "{name}");
            assert_eq!(body(&served.object), b"body");
        }
    }
}

#[test]
fn a_confirmation_by_date_leaves_what_it_does_not_name() {
    let mut rig = Rig::new();
    let modified = ("Last-Modified", "Sat, 05 Nov 1994 08:49:37 GMT");
    rig.store("/a", &[(CC, "max-age=1"), modified, ("X-A", "1")], "body");
    rig.pass_s(2);
    let mut fill = revalidate(rig.get("/a"));
    assert_eq!(fill.validators(), Some((None, Some(modified.1.as_bytes()))));
    rig.respond(&mut fill, &[], 304, &[HOUR, modified]);
    drop(fill);
    let served = hit(rig.get("/a"));
    assert_eq!(served.object.fields().find(b"x-a"), Some(&b"1"[..]));
}

#[test]
fn a_star_in_vary_forbids_however_it_is_written() {
    let table: [&[&str]; 8] = [
        &["*"],
        &["*, *"],
        &["*", "*"],
        &[", *"],
        &["", "*"],
        &["*, Foo"],
        &["Foo, *"],
        &["Foo", "*"],
    ];
    for values in table {
        let mut lines = vec![HOUR];
        lines.extend(values.iter().map(|value| ("Vary", *value)));
        assert!(!stored_with(200, &lines).1, "{values:?}");
    }
}

/// What is stored for a request is asked for by another: the second's kind of answer.
fn selected(vary: &[&str], stored_for: &[(&str, &str)], asked: &[(&str, &str)]) -> &'static str {
    let rig = Rig::new();
    let mut lines = vec![HOUR];
    lines.extend(vary.iter().map(|value| ("Vary", *value)));
    rig.store_for("/a", stored_for, &lines, "body");
    kind(&rig.ask(Method::Get, "/a", asked))
}

#[test]
fn every_named_field_has_to_be_the_same_in_value_and_in_absence() {
    let (foo, bar, baz) = (("Foo", "1"), ("Bar", "abc"), ("Baz", "789"));
    type Lines<'a> = &'a [(&'a str, &'a str)];
    let table: &[(&[&str], Lines<'_>, Lines<'_>, bool)] = &[
        (&["Foo"], &[foo], &[foo], true),
        (&["Foo"], &[foo], &[("Foo", "2")], false),
        (&["Foo"], &[], &[foo], false),
        (&["Foo"], &[foo], &[], false),
        (&["Foo"], &[foo], &[foo, ("Other", "x")], true),
        (&["Foo, Bar"], &[foo, bar], &[foo, bar], true),
        (&["Foo, Bar"], &[foo, bar], &[("Foo", "2"), bar], false),
        (&["Foo, Bar"], &[foo, bar], &[foo, ("Bar", "abcde")], false),
        (&["Foo, Bar"], &[foo], &[foo, bar], false),
        (
            &["Foo", "Bar", "Baz"],
            &[foo, bar, baz],
            &[baz, bar, foo],
            true,
        ),
        (
            &["Foo, Bar, Baz"],
            &[foo, bar, baz],
            &[foo, bar, ("Baz", "7")],
            false,
        ),
        (&["Foo, Bar, Baz"], &[foo, baz], &[foo, baz], true),
        (&["Foo, Bar, Baz"], &[foo, baz], &[foo, bar, baz], false),
        // One wish, written in other ways.
        (
            &["Foo"],
            &[("Foo", "1, 2")],
            &[("Foo", "1"), ("Foo", "2")],
            true,
        ),
        (&["Foo"], &[("Foo", "1, 2")], &[("Foo", "1,2")], true),
    ];
    for (vary, stored_for, asked, is_hit) in table {
        let found = selected(vary, stored_for, asked);
        assert_eq!(found == "hit", *is_hit, "{vary:?} {stored_for:?} {asked:?}");
    }
}

#[test]
fn a_pragma_or_a_disposition_of_a_response_decides_nothing() {
    for line in [
        ("Pragma", "no-cache"),
        ("Pragma", "unknown"),
        ("Content-Disposition", "attachment; filename=\"a\""),
    ] {
        let (rig, stores) = stored_with(200, &[HOUR, line]);
        assert!(stores, "{line:?}");
        assert_eq!(kind(&rig.get("/a")), "hit", "{line:?}");
    }
}

#[test]
fn a_pragma_of_a_request_counts_as_no_cache_and_an_unknown_one_does_not() {
    let rig = Rig::new();
    rig.store("/a", &[HOUR, ETAG], "x");
    for (value, expected) in [("no-cache", "revalidate"), ("unknown", "hit")] {
        let found = rig.ask(Method::Get, "/a", &[("Pragma", value)]);
        assert_eq!(kind(&found), expected, "{value}");
    }
}

/// RFC 9111 §4.2.1 leaves the choice between the first line and a stale answer.
#[test]
fn of_several_lines_of_expires_the_first_counts_and_no_date_is_put_together() {
    let (ahead, behind) = (
        "Sun, 06 Nov 1994 09:49:37 GMT",
        "Sun, 06 Nov 1994 07:49:37 GMT",
    );
    for (first, second, is_stored) in [
        (ahead, behind, true),
        (behind, ahead, false),
        ("Sun, 06 Nov 1994", "09:49:37 GMT", false),
        ("Sun", "06 Nov 1994 09:49:37 GMT", false),
    ] {
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let lines = [date, ("Expires", first), ("Expires", second)];
        assert_eq!(stored_with(200, &lines).1, is_stored, "{lines:?}");
    }
}

/// Lifetimes that are made from how long something has not changed: a tenth of it, a day at most.
#[test]
fn a_tenth_of_the_time_since_the_last_change_is_a_lifetime() {
    for (unchanged_s, lifetime_s) in [
        (5_u64, 0),
        (10, 1),
        (30, 3),
        (300, 30),
        (3600, 360),
        (86_400, 8640),
        (864_000, 86_400),
        (8_640_000, 86_400),
    ] {
        let mut rig = Rig::new();
        rig.rules.heuristics = true;
        let at = seawall_http::date::format(START_MS / 1000 - unchanged_s);
        let modified = std::str::from_utf8(&at).unwrap();
        let mut fill = miss(rig.get("/a"));
        let responded = rig.respond(&mut fill, &[], 200, &[("Last-Modified", modified)]);
        let Responded::Store(decision) = responded else {
            panic!("{unchanged_s}: {responded:?}");
        };
        assert_eq!(decision.ttl_s, lifetime_s, "{unchanged_s}");
    }
}

#[test]
fn tags_are_compared_by_their_words_however_they_were_written() {
    let table: &[(&str, &str, bool)] = &[
        ("\"abc\"", "\"abc\"", true),
        ("W/\"abc\"", "\"abc\"", true),
        ("\"abc\"", "W/\"abc\"", true),
        ("\"abc\"", "\"abc\", \"def\"", true),
        ("\"abc\"", "\"def\", \"abc\"", true),
        ("\"abc\"", "\"x\", \"abc\", \"y\"", true),
        ("\"abc\u{fd}\"", "\"abc\u{fd}\"", true),
        ("\"abc\"", "\"ABC\"", false),
        ("\"abc\"", "w/\"abc\"", false),
        ("\"abc\"", "W\\\"abc\"", false),
        ("\"abc\"", "\"def\"", false),
    ];
    for (stored, condition, matches) in table {
        let rig = Rig::new();
        let object = rig.store("/a", &[HOUR, ("ETag", stored)], "x");
        let head = Head::new(&[("If-None-Match", condition)]);
        let request = Request {
            method: Method::Get,
            fields: head.fields(),
            now_ms: rig.now_ms,
        };
        let found = not_modified(&object, &request);
        assert_eq!(found, *matches, "{stored} by {condition}");
    }
}

#[test]
fn an_age_adds_to_the_time_in_the_store() {
    for (age, left) in [("0", 3600_u64), ("600", 3000), ("3599", 1)] {
        let mut rig = Rig::new();
        rig.store("/a", &[HOUR, ("Age", age), ETAG], "x");
        rig.pass_s(left - 1);
        let served = hit(rig.get("/a"));
        assert_eq!(served.age_s, 3599, "{age}");
        rig.pass_s(1);
        assert_eq!(kind(&rig.get("/a")), "revalidate", "{age}");
    }
}

#[test]
fn a_confirmation_brings_a_new_date_and_a_new_age() {
    let mut rig = Rig::new();
    let then = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    rig.store("/a", &[(CC, "max-age=1"), ETAG, then], "x");
    rig.pass_s(10);
    let mut fill = revalidate(rig.get("/a"));
    let now = ("Date", "Sun, 06 Nov 1994 08:49:47 GMT");
    rig.respond(&mut fill, &[], 304, &[HOUR, ETAG, now]);
    drop(fill);
    let served = hit(rig.get("/a"));
    assert_eq!((served.age_s, served.ttl_s), (0, 3600));
    assert_eq!(served.object.fields().find(b"date"), Some(now.1.as_bytes()));
}
