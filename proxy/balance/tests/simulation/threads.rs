//! Real threads on one pool, one limiter, one queue: what must be exact is exact there too.

use crate::seeds::{self, Random};
use seawall_balance::{
    Algorithm, Allow, Breaker, BreakerOptions, Choice, Eject, EjectRatio, Outcome, Picked, Pool,
    PoolOptions, QueueOptions, ServerOptions, StickyTable, Tried,
    limit::{ConnectionLimit, Delay, Gcra, LeakyBucket, Limit, LimiterTable},
};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

const THREADS: u64 = 4;

/// Runs one closure on each of some threads, all let off at once.
fn together(work: impl Fn(u64) + Sync) {
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(number);
            });
        }
    });
}

#[test]
fn a_limiter_is_exact_over_threads() {
    for limit in [
        Limit::Gcra(Gcra::new(1, Duration::from_secs(60), 999, Delay::Never)),
        Limit::Leaky(LeakyBucket::new(1, true, 999, Delay::Never)),
    ] {
        let table = LimiterTable::new(0);
        let passed = [const { AtomicU64::new(0) }; 8];
        together(|_| {
            for at in 0..8000 {
                let key = at % 8;
                if table.check(&limit, seeds::start(), key, 1).is_allowed() {
                    passed[key as usize].fetch_add(1, SeqCst);
                }
            }
        });
        let passed = passed.map(AtomicU64::into_inner);
        assert_eq!(passed, [1000; 8], "the burst and one, of each key");
    }
}

#[test]
fn a_limit_on_connections_is_exact_over_threads() {
    const MAX: u32 = 3;
    let limit = ConnectionLimit::new(100);
    let now = [const { AtomicU32::new(0) }; 4];
    let entered = AtomicU64::new(0);
    together(|seed| {
        let mut random = Random::new(seed);
        for _ in 0..20_000 {
            let key = random.index(4);
            let Some(guard) = limit.enter(key as u64, MAX) else {
                continue;
            };
            assert!(now[key].fetch_add(1, SeqCst) < MAX, "one too many");
            entered.fetch_add(1, SeqCst);
            if random.one_in(4) {
                thread::yield_now();
            }
            now[key].fetch_sub(1, SeqCst);
            drop(guard);
        }
    });
    assert!(entered.into_inner() > 1000);
    assert_eq!(limit.keys(), 0);
}

/// Wakes a thread that is parked.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks until woken. Nobody works for longer than some yields: who is not woken for so long never would be.
fn park() {
    let start = Instant::now();
    thread::park_timeout(Duration::from_secs(20));
    assert!(start.elapsed() < Duration::from_secs(20), "a lost wake-up");
}

/// Servers that say when they are asked to do too much.
struct Loads {
    now: Vec<AtomicU32>,
    max: u32,
}

impl Loads {
    fn work(&self, index: usize, random: &mut Random) {
        let before = self.now[index].fetch_add(1, SeqCst);
        assert!(before < self.max, "{before} were under way already");
        for _ in 0..random.below(4) {
            thread::yield_now();
        }
        self.now[index].fetch_sub(1, SeqCst);
    }
}

fn limited(count: usize, max_conns: u32, size: u32) -> PoolOptions {
    let server = |index: usize| ServerOptions {
        max_conns,
        ..ServerOptions::new(format!("server-{index}"))
    };
    PoolOptions {
        queue: QueueOptions {
            size,
            ..QueueOptions::default()
        },
        ..PoolOptions::new(
            "limited",
            Algorithm::LeastConn,
            (0..count).map(server).collect(),
        )
    }
}

#[test]
fn no_server_ever_has_more_than_its_max_conns_whatever_chooses() {
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::LeastConn,
        Algorithm::P2c,
        Algorithm::Ewma,
        Algorithm::Hash,
    ] {
        let options = PoolOptions {
            algorithm,
            ..limited(2, 1, 0)
        };
        let pool = Pool::new(options, None);
        let loads = Loads {
            now: vec![AtomicU32::new(0), AtomicU32::new(0)],
            max: 1,
        };
        let served = AtomicU64::new(0);
        together(|seed| {
            let mut random = Random::new(seed);
            let tried = Tried::new();
            for _ in 0..5000 {
                let choice = Choice {
                    key: Some(random.next()),
                    ..Choice::new(seeds::start(), random.next(), &tried)
                };
                if let Picked::Lease(lease) = pool.pick_with(&choice) {
                    loads.work(lease.index, &mut random);
                    served.fetch_add(1, SeqCst);
                }
            }
        });
        assert!(served.into_inner() > 1000);
        pool.check_invariants().unwrap();
    }
}

