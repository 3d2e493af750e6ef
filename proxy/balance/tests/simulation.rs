//! A pool under a seeded world: servers that fail and recover, checks, drains, reloads and retries, in one thread with
//! a clock of its own; and one with real threads. `BALANCE_SEED=n` replays one seed.

use seawall_balance::{
    Algorithm, Eject, Lease, Outcome, Pool, PoolOptions, ServerOptions, ServerState, Transition,
    Tried,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// splitmix64: all a simulation needs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn random_options(random: &mut Random) -> PoolOptions {
    let server = |index: u64, random: &mut Random| ServerOptions {
        weight: random.below(5) as u32,
        backup: random.one_in(5),
        down: random.one_in(12),
        max_fails: random.one_in(4).then(|| random.below(3) as u32),
        fail_timeout: random
            .one_in(4)
            .then(|| Duration::from_secs(random.below(20))),
        ..ServerOptions::new(format!("server-{index}"))
    };
    let servers = (0..1 + random.below(8))
        .map(|index| server(index, random))
        .collect();
    let algorithm = if random.one_in(2) {
        Algorithm::RoundRobin
    } else {
        Algorithm::P2c
    };
    PoolOptions {
        checked: random.one_in(2),
        rise: 1 + random.below(3) as u32,
        fall: 1 + random.below(3) as u32,
        eject: Eject {
            after: random.below(6) as u32,
            for_: Duration::from_secs(1 + random.below(15)),
            at_most_percent: random.below(101) as u8,
            ..Eject::default()
        },
        retry_budget_percent: random.below(60) as u8,
        ..PoolOptions::new("simulated", algorithm, servers)
    }
}

struct World {
    random: Random,
    now: Instant,
    start: Instant,
    pool: Arc<Pool>,
    options: PoolOptions,
    /// Hidden truth: whether the server with this index works.
    works: Vec<bool>,
    /// Every second world has no reloads: the cap on ejections is exact there.
    reloads: bool,
    leases: Vec<(Arc<Pool>, Lease)>,
    requests: u64,
    retries: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let options = random_options(&mut random);
        let now = Instant::now();
        let works = vec![true; options.servers.len()];
        let pool = Pool::new(options.clone(), None);
        Self {
            random,
            now,
            start: now,
            pool,
            options,
            works,
            reloads: seed % 2 == 1,
            leases: Vec::new(),
            requests: 0,
            retries: 0,
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.below(400));
        match self.random.below(100) {
            0..50 => self.request(),
            50..75 => self.finish(),
            75..90 => self.check(),
            90..96 => {
                let index = self.random.below(self.works.len() as u64) as usize;
                self.works[index] = !self.works[index];
            }
            96..98 => {
                let index = self.random.below(self.works.len() as u64) as usize;
                self.pool.drain(index, self.random.one_in(3));
            }
            _ if self.reloads => self.reload(),
            _ => {}
        }
        self.pool.check_invariants().unwrap();
    }

    fn request(&mut self) {
        self.pool.on_request();
        self.requests += 1;
        let mut tried = Tried::new();
        for _ in 0..3 {
            let Some(lease) = self.pick(&tried) else {
                return;
            };
            if self.works[lease.index] {
                self.leases.push((Arc::clone(&self.pool), lease));
                return;
            }
            let transition = self
                .pool
                .report(self.now, lease.index, Outcome::ConnectFailed);
            assert!(matches!(
                transition,
                None | Some(Transition::Ejected { .. })
            ));
            tried.insert(lease.index);
            if !self.pool.allow_retry(self.now) {
                return;
            }
            self.retries += 1;
        }
    }

    /// Picks, and judges the choice by the states before it.
    fn pick(&mut self, tried: &Tried) -> Option<Lease> {
        let servers = self.pool.servers();
        let untried = || (0..servers.len()).filter(|&index| !tried.contains(index));
        let states: Vec<ServerState> = servers
            .iter()
            .map(|server| server.state(self.now))
            .collect();
        let due: Vec<bool> = servers
            .iter()
            .map(|server| server.ejected_until(self.now).is_none())
            .collect();
        let up = |backup| {
            untried().any(|i| states[i] == ServerState::Up && servers[i].is_backup() == backup)
        };
        let any_ejected =
            untried().any(|i| states[i] == ServerState::Ejected && !servers[i].is_backup());
        let lease = self.pool.pick(self.now, self.random.next(), tried);
        let Some(lease) = lease else {
            assert!(
                !up(false) && !up(true) && !any_ejected,
                "nothing picked from {states:?}"
            );
            return None;
        };
        assert!(!tried.contains(lease.index));
        let probes = due[lease.index] && states[lease.index] == ServerState::Ejected;
        match states[lease.index] {
            ServerState::Up if lease.is_backup() => {
                assert!(!up(false), "a backup, with a primary up")
            }
            ServerState::Up => {}
            ServerState::Ejected => assert!(
                probes || (!up(false) && !up(true)),
                "an ejected one, with another up"
            ),
            other => panic!("picked a server that is {other:?}"),
        }
        Some(lease)
    }

    fn finish(&mut self) {
        if self.leases.is_empty() {
            return;
        }
        let at = self.random.below(self.leases.len() as u64) as usize;
        let (pool, lease) = self.leases.swap_remove(at);
        if self.random.one_in(10) {
            return; // Its client left: nothing is reported.
        }
        // After a reload the index may be another server's in the new pool; it is the old pool's that is reported.
        let works = self.works.get(lease.index).copied().unwrap_or(true);
        let status = if works { 200 } else { 502 };
        let latency = Duration::from_millis(self.random.below(100));
        pool.report(self.now, lease.index, Outcome::Answered { status, latency });
    }

    fn check(&mut self) {
        let index = self.random.below(self.works.len() as u64) as usize;
        let before = self.pool.servers()[index].state(self.now);
        let transition = self.pool.check_result(self.now, index, self.works[index]);
        let after = self.pool.servers()[index].state(self.now);
        if transition == Some(Transition::Down) {
            assert!(before != ServerState::Down && after == ServerState::Down);
        }
        assert!(self.options.checked || transition.is_none());
    }

    fn reload(&mut self) {
        if self.random.one_in(2) {
            let weight = self.random.below(9) as u32;
            self.options.servers.push(ServerOptions {
                weight,
                ..ServerOptions::new(format!("server-{}", self.options.servers.len()))
            });
            self.works.push(true);
        }
        self.pool = Pool::new(self.options.clone(), Some(&self.pool));
    }

    fn end(self) {
        let seconds = (self.now - self.start).as_secs() + 2;
        let percent = u64::from(self.options.retry_budget_percent);
        let granted_max = if percent == 0 {
            0
        } else {
            self.requests * percent / 100 + 3 * seconds
        };
        assert!(
            self.retries <= granted_max,
            "{} retries for {} requests",
            self.retries,
            self.requests
        );
        drop(self.leases);
        assert!(
            self.pool
                .servers()
                .iter()
                .all(|server| server.in_flight() == 0)
        );
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..1000 {
        world.step();
    }
    world.end();
}

