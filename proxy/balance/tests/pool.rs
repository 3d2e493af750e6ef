//! A pool's behaviour, one rule a test.

use seawall_balance::{
    Algorithm, Eject, Outcome, Pool, PoolOptions, ServerOptions, ServerState, Transition, Tried,
    limits,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const REFUSED: Outcome = Outcome::ConnectFailed;
const FINE: Outcome = Outcome::Answered {
    status: 200,
    latency: Duration::from_millis(3),
};

fn servers(count: usize) -> Vec<ServerOptions> {
    (0..count)
        .map(|index| ServerOptions::new(format!("server-{index}")))
        .collect()
}

fn options(count: usize) -> PoolOptions {
    PoolOptions::new("web", Algorithm::RoundRobin, servers(count))
}

fn picks(pool: &Pool, now: Instant, count: usize) -> Vec<usize> {
    (0..count)
        .filter_map(|_| pool.pick(now, 0, &Tried::new()).map(|lease| lease.index))
        .collect()
}

fn fail(pool: &Pool, now: Instant, index: usize, times: usize) -> Option<Transition> {
    (0..times)
        .filter_map(|_| pool.report(now, index, REFUSED))
        .last()
}

fn ejected_for(transition: Option<Transition>) -> Duration {
    match transition {
        Some(Transition::Ejected { for_, .. }) => for_,
        other => panic!("expected an ejection, got {other:?}"),
    }
}

#[test]
fn round_robin_follows_the_weights() {
    let mut options = options(3);
    options.servers[0].weight = 5;
    let pool = Pool::new(options, None);
    assert_eq!(
        picks(&pool, Instant::now(), 14),
        [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]
    );
}

#[test]
fn p2c_prefers_the_less_loaded() {
    let mut options = options(2);
    options.algorithm = Algorithm::P2c;
    let pool = Pool::new(options, None);
    let now = Instant::now();
    let first = pool.pick(now, 0, &Tried::new()).unwrap();
    // Both draws name the server in use: the other is compared with it all the same.
    let second = pool.pick(now, 0, &Tried::new()).unwrap();
    assert_ne!(first.index, second.index);
    assert_eq!((first.in_flight(), second.in_flight()), (1, 1));
    drop(first);
    assert_eq!(pool.pick(now, u64::MAX, &Tried::new()).unwrap().index, 0);
}

#[test]
fn a_retry_goes_to_another_server_and_ends_when_all_were_tried() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::P2c] {
        let pool = Pool::new(
            PoolOptions {
                algorithm,
                ..options(3)
            },
            None,
        );
        let mut tried = Tried::new();
        while let Some(lease) = pool.pick(Instant::now(), 0, &tried) {
            assert!(!tried.contains(lease.index));
            tried.insert(lease.index);
        }
        assert_eq!(tried.len(), 3);
    }
}

#[test]
fn backups_serve_only_when_no_primary_can() {
    let mut options = options(3);
    options.checked = true;
    options.servers[2].backup = true;
    let pool = Pool::new(options, None);
    let now = Instant::now();
    assert!(!picks(&pool, now, 10).contains(&2));
    pool.check_result(now, 0, false);
    pool.check_result(now, 1, false);
    assert_eq!(picks(&pool, now, 3), [2, 2, 2]);
}

#[test]
fn a_request_that_has_tried_every_primary_may_try_the_backup() {
    let mut options = options(2);
    options.servers[1].backup = true;
    let pool = Pool::new(options, None);
    let mut tried = Tried::new();
    tried.insert(0);
    assert_eq!(pool.pick(Instant::now(), 0, &tried).unwrap().index, 1);
}

#[test]
fn nothing_is_picked_when_all_are_down() {
    let mut options = options(2);
    options.checked = true;
    options.servers[1].down = true;
    let pool = Pool::new(options, None);
    let now = Instant::now();
    assert_eq!(pool.check_result(now, 0, false), Some(Transition::Down));
    assert!(pool.pick(now, 0, &Tried::new()).is_none());
    assert!(!pool.is_up());
    assert_eq!(pool.healthy_count(), 0);
    assert!(
        Pool::new(PoolOptions::new("empty", Algorithm::P2c, Vec::new()), None)
            .pick(now, 7, &Tried::new())
            .is_none()
    );
}

