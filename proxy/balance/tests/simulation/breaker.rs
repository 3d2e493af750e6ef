//! The breaker against a model that remembers every request.

use crate::seeds::{self, Random};
use seawall_balance::{Allow, Breaker, BreakerOptions, BreakerState};
use std::time::{Duration, Instant};

struct Model {
    options: BreakerOptions,
    /// Reported while closed: in which tenth of a window, and whether it failed.
    reported: Vec<(u128, bool)>,
    /// Probes given out in this round, and when it began.
    granted: u32,
    round: Option<Instant>,
    succeeded: u32,
    opened: Option<Instant>,
}

impl Model {
    fn slice(&self, now: Instant) -> u128 {
        let since = now.duration_since(seawall_balance::epoch()).as_millis() + 1;
        since / (self.options.window.as_millis() / 10)
    }

    fn should_open(&self, now: Instant) -> bool {
        let first = self.slice(now) - 9;
        let lately = self.reported.iter().filter(|(slice, _)| *slice >= first);
        let (count, failed) = lately.fold((0, 0), |(count, failed), (_, f)| {
            (count + 1, failed + u32::from(*f))
        });
        let percent = u32::from(self.options.failures_percent);
        count >= self.options.min_requests.max(1) && failed > 0 && failed * 100 >= count * percent
    }
}

struct World {
    random: Random,
    now: Instant,
    breaker: Breaker,
    model: Model,
    state: BreakerState,
    in_flight: Vec<Allow>,
    works: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let options = BreakerOptions {
            failures_percent: 10 + random.below(90) as u8,
            min_requests: random.below(30) as u32,
            window: Duration::from_millis(1000 * (1 + random.below(10))),
            open_for: Duration::from_millis(100 + random.below(5000)),
            half_open_probes: random.below(5) as u32,
        };
        let breaker = Breaker::new(options, random.next());
        Self {
            random,
            now: seeds::start(),
            breaker,
            model: Model {
                options,
                reported: Vec::new(),
                granted: 0,
                round: None,
                succeeded: 0,
                opened: None,
            },
            state: BreakerState::Closed,
            in_flight: Vec::new(),
            works: true,
        }
    }

    fn step(&mut self) {
        seeds::step();
        self.now += self.random.millis(60);
        match self.random.below(100) {
            0..50 => self.request(),
            50..97 => self.finish(),
            _ => self.works = !self.works,
        }
    }

    fn request(&mut self) {
        let allowed = self.breaker.allow(self.now);
        let probes = self.model.options.half_open_probes.max(1);
        let open_for = self.model.options.open_for;
        match allowed {
            Allow::Allowed => assert_eq!(self.state, BreakerState::Closed),
            Allow::Open => {
                assert_ne!(self.state, BreakerState::Closed);
                let opened = self.model.opened.expect("it has opened");
                let longest = open_for.mul_f64(1.2) + Duration::from_millis(2);
                assert!(
                    self.state == BreakerState::HalfOpen || self.now <= opened + longest,
                    "open for too long"
                );
                assert_eq!(self.breaker.state(self.now), self.state);
            }
            Allow::Probe => {
                assert_ne!(self.state, BreakerState::Closed);
                let opened = self.model.opened.expect("it has opened");
                let slack = Duration::from_millis(1);
                assert!(self.now + slack >= opened + open_for, "probed too soon");
                let is_old = |round: Instant| self.now + slack >= round + open_for;
                if self.state == BreakerState::Open
                    || (self.model.granted >= probes && self.model.round.is_some_and(is_old))
                {
                    self.model.granted = 0;
                    self.model.succeeded = 0;
                    self.model.round = Some(self.now);
                }
                self.model.granted += 1;
                assert!(self.model.granted <= probes, "more probes than may be");
                self.state = BreakerState::HalfOpen;
            }
        }
        if allowed != Allow::Open {
            self.in_flight.push(allowed);
        }
    }

    fn finish(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let at = self.random.index(self.in_flight.len());
        let allowed = self.in_flight.swap_remove(at);
        if self.random.one_in(20) {
            return; // Its client left.
        }
        let ok = self.works && !self.random.one_in(20);
        let change = self.breaker.report(self.now, allowed, ok);
        seeds::say(|| format!("{allowed:?} ended {ok}: {change:?}"));
        let expected = match (self.state, allowed) {
            (BreakerState::Closed, Allow::Allowed) => {
                let slice = self.model.slice(self.now);
                self.model.reported.push((slice, !ok));
                let opens = !ok && self.model.should_open(self.now);
                opens.then_some(BreakerState::Open)
            }
            (BreakerState::HalfOpen, Allow::Probe) if !ok => Some(BreakerState::Open),
            (BreakerState::HalfOpen, Allow::Probe) => {
                self.model.succeeded += 1;
                let probes = self.model.options.half_open_probes.max(1);
                (self.model.succeeded >= probes).then_some(BreakerState::Closed)
            }
            _ => None,
        };
        assert_eq!(change, expected);
        match change {
            Some(BreakerState::Open) => self.model.opened = Some(self.now),
            Some(BreakerState::Closed) => self.model.reported.clear(),
            _ => {}
        }
        self.state = change.unwrap_or(self.state);
    }
}

