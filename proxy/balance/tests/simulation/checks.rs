//! Active checks: what flaps, what falls, what rises, and when the next check is due.

use crate::seeds::{self, Random};
use seawall_balance::{
    Algorithm, CheckOptions, CheckSchedule, Initial, Pool, PoolOptions, ServerOptions, ServerState,
    Transition,
};
use std::{sync::Arc, time::Duration};

fn pool(rise: u32, fall: u32, initial: Initial) -> Arc<Pool> {
    let servers = vec![ServerOptions::new("a"), ServerOptions::new("b")];
    let options = PoolOptions {
        checked: true,
        initial,
        rise,
        fall,
        ..PoolOptions::new("checked", Algorithm::RoundRobin, servers)
    };
    Pool::new(options, None)
}

#[test]
fn a_server_changes_after_so_many_results_in_a_row_and_no_sooner() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let (rise, fall) = (1 + random.below(4) as u32, 1 + random.below(4) as u32);
        let pool = pool(rise, fall, Initial::Up);
        let now = seeds::start();
        assert_eq!(pool.check_result(now, 0, true), None);
        let (mut is_up, mut against) = (true, 0);
        for _ in 0..500 {
            seeds::step();
            let ok = random.one_in(2);
            let transition = pool.check_result(now, 0, ok);
            against = if ok == is_up { 0 } else { against + 1 };
            let needed = if is_up { fall } else { rise };
            let expected =
                (against >= needed).then_some(if ok { Transition::Up } else { Transition::Down });
            assert_eq!(transition, expected);
            if expected.is_some() {
                (is_up, against) = (ok, 0);
            }
            let state = pool.servers()[0].state(now);
            assert_eq!(state == ServerState::Up, is_up);
        }
    });
}

#[test]
fn a_server_that_flaps_with_every_check_stays_as_it_is() {
    let pool = pool(2, 2, Initial::Up);
    let now = seeds::start();
    for at in 0..1000 {
        assert_eq!(pool.check_result(now, 0, at % 2 == 0), None);
    }
    assert_eq!(pool.servers()[0].state(now), ServerState::Up);
}

#[test]
fn servers_that_must_be_checked_first_take_nothing_before() {
    let first = pool(3, 3, Initial::Down);
    let now = seeds::start();
    assert!(!first.is_up());
    assert_eq!(first.check_result(now, 0, true), Some(Transition::Up));
    assert_eq!(first.servers()[0].state(now), ServerState::Up);
    assert_eq!(first.servers()[1].state(now), ServerState::Down);
    // A reload knows what was found.
    let options = PoolOptions {
        servers: vec![ServerOptions::new("a"), ServerOptions::new("new")],
        ..first.options().clone()
    };
    let second = Pool::new(options, Some(&first));
    assert_eq!(second.servers()[0].state(now), ServerState::Up);
    assert_eq!(second.servers()[1].state(now), ServerState::Down);
}

#[test]
fn checks_are_due_within_their_jitter() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let options = CheckOptions {
            interval: Duration::from_millis(200 + random.below(10_000)),
            fast_interval: random
                .one_in(2)
                .then(|| Duration::from_millis(100 + random.below(5_000))),
            jitter_percent: random.below(91) as u8,
        };
        let mut now = seeds::start();
        let mut schedule = CheckSchedule::with(now, options, random.next());
        assert!(schedule.wait(now) <= options.interval / 10);
        for _ in 0..100 {
            seeds::step();
            now = schedule.due() + random.millis(1000);
            let up = random.one_in(2);
            let wait = schedule.checked(now, up, random.next()) - now;
            let fast = options.fast_interval.unwrap_or(options.interval / 2);
            let mean = if up { options.interval } else { fast };
            let jitter = mean.mul_f64(f64::from(options.jitter_percent) / 100.0);
            let slack = Duration::from_micros(1);
            assert!(wait + jitter + slack >= mean && wait <= mean + jitter + slack);
        }
    });
}