#[test]
fn everybody_in_the_queue_is_served_and_no_wake_up_is_lost() {
    const REQUESTS: u64 = 3000;
    let pool = Pool::new(limited(2, 1, 100), None);
    let loads = Loads {
        now: vec![AtomicU32::new(0), AtomicU32::new(0)],
        max: 1,
    };
    let served = AtomicU64::new(0);
    let waited = AtomicU64::new(0);
    together(|seed| {
        let mut random = Random::new(seed);
        let tried = Tried::new();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        for _ in 0..REQUESTS {
            let choice = Choice::new(seeds::start(), random.next(), &tried);
            let mut picked = pool.pick_with(&choice);
            if matches!(picked, Picked::Full) {
                waited.fetch_add(1, SeqCst);
                let mut ticket = pool.wait().expect("the queue is longer than we are many");
                if random.one_in(20) {
                    continue; // It gives up at once.
                }
                picked = loop {
                    match ticket.poll_pick(&pool, &choice, &waker) {
                        Poll::Ready(picked) => break picked,
                        Poll::Pending if random.one_in(50) => break Picked::None,
                        Poll::Pending => park(),
                    }
                };
            }
            if let Picked::Lease(lease) = picked {
                loads.work(lease.index, &mut random);
                served.fetch_add(1, SeqCst);
            }
        }
    });
    assert_eq!(pool.waiting(), 0);
    assert!(pool.servers().iter().all(|server| server.in_flight() == 0));
    assert!(waited.into_inner() > 100, "hardly anybody had to wait");
    assert!(served.into_inner() > THREADS * REQUESTS * 8 / 10);
}

#[test]
fn a_breaker_that_is_half_open_lets_so_many_through_and_no_more() {
    for seed in 0..50 {
        let options = BreakerOptions {
            min_requests: 1,
            half_open_probes: 3,
            ..BreakerOptions::default()
        };
        let breaker = Breaker::new(options, seed);
        breaker.report(seeds::start(), Allow::Allowed, false);
        let later = seeds::start() + Duration::from_secs(7);
        let probes = AtomicU32::new(0);
        together(|_| {
            for _ in 0..100 {
                if breaker.allow(later) == Allow::Probe {
                    probes.fetch_add(1, SeqCst);
                }
            }
        });
        assert_eq!(probes.into_inner(), 3);
    }
}

#[test]
fn sessions_are_learned_by_many_at_once() {
    let table = StickyTable::new(0, Duration::from_secs(60));
    together(|number| {
        for at in 0..5000 {
            let session = at % 100;
            table.learn(seeds::start(), session, number);
            let tag = table.lookup(seeds::start(), session);
            assert!(tag.is_some_and(|tag| tag < THREADS));
        }
    });
    assert_eq!(table.len(seeds::start()), 100);
}

#[test]
fn threads_leave_the_pool_in_order() {
    let servers = (0..5)
        .map(|index| ServerOptions::new(format!("{index}")))
        .collect();
    let eject = Eject {
        after: 2,
        ratio: Some(EjectRatio::default()),
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
    together(|seed| {
        let mut pool = Arc::clone(&pool);
        let mut random = Random::new(seed);
        for turn in 0..5000u64 {
            let now = seeds::start() + Duration::from_micros(turn * 20);
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
                0 => _ = pool.check_result(now, random.index(5), random.one_in(2)),
                1 => pool.drain(now, random.index(5), random.one_in(4)),
                2 => pool = Pool::new(options.clone(), Some(&pool)),
                3 => _ = pool.allow_retry(now),
                4 => pool.set_weight(random.index(5), random.below(4) as u32),
                _ => {}
            }
        }
    });
    pool.check_invariants().unwrap();
    assert!(pool.servers().iter().all(|server| server.in_flight() == 0));
    let sum = |count: fn(seawall_balance::Counters) -> u64| -> u64 {
        let servers = pool.servers().iter();
        servers.map(|server| count(server.counters())).sum()
    };
    let (answered, failed) = (sum(|c| c.answered), sum(|c| c.failed));
    assert!(answered + failed <= 20_000 && answered > 0 && failed > 0);
}

#[test]
fn a_server_whose_ejection_ran_out_is_probed_by_one() {
    for _ in 0..50 {
        let servers = vec![ServerOptions::new("a"), ServerOptions::new("b")];
        let pool = Pool::new(
            PoolOptions::new("probed", Algorithm::RoundRobin, servers),
            None,
        );
        for _ in 0..5 {
            pool.report(seeds::start(), 0, Outcome::ConnectFailed);
        }
        let later = seeds::start() + Duration::from_secs(11);
        let probes = AtomicU32::new(0);
        together(|seed| {
            for _ in 0..50 {
                let lease = pool.pick(later, seed, &Tried::new()).expect("one is up");
                if lease.index == 0 {
                    probes.fetch_add(1, SeqCst);
                }
            }
        });
        assert_eq!(probes.into_inner(), 1);
    }
}
