//! Pools of every kind, by seed.

use crate::seeds::Random;
use seawall_balance::{
    Algorithm, BreakerOptions, Eject, EjectRatio, Initial, PoolOptions, QueueOptions, ServerOptions,
};
use std::time::Duration;

const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RoundRobin,
    Algorithm::LeastConn,
    Algorithm::P2c,
    Algorithm::Ewma,
    Algorithm::IpHash,
    Algorithm::Hash,
    Algorithm::Random,
    Algorithm::RandomTwo,
];

pub fn random_server(index: usize, random: &mut Random) -> ServerOptions {
    ServerOptions {
        weight: random.below(5) as u32,
        backup: random.one_in(5),
        down: random.one_in(12),
        drain: random.one_in(20),
        max_conns: if random.one_in(2) {
            0
        } else {
            1 + random.below(4) as u32
        },
        slow_start: Duration::from_secs(random.below(3) * 5),
        max_fails: random.one_in(4).then(|| random.below(3) as u32),
        fail_timeout: random
            .one_in(4)
            .then(|| Duration::from_secs(random.below(20))),
        ..ServerOptions::new(format!("10.0.0.{index}:80"))
    }
}

fn random_eject(random: &mut Random) -> Eject {
    Eject {
        after: random.below(6) as u32,
        ratio: random.one_in(2).then(|| EjectRatio {
            percent: 20 + random.below(60) as u8,
            min_requests: 1 + random.below(10) as u32,
            window: Duration::from_secs(1 + random.below(20)),
        }),
        for_: Duration::from_secs(1 + random.below(15)),
        at_longest: Duration::from_secs(random.below(60)),
        at_most_percent: random.below(101) as u8,
    }
}

pub fn random_options(random: &mut Random) -> PoolOptions {
    let servers = (0..1 + random.index(8))
        .map(|index| random_server(index, random))
        .collect();
    let algorithm = ALGORITHMS[random.index(ALGORITHMS.len())];
    PoolOptions {
        checked: random.one_in(2),
        initial: if random.one_in(3) {
            Initial::Down
        } else {
            Initial::Up
        },
        rise: 1 + random.below(3) as u32,
        fall: 1 + random.below(3) as u32,
        eject: random_eject(random),
        queue: QueueOptions {
            size: if random.one_in(2) {
                0
            } else {
                1 + random.below(6) as u32
            },
            ..QueueOptions::default()
        },
        sticky_while_draining: random.one_in(2),
        breaker: random.one_in(4).then(|| BreakerOptions {
            window: Duration::from_secs(10),
            ..BreakerOptions::default()
        }),
        retry_budget_percent: random.below(60) as u8,
        retry_min_per_s: random.below(4) as u32,
        seed: random.next(),
        ..PoolOptions::new("simulated", algorithm, servers)
    }
}
