//! Deadlines by a sweep.
//!
//! A connection has one [`Timer`]. Setting a deadline is a store into a cell; nothing is entered into or taken out of
//! a wheel for every read, which costs more than the read's own bookkeeping. Once a tick (100 ms) the thread walks its
//! timers and wakes those whose deadline has passed. A deadline is therefore late by up to one tick, never early,
//! which is right for what they guard: heads, bodies, origins and idle connections, all of them in seconds.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// How often the sweep runs.
pub const TICK: Duration = Duration::from_millis(100);
const NEVER: u64 = u64::MAX;

/// The deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// The timers of one thread.
pub struct Timers {
    start: Instant,
    now_ms: Cell<u64>,
    live: RefCell<Vec<Weak<Timer>>>,
    draining: Cell<bool>,
    /// Until when parked connections may ask once more although the thread drains.
    gentle_until_ms: Cell<u64>,
    cut: Cell<bool>,
}

/// The deadline of one connection or task.
pub struct Timer {
    deadline_ms: Cell<u64>,
    waker: RefCell<Option<Waker>>,
    /// A parked connection asks to be woken when the thread drains.
    parked: Cell<bool>,
    thread: Rc<Timers>,
}

impl Timers {
    /// An empty set.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            start: Instant::now(),
            now_ms: Cell::new(0),
            live: RefCell::default(),
            draining: Cell::new(false),
            gentle_until_ms: Cell::new(0),
            cut: Cell::new(false),
        })
    }

    /// A new timer without a deadline.
    pub fn timer(self: &Rc<Self>) -> Rc<Timer> {
        let timer = Rc::new(Timer {
            deadline_ms: Cell::new(NEVER),
            waker: RefCell::new(None),
            parked: Cell::new(false),
            thread: self.clone(),
        });
        self.live.borrow_mut().push(Rc::downgrade(&timer));
        timer
    }

    /// Wakes what is due and forgets what is gone. Called once a [`TICK`].
    pub fn sweep(&self) {
        let now = self.start.elapsed().as_millis() as u64;
        self.now_ms.set(now);
        let mut due: Vec<Waker> = Vec::new();
        self.live.borrow_mut().retain(|weak| match weak.upgrade() {
            None => false,
            Some(timer) => {
                let wanted = timer.deadline_ms.get() <= now
                    || (self.closes_parked(now) && timer.parked.get())
                    || self.cut.get();
                if wanted && let Some(waker) = timer.waker.borrow_mut().take() {
                    due.push(waker);
                }
                true
            }
        });
        due.into_iter().for_each(Waker::wake);
    }

    /// From now on parked connections close; or after a time, where a successor has the sockets already: a client that was
    /// told that its connection goes on may be sending its next request right now, and is answered with `Connection: close`.
    pub fn drain(&self, gentle: Duration) {
        self.draining.set(true);
        self.gentle_until_ms.set(match gentle.as_millis() as u64 {
            0 => 0,
            ms => self.refresh() + ms,
        });
        self.sweep();
    }

    fn closes_parked(&self, now_ms: u64) -> bool {
        self.draining.get() && now_ms >= self.gentle_until_ms.get()
    }

    /// Whether connections without a request are over.
    pub fn leaves_parked(&self) -> bool {
        self.draining.get() && self.refresh() >= self.gentle_until_ms.get()
    }

    /// The drain is over: what still waits is woken once more, to say goodbye.
    pub fn cut(&self) {
        self.cut.set(true);
        self.sweep();
    }

    /// Whether the thread drains.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    fn refresh(&self) -> u64 {
        let now = self.start.elapsed().as_millis() as u64;
        self.now_ms.set(now);
        now
    }
}

impl Timer {
    /// A deadline that does not come.
    pub const FAR: Duration = Duration::from_secs(u32::MAX as u64);

    /// Sets the deadline from now on.
    pub fn set(&self, after: Duration) {
        // The coarse clock of the last sweep is at most a tick behind: being late by a tick is within the contract.
        let after = after.as_millis().min(u64::MAX as u128 / 4) as u64;
        self.deadline_ms
            .set(self.thread.now_ms.get() + after + TICK.as_millis() as u64);
    }

    /// Runs `future` until the deadline set before.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_elapsed(cx).map(Err),
        })
        .await
    }

    /// Polls the deadline alone: ready when it has passed, else the waker is kept.
    pub fn poll_elapsed(&self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let deadline = self.deadline_ms.get();
        if deadline <= self.thread.now_ms.get() && deadline <= self.thread.refresh() {
            return Poll::Ready(Elapsed);
        }
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *slot = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Marks the connection as idle between requests; it is woken when the thread drains.
    pub fn set_parked(&self, parked: bool) {
        self.parked.set(parked);
    }

    /// Whether the thread's drain is over.
    pub fn is_cut(&self) -> bool {
        self.thread.cut.get()
    }

    /// Whether the thread drains.
    pub fn is_draining(&self) -> bool {
        self.thread.is_draining()
    }

    /// Whether connections without a request are over.
    pub fn leaves_parked(&self) -> bool {
        self.thread.leaves_parked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_fires_after_its_time_and_not_before() {
        let timers = Timers::new();
        let timer = timers.timer();
        timer.set(Duration::from_millis(150));
        let began = Instant::now();
        let sweeper = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                timers.sweep();
            }
        };
        tokio::select! {
            r = timer.guard(std::future::pending::<()>()) => assert_eq!(r, Err(Elapsed)),
            () = sweeper => unreachable!("the sweep never ends"),
        }
        assert!(began.elapsed() >= Duration::from_millis(150));
    }

    #[tokio::test]
    async fn draining_wakes_what_is_parked() {
        let timers = Timers::new();
        let timer = timers.timer();
        timer.set_parked(true);
        let parked = std::future::poll_fn(|cx| {
            if timer.is_draining() {
                return Poll::Ready(());
            }
            assert!(timer.poll_elapsed(cx).is_pending());
            Poll::Pending
        });
        tokio::join!(parked, async { timers.drain(Duration::ZERO) });
    }

    #[test]
    fn a_gentle_drain_lets_parked_connections_ask_once_more() {
        let timers = Timers::new();
        let timer = timers.timer();
        timers.drain(Duration::from_secs(3600));
        assert!(timer.is_draining() && !timer.leaves_parked());
        timers.drain(Duration::ZERO);
        assert!(timer.leaves_parked());
    }

    #[test]
    fn a_dropped_timer_is_forgotten() {
        let timers = Timers::new();
        drop(timers.timer());
        let _kept = timers.timer();
        timers.sweep();
        assert_eq!(timers.live.borrow().len(), 1);
    }
}