#[test]
fn the_rules_hold_in_256_worlds() {
    if let Some(seed) = std::env::var("BALANCE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        return run(seed);
    }
    for seed in 0..256 {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("replay with BALANCE_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn round_robin_is_exact_within_a_cycle_for_256_sets_of_weights() {
    for seed in 0..256 {
        let mut random = Random(seed);
        let weights: Vec<u32> = (0..1 + random.below(12))
            .map(|_| 1 + random.below(40) as u32)
            .collect();
        let server = |(index, &weight)| ServerOptions {
            weight,
            ..ServerOptions::new(format!("{index}"))
        };
        let servers = weights.iter().enumerate().map(server).collect();
        let pool = Pool::new(
            PoolOptions::new("weighted", Algorithm::RoundRobin, servers),
            None,
        );
        let now = Instant::now();
        for _ in 0..random.below(50) {
            pool.pick(now, 0, &Tried::new());
        }
        let mut counts = vec![0; weights.len()];
        for _ in 0..weights.iter().sum() {
            counts[pool.pick(now, 0, &Tried::new()).unwrap().index] += 1;
        }
        assert_eq!(counts, weights, "seed {seed}");
    }
}

#[test]
fn p2c_shares_by_weight_and_keeps_loads_level() {
    let servers = [1, 1, 2].map(|weight| ServerOptions {
        weight,
        ..ServerOptions::new(format!("{weight}"))
    });
    let pool = Pool::new(
        PoolOptions::new("p2c", Algorithm::P2c, servers.to_vec()),
        None,
    );
    let mut random = Random(1);
    let leases: Vec<Lease> = (0..4000)
        .filter_map(|_| pool.pick(Instant::now(), random.next(), &Tried::new()))
        .collect();
    let loads: Vec<i64> = pool
        .servers()
        .iter()
        .map(|server| i64::from(server.in_flight()))
        .collect();
    assert!(
        (loads[0] - 1000).abs() < 50
            && (loads[1] - 1000).abs() < 50
            && (loads[2] - 2000).abs() < 50,
        "{loads:?}"
    );
    drop(leases);
    assert!(pool.servers().iter().all(|server| server.in_flight() == 0));
}

#[test]
fn threads_leave_the_pool_in_order() {
    let servers = (0..5)
        .map(|index| ServerOptions::new(format!("{index}")))
        .collect();
    let eject = Eject {
        after: 2,
        for_: Duration::from_millis(5),
        at_most_percent: 60,
        ..Eject::default()
    };
    let options = PoolOptions {
        checked: true,
        eject,
        ..PoolOptions::new("shared", Algorithm::P2c, servers)
    };
    let pool = Pool::new(options.clone(), None);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let mut pool = Arc::clone(&pool);
            let options = &options;
            scope.spawn(move || {
                let mut random = Random(seed);
                for turn in 0..5000u64 {
                    let now = start + Duration::from_micros(turn * 20);
                    pool.on_request();
                    if let Some(lease) = pool.pick(now, random.next(), &Tried::new()) {
                        let outcome = match random.below(3) {
                            0 => Outcome::Answered {
                                status: 200,
                                latency: Duration::ZERO,
                            },
                            1 => Outcome::TimedOut,
                            _ => Outcome::Broken,
                        };
                        pool.report(now, lease.index, outcome);
                    }
                    match random.below(50) {
                        0 => _ = pool.check_result(now, random.below(5) as usize, random.one_in(2)),
                        1 => pool.drain(random.below(5) as usize, random.one_in(4)),
                        2 => pool = Pool::new(options.clone(), Some(&pool)),
                        3 => _ = pool.allow_retry(now),
                        _ => {}
                    }
                }
            });
        }
    });
    pool.check_invariants().unwrap();
    assert!(pool.servers().iter().all(|server| server.in_flight() == 0));
    let answered: u64 = pool
        .servers()
        .iter()
        .map(|server| server.counters().answered)
        .sum();
    let failed: u64 = pool
        .servers()
        .iter()
        .map(|server| server.counters().failed)
        .sum();
    assert!(answered + failed <= 20_000 && answered > 0 && failed > 0);
}