#[test]
fn it_opens_probes_and_closes_as_the_model_does() {
    seeds::each(|seed| {
        let mut world = World::new(seed);
        (0..2000).for_each(|_| world.step());
    });
}

#[test]
fn the_course_of_an_outage() {
    let options = BreakerOptions {
        failures_percent: 50,
        min_requests: 10,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
        half_open_probes: 2,
    };
    let breaker = Breaker::new(options, 1);
    let now = seeds::start();
    for at in 0..9 {
        assert_eq!(breaker.report(now, Allow::Allowed, at % 2 == 0), None);
    }
    let opened = breaker.report(now, Allow::Allowed, false);
    assert_eq!(opened, Some(BreakerState::Open));
    assert_eq!(breaker.allow(now), Allow::Open);
    let wait = breaker.retry_after(now);
    assert!(wait >= Duration::from_secs(5) && wait <= Duration::from_secs(6));
    // What was under way when it opened changes nothing.
    assert_eq!(breaker.report(now, Allow::Allowed, true), None);
    assert_eq!(breaker.state(now), BreakerState::Open);

    let later = now + wait;
    assert_eq!(breaker.state(later), BreakerState::HalfOpen);
    let asked = [(); 5].map(|()| breaker.allow(later));
    assert_eq!(
        asked,
        [
            Allow::Probe,
            Allow::Probe,
            Allow::Open,
            Allow::Open,
            Allow::Open
        ]
    );
    let reopened = breaker.report(later, Allow::Probe, false);
    assert_eq!(reopened, Some(BreakerState::Open));
    assert_eq!(breaker.opened(), 2);

    let healed = later + breaker.retry_after(later);
    assert_eq!(breaker.allow(healed), Allow::Probe);
    assert_eq!(breaker.report(healed, Allow::Probe, true), None);
    assert_eq!(breaker.allow(healed), Allow::Probe);
    let closed = breaker.report(healed, Allow::Probe, true);
    assert_eq!(closed, Some(BreakerState::Closed));
    assert_eq!(breaker.allow(healed), Allow::Allowed);
    // And nothing of the outage is remembered.
    assert_eq!(breaker.report(healed, Allow::Allowed, false), None);
}

#[test]
fn probes_whose_clients_leave_are_given_out_again() {
    let options = BreakerOptions {
        min_requests: 1,
        half_open_probes: 1,
        ..BreakerOptions::default()
    };
    let breaker = Breaker::new(options, 1);
    let now = seeds::start();
    breaker.report(now, Allow::Allowed, false);
    let later = now + Duration::from_secs(6);
    assert_eq!(breaker.allow(later), Allow::Probe);
    assert_eq!(breaker.allow(later + Duration::from_secs(4)), Allow::Open);
    assert_eq!(breaker.allow(later + Duration::from_secs(5)), Allow::Probe);
}

#[test]
fn breakers_with_other_seeds_open_for_other_times() {
    let open_for = |seed| {
        let options = BreakerOptions {
            min_requests: 1,
            ..BreakerOptions::default()
        };
        let breaker = Breaker::new(options, seed);
        breaker.report(seeds::start(), Allow::Allowed, false);
        breaker.retry_after(seeds::start())
    };
    let times: std::collections::HashSet<Duration> = (0..20).map(open_for).collect();
    assert!(times.len() > 15, "{times:?}");
}

#[test]
fn absurd_options_are_held_within_the_limits() {
    let options = BreakerOptions {
        failures_percent: 0,
        min_requests: 0,
        window: Duration::ZERO,
        open_for: Duration::MAX,
        half_open_probes: 0,
    };
    let breaker = Breaker::new(options, 0);
    let now = seeds::start();
    assert_eq!(breaker.report(now, Allow::Allowed, true), None);
    breaker.report(now, Allow::Allowed, false);
    let longest = seawall_balance::limits::BREAKER_OPEN_MAX.mul_f64(1.2);
    assert!(breaker.retry_after(now) <= longest);
}
