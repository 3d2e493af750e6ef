//! The drills of `make drills` in small: what must hold whatever the machine.

use seawall_tests::drills::{self, Scale};
use std::time::Duration;

const SCALE: Scale = Scale {
    connections: 4,
    requests: 200,
    slow_start: Duration::from_secs(2),
};

#[test]
fn one_of_three_killed_under_concurrent_load_is_no_clients_error() {
    let seen = drills::kill(SCALE);
    assert_eq!(seen.errors, 0, "{seen:?}");
    assert!(seen.retries >= 1 && seen.served_again >= 1, "{seen:?}");
}

#[test]
fn a_server_that_fails_on_half_under_load_is_left_out_and_heals() {
    let seen = drills::half(SCALE);
    assert!(seen.errors_before >= 1, "it failed: {seen:?}");
    assert_eq!(seen.errors_after, 0, "{seen:?}");
    assert!(seen.served_again >= 1, "{seen:?}");
}

#[test]
fn an_open_breaker_lets_nothing_through_until_its_probes() {
    let seen = drills::breaker(SCALE);
    assert!(seen.until_open >= 19, "{seen:?}");
    assert!(seen.refused >= 1, "{seen:?}");
    assert_eq!((seen.leaked, seen.errors_after), (0, 0), "{seen:?}");
}

#[test]
fn a_server_drained_under_load_gets_nothing_from_the_call_on() {
    let seen = drills::drain(SCALE);
    assert_eq!((seen.errors, seen.to_drained), (0, 0), "{seen:?}");
    assert!(seen.requests_drained >= 1, "{seen:?}");
    assert!(seen.served_again >= 1, "{seen:?}");
}

#[test]
fn a_recovered_servers_share_grows() {
    let seen = drills::slow_start(SCALE);
    assert_eq!(seen.errors, 0, "{seen:?}");
    let (first, last) = (seen.shares[0], seen.shares[10]);
    assert!(first < 15.0 && last > 25.0, "{seen:?}");
}

#[test]
fn random_reloads_under_load_fail_no_request_and_leave_nothing_behind() {
    let seen = drills::reloads(40, 1);
    assert_eq!((seen.failed.len(), seen.wrong), (0, 0), "{seen:#?}");
    assert_eq!(seen.misjudged, Vec::<String>::new());
    assert!(seen.taken > 5 && seen.refused > 5, "{seen:#?}");
    let (first, last) = seen.worker;
    assert_eq!(
        (first.files, first.threads),
        (last.files, last.threads),
        "{seen:#?}"
    );
    let (first, last) = seen.keeper;
    assert_eq!(
        (first.files, first.threads),
        (last.files, last.threads),
        "{seen:#?}"
    );
}

#[test]
fn kills_of_worker_and_keeper_lose_nothing_that_was_acknowledged() {
    let seen = drills::kills(6, 3, 1);
    assert_eq!(
        (seen.stale, seen.unaudited, seen.refused),
        (0, 0, 0),
        "{seen:#?}"
    );
    assert_eq!(seen.puts_lost, Vec::<u64>::new());
    assert!(seen.audit.contains("whole"), "{seen:#?}");
    assert!(seen.purges > 0 && seen.read > 0, "{seen:#?}");
}

#[test]
fn a_reload_of_many_sites_under_load_drops_nothing() {
    let seen = drills::many_sites(300, 2);
    assert_eq!((seen.yaml.failed, seen.conf.failed), (0, 0), "{seen:#?}");
}
