//! Limiters against models: never more than the rate and its burst in any stretch of time, never less.

use crate::seeds::{self, Random};
use seawall_balance::limit::{
    ConnectionLimit, Decision, Delay, Gcra, LeakyBucket, Limit, LimiterTable, Verdict,
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

fn gcra(rate: u32, per: Duration, burst: u32, delay: Delay) -> Limit {
    Limit::Gcra(Gcra::new(rate, per, burst, delay))
}

fn leaky(rate: u32, burst: u32, delay: Delay) -> Limit {
    Limit::Leaky(LeakyBucket::new(rate, false, burst, delay))
}

/// A bucket of tokens in whole nanoseconds of filling.
struct Bucket {
    tokens_ns: u128,
    at: Instant,
}

#[test]
fn a_rate_is_a_bucket_of_tokens_for_each_key() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let rate = 1 + random.below(200) as u32;
        let per = Duration::from_millis(1 + random.below(5000));
        let burst = random.below(20) as u32;
        let limit = gcra(rate, per, burst, Delay::Never);
        let interval_ns = per.as_nanos().div_ceil(rate.into());
        let full_ns = interval_ns * u128::from(burst + 1);
        let table = LimiterTable::new(0);
        let mut buckets: HashMap<u64, Bucket> = HashMap::new();
        let mut now = seeds::start();
        for _ in 0..2000 {
            seeds::step();
            let mean = Duration::from_nanos(interval_ns as u64 / 3);
            now += random.exponential(mean);
            let key = random.below(5).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let cost = if random.one_in(10) { 2 } else { 1 };
            let bucket = buckets.entry(key).or_insert(Bucket {
                tokens_ns: full_ns,
                at: now,
            });
            let filled_ns = bucket.tokens_ns + (now - bucket.at).as_nanos();
            bucket.tokens_ns = filled_ns.min(full_ns);
            bucket.at = now;
            let price_ns = interval_ns * cost;
            let passes = bucket.tokens_ns >= price_ns;
            if passes {
                bucket.tokens_ns -= price_ns;
            }
            let decision = table.check(&limit, now, key, cost as u32);
            assert_eq!(decision.is_allowed(), passes);
            assert_eq!(
                u128::from(decision.remaining),
                bucket.tokens_ns / interval_ns
            );
            assert_eq!(
                decision.reset.as_nanos(),
                full_ns - bucket.tokens_ns,
                "the time until it is full"
            );
            if let Verdict::Refuse { retry_after } = decision.verdict {
                assert_eq!(retry_after.as_nanos(), price_ns - bucket.tokens_ns);
            }
        }
        assert_eq!(table.overflows(), 0);
    });
}

/// In any stretch of time no more than the rate and the burst (and the one that begins it), for each key. `slack`: what
/// whole milliseconds may round up.
fn never_too_many(
    passed: &HashMap<u64, Vec<Instant>>,
    interval: Duration,
    burst: u128,
    slack: u128,
) {
    for times in passed.values() {
        for (first, &from) in times.iter().enumerate() {
            for (further, &to) in times.iter().skip(first).enumerate() {
                let most = (to - from).as_nanos() / interval.as_nanos() + burst + slack;
                assert!(further as u128 <= most, "{further} within {:?}", to - from);
            }
        }
    }
}

#[test]
fn strangers_by_the_thousand_get_nobody_past_a_limit() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let limit = match seed % 2 {
            0 => gcra(10, SECOND, 5, Delay::Never),
            _ => leaky(10, 5, Delay::Never),
        };
        let table = LimiterTable::new(0);
        let size = table.bytes();
        let mut passed: HashMap<u64, Vec<Instant>> = HashMap::new();
        let mut now = seeds::start();
        // Ten times as many keys as fit, and one that asks all the time.
        for at in 0..3 * table.capacity() as u64 {
            seeds::step();
            now += Duration::from_micros(random.below(20));
            let own = at % 4 == 0;
            let key = if own { 7 } else { random.next() % 10_000 + 8 };
            if table.check(&limit, now, key, 1).is_allowed() {
                passed.entry(key).or_default().push(now);
            }
        }
        never_too_many(&passed, Duration::from_millis(100), 5, u128::from(seed % 2));
        assert!(table.overflows() > 0, "the table was never full");
        assert_eq!(table.bytes(), size);
        assert!(table.busy(&limit, now) <= table.capacity());
    });
}

