//! The queue under a worker that is killed, and jobs nobody can do.

use crate::{
    customer::Customer,
    harness::{Shop, until},
};
use serde_json::Value;

fn order(shop: &Shop) {
    shop.api.post_json("/products/1", r#"{"stock": 10}"#);
    let mut zoe = Customer::of(&shop.web);
    zoe.add(1, 1);
    let form = zoe.checkout();
    assert_eq!(zoe.order(&form).status, 303);
}

#[test]
fn a_worker_killed_in_the_middle_of_a_job_loses_nothing_and_does_nothing_twice() {
    let shop = Shop::open();
    {
        let worker = shop.worker(&[]);
        until("the thumbnails are done", || {
            shop.api.json::<Value>("/jobs")["done"] == 80
        });
        drop(worker);
    }
    order(&shop);
    let mut worker = shop.worker(&["--lease-ms", "1500"]);
    // A worker that takes longer over a job than we let it live.
    worker.post_json("/_fault", r#"{"latency_ms": 60000}"#);
    order(&shop);
    until("a job is in its hands", || {
        shop.api.json::<Value>("/jobs")["leased"] == 1
    });
    worker.kill();
    let _worker = shop.worker(&["--lease-ms", "1500"]);
    until("both letters are there", || shop.letters().len() == 2);
    until("the queue knows", || {
        shop.api.json::<Value>("/jobs")["done"].as_u64() >= Some(82)
    });
    assert_eq!(shop.letters().len(), 2, "and no third");
    assert_eq!(
        shop.api.json::<Value>("/jobs")["dead"],
        0,
        "what search has to hear of waits for it"
    );
}

#[test]
fn a_poison_job_becomes_a_dead_letter_and_the_others_go_on() {
    let shop = Shop::open();
    assert_eq!(
        shop.api
            .post_json(
                "/jobs",
                r#"{"kind": "poison", "payload": "hemlock", "attempts_max": 3}"#
            )
            .text(),
        "true"
    );
    let worker = shop.worker(&[]);
    until("it is given up", || {
        shop.api.json::<Value>("/jobs")["dead"] == 1
    });
    let letter = shop.api.json::<Value>("/jobs")["dead_letters"][0].clone();
    assert_eq!(
        (&letter["kind"], &letter["attempts"]),
        (&Value::from("poison"), &Value::from(3))
    );
    assert!(
        letter["error"].as_str().unwrap().contains("poison"),
        "{letter}"
    );
    until("the thumbnails are done", || {
        shop.api.json::<Value>("/jobs")["done"] == 80
    });
    assert_eq!(worker.metric("origin_jobs_total{outcome=\"dead\"}"), 1);
    assert_eq!(worker.metric("origin_jobs_total{outcome=\"retried\"}"), 2);
    until("the gauge says so", || {
        worker.metric("origin_jobs_dead_letters") == 1
    });
}

#[test]
fn a_job_that_is_too_large_or_too_stubborn_is_not_queued() {
    let shop = Shop::open();
    let large = format!(r#"{{"kind": "mail", "payload": "{}"}}"#, "x".repeat(20_000));
    assert_eq!(shop.api.post_json("/jobs", &large).status, 422);
    assert_eq!(
        shop.api
            .post_json(
                "/jobs",
                r#"{"kind": "mail", "payload": "", "attempts_max": 4000}"#
            )
            .status,
        422
    );
}