#[test]
fn the_first_check_counts_at_once_and_later_ones_by_rise_and_fall() {
    let pool = Pool::new(
        PoolOptions {
            checked: true,
            rise: 2,
            fall: 3,
            ..options(2)
        },
        None,
    );
    let now = Instant::now();
    assert_eq!(pool.check_result(now, 0, false), Some(Transition::Down));
    assert_eq!(pool.check_result(now, 0, true), None);
    assert_eq!(pool.check_result(now, 0, false), None);
    assert_eq!(pool.check_result(now, 0, true), None);
    assert_eq!(pool.check_result(now, 0, true), Some(Transition::Up));
    for _ in 0..2 {
        assert_eq!(pool.check_result(now, 0, false), None);
    }
    assert_eq!(pool.check_result(now, 0, false), Some(Transition::Down));
    assert_eq!(pool.check_result(now, 1, true), None);
    assert_eq!(pool.check_result(now, 9, true), None);
}

#[test]
fn failures_in_a_row_eject_and_one_success_in_between_does_not() {
    let pool = Pool::new(options(3), None);
    let now = Instant::now();
    assert_eq!(fail(&pool, now, 1, 4), None);
    pool.report(now, 1, FINE);
    assert_eq!(fail(&pool, now, 1, 4), None);
    assert_eq!(
        ejected_for(pool.report(now, 1, REFUSED)),
        Duration::from_secs(10)
    );
    assert_eq!(pool.servers()[1].state(now), ServerState::Ejected);
    assert_eq!(picks(&pool, now, 4), [0, 2, 0, 2]);
    assert_eq!(pool.healthy_count(), 2);
    assert!(pool.is_up());
}

#[test]
fn what_counts_as_a_failure() {
    let answered = |status| Outcome::Answered {
        status,
        latency: Duration::ZERO,
    };
    for outcome in [
        answered(502),
        answered(503),
        answered(504),
        Outcome::TimedOut,
        Outcome::Broken,
        REFUSED,
    ] {
        assert!(outcome.is_failure(), "{outcome:?}");
    }
    for status in [200, 304, 404, 429, 500, 501] {
        assert!(!answered(status).is_failure(), "{status}");
    }
}

#[test]
fn after_an_ejection_one_request_probes_and_its_success_readmits() {
    let pool = Pool::new(options(2), None);
    let now = Instant::now();
    fail(&pool, now, 0, 5);
    let later = now + Duration::from_millis(10_001);
    let probe = pool.pick(later, 0, &Tried::new()).unwrap();
    assert_eq!(probe.index, 0);
    assert_eq!(
        picks(&pool, later, 4),
        [1, 1, 1, 1],
        "only one request probes"
    );
    assert_eq!(pool.report(later, 0, FINE), Some(Transition::Readmitted));
    assert_eq!(
        picks(&pool, later, 4)
            .iter()
            .filter(|&&index| index == 0)
            .count(),
        2
    );
}

#[test]
fn a_probe_that_is_never_reported_only_delays_the_next() {
    let pool = Pool::new(options(2), None);
    let now = Instant::now();
    fail(&pool, now, 0, 5);
    let later = now + Duration::from_millis(10_001);
    drop(pool.pick(later, 0, &Tried::new()));
    assert_eq!(picks(&pool, later, 2), [1, 1]);
    assert_eq!(picks(&pool, later + limits::PROBE_WINDOW_MAX, 1), [0]);
}

#[test]
fn an_ejection_doubles_with_repeats_up_to_its_longest() {
    let eject = Eject {
        at_longest: Duration::from_secs(100),
        ..Eject::default()
    };
    let pool = Pool::new(
        PoolOptions {
            eject,
            ..options(2)
        },
        None,
    );
    let mut now = Instant::now();
    let mut lengths = vec![ejected_for(fail(&pool, now, 0, 5)).as_secs()];
    for _ in 0..6 {
        now += Duration::from_secs(101);
        assert_eq!(picks(&pool, now, 1), [0]);
        lengths.push(ejected_for(pool.report(now, 0, REFUSED)).as_secs());
    }
    assert_eq!(lengths, [10, 20, 40, 80, 100, 100, 100]);
    // A long good time, and it is forgotten.
    now += Duration::from_secs(101);
    picks(&pool, now, 1);
    assert_eq!(pool.report(now, 0, FINE), Some(Transition::Readmitted));
    now += Duration::from_secs(101);
    assert_eq!(ejected_for(fail(&pool, now, 0, 5)).as_secs(), 10);
}