#[test]
fn who_keeps_asking_gets_the_rate_and_no_less() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let rate = 1 + random.below(500) as u32;
        let burst = random.below(10) as u32;
        let table = LimiterTable::new(0);
        let mut now = seeds::start();
        let limits = [
            gcra(rate, SECOND, burst, Delay::Never),
            leaky(rate, burst, Delay::Never),
        ];
        let mut passed = [0u32; 2];
        let interval = SECOND / rate;
        for _ in 0..1000 {
            seeds::step();
            now += Duration::from_nanos(random.below(interval.as_nanos() as u64));
            for (key, limit) in limits.iter().enumerate() {
                // Tables hold one kind each: here two keys that never meet.
                passed[key] += u32::from(table.check(limit, now, key as u64, 1).is_allowed());
            }
        }
        let whole = (now - seeds::start()).as_nanos() / interval.as_nanos();
        for passed in passed {
            let passed = u128::from(passed);
            let most = whole + u128::from(burst) + 2;
            // Those that come when there is room again do not come at once: at worst every second is lost.
            assert!(
                passed <= most && passed * 2 + 2 >= most.min(1000),
                "{passed}, {most}"
            );
        }
    });
}

/// ngx_http_limit_req_module's sums, signed as there.
struct Nginx {
    last: i64,
    excess: i64,
    is_new: bool,
}

impl Nginx {
    fn check(&mut self, now_ms: i64, rate: i64, burst: i64) -> (bool, i64) {
        if std::mem::replace(&mut self.is_new, false) {
            self.last = now_ms;
            return (true, 0);
        }
        let ms = now_ms - self.last;
        let excess = (self.excess - rate * ms / 1000 + 1000).max(0);
        if excess > burst * 1000 {
            return (false, excess);
        }
        self.excess = excess;
        if ms > 0 {
            self.last = now_ms;
        }
        (true, excess)
    }
}

#[test]
fn a_leaky_bucket_counts_as_nginx_does() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let (rate, a_minute) = (1 + random.below(100), random.one_in(2));
        let burst = random.below(10);
        let kept = random.below(10);
        let bucket = LeakyBucket::new(
            rate as u32,
            a_minute,
            burst as u32,
            Delay::After(kept as u32),
        );
        let limit = Limit::Leaky(bucket);
        let rate_milli = (rate * 1000 / if a_minute { 60 } else { 1 }) as i64;
        let table = LimiterTable::new(0);
        let mut nginx = Nginx {
            last: 0,
            excess: 0,
            is_new: true,
        };
        let (start, mut now_ms) = (seeds::start(), 0);
        for _ in 0..1000 {
            seeds::step();
            now_ms += random.below(2_000_000 / rate_milli as u64) as i64;
            let now = start + Duration::from_millis(now_ms as u64);
            let (passes, excess) = nginx.check(now_ms, rate_milli, burst as i64);
            let decision = table.check(&limit, now, 1, 1);
            assert_eq!(decision.is_allowed(), passes, "excess {excess}");
            assert_eq!(decision.excess_milli as i64, excess);
            let over = (excess - kept as i64 * 1000).max(0) * 1000 / rate_milli;
            match decision.verdict {
                Verdict::Pass => assert_eq!(over, 0),
                Verdict::Delay(wait) => assert_eq!(wait.as_millis() as i64, over),
                Verdict::Refuse { .. } => {}
            }
        }
    });
}

fn verdicts(limit: &Limit, at_ms: &[u64]) -> Vec<Decision> {
    let table = LimiterTable::new(0);
    let at = |&ms: &u64| table.check(limit, seeds::start() + Duration::from_millis(ms), 1, 1);
    at_ms.iter().map(at).collect()
}

#[test]
fn requests_ahead_of_the_rate_wait_unless_told_otherwise() {
    let waits = |delay| -> Vec<Option<u128>> {
        let decisions = [
            verdicts(&gcra(10, SECOND, 3, delay), &[0; 5]),
            verdicts(&leaky(10, 3, delay), &[0; 5]),
        ]
        .map(|decisions| {
            let wait = |decision: &Decision| match decision.verdict {
                Verdict::Pass => Some(0),
                Verdict::Delay(wait) => Some(wait.as_millis()),
                Verdict::Refuse { retry_after } => {
                    assert_eq!(retry_after, Duration::from_millis(100));
                    None
                }
            };
            decisions.iter().map(wait).collect::<Vec<_>>()
        });
        assert_eq!(decisions[0], decisions[1], "both kinds agree");
        decisions[0].clone()
    };
    let refused = None;
    assert_eq!(
        waits(Delay::After(0)),
        [Some(0), Some(100), Some(200), Some(300), refused]
    );
    assert_eq!(
        waits(Delay::After(2)),
        [Some(0), Some(0), Some(0), Some(100), refused]
    );
    assert_eq!(
        waits(Delay::Never),
        [Some(0), Some(0), Some(0), Some(0), refused]
    );
}

