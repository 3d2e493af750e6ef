//! What fields say, however they are written: tables of lines and of the freshness that is left, in seconds.

use super::*;
use crate::testing::Head;
use seawall_http::Method;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOW_S: u64 = 784_111_777;

type Lines<'a> = &'a [(&'a str, &'a str)];

/// What is left when the answer comes; `None` if it is not stored, or only to be validated.
fn fresh_s(lines: Lines<'_>) -> Option<i64> {
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
    let decision = decide(&request, &meta, &Rules::default());
    (decision.store && decision.ttl_s > 0).then_some(decision.ttl_s)
}

fn check(table: &[(Lines<'_>, Option<i64>)]) {
    for (lines, expected) in table {
        assert_eq!(fresh_s(lines), *expected, "{lines:?}");
    }
}

const CC: &str = "Cache-Control";
const TARGETED: &str = "CDN-Cache-Control";

#[test]
fn age_is_the_first_number_there_is() {
    let aged = |age: &'static str| fresh_s(&[(CC, "max-age=3600"), ("Age", age)]);
    for (age, left) in [
        ("600", Some(3000)),
        ("0", Some(3600)),
        ("600, 0", Some(3000)),
        ("0, 600", Some(3600)),
        ("3600", None),
        ("2147483647", None),
        ("2147483648", None),
        ("99999999999999999999", None),
        ("old", Some(3600)),
        ("-600", Some(3600)),
        ("600.0", Some(3600)),
        ("600;a=b", Some(3600)),
        ("", Some(3600)),
    ] {
        assert_eq!(aged(age), left, "{age}");
    }
    check(&[
        (
            &[(CC, "max-age=3600"), ("Age", "600"), ("Age", "0")],
            Some(3000),
        ),
        (
            &[(CC, "max-age=3600"), ("Age", "0"), ("Age", "600")],
            Some(3600),
        ),
    ]);
}

#[test]
fn directives_are_read_in_any_case_and_form_and_the_cautious_one_holds() {
    check(&[
        (&[(CC, "max-age=60")], Some(60)),
        (&[(CC, "MAX-age=60")], Some(60)),
        (&[(CC, "max-age=\"60\"")], Some(60)),
        (&[(CC, "max-age=0060")], Some(60)),
        (&[(CC, " , max-age=60,, a ")], Some(60)),
        (&[(CC, "a=\"max-age=7\", max-age=60")], Some(60)),
        (&[(CC, "max-age=60, a=\"max-age=7\"")], Some(60)),
        (&[(CC, "a=\"b\\\", max-age=7\", max-age=60")], Some(60)),
        (&[(CC, "max-age=60, max-age=7")], Some(7)),
        (&[(CC, "max-age=7"), (CC, "max-age=60")], Some(7)),
        (&[(CC, "s-maxage=7, max-age=60")], Some(7)),
        (&[(CC, "s-maxage=60, max-age=7")], Some(60)),
        (&[(CC, "max-age='60'")], None),
        (&[(CC, "max-age=60.5")], None),
        (&[(CC, "max-age=a60")], None),
        (&[(CC, "max-age=60a")], None),
        (&[(CC, "max-age=-60")], None),
        (&[(CC, "max-age")], None),
        (&[(CC, "max-age=60, No-Store")], None),
        (&[(CC, "max-age=60"), (CC, "no-store")], None),
        (&[(CC, "max-age=60, NO-cache")], None),
        (&[(CC, "max-age=60, private")], None),
        (&[(CC, "max-age=60, immutable")], Some(60)),
        (&[(CC, "max-age=60, must-revalidate")], Some(60)),
        (&[(CC, "max-age=60, unknown, x=y")], Some(60)),
        (&[(CC, "max-age=2147483648")], Some(2_147_483_648)),
        (&[(CC, "max-age=99999999999999")], Some(2_147_483_648)),
    ]);
}

#[test]
fn expires_is_a_date_in_one_of_three_forms_or_has_passed() {
    let at = |text: &'static str| {
        fresh_s(&[("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Expires", text)])
    };
    for (text, left) in [
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
        ("Sun Nov  6 08:50:37 1994", Some(60)),
        ("SUN, 06 NOV 1994 08:50:37 gmt", Some(60)),
        ("Mon, 06 Nov 2094 08:50:37 GMT", Some(2_147_483_648)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:50:37 UTC", None),
        ("Sun, 06 Nov 1994 08:50:37 +0000", None),
        ("Sun, 06 Nov 1994 8:50:37 GMT", None),
        ("Sun, 06 Nov 94 08:50:37 GMT", None),
        ("Sun 06 Nov 1994 08:50:37 GMT", None),
        ("Sun, 06  Nov  1994 08:50:37 GMT", None),
        ("Sun, 06-Nov-1994 08:50:37 GMT", None),
        ("Sun, 06 Nov 1994 08.50.37 GMT", None),
        ("0", None),
        ("-1", None),
        ("", None),
        ("tomorrow", None),
    ] {
        assert_eq!(at(text), left, "{text}");
    }
    let future = ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT");
    let past = ("Expires", "Sun, 06 Nov 1994 08:48:37 GMT");
    check(&[
        (&[(CC, "max-age=7"), future], Some(7)),
        (&[(CC, "max-age=7"), past], Some(7)),
        (&[(CC, "max-age=0"), future], None),
        (&[(CC, "s-maxage=7"), past], Some(7)),
        // A date of its own that lies behind ours counts as age, and the lifetime from it.
        (
            &[("Date", "Sun, 06 Nov 1994 08:49:07 GMT"), future],
            Some(60),
        ),
    ]);
}

#[test]
fn the_targeted_field_is_a_structured_one_or_is_not_there() {
    let past = ("Expires", "0");
    check(&[
        (&[(TARGETED, "max-age=60")], Some(60)),
        (&[(TARGETED, "max-age=60"), past], Some(60)),
        (&[(TARGETED, "max-age=60"), (CC, "no-store")], Some(60)),
        (&[(TARGETED, "max-age=60"), (CC, "max-age=7")], Some(60)),
        (&[(TARGETED, "max-age=7"), (CC, "max-age=60")], Some(7)),
        (&[(TARGETED, "max-age=60"), ("Age", "50")], Some(10)),
        (&[(TARGETED, "a, max-age=60;b=c, d=(1 2)")], Some(60)),
        (&[(TARGETED, "max-age=99999999999")], Some(2_147_483_648)),
        (&[(TARGETED, "max-age=0"), (CC, "max-age=60")], None),
        (&[(TARGETED, "no-store"), (CC, "max-age=60")], None),
        (&[(TARGETED, "private"), (CC, "max-age=60")], None),
        (&[(TARGETED, "no-cache"), (CC, "max-age=60")], None),
        // Malformed: as if it were not there (RFC 9213 §2.2).
        (&[(TARGETED, "max-age =7"), (CC, "max-age=60")], Some(60)),
        (&[(TARGETED, "max-age= 7"), (CC, "max-age=60")], Some(60)),
        (&[(TARGETED, "MAX-AGE=7"), (CC, "max-age=60")], Some(60)),
        (&[(TARGETED, ""), (CC, "max-age=60")], Some(60)),
        (&[(TARGETED, "&"), (CC, "max-age=60")], Some(60)),
    ]);
}
