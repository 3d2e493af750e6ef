//! Waiting for a server: the rules one by one. Who is served in which order under a random course of things is judged
//! in `world`; real threads are in `threads`.

use crate::seeds;
use seawall_balance::{
    Algorithm, Choice, Lease, Picked, Pool, PoolOptions, QueueOptions, ServerOptions, Ticket,
    Tried, limits,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    time::Duration,
};

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Waiter {
    ticket: Ticket,
    wakes: Arc<Wakes>,
}

impl Waiter {
    fn new(pool: &Pool) -> Self {
        Self {
            ticket: pool.wait().expect("the queue has room"),
            wakes: Arc::default(),
        }
    }

    fn poll(&mut self, pool: &Pool) -> Option<Lease> {
        let tried = Tried::new();
        let choice = Choice::new(seeds::start(), 0, &tried);
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.ticket.poll_pick(pool, &choice, &waker) {
            Poll::Pending => None,
            Poll::Ready(Picked::Lease(lease)) => Some(lease),
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }
}

fn options(max_conns: &[u32], size: u32) -> PoolOptions {
    let server = |(index, &max_conns): (usize, &u32)| ServerOptions {
        max_conns,
        ..ServerOptions::new(format!("server-{index}"))
    };
    PoolOptions {
        queue: QueueOptions {
            size,
            ..QueueOptions::default()
        },
        checked: true,
        ..PoolOptions::new(
            "queued",
            Algorithm::RoundRobin,
            max_conns.iter().enumerate().map(server).collect(),
        )
    }
}

fn pick(pool: &Pool) -> Picked {
    let tried = Tried::new();
    pool.pick_with(&Choice::new(seeds::start(), 0, &tried))
}

fn lease(pool: &Pool) -> Lease {
    pick(pool).lease().expect("there is room")
}

#[test]
fn who_came_first_is_served_first_and_newcomers_stand_behind() {
    let pool = Pool::new(options(&[1, 1], 10), None);
    let (a, b) = (lease(&pool), lease(&pool));
    assert!(matches!(pick(&pool), Picked::Full));
    let mut waiters: Vec<Waiter> = (0..3).map(|_| Waiter::new(&pool)).collect();
    assert!(
        waiters
            .iter_mut()
            .all(|waiter| waiter.poll(&pool).is_none())
    );
    drop((a, b));
    assert!(matches!(pick(&pool), Picked::Full), "others have waited");
    assert_eq!(waiters[2].wakes(), 0, "two slots, two waiters");
    // Polled in the wrong order, they are served in the right one.
    assert!(waiters[1].poll(&pool).is_none());
    let first = waiters[0].poll(&pool).expect("it is its turn");
    let second = waiters[1].poll(&pool).expect("now it is");
    assert!(waiters[2].poll(&pool).is_none());
    drop(first);
    assert_eq!(waiters[2].wakes(), 1);
    assert!(waiters[2].poll(&pool).is_some());
    drop(second);
    assert_eq!(pool.waiting(), 0);
    assert!(matches!(pick(&pool), Picked::Lease(_)));
}

#[test]
fn a_signal_of_one_that_leaves_is_the_next_ones() {
    let pool = Pool::new(options(&[1], 10), None);
    let held = lease(&pool);
    let mut waiters: Vec<Waiter> = (0..3).map(|_| Waiter::new(&pool)).collect();
    assert!(
        waiters
            .iter_mut()
            .all(|waiter| waiter.poll(&pool).is_none())
    );
    drop(held);
    assert_eq!(waiters[0].wakes(), 1);
    // It was woken, and gave up before it looked.
    waiters.remove(0);
    assert_eq!(waiters[0].wakes(), 1);
    assert!(waiters[0].poll(&pool).is_some());
}

#[test]
fn a_signal_that_nobody_needs_is_kept_for_who_comes_next() {
    let pool = Pool::new(options(&[1, 1], 10), None);
    let (a, b) = (lease(&pool), lease(&pool));
    let mut first = Waiter::new(&pool);
    assert!(first.poll(&pool).is_none());
    drop((a, b));
    // Two slots are free and one waits. Who comes now is told of the second.
    let mut second = Waiter::new(&pool);
    assert!(second.poll(&pool).is_none(), "the first has not looked yet");
    let _first = first.poll(&pool).expect("it is its turn");
    assert_eq!(second.wakes(), 1);
    assert!(second.poll(&pool).is_some());
}

#[test]
fn a_server_that_comes_back_is_room() {
    let pool = Pool::new(options(&[1, 1], 10), None);
    pool.check_result(seeds::start(), 1, false);
    let _held = lease(&pool);
    let mut waiter = Waiter::new(&pool);
    assert!(waiter.poll(&pool).is_none());
    pool.check_result(seeds::start(), 1, true);
    pool.check_result(seeds::start(), 1, true);
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(waiter.poll(&pool).unwrap().index, 1);
}

#[test]
fn a_reload_that_allows_more_is_room() {
    let pool = Pool::new(options(&[1], 10), None);
    let _held = lease(&pool);
    let mut waiter = Waiter::new(&pool);
    assert!(waiter.poll(&pool).is_none());
    let pool = Pool::new(options(&[2], 10), Some(&pool));
    assert_eq!(waiter.wakes(), 1);
    assert!(waiter.poll(&pool).is_some());
}

#[test]
fn room_that_comes_up_before_the_ticket_is_polled_is_found() {
    let pool = Pool::new(options(&[1], 10), None);
    let held = lease(&pool);
    assert!(matches!(pick(&pool), Picked::Full));
    drop(held);
    let mut waiter = Waiter::new(&pool);
    assert!(waiter.poll(&pool).is_some());
}

#[test]
fn when_nobody_is_left_to_wait_for_the_waiting_are_told() {
    let pool = Pool::new(options(&[1], 10), None);
    let _held = lease(&pool);
    let mut waiter = Waiter::new(&pool);
    assert!(waiter.poll(&pool).is_none());
    pool.check_result(seeds::start(), 0, false);
    assert_eq!(waiter.wakes(), 1);
    let tried = Tried::new();
    let choice = Choice::new(seeds::start(), 0, &tried);
    let polled = waiter.ticket.poll_pick(&pool, &choice, Waker::noop());
    assert!(matches!(polled, Poll::Ready(Picked::None)));
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_retry_need_not_wait_behind_others() {
    let pool = Pool::new(options(&[1, 1], 10), None);
    let (first, _second) = (lease(&pool), lease(&pool));
    let mut waiter = Waiter::new(&pool);
    assert!(waiter.poll(&pool).is_none());
    let mut tried = Tried::new();
    tried.insert(1);
    drop(first);
    let choice = Choice::new(seeds::start(), 0, &tried);
    let retry = pool.pick_with(&choice).lease();
    assert!(retry.is_some());
    assert!(waiter.poll(&pool).is_none(), "it waits on");
}

#[test]
fn no_more_wait_than_may() {
    let pool = Pool::new(options(&[1], 2), None);
    let _held = lease(&pool);
    let tickets = [pool.wait(), pool.wait(), pool.wait()];
    assert!(tickets[1].is_some() && tickets[2].is_none());
    drop(tickets);
    assert!(pool.wait().is_some());
    assert!(Pool::new(options(&[1], 0), None).wait().is_none());
    let pool = Pool::new(options(&[1], u32::MAX), None);
    let waiting: Vec<Ticket> = std::iter::from_fn(|| pool.wait()).collect();
    assert_eq!(waiting.len(), limits::QUEUE_SIZE_MAX as usize);
}

#[test]
fn full_primaries_spill_over_to_backups_and_not_to_the_ejected() {
    let mut options = options(&[1, 1, 1], 0);
    options.servers[2].backup = true;
    options.eject.after = 1;
    options.eject.for_ = Duration::from_secs(60);
    let pool = Pool::new(options, None);
    let outcome = seawall_balance::Outcome::ConnectFailed;
    assert!(pool.report(seeds::start(), 1, outcome).is_some());
    let first = lease(&pool);
    let second = lease(&pool);
    assert_eq!((first.index, second.index), (0, 2));
    assert!(matches!(pick(&pool), Picked::Full));
}

#[test]
fn a_session_whose_server_is_full_goes_elsewhere() {
    let pool = Pool::new(options(&[1, 1], 0), None);
    let tried = Tried::new();
    let choice = Choice {
        prefer: Some(1),
        ..Choice::new(seeds::start(), 0, &tried)
    };
    let bound = pool.pick_with(&choice).lease().unwrap();
    assert_eq!(bound.index, 1);
    assert_eq!(pool.pick_with(&choice).lease().unwrap().index, 0);
}
