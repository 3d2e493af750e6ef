//! A pool in a seeded world: servers that fail, half fail and recover, checks, drains, weights, reloads, sessions,
//! queues, breakers and retries. Every choice is judged by the states before it.

use crate::{
    judge::Before,
    options::{random_options, random_server},
    seeds::{self, Random},
};
use seawall_balance::{
    Allow, Choice, Lease, Outcome, Picked, Pool, PoolOptions, RetryOn, ServerState, Ticket,
    Transition, Tried, retryable,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    time::Instant,
};

const STEPS: usize = 1000;
/// What a server really does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Works,
    Refuses,
    /// Every second answer is a 500.
    HalfFails,
}

/// A waker that says whether it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

struct Waiting {
    number: u64,
    ticket: Ticket,
    flag: Arc<Flag>,
}

/// A request on its way.
struct Request {
    pool: Arc<Pool>,
    lease: Lease,
    allowed: Allow,
}

struct World {
    random: Random,
    now: Instant,
    pool: Arc<Pool>,
    options: PoolOptions,
    truth: Vec<Truth>,
    /// Every second world has no reloads: the cap on ejections and the order of the queue are exact there.
    reloads: bool,
    running: Vec<Request>,
    waiting: Vec<Waiting>,
    waited: u64,
    requests: u64,
    retries: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let options = random_options(&mut random);
        Self {
            random,
            now: seeds::start(),
            pool: Pool::new(options.clone(), None),
            truth: vec![Truth::Works; options.servers.len()],
            options,
            reloads: seed % 2 == 1,
            running: Vec::new(),
            waiting: Vec::new(),
            waited: 0,
            requests: 0,
            retries: 0,
        }
    }

    fn step(&mut self) {
        seeds::step();
        self.now += self.random.millis(400);
        match self.random.below(100) {
            0..45 => self.request(),
            45..72 => self.finish(),
            72..85 => self.check(),
            85..91 => self.change_truth(),
            91..93 => {
                let (index, draining) = (self.any_server(), self.random.one_in(3));
                seeds::say(|| format!("drain {index}: {draining}"));
                self.pool.drain(self.now, index, draining);
            }
            93..95 => {
                let (index, weight) = (self.any_server(), self.random.below(6) as u32);
                self.pool.set_weight(index, weight);
            }
            95..97 => self.give_up(),
            _ if self.reloads => self.reload(),
            _ => {}
        }
        // An executor may take its time: more happens before the woken are polled.
        if !self.random.one_in(3) {
            self.poll_the_woken();
        }
        self.pool.check_invariants().unwrap();
    }

    fn any_server(&mut self) -> usize {
        self.random.index(self.truth.len())
    }

    fn change_truth(&mut self) {
        let index = self.any_server();
        self.truth[index] = match self.random.below(4) {
            0 => Truth::Refuses,
            1 => Truth::HalfFails,
            _ => Truth::Works,
        };
        seeds::say(|| format!("server {index} {:?}", self.truth[index]));
    }

    fn choice<'a>(&mut self, tried: &'a Tried) -> Choice<'a> {
        Choice {
            key: (!self.random.one_in(4)).then(|| self.random.below(1000)),
            prefer: self.random.one_in(4).then(|| self.any_server()),
            ..Choice::new(self.now, self.random.next(), tried)
        }
    }

    fn request(&mut self) {
        let allowed = self.pool.breaker().map(|breaker| breaker.allow(self.now));
        let allowed = allowed.unwrap_or(Allow::Allowed);
        if allowed == Allow::Open {
            return;
        }
        self.pool.on_request();
        self.requests += 1;
        let mut tried = Tried::new();
        loop {
            let choice = self.choice(&tried);
            let lease = match self.pick(&choice) {
                Picked::Lease(lease) => lease,
                Picked::Full if tried.is_empty() => return self.queue_up(),
                Picked::Full | Picked::None => return,
            };
            let index = lease.index;
            if self.truth[index] != Truth::Refuses {
                self.running.push(Request {
                    pool: Arc::clone(&self.pool),
                    lease,
                    allowed,
                });
                return;
            }
            drop(lease);
            self.report(&Arc::clone(&self.pool), index, Outcome::ConnectFailed);
            tried.insert(index);
            let worth_it = retryable(&RetryOn::default(), false, &Outcome::ConnectFailed, false);
            assert!(worth_it);
            if !self.pool.allow_retry(self.now) {
                return;
            }
            self.retries += 1;
        }
    }

    fn report(&mut self, pool: &Pool, index: usize, outcome: Outcome) {
        let was_ejected = pool.servers()[index].state(self.now) == ServerState::Ejected;
        let transition = pool.report(self.now, index, outcome);
        seeds::say(|| format!("server {index} {outcome:?}: {transition:?}"));
        let expected = if outcome.is_error() {
            matches!(transition, None | Some(Transition::Ejected { .. }))
        } else {
            matches!(transition, None | Some(Transition::Readmitted))
        };
        assert!(expected, "{outcome:?} led to {transition:?}");
        // A probe that fails is ejected again, whoever else is left.
        let is_first = matches!(transition, Some(Transition::Ejected { .. })) && !was_ejected;
        assert!(!is_first || pool.healthy_count() > 0, "the last one");
    }

    /// Picks, and judges the choice by the states before it.
    fn pick(&mut self, choice: &Choice<'_>) -> Picked {
        let before = Before::new(&self.pool, self.now, choice);
        let picked = self.pool.pick_with(choice);
        seeds::say(|| format!("{:?} of {:?}", picked_index(&picked), before.states));
        match &picked {
            Picked::Lease(lease) => before.judge(lease.index),
            Picked::Full => assert!(before.may_be_full(), "full? {:?}", before.states),
            Picked::None => assert!(before.may_be_none(), "none of {:?}", before.states),
        }
        picked
    }

    fn queue_up(&mut self) {
        let Some(ticket) = self.pool.wait() else {
            let size = self.options.queue.size as usize;
            assert!(self.pool.waiting() >= size, "turned away from the queue");
            return;
        };
        self.waited += 1;
        self.waiting.push(Waiting {
            number: self.waited,
            ticket,
            flag: Arc::default(),
        });
        self.poll(self.waiting.len() - 1);
    }

    /// What an executor does: polls the tickets that were woken, in any order, until none is.
    fn poll_the_woken(&mut self) {
        loop {
            let woken: Vec<usize> = (0..self.waiting.len())
                .filter(|&at| self.waiting[at].flag.0.load(SeqCst))
                .collect();
            if woken.is_empty() {
                break;
            }
            let at = woken[self.random.index(woken.len())];
            self.poll(at);
        }
        // Nobody is lost: who waits on, waits for something.
        let tried = Tried::new();
        let before = Before::new(&self.pool, self.now, &Choice::new(self.now, 0, &tried));
        assert!(
            self.reloads || self.waiting.is_empty() || !before.any_up_with_room(),
            "{} wait while there is room: {:?}",
            self.waiting.len(),
            before.states
        );
    }

    fn poll(&mut self, at: usize) {
        let tried = Tried::new();
        let choice = Choice::new(self.now, self.random.next(), &tried);
        let before = Before::new(&self.pool, self.now, &choice);
        let waiting = &mut self.waiting[at];
        waiting.flag.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&waiting.flag));
        match waiting.ticket.poll_pick(&self.pool, &choice, &waker) {
            Poll::Pending => {}
            Poll::Ready(Picked::Full) => panic!("a ticket that is told to wait"),
            Poll::Ready(Picked::None) => {
                assert!(before.may_be_none(), "none of {:?}", before.states);
                self.waiting.remove(at);
            }
            Poll::Ready(Picked::Lease(lease)) => {
                before.judge(lease.index);
                let number = self.waiting.remove(at).number;
                let overtaken = self.waiting.iter().any(|other| other.number < number);
                assert!(self.reloads || !overtaken, "{number} overtook another");
                self.running.push(Request {
                    pool: Arc::clone(&self.pool),
                    lease,
                    allowed: Allow::Allowed,
                });
            }
        }
    }

    /// A request in the queue runs out of patience, woken or not.
    fn give_up(&mut self) {
        if !self.waiting.is_empty() {
            let at = self.random.index(self.waiting.len());
            self.waiting.remove(at);
        }
    }

    fn finish(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let at = self.random.index(self.running.len());
        let Request {
            pool,
            lease,
            allowed,
        } = self.running.swap_remove(at);
        if self.random.one_in(10) {
            return; // Its client left: nothing is reported.
        }
        let status = match self.truth.get(lease.index) {
            Some(Truth::Refuses) => 502,
            Some(Truth::HalfFails) if self.random.one_in(2) => 500,
            _ => 200,
        };
        let latency = self.random.millis(100);
        let outcome = Outcome::Answered { status, latency };
        if let Some(breaker) = pool.breaker() {
            breaker.report(self.now, allowed, !outcome.is_error());
        }
        self.report_of(&pool, lease.index, outcome);
    }

    fn report_of(&mut self, pool: &Pool, index: usize, outcome: Outcome) {
        // Without a ratio a 500 is an answer like any other, and may readmit.
        match pool.options().eject.ratio {
            Some(_) => self.report(pool, index, outcome),
            None => _ = pool.report(self.now, index, outcome),
        }
    }

    fn check(&mut self) {
        let index = self.any_server();
        let before = self.pool.servers()[index].state(self.now);
        let ok = self.truth[index] != Truth::Refuses;
        let transition = self.pool.check_result(self.now, index, ok);
        let after = self.pool.servers()[index].state(self.now);
        seeds::say(|| format!("check of {index} {ok}: {transition:?}"));
        if transition == Some(Transition::Down) {
            assert!(before != ServerState::Down && after == ServerState::Down);
        }
        assert!(self.options.checked || transition.is_none());
    }

    fn reload(&mut self) {
        if self.random.one_in(2) && self.truth.len() < 12 {
            let server = random_server(self.truth.len(), &mut self.random);
            self.options.servers.push(server);
            self.truth.push(Truth::Works);
        }
        seeds::say(|| "reload".into());
        self.pool = Pool::new(self.options.clone(), Some(&self.pool));
    }

    fn end(mut self) {
        let passed = self.now - seeds::start();
        let seconds = passed.as_secs() + 2;
        let percent = u64::from(self.options.retry_budget_percent);
        let granted_max = if percent == 0 {
            0
        } else {
            let per_s = u64::from(self.options.retry_min_per_s);
            self.requests * percent / 100 + per_s * seconds
        };
        assert!(
            self.retries <= granted_max,
            "{} retries for {} requests",
            self.retries,
            self.requests
        );
        self.running.clear();
        self.waiting.clear();
        assert_eq!(self.pool.waiting(), 0);
        let servers = self.pool.servers();
        assert!(servers.iter().all(|server| server.in_flight() == 0));
    }
}

fn picked_index(picked: &Picked) -> Option<usize> {
    match picked {
        Picked::Lease(lease) => Some(lease.index),
        _ => None,
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.end();
}

#[test]
fn the_rules_hold_in_every_world() {
    seeds::each(run);
}

#[test]
fn a_seed_is_all_that_a_world_depends_on() {
    let course = |seed| {
        let mut world = World::new(seed);
        (0..300).for_each(|_| world.step());
        let counts = world.pool.servers().iter().map(|server| server.counters());
        (world.now, world.requests, counts.collect::<Vec<_>>())
    };
    for seed in 0..8 {
        assert_eq!(course(seed), course(seed), "seed {seed}");
    }
}