#[test]
fn nginxs_max_fails_and_fail_timeout_replace_the_pools() {
    let mut options = options(3);
    options.servers[0].max_fails = Some(1);
    options.servers[0].fail_timeout = Some(Duration::from_secs(30));
    options.servers[1].max_fails = Some(0);
    let pool = Pool::new(options, None);
    let mut now = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            ejected_for(pool.report(now, 0, REFUSED)),
            Duration::from_secs(30)
        );
        now += Duration::from_secs(31);
        assert_eq!(picks(&pool, now, 1), [0]);
    }
    assert_eq!(fail(&pool, now, 1, 100), None);
}

#[test]
fn no_more_than_the_cap_is_ejected_and_the_last_one_never() {
    let cap = |count, at_most_percent| {
        let eject = Eject {
            at_most_percent,
            ..Eject::default()
        };
        let pool = Pool::new(
            PoolOptions {
                eject,
                ..options(count)
            },
            None,
        );
        let now = Instant::now();
        (0..count)
            .filter(|&index| fail(&pool, now, index, 5).is_some())
            .count()
    };
    assert_eq!(cap(10, 50), 5);
    assert_eq!(cap(10, 100), 9);
    assert_eq!(cap(10, 255), 9);
    assert_eq!(cap(3, 10), 1);
    assert_eq!(cap(10, 0), 0);
    assert_eq!(cap(1, 100), 0);
}

#[test]
fn the_last_in_use_is_not_ejected_whatever_keeps_the_others_out() {
    let pool = Pool::new(
        PoolOptions {
            checked: true,
            ..options(4)
        },
        None,
    );
    let now = Instant::now();
    pool.check_result(now, 0, false);
    pool.drain(now, 1, true);
    assert!(fail(&pool, now, 2, 5).is_some());
    assert_eq!(fail(&pool, now, 3, 50), None, "half of four may be, yet");
    assert_eq!(pool.servers()[3].state(now), ServerState::Up);
}

#[test]
fn an_ejected_server_is_the_last_resort_and_its_success_readmits() {
    let pool = Pool::new(
        PoolOptions {
            checked: true,
            ..options(2)
        },
        None,
    );
    let now = Instant::now();
    fail(&pool, now, 0, 5);
    pool.check_result(now, 1, false);
    assert_eq!(picks(&pool, now, 2), [0, 0]);
    assert_eq!(
        pool.report(now, 0, REFUSED),
        None,
        "a failing last resort changes nothing"
    );
    assert_eq!(picks(&pool, now, 1), [0]);
    assert_eq!(pool.report(now, 0, FINE), Some(Transition::Readmitted));
}

#[test]
fn an_ejected_backup_is_spared_while_a_primary_serves_and_used_when_none_does() {
    let mut options = PoolOptions {
        checked: true,
        ..options(2)
    };
    options.servers[1].backup = true;
    let pool = Pool::new(options, None);
    let now = Instant::now();
    fail(&pool, now, 1, 5);
    let later = now + Duration::from_secs(11);
    assert_eq!(picks(&pool, later, 2), [0, 0], "nobody's request probes it");
    pool.check_result(later, 0, false);
    assert_eq!(picks(&pool, later, 2), [1, 1]);
    assert_eq!(pool.report(later, 1, FINE), Some(Transition::Readmitted));
}

#[test]
fn what_was_under_way_at_the_ejection_proves_nothing() {
    let pool = Pool::new(options(2), None);
    let now = Instant::now();
    let until = Instant::now() + Duration::from_secs(9);
    fail(&pool, now, 0, 5);
    assert_eq!(fail(&pool, now, 0, 50), None);
    assert_eq!(pool.report(now, 0, FINE), None);
    assert_eq!(pool.servers()[0].state(now), ServerState::Ejected);
    assert!(pool.servers()[0].ejected_until(now).unwrap() > until);
    assert_eq!(pool.servers()[0].counters().ejections, 1);
}

#[test]
fn a_check_readmits_once_the_ejection_has_run_out() {
    let pool = Pool::new(
        PoolOptions {
            checked: true,
            ..options(2)
        },
        None,
    );
    let now = Instant::now();
    fail(&pool, now, 0, 5);
    assert_eq!(pool.check_result(now, 0, true), None);
    assert_eq!(
        pool.check_result(now + Duration::from_secs(11), 0, true),
        Some(Transition::Readmitted)
    );
}

