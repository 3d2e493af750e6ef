//! What a fresh install takes, and what becomes of it when it has something to do.

use seawall_tests::{eventually, idle, load::Load};
use std::fs;

/// Whether the kernel may give a process huge pages.
fn may_have_huge_pages(pid: u32) -> Option<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("THP_enabled:"));
    line.map(|value| value.trim() == "1")
}

#[test]
fn an_idle_install_is_small() {
    let [keeper, worker] = idle::idle();
    // The bar, 30 MiB for all of it, is of a release build (`make drills`): pages of the program are many more in this one. What
    // no file is behind is about the same in every build; it was 25 MiB once.
    let own = keeper.own + worker.own;
    assert!(
        own > 0 && own <= 16 * 1024,
        "keeper {keeper:?}, worker {worker:?}"
    );
    assert_eq!(worker.huge, 0, "{worker:?}");
}

#[test]
fn a_worker_has_huge_pages_from_its_first_busy_second_and_the_keeper_never() {
    let edge = idle::installed();
    let worker = edge.worker();
    assert_eq!(may_have_huge_pages(worker), Some(false));
    let load = Load::start(edge.address("http"), 4);
    eventually("huge pages are allowed", || {
        may_have_huge_pages(worker).filter(|yes| *yes)
    });
    load.end();
    assert_eq!(may_have_huge_pages(edge.pid()), Some(false));
}
