//! The budgets of retries and hedges: never more than their share of the requests of ten seconds.

use crate::seeds::{self, Random};
use seawall_balance::{Algorithm, HedgeAfter, HedgeOptions, Pool, PoolOptions, ServerOptions};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn pool(percent: u8, per_s: u32, hedge_percent: u8) -> Arc<Pool> {
    let servers = vec![ServerOptions::new("a"), ServerOptions::new("b")];
    let options = PoolOptions {
        retry_budget_percent: percent,
        retry_min_per_s: per_s,
        hedge: Some(HedgeOptions {
            after: HedgeAfter::P95 {
                at_least: Duration::from_millis(1),
            },
            budget_percent: hedge_percent,
        }),
        ..PoolOptions::new("budgeted", Algorithm::RoundRobin, servers)
    };
    Pool::new(options, None)
}

/// That in any ten seconds no more were granted than the share of the requests of the twenty seconds that end there
/// (requests may be counted late, as they are spread over the time since the last grant) and the minimum.
fn check(granted: &[Instant], requests: &[Instant], percent: u64, per_s: u64) {
    let within = |of: &[Instant], from: Instant, to: Instant| {
        of.iter().filter(|&&at| at > from && at <= to).count() as u64
    };
    for &end in granted {
        let ten = Duration::from_secs(10);
        let lately = within(granted, end - ten, end);
        let asked = within(requests, end - 2 * ten, end);
        let most = asked * percent / 100 + per_s * 11 + 1;
        assert!(lately <= most, "{lately} for {asked} requests");
    }
}

#[test]
fn retries_and_hedges_stay_within_their_share() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let (percent, per_s) = (random.below(60) as u8, random.below(4) as u32);
        let hedge_percent = random.below(20) as u8;
        let pool = pool(percent, per_s, hedge_percent);
        let mut now = seeds::start();
        let (mut requests, mut retries, mut hedges) = (Vec::new(), Vec::new(), Vec::new());
        let mut failing = false;
        for _ in 0..3000 {
            seeds::step();
            now += random.millis(40);
            pool.on_request();
            requests.push(now);
            if random.one_in(300) {
                failing = !failing;
            }
            if (failing || random.one_in(20)) && pool.allow_retry(now) {
                retries.push(now);
            }
            if (failing || random.one_in(20)) && pool.hedge().unwrap().allow(now) {
                hedges.push(now);
            }
        }
        if percent == 0 {
            assert!(retries.is_empty());
        }
        if hedge_percent == 0 {
            assert!(hedges.is_empty());
        }
        check(&retries, &requests, percent.into(), per_s.into());
        check(&hedges, &requests, hedge_percent.into(), 1);
    });
}

#[test]
fn a_hedge_is_worth_it_after_what_95_of_100_take() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let pool = pool(0, 0, 5);
        let hedge = pool.hedge().unwrap();
        assert_eq!(hedge.after(), None, "nothing is known yet");
        let mean = Duration::from_millis(1 + random.below(200));
        for _ in 0..3000 {
            hedge.observe(random.exponential(mean));
        }
        let after = hedge.after().unwrap();
        let slower = (0..5000)
            .filter(|_| random.exponential(mean) > after)
            .count();
        assert!((50..=600).contains(&slower), "{slower} of 5000 are slower");
    });
}

#[test]
fn a_hedge_never_comes_sooner_than_allowed() {
    let pool = pool(0, 0, 5);
    let hedge = pool.hedge().unwrap();
    (0..100).for_each(|_| hedge.observe(Duration::from_micros(20)));
    assert_eq!(hedge.after(), Some(Duration::from_millis(1)));
}
