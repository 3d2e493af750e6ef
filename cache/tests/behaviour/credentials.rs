//! Cookies and Authorization: what everybody may have, and what not.

use crate::rig::*;
use seawall_http::Method;

const COOKIE: (&str, &str) = ("Cookie", "session=1");
const AUTHORIZATION: (&str, &str) = ("Authorization", "Basic eA==");

#[test]
fn credentials_get_only_what_everybody_may_have() {
    let rig = Rig::new();
    rig.store("/plain", &[(CC, "max-age=60")], "x");
    rig.store("/public", &[(CC, "public, max-age=60")], "x");
    rig.store("/must", &[(CC, "max-age=60, must-revalidate")], "x");
    rig.store("/cdn", &[("CDN-Cache-Control", "max-age=60")], "x");
    let table = [
        ("/plain", COOKIE, "request"),
        ("/plain", AUTHORIZATION, "request"),
        ("/public", COOKIE, "hit"),
        ("/public", AUTHORIZATION, "hit"),
        ("/must", COOKIE, "request"),
        ("/must", AUTHORIZATION, "hit"),
        ("/cdn", COOKIE, "hit"),
    ];
    for (path, credential, expected) in table {
        assert_eq!(
            kind(&rig.ask(Method::Get, path, &[credential])),
            expected,
            "{path} {credential:?}"
        );
    }
}

#[test]
fn clients_with_cookies_do_not_wait_for_those_without() {
    let rig = Rig::new();
    let plain = miss(rig.get("/a"));
    let mut with_cookie = miss(rig.ask(Method::Get, "/a", &[COOKIE]));
    rig.respond(&mut with_cookie, &[COOKIE], 200, &[(CC, "max-age=60")]);
    drop(with_cookie);
    // That they get nothing storable is remembered for their kind only.
    assert_eq!(kind(&rig.ask(Method::Get, "/a", &[COOKIE])), "pass");
    rig.complete(plain, &[], &[(CC, "max-age=60")], "x")
        .unwrap();
    assert_eq!(kind(&rig.get("/a")), "hit");
}

#[test]
fn clients_of_all_kinds_cause_one_renewal_of_a_public_answer() {
    let mut rig = Rig::new();
    rig.store(
        "/a",
        &[(CC, "public, max-age=60, stale-while-revalidate=60")],
        "x",
    );
    rig.pass_s(61);
    let renewing = rig.ask(Method::Get, "/a", &[COOKIE]);
    assert_eq!(kind(&renewing), "stale, renew");
    for lines in [
        &[][..],
        &[COOKIE],
        &[AUTHORIZATION],
        &[COOKIE, AUTHORIZATION],
    ] {
        assert_eq!(kind(&rig.ask(Method::Get, "/a", lines)), "stale");
    }
}

#[test]
fn a_forced_lifetime_keeps_the_answer_and_drops_the_cookie() {
    let mut rig = Rig::new();
    rig.rules.force_ttl = Some(std::time::Duration::from_secs(60));
    let object = rig.store("/a", &[("Set-Cookie", "session=1"), ("X-A", "1")], "x");
    assert_eq!(object.fields().find(b"set-cookie"), None);
    assert_eq!(kind(&rig.ask(Method::Get, "/a", &[COOKIE])), "hit");
}
