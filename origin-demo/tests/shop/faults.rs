//! Switches, and roles that lose their neighbours.

use crate::{
    harness::{Process, Shop, until},
    http::Request,
};

#[test]
fn every_role_answers_for_its_health_and_shows_its_metrics() {
    let shop = Shop::with_search();
    let worker = shop.worker(&[]);
    for (role, process) in [
        ("api", &shop.api),
        ("web", &shop.web),
        ("search", shop.search.as_ref().unwrap()),
        ("worker", &worker),
    ] {
        assert_eq!(process.get("/live").status, 200, "{role}");
        until("it is ready", || process.get("/ready").status == 200);
        assert!(
            process
                .get("/metrics")
                .text()
                .contains(&format!("origin_info{{role=\"{role}\"}} 1"))
        );
        assert!(process.get("/version").text().starts_with("origin-demo "));
    }
}

#[test]
fn ready_flips_with_its_switch_and_nothing_else_does() {
    let shop = Shop::open();
    shop.web.post_json("/_fault", r#"{"not_ready": true}"#);
    assert_eq!(
        (
            shop.web.get("/ready").status,
            shop.web.get("/live").status,
            shop.web.get("/").status
        ),
        (503, 200, 200)
    );
    shop.web.post_json("/_fault", "{}");
    assert_eq!(shop.web.get("/ready").status, 200);
}

#[test]
fn errors_come_in_the_share_that_was_asked_for() {
    let shop = Shop::open();
    shop.web.post_json("/_fault", r#"{"error_percent": 30}"#);
    let failed = (0..20)
        .filter(|_| shop.web.get("/version").status == 500)
        .count();
    assert_eq!(failed, 6);
    assert_eq!(shop.web.metric("origin_faults_injected_total"), 6);
    assert_eq!(shop.web.get("/live").status, 200);
}

#[test]
fn a_slow_api_is_given_up_on_and_the_page_says_so() {
    let shop = Shop::open();
    shop.api.post_json("/_fault", r#"{"latency_ms": 60000}"#);
    let page = shop.web.get("/products/1");
    assert_eq!(page.status, 503);
    assert_eq!(shop.web.metric("origin_upstream_errors_total"), 1);
    shop.api.post_json("/_fault", "{}");
    assert_eq!(shop.web.get("/products/1").status, 200);
}

#[test]
fn switches_are_for_local_callers_only_and_refuse_what_they_do_not_know() {
    let shop = Shop::open();
    let switch = |request: Request| {
        let request = request
            .method("POST")
            .header("content-type", "application/json");
        request
            .body(r#"{"not_ready": true}"#)
            .send(shop.web.addr)
            .status
    };
    assert_eq!(
        switch(Request::get("/_fault").header("host", "shop.test")),
        404
    );
    assert_eq!(
        switch(Request::get("/_fault").header("x-forwarded-for", "192.0.2.1")),
        404
    );
    assert_eq!(shop.web.get("/ready").status, 200);
    assert_eq!(
        shop.web.post_json("/_fault", r#"{"reboot": true}"#).status,
        422
    );
    assert!(
        shop.web
            .get("/_fault")
            .text()
            .contains("\"not_ready\":false")
    );
}

#[test]
fn the_web_survives_the_death_of_the_api_and_finds_it_again() {
    let mut shop = Shop::open();
    let addr = shop.api.addr.to_string();
    assert_eq!(shop.web.get("/").status, 200);
    shop.api.kill();
    for path in [
        "/",
        "/c/mugs",
        "/products/1",
        "/images/1.svg",
        "/search?q=mug",
    ] {
        let page = shop.web.get(path);
        assert_eq!(
            (page.status, page.header("cache-control")),
            (503, Some("no-store")),
            "{path}"
        );
    }
    assert!(
        shop.web.get("/").text().contains("cannot be reached"),
        "a page, with its menu and a notice"
    );
    assert_eq!(shop.web.get("/ready").status, 200);
    assert_eq!(
        shop.web.get("/cart").status,
        200,
        "a visitor without a cart needs no api"
    );
    let api = Process::start("api", shop.state.path(), &["--listen", &addr]);
    assert_eq!(shop.web.get("/").status, 200);
    drop(api);
}

#[test]
fn many_readers_of_one_product_are_few_queries() {
    let shop = Shop::open();
    let before = shop.api.metric("origin_db_query_total");
    for _ in 0..20 {
        assert_eq!(shop.api.get("/products/9").status, 200);
    }
    assert_eq!(shop.api.metric("origin_db_query_total"), before + 1);
    assert_eq!(
        (
            shop.api.metric("origin_cache_hit_total"),
            shop.api.metric("origin_cache_miss_total")
        ),
        (19, 1)
    );
}

#[test]
fn sigterm_ends_a_role_with_success_and_lets_the_open_request_finish() {
    let mut shop = Shop::open();
    shop.web.post_json("/_fault", r#"{"latency_ms": 400}"#);
    let addr = shop.web.addr;
    let open = std::thread::spawn(move || Request::get("/").send(addr).status);
    until("the request is open", || {
        shop.web.metric("origin_http_requests_active") >= 2
    });
    assert_eq!(shop.web.terminate(), Some(0));
    assert_eq!(open.join().unwrap(), 200);
}
