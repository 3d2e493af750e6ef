//! Vary.

use crate::rig::*;
use seawall_cache::Options;
use seawall_http::Method;

const VARIES: [(&str, &str); 2] = [(CC, "max-age=60"), ("Vary", "Accept-Language")];

#[test]
fn each_variant_is_stored_and_served_to_its_own() {
    let rig = Rig::new();
    for language in ["de", "en"] {
        rig.store_for("/a", &[("Accept-Language", language)], &VARIES, language);
    }
    for language in ["de", "en"] {
        let found = hit(rig.ask(Method::Get, "/a", &[("Accept-Language", language)]));
        assert_eq!(body(&found.object), language.as_bytes());
    }
    assert_eq!(kind(&rig.get("/a")), "miss");
}

#[test]
fn variants_that_are_known_to_differ_are_filled_side_by_side() {
    let rig = Rig::new();
    rig.store_for("/a", &[("Accept-Language", "de")], &VARIES, "de");
    let english = rig.ask(Method::Get, "/a", &[("Accept-Language", "en")]);
    let french = rig.ask(Method::Get, "/a", &[("Accept-Language", "fr")]);
    let more_french = rig.ask(Method::Get, "/a", &[("Accept-Language", "fr")]);
    assert_eq!(
        [kind(&english), kind(&french), kind(&more_french)],
        ["miss", "miss", "join"]
    );
}

#[test]
fn past_the_limit_the_least_recently_used_variant_goes() {
    let options = Options {
        variants_max: 3,
        ..Options::with_memory(1 << 20)
    };
    let rig = Rig::with(options);
    let ask = |language: &str| rig.ask(Method::Get, "/a", &[("Accept-Language", language)]);
    for language in ["a", "b", "c"] {
        rig.store_for("/a", &[("Accept-Language", language)], &VARIES, language);
    }
    hit(ask("a"));
    rig.store_for("/a", &[("Accept-Language", "d")], &VARIES, "d");
    let kinds = ["a", "b", "c", "d"].map(|language| kind(&ask(language)));
    assert_eq!(kinds, ["hit", "miss", "hit", "hit"]);
    assert_eq!(rig.cache.stats().objects, 3);
}

#[test]
fn a_newer_answer_for_the_same_fields_replaces_its_variant_only() {
    let mut rig = Rig::new();
    let german = [("Accept-Language", "de")];
    rig.store_for("/a", &german, &VARIES, "old");
    rig.store_for(
        "/a",
        &[("Accept-Language", "en")],
        &[(CC, "max-age=600"), ("Vary", "accept-language")],
        "en",
    );
    rig.pass_s(61);
    let fill = revalidate(rig.ask(Method::Get, "/a", &german));
    rig.complete(fill, &german, &VARIES, "new").unwrap();
    assert_eq!(
        body(&hit(rig.ask(Method::Get, "/a", &german)).object),
        b"new"
    );
    assert_eq!(
        kind(&rig.ask(Method::Get, "/a", &[("Accept-Language", "en")])),
        "hit"
    );
    assert_eq!(rig.cache.stats().objects, 2);
}
