//! Passive ejection over time: who is left out, for how long, and who comes back.

use crate::seeds::{self, Random};
use seawall_balance::{
    Algorithm, Eject, EjectRatio, Ejection, Outcome, Pool, PoolOptions, ServerOptions, ServerState,
    Transition, Tried,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const RATIO: EjectRatio = EjectRatio {
    percent: 30,
    min_requests: 10,
    window: Duration::from_secs(10),
};

fn pool(count: usize, eject: Eject) -> Arc<Pool> {
    let servers = (0..count)
        .map(|index| ServerOptions::new(format!("server-{index}")))
        .collect();
    let options = PoolOptions {
        eject,
        ..PoolOptions::new("judged", Algorithm::RoundRobin, servers)
    };
    Pool::new(options, None)
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered {
        status,
        latency: Duration::from_millis(3),
    }
}

/// One request; what it changed.
fn request(
    pool: &Pool,
    now: Instant,
    random: &mut Random,
    outcome: impl Fn(usize, &mut Random) -> Outcome,
) -> (usize, Option<Transition>) {
    let lease = pool.pick(now, random.next(), &Tried::new());
    let index = lease.expect("somebody serves").index;
    let outcome = outcome(index, random);
    (index, pool.report(now, index, outcome))
}

/// Server 0 answers every second request with a 500.
fn half(index: usize, random: &mut Random) -> Outcome {
    let fails = index == 0 && random.one_in(2);
    answered(if fails { 500 } else { 200 })
}

#[test]
fn an_origin_that_answers_500_on_half_is_ejected_and_comes_back_after_it_heals() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let eject = Eject {
            ratio: Some(RATIO),
            ..Eject::default()
        };
        let pool = pool(3, eject);
        let mut now = seeds::start();
        let mut requests = 0;
        let transition = loop {
            seeds::step();
            now += Duration::from_millis(10);
            requests += 1;
            assert!(requests < 300, "never ejected");
            if let (index, Some(transition)) = request(&pool, now, &mut random, half) {
                assert_eq!(index, 0);
                break transition;
            }
        };
        let Transition::Ejected { for_, why, .. } = transition else {
            panic!("{transition:?}");
        };
        // Five in a row may come first, by chance.
        assert!(why == Ejection::Ratio || why == Ejection::InARow);
        assert_eq!(for_, Duration::from_secs(10));
        // It heals. Nobody reaches it until the time is over, then a request proves it.
        let ejected_at = now;
        let back = loop {
            seeds::step();
            now += Duration::from_millis(10);
            let (index, transition) = request(&pool, now, &mut random, |_, _| answered(200));
            if transition.is_some() {
                assert_eq!((index, transition), (0, Some(Transition::Readmitted)));
                break now;
            }
            assert_ne!(index, 0, "it is left out");
        };
        let out = back - ejected_at;
        assert!(
            out >= for_ && out < for_ + Duration::from_millis(100),
            "{out:?}"
        );
        // From then on it has its third.
        let mut own = 0;
        for _ in 0..300 {
            let (index, transition) = request(&pool, now, &mut random, |_, _| answered(200));
            assert_eq!(transition, None);
            own += u32::from(index == 0);
        }
        assert_eq!(own, 100);
    });
}

#[test]
fn a_few_errors_among_many_answers_eject_nobody() {
    let eject = Eject {
        ratio: Some(RATIO),
        ..Eject::default()
    };
    let pool = pool(3, eject);
    let mut random = Random::new(1);
    let mut now = seeds::start();
    for _ in 0..20_000 {
        now += Duration::from_millis(5);
        let outcome = |_, random: &mut Random| answered(if random.one_in(50) { 503 } else { 200 });
        let (_, transition) = request(&pool, now, &mut random, outcome);
        assert_eq!(transition, None);
    }
}

#[test]
fn without_a_ratio_a_500_is_an_answer_like_any_other() {
    let pool = pool(2, Eject::default());
    for _ in 0..1000 {
        assert_eq!(pool.report(seeds::start(), 0, answered(500)), None);
    }
    assert_eq!(pool.servers()[0].state(seeds::start()), ServerState::Up);
}

#[test]
fn nginxs_max_fails_0_exempts_from_the_ratio_too() {
    let mut options = pool(2, Eject::default()).options().clone();
    options.eject.ratio = Some(RATIO);
    options.servers = vec![ServerOptions::new("a"), ServerOptions::new("b")];
    options.servers[0].max_fails = Some(0);
    let pool = Pool::new(options, None);
    for _ in 0..1000 {
        assert_eq!(pool.report(seeds::start(), 0, Outcome::ConnectFailed), None);
    }
}

#[test]
fn never_more_than_the_cap_and_never_the_last() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let count = 2 + random.index(10);
        let eject = Eject {
            after: 1 + random.below(4) as u32,
            ratio: random.one_in(2).then_some(RATIO),
            at_most_percent: random.below(101) as u8,
            ..Eject::default()
        };
        let pool = pool(count, eject);
        let percent = usize::from(eject.at_most_percent);
        let most = match percent {
            0 => 0,
            _ => (count * percent / 100).max(1).min(count - 1),
        };
        let mut now = seeds::start();
        // Everything fails: the worst that can be asked of a cap.
        for _ in 0..1000 {
            seeds::step();
            now += random.millis(200);
            request(&pool, now, &mut random, |_, _| Outcome::ConnectFailed);
            let states = pool.servers().iter().map(|server| server.state(now));
            let ejected = states
                .filter(|&state| state == ServerState::Ejected)
                .count();
            assert!(ejected <= most, "{ejected} of {count} at {percent} %");
        }
    });
}

#[test]
fn ejections_double_up_to_the_longest() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let eject = Eject {
            after: 1,
            for_: Duration::from_millis(100 + random.below(20_000)),
            at_longest: Duration::from_secs(random.below(600)),
            at_most_percent: 100,
            ..Eject::default()
        };
        let pool = pool(2, eject);
        let mut now = seeds::start();
        let mut expected = eject.for_;
        for _ in 0..12 {
            seeds::step();
            let transition = pool.report(now, 0, Outcome::TimedOut);
            let Some(Transition::Ejected { until, for_, .. }) = transition else {
                panic!("{transition:?}");
            };
            assert_eq!(for_, expected);
            expected = (expected * 2).min(eject.at_longest.max(eject.for_));
            now = until;
            let probe = pool.pick(now, random.next(), &Tried::new()).unwrap();
            assert_eq!(probe.index, 0, "its time is over: it is probed");
        }
    });
}

#[test]
fn what_led_to_an_ejection_does_not_lead_to_the_next() {
    let eject = Eject {
        after: 0,
        ratio: Some(EjectRatio {
            window: Duration::from_secs(600),
            ..RATIO
        }),
        ..Eject::default()
    };
    let pool = pool(2, eject);
    let now = seeds::start();
    let ejected = (0..10).filter_map(|_| pool.report(now, 0, answered(500)));
    assert_eq!(ejected.count(), 1);
    let later = now + Duration::from_secs(11);
    let probe = pool.pick(later, 0, &Tried::new()).unwrap();
    assert_eq!(probe.index, 0);
    let readmitted = pool.report(later, 0, answered(200));
    assert_eq!(readmitted, Some(Transition::Readmitted));
    assert_eq!(pool.report(later, 0, answered(500)), None);
}