#[test]
fn what_is_left_is_told() {
    for limit in [gcra(2, SECOND, 3, Delay::Never), leaky(2, 3, Delay::Never)] {
        let decisions = verdicts(&limit, &[0, 0, 500, 500, 500, 500]);
        let left: Vec<u32> = decisions
            .iter()
            .map(|decision| decision.remaining)
            .collect();
        assert_eq!(left, [3, 2, 2, 1, 0, 0]);
        let last = decisions.last().unwrap();
        assert!(!last.is_allowed());
        assert_eq!(last.limit, 4);
    }
    let Limit::Gcra(gcra) = gcra(2, SECOND, 3, Delay::Never) else {
        unreachable!()
    };
    assert_eq!((gcra.limit(), gcra.window()), (4, 2 * SECOND));
}

#[test]
fn a_request_that_another_limit_refuses_is_given_back() {
    for limit in [gcra(1, SECOND, 1, Delay::Never), leaky(1, 1, Delay::Never)] {
        let table = LimiterTable::new(0);
        let now = seeds::start();
        for _ in 0..100 {
            assert!(table.check(&limit, now, 1, 1).is_allowed());
            assert!(table.check(&limit, now, 1, 1).is_allowed());
            table.refund(&limit, 1, 1);
            table.refund(&limit, 1, 1);
            if matches!(limit, Limit::Leaky(_)) {
                break; // nginx's first request is free: there is nothing to give back of it.
            }
        }
    }
}

#[test]
fn absurd_limits_neither_panic_nor_let_all_pass() {
    for limit in [
        gcra(0, Duration::MAX, u32::MAX, Delay::After(u32::MAX)),
        gcra(u32::MAX, Duration::ZERO, 0, Delay::Never),
        leaky(0, u32::MAX, Delay::After(u32::MAX)),
        leaky(u32::MAX, 0, Delay::Never),
    ] {
        let table = LimiterTable::new(0);
        let now = seeds::start();
        table.check(&limit, now, 1, 1);
        assert!(!table.check(&limit, now, 1, u32::MAX).is_allowed());
        // A clock that steps back.
        table.check(&limit, now - SECOND, 1, 0);
        table.refund(&limit, 1, u32::MAX);
    }
}

#[test]
fn connections_are_counted_as_long_as_they_last() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let keys_max = 1 + random.index(10);
        let limit = ConnectionLimit::new(keys_max);
        let max = random.below(5) as u32;
        let mut held = Vec::new();
        for _ in 0..500 {
            seeds::step();
            if random.one_in(2) && !held.is_empty() {
                held.swap_remove(random.index(held.len()));
                continue;
            }
            let key = random.below(15);
            let own = held.iter().filter(|(other, _)| *other == key).count();
            let keys: std::collections::HashSet<u64> = held.iter().map(|(key, _)| *key).collect();
            assert_eq!(limit.keys(), keys.len());
            assert_eq!(limit.count(key) as usize, own);
            let fits = own < max as usize && (own > 0 || keys.len() < keys_max);
            let guard = limit.enter(key, max);
            assert_eq!(guard.is_some(), fits);
            held.extend(guard.map(|guard| (key, guard)));
        }
        held.clear();
        assert_eq!(limit.keys(), 0);
    });
}

#[test]
fn a_key_that_lost_its_place_does_not_start_anew() {
    for limit in [
        gcra(1, 60 * SECOND, 0, Delay::Never),
        Limit::Leaky(LeakyBucket::new(1, true, 0, Delay::Never)),
    ] {
        let table = LimiterTable::new(0);
        let mut passed: HashMap<u64, u32> = HashMap::new();
        for _ in 0..5 {
            for key in 0..3 * table.capacity() as u64 {
                if table.check(&limit, seeds::start(), key, 1).is_allowed() {
                    *passed.entry(key).or_default() += 1;
                }
            }
        }
        assert!(passed.values().all(|&count| count == 1));
        assert!(passed.len() >= table.capacity() / 2);
    }
}
