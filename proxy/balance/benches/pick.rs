//! What a decision costs: `cargo bench -p seawall-balance`. Nanoseconds for one pick with its lease dropped, by
//! algorithm and number of servers, then for a report and for the limiters; the best of 25 rounds (what else the machine does only adds), one thread.

use seawall_balance::{
    Algorithm, Choice, EjectRatio, Outcome, Picked, Pool, PoolOptions, ServerOptions, Tried,
    hash_key,
    limit::{ConnectionLimit, Delay, Gcra, LeakyBucket, Limit, LimiterTable},
};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

const ROUNDS: usize = 25;
const TURNS: u64 = 40_000;

/// Nanoseconds a turn.
fn best_ns(mut turn: impl FnMut(u64)) -> f64 {
    let mut round = || {
        let start = Instant::now();
        (0..TURNS).for_each(&mut turn);
        start.elapsed().as_nanos() as f64 / TURNS as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}

fn random(at: u64) -> u64 {
    let z = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn pool(algorithm: Algorithm, count: u32, max_conns: u32) -> Arc<Pool> {
    let server = |index: u32| ServerOptions {
        max_conns,
        weight: 1 + index % 3,
        ..ServerOptions::new(format!("10.0.0.{index}:8080"))
    };
    let servers = (0..count).map(server).collect();
    Pool::new(PoolOptions::new("bench", algorithm, servers), None)
}

fn pick_ns(pool: &Pool) -> f64 {
    let now = Instant::now();
    let tried = Tried::new();
    best_ns(|at| {
        let choice = Choice {
            key: Some(hash_key(&at.to_le_bytes())),
            ..Choice::new(now, random(at), &tried)
        };
        assert!(matches!(
            black_box(pool.pick_with(&choice)),
            Picked::Lease(_)
        ));
    })
}

fn picks() {
    println!("{:<24}{:>8}{:>8}{:>8}", "pick, ns", "1", "3", "16");
    let algorithms = [
        Algorithm::RoundRobin,
        Algorithm::LeastConn,
        Algorithm::P2c,
        Algorithm::Ewma,
        Algorithm::Random,
        Algorithm::IpHash,
        Algorithm::Hash,
    ];
    for algorithm in algorithms {
        let ns = [1, 3, 16].map(|count| {
            let pool = pool(algorithm, count, 0);
            for index in 0..count as usize {
                let latency = Duration::from_millis(5);
                let outcome = Outcome::Answered {
                    status: 200,
                    latency,
                };
                pool.report(Instant::now(), index, outcome);
            }
            pick_ns(&pool)
        });
        println!(
            "{:<24}{:>8.1}{:>8.1}{:>8.1}",
            format!("{algorithm:?}"),
            ns[0],
            ns[1],
            ns[2]
        );
    }
    let ns = [1, 3, 16].map(|count| pick_ns(&pool(Algorithm::RoundRobin, count, 100)));
    println!(
        "{:<24}{:>8.1}{:>8.1}{:>8.1}",
        "RoundRobin, max_conns", ns[0], ns[1], ns[2]
    );
}

fn reports() {
    let outcome = Outcome::Answered {
        status: 200,
        latency: Duration::from_millis(5),
    };
    let now = Instant::now();
    let plain = pool(Algorithm::RoundRobin, 3, 0);
    let ns = best_ns(|at| _ = black_box(plain.report(now, (at % 3) as usize, outcome)));
    println!("{:<24}{ns:>8.1}", "report, ns");
    let mut options = plain.options().clone();
    options.servers = vec![ServerOptions::new("a"), ServerOptions::new("b")];
    options.eject.ratio = Some(EjectRatio::default());
    let judged = Pool::new(options, None);
    let ns = best_ns(|at| _ = black_box(judged.report(now, (at % 2) as usize, outcome)));
    println!("{:<24}{ns:>8.1}", "report with a ratio, ns");
}

fn limits() {
    let table = LimiterTable::new(100_000);
    let gcra = Limit::Gcra(Gcra::new(100, Duration::from_secs(1), 50, Delay::Never));
    let now = Instant::now();
    let ns = best_ns(|at| _ = black_box(table.check(&gcra, now, random(at % 50_000), 1)));
    println!("{:<24}{ns:>8.1}", "gcra, 50,000 keys, ns");
    let ns = best_ns(|at| _ = black_box(table.check(&gcra, now, random(at % 100), 1)));
    println!("{:<24}{ns:>8.1}", "gcra, 100 keys, ns");
    let table = LimiterTable::new(100_000);
    let leaky = Limit::Leaky(LeakyBucket::new(100, false, 50, Delay::After(0)));
    let ns = best_ns(|at| _ = black_box(table.check(&leaky, now, random(at % 50_000), 1)));
    println!("{:<24}{ns:>8.1}", "leaky, 50,000 keys, ns");
    let connections = ConnectionLimit::new(100_000);
    let ns = best_ns(|at| _ = black_box(connections.enter(random(at % 1000), 10)));
    println!("{:<24}{ns:>8.1}", "connection limit, ns");
}

fn main() {
    picks();
    reports();
    limits();
}