#[test]
fn a_drained_server_takes_nothing_new() {
    let pool = Pool::new(options(2), None);
    let now = Instant::now();
    pool.drain(now, 0, true);
    pool.drain(now, 99, true);
    assert_eq!(pool.servers()[0].state(now), ServerState::Draining);
    assert_eq!(picks(&pool, now, 2), [1, 1]);
    pool.drain(now, 0, false);
    assert_eq!(pool.healthy_count(), 2);
}

#[test]
fn who_is_taken_back_from_a_drain_starts_slowly() {
    let mut options = options(2);
    options.servers[0].slow_start = Duration::from_secs(10);
    let pool = Pool::new(options, None);
    let now = Instant::now();
    assert_eq!(pool.servers()[0].ramp(now), 100, "not at the first start");
    pool.drain(now, 0, false);
    assert_eq!(pool.servers()[0].ramp(now), 100, "it was not drained");
    pool.drain(now, 0, true);
    let later = now + Duration::from_secs(60);
    pool.drain(later, 0, false);
    assert_eq!(pool.servers()[0].ramp(later), 1);
    assert_eq!(pool.servers()[0].ramp(later + Duration::from_secs(5)), 50);
    assert_eq!(pool.servers()[0].ramp(later + Duration::from_secs(10)), 100);
}

#[test]
fn a_reload_carries_health_and_leases_over() {
    let old = Pool::new(
        PoolOptions {
            checked: true,
            ..options(3)
        },
        None,
    );
    let now = Instant::now();
    let lease = old.pick(now, 0, &Tried::new()).unwrap();
    old.check_result(now, 1, false);
    let mut options = PoolOptions {
        checked: true,
        ..options(3)
    };
    options.servers.rotate_left(1);
    options.servers.push(ServerOptions::new("new"));
    let new = Pool::new(options, Some(&old));
    let state = |pool: &Arc<Pool>| {
        pool.servers()
            .iter()
            .map(|server| server.state(now))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        state(&new),
        [
            ServerState::Down,
            ServerState::Up,
            ServerState::Up,
            ServerState::Up
        ]
    );
    assert_eq!(new.servers()[2].in_flight(), 1, "server-0 is the third now");
    // A request that finishes on the old pool is seen by the new one.
    fail(&old, now, 2, 5);
    assert_eq!(new.servers()[1].state(now), ServerState::Ejected);
    assert!(!picks(&new, now, 8).contains(&1));
    drop((old, lease));
    assert_eq!(new.servers()[2].in_flight(), 0);
    new.check_invariants().unwrap();
}

#[test]
fn a_reload_without_checks_forgets_what_they_found() {
    let old = Pool::new(
        PoolOptions {
            checked: true,
            ..options(1)
        },
        None,
    );
    let now = Instant::now();
    old.check_result(now, 0, false);
    let new = Pool::new(options(1), Some(&old));
    assert_eq!(picks(&new, now, 1), [0]);
    assert_eq!(new.check_result(now, 0, false), None);
}

#[test]
fn transitions_read_as_sentences() {
    let pool = Pool::new(options(2), None);
    let ejected = fail(&pool, Instant::now(), 0, 5).unwrap();
    assert!(ejected.is_worse());
    let sentence = ejected.sentence("web", "server-0");
    assert_eq!(
        sentence,
        "pool web: server server-0 is ejected for 10 s: requests to it failed in a row"
    );
}

#[test]
fn absurd_times_are_held_within_the_limits() {
    let eject = Eject {
        for_: Duration::MAX,
        ..Eject::default()
    };
    let pool = Pool::new(
        PoolOptions {
            eject,
            ..options(2)
        },
        None,
    );
    assert_eq!(
        ejected_for(fail(&pool, Instant::now(), 0, 5)),
        limits::EJECTION_MAX
    );
}

#[test]
fn leases_may_cross_threads() {
    fn assert_send<T: Send + 'static>(_: &T) {}
    let pool = Pool::new(options(1), None);
    let lease = pool.pick(Instant::now(), 0, &Tried::new()).unwrap();
    assert_send(&lease);
    std::thread::spawn(move || drop(lease)).join().unwrap();
    assert_eq!(pool.servers()[0].in_flight(), 0);
}
