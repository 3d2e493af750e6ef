//! Finding things, also misspelt, also while search is away.

use crate::harness::{Process, Shop, until};
use serde_json::Value;

#[test]
fn a_misspelt_word_finds_what_was_meant_and_says_so() {
    let shop = Shop::with_search();
    let page = shop.web.get("/search?q=lantren");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Did you mean"), "{}", page.text());
    assert!(
        page.text().contains("<mark>Lantern</mark>"),
        "{}",
        page.text()
    );
    assert!(page.header("cache-control").unwrap().starts_with("public"));
    let right = shop.web.get("/search?q=lantern").text();
    assert!(right.contains("<mark>Lantern</mark>") && !right.contains("Did you mean"));
}

#[test]
fn facets_narrow_a_search_down_and_count_what_is_left() {
    let shop = Shop::with_search();
    let answer: Value = shop
        .search
        .as_ref()
        .unwrap()
        .json("/search?q=&category=pots");
    assert_eq!(answer["total"], 10);
    let facets = answer["facets"].as_array().unwrap();
    let colours = facets
        .iter()
        .find(|facet| facet["name"] == "colour")
        .unwrap()["values"]
        .as_array()
        .unwrap();
    assert_eq!(
        colours
            .iter()
            .map(|value| value["count"].as_u64().unwrap())
            .sum::<u64>(),
        10
    );
    let first = &colours[0];
    let colour = first["value"].as_str().unwrap().replace(' ', "%20");
    let narrowed: Value = shop
        .search
        .as_ref()
        .unwrap()
        .json(&format!("/search?category=pots&colour={colour}"));
    assert_eq!(narrowed["total"], first["count"]);
    assert!(
        shop.web
            .get("/search?category=pots")
            .text()
            .contains("Narrow it down")
    );
}

#[test]
fn hostile_words_are_only_words() {
    let shop = Shop::with_search();
    for q in [
        "%27%20or%201%3D1--",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "%00%ff%f0",
        "*%3A*%20AND%20(((",
        "%22%22",
        "..%2F..%2Fetc",
    ] {
        let page = shop.web.get(&format!("/search?q={q}"));
        assert!(matches!(page.status, 200 | 400), "{q}: {}", page.status);
        assert!(!page.text().contains("<script>alert"), "{q}");
    }
    let long = "lantern%20".repeat(300);
    assert_eq!(
        shop.web.get(&format!("/search?q={long}")).status,
        200,
        "past the limits on words and characters"
    );
}

#[test]
fn a_changed_product_reaches_the_index_through_outbox_and_queue() {
    let shop = Shop::with_search();
    let _worker = shop.worker(&[]);
    let name = shop.api.json::<Value>("/products/3")["name"]
        .as_str()
        .unwrap()
        .replace(' ', "%20");
    shop.api
        .post_json("/products/3", r#"{"price_cents": 4711}"#);
    let search = shop.search.as_ref().unwrap();
    until("search knows the price", || {
        let answer: Value = search.json(&format!("/search?q={name}"));
        answer["hits"][0]["product"]["price_cents"] == 4711
    });
    assert_eq!(
        shop.api.json::<Value>("/products/3")["price_cents"],
        4711,
        "and the api's cache forgot the old one"
    );
}

#[test]
fn without_search_the_page_falls_back_to_plain_matches_and_recovers() {
    let mut shop = Shop::with_search();
    let addr = shop.search.as_ref().unwrap().addr.to_string();
    shop.search.as_mut().unwrap().kill();
    let page = shop.web.get("/search?q=lantern");
    assert_eq!(
        (page.status, page.header("cache-control")),
        (200, Some("no-store"))
    );
    assert!(page.text().contains("Search is having a rest") && page.text().contains("Lantern"));
    // The index is kept: it is ready without the api.
    shop.api.kill();
    let search = Process::start(
        "search",
        shop.state.path(),
        &["--listen", &addr, "--api", "http://127.0.0.1:9"],
    );
    until("search is ready again", || {
        search.get("/ready").status == 200
    });
    assert!(
        !shop
            .web
            .get("/search?q=lantern")
            .text()
            .contains("Search is having a rest")
    );
}
