//! Servers of different speed under open arrivals, on a virtual clock: who gets what, and what it costs the clients.

use crate::seeds::{self, Random};
use seawall_balance::{Algorithm, Lease, Outcome, Pool, PoolOptions, ServerOptions, Tried};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::Arc,
    time::{Duration, Instant},
};

const SERVERS: usize = 4;
const REQUESTS: usize = 3000;

struct Outcomes {
    counts: [u64; SERVERS],
    mean: Duration,
}

/// Each server works on one request at a time, the others wait there; server 0 is ten times slower.
fn run(algorithm: Algorithm, seed: u64) -> Outcomes {
    let servers = (0..SERVERS)
        .map(|index| ServerOptions::new(format!("server-{index}")))
        .collect();
    let pool: Arc<Pool> = Pool::new(PoolOptions::new("paced", algorithm, servers), None);
    let mut random = Random::new(seed);
    let mut now = seeds::start();
    let mut free_at = [now; SERVERS];
    let mut done: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    let mut leases: Vec<Option<(Instant, Lease)>> = Vec::new();
    let mut counts = [0; SERVERS];
    let mut total = Duration::ZERO;
    let mut finish = |end: Instant, at: usize, leases: &mut Vec<Option<(Instant, Lease)>>| {
        let (start, lease) = leases[at].take().expect("it is under way");
        let latency = end - start;
        total += latency;
        let outcome = Outcome::Answered {
            status: 200,
            latency,
        };
        pool.report(end, lease.index, outcome);
    };
    for at in 0..REQUESTS {
        seeds::step();
        now += random.exponential(Duration::from_millis(6));
        while let Some(&Reverse((end, at))) = done.peek()
            && end <= now
        {
            done.pop();
            finish(end, at, &mut leases);
        }
        let lease = pool
            .pick(now, random.next(), &Tried::new())
            .expect("all are up");
        let index = lease.index;
        counts[index] += 1;
        let mean = Duration::from_millis(if index == 0 { 100 } else { 10 });
        free_at[index] = free_at[index].max(now) + random.exponential(mean);
        done.push(Reverse((free_at[index], at)));
        leases.push(Some((now, lease)));
    }
    while let Some(Reverse((end, at))) = done.pop() {
        finish(end, at, &mut leases);
    }
    Outcomes {
        counts,
        mean: total / REQUESTS as u32,
    }
}

#[test]
fn a_slow_server_gets_little_where_latency_or_load_decides() {
    seeds::each(|seed| {
        let fair = REQUESTS as u64 / SERVERS as u64;
        let blind = run(Algorithm::RoundRobin, seed);
        assert_eq!(blind.counts[0], fair);
        for algorithm in [Algorithm::LeastConn, Algorithm::P2c, Algorithm::Ewma] {
            let seeing = run(algorithm, seed);
            assert!(
                seeing.counts[0] < fair * 2 / 3,
                "{algorithm:?}: {:?}",
                seeing.counts
            );
            assert!(seeing.mean < blind.mean / 4, "{algorithm:?}");
        }
    });
}

#[test]
fn ewma_spares_a_slow_server_more_than_load_alone_does() {
    let total = |algorithm| -> u64 { (0..16).map(|seed| run(algorithm, seed).counts[0]).sum() };
    let (by_load, by_latency) = (total(Algorithm::P2c), total(Algorithm::Ewma));
    assert!(by_latency < by_load, "{by_latency} and {by_load}");
}

#[test]
fn ewma_is_not_drawn_to_a_server_that_fails_fast() {
    let servers = (0..3)
        .map(|index| ServerOptions::new(format!("server-{index}")))
        .collect();
    let mut options = PoolOptions::new("paced", Algorithm::Ewma, servers);
    options.eject.after = 0;
    let pool = Pool::new(options, None);
    let mut random = Random::new(3);
    let mut now = seeds::start();
    let mut counts = [0; 3];
    for _ in 0..3000 {
        now += Duration::from_millis(5);
        let index = pool.pick(now, random.next(), &Tried::new()).unwrap().index;
        counts[index] += 1;
        let outcome = match index {
            0 => Outcome::Answered {
                status: 500,
                latency: Duration::from_micros(50),
            },
            _ => Outcome::Answered {
                status: 200,
                latency: Duration::from_millis(20),
            },
        };
        pool.report(now, index, outcome);
    }
    assert!(counts[0] < 100, "{counts:?}");
}
