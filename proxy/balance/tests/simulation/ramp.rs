//! Slow start: a server that has recovered gets its share little by little.

use crate::seeds::{self, Random};
use seawall_balance::{Algorithm, Pool, PoolOptions, ServerOptions, Tried};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const RAMP: Duration = Duration::from_secs(20);
const SERVERS: usize = 4;

fn recovered(algorithm: Algorithm) -> (Arc<Pool>, Instant) {
    let server = |index: usize| ServerOptions {
        slow_start: RAMP,
        ..ServerOptions::new(format!("server-{index}"))
    };
    let options = PoolOptions {
        checked: true,
        ..PoolOptions::new("ramped", algorithm, (0..SERVERS).map(server).collect())
    };
    let pool = Pool::new(options, None);
    let now = seeds::start();
    for index in 0..SERVERS {
        pool.check_result(now, index, true);
        assert_eq!(
            pool.servers()[index].ramp(now),
            100,
            "not at the first start"
        );
    }
    for ok in [false, false, true, true] {
        pool.check_result(now, 0, ok);
    }
    (pool, now)
}

/// What server 0 gets of a thousand requests in each tenth of the ramp, and in the tenth after it. `hold`: how many
/// requests are under way at once.
fn shares(algorithm: Algorithm, seed: u64, hold: usize) -> Vec<u64> {
    let (pool, start) = recovered(algorithm);
    let mut random = Random::new(seed);
    let mut held = std::collections::VecDeque::new();
    let tenth = |at: u32| {
        let mut own = 0;
        for turn in 0..1000 {
            seeds::step();
            let now = start + RAMP / 10 * at + RAMP / 10_000 * turn;
            let lease = pool.pick(now, random.next(), &Tried::new()).unwrap();
            own += u64::from(lease.index == 0);
            held.push_back(lease);
            if held.len() > hold {
                held.pop_front();
            }
        }
        own
    };
    (0..11).map(tenth).collect()
}

#[test]
fn the_weight_grows_steadily_from_a_hundredth_to_the_whole() {
    let (pool, start) = recovered(Algorithm::RoundRobin);
    let server = &pool.servers()[0];
    let mut last = 0;
    for at_ms in 0..=20_000 {
        let percent = server.ramp(start + Duration::from_millis(at_ms));
        assert!(percent >= last && percent >= 1, "{percent} after {last}");
        assert!(u64::from(percent) <= 1 + at_ms * 100 / 20_000);
        last = percent;
    }
    assert_eq!(last, 100);
}

#[test]
fn the_share_grows_to_a_fair_one_whatever_chooses() {
    seeds::each(|seed| {
        let algorithms = [
            Algorithm::RoundRobin,
            Algorithm::LeastConn,
            Algorithm::P2c,
            Algorithm::Random,
        ];
        let algorithm = algorithms[seed as usize % 4];
        let hold = if seed % 8 < 4 { 1 } else { 40 };
        let shares = shares(algorithm, seed, hold);
        assert!(shares[0] < 60, "{algorithm:?} {shares:?}");
        // Chance has its part: a tenth may fall behind the one before by little.
        for pair in shares.windows(2) {
            assert!(pair[1] + 60 >= pair[0], "{algorithm:?} {shares:?}");
        }
        let halves = (
            shares[..5].iter().sum::<u64>(),
            shares[5..10].iter().sum::<u64>(),
        );
        assert!(halves.0 < halves.1, "{algorithm:?} {shares:?}");
        let fair = 1000 / SERVERS as u64;
        assert!(shares[10].abs_diff(fair) <= 75, "{algorithm:?} {shares:?}");
    });
}

#[test]
fn what_it_does_not_take_is_spread_over_the_others() {
    let (pool, now) = recovered(Algorithm::RoundRobin);
    let mut random = Random::new(5);
    let mut counts = [0u32; SERVERS];
    for _ in 0..3000 {
        counts[pool.pick(now, random.next(), &Tried::new()).unwrap().index] += 1;
    }
    assert!(counts[0] < 60, "{counts:?}");
    assert!(
        counts[1..].iter().all(|count| count.abs_diff(990) < 120),
        "{counts:?}"
    );
}

#[test]
fn servers_that_all_recover_at_once_serve_at_once() {
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::LeastConn,
        Algorithm::P2c,
        Algorithm::Ewma,
        Algorithm::Random,
    ] {
        let (pool, now) = recovered(algorithm);
        for index in 1..SERVERS {
            for ok in [false, false, true, true] {
                pool.check_result(now, index, ok);
            }
        }
        let mut random = Random::new(9);
        for _ in 0..100 {
            assert!(pool.pick(now, random.next(), &Tried::new()).is_some());
        }
    }
}
