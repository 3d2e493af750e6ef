//! The circuit breaker around a pool: when most requests fail, the others are spared the wait.
//!
//! Closed, it counts requests and failures over a window. Where failures reach their share it opens: requests are
//! refused at once. When the open time (with up to a fifth added at random, so that many edges do not come back in one
//! blow) is over, it is half open: a few requests probe. All of them well, and it closes; one of them not, and it is
//! open again. Probes that nobody reports (their clients left) are given out again after another open time.
//!
//! A single server's breaker is its passive ejection ([`Eject`](crate::Eject)): it opens by failures in a row or by
//! ratio, is half open when the ejection has run out, and one request at a time probes it.
//!
//! Closed, `allow` is one load, and `report` one addition.

use crate::{
    limits::{BREAKER_OPEN_MAX, BREAKER_OPEN_MIN, RATIO_WINDOW_MAX, RATIO_WINDOW_MIN},
    moment::{self, as_millis, millis},
    random::{mix, unit},
    ratio::Ratio,
};
use parking_lot::Mutex;
use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Failures of all requests in the window, in percent, from which on it opens.
    pub failures_percent: u8,
    /// Fewer requests than this in the window prove nothing.
    pub min_requests: u32,
    /// The window, from [`RATIO_WINDOW_MIN`] to [`RATIO_WINDOW_MAX`].
    pub window: Duration,
    /// How long it stays open, from [`BREAKER_OPEN_MIN`] to [`BREAKER_OPEN_MAX`]; up to a fifth is added at random.
    pub open_for: Duration,
    /// How many requests probe while it is half open, and must all succeed; 0 counts as 1.
    pub half_open_probes: u32,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures_percent: 50,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            half_open_probes: 3,
        }
    }
}

/// What a breaker says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Go.
    Allowed,
    /// Go; much depends on you.
    Probe,
    /// Refused: answer 503 at once.
    Open,
}

/// A breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// A few pass, as probes.
    HalfOpen,
    /// None passes.
    Open,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    window_ms: u64,
    /// The state in the low two bits, above them the millisecond until which nobody passes. Written under the lock.
    word: AtomicU64,
    ratio: Ratio,
    opened: AtomicU64,
    slow: Mutex<Slow>,
}

/// What only changes of state need.
#[derive(Debug)]
struct Slow {
    random: u64,
    /// Of this half-open round.
    granted: u32,
    succeeded: u32,
    /// When another round of probes is given out.
    round_ends_ms: u64,
}

const CLOSED: u64 = 0;
const HALF_OPEN: u64 = 1;
const OPEN: u64 = 2;

impl Breaker {
    /// A closed breaker; `seed` drives the jitter of its open times.
    pub fn new(options: BreakerOptions, seed: u64) -> Self {
        moment::settle();
        let window = options.window.clamp(RATIO_WINDOW_MIN, RATIO_WINDOW_MAX);
        Self {
            options,
            window_ms: as_millis(window),
            word: AtomicU64::new(CLOSED),
            ratio: Ratio::default(),
            opened: AtomicU64::new(0),
            slow: Mutex::new(Slow {
                random: seed,
                granted: 0,
                succeeded: 0,
                round_ends_ms: 0,
            }),
        }
    }

    /// Its options.
    pub fn options(&self) -> &BreakerOptions {
        &self.options
    }

    /// Whether a request may go. What it says is handed back with [`report`](Self::report).
    pub fn allow(&self, now: Instant) -> Allow {
        let word = self.word.load(Acquire);
        if word == CLOSED {
            return Allow::Allowed;
        }
        let now_ms = millis(now);
        if now_ms < word >> 2 {
            return Allow::Open;
        }
        self.allow_slowly(now_ms)
    }

    fn allow_slowly(&self, now_ms: u64) -> Allow {
        let mut slow = self.slow.lock();
        let word = self.word.load(Relaxed);
        let probes = self.options.half_open_probes.max(1);
        match word & 3 {
            CLOSED => return Allow::Allowed,
            _ if now_ms < word >> 2 => return Allow::Open,
            HALF_OPEN if slow.granted < probes => slow.granted += 1,
            // The first after the open time, or the probes of the round before have not all come back in time.
            _ => {
                slow.granted = 1;
                slow.succeeded = 0;
                slow.round_ends_ms = now_ms.saturating_add(as_millis(self.open_for()));
            }
        }
        let until_ms = if slow.granted < probes {
            0
        } else {
            slow.round_ends_ms
        };
        self.publish(HALF_OPEN, until_ms);
        Allow::Probe
    }

    /// Notes what became of a request that was allowed; says if that changed the state.
    pub fn report(&self, now: Instant, allowed: Allow, ok: bool) -> Option<BreakerState> {
        match allowed {
            Allow::Allowed => self.report_usual(millis(now), ok),
            Allow::Probe => self.report_probe(millis(now), ok),
            Allow::Open => None,
        }
    }

    fn report_usual(&self, now_ms: u64, ok: bool) -> Option<BreakerState> {
        // What began before it opened says nothing about now.
        if self.word.load(Acquire) != CLOSED {
            return None;
        }
        self.ratio.note(now_ms, self.window_ms, !ok);
        if ok || !self.is_over(now_ms) {
            return None;
        }
        let mut slow = self.slow.lock();
        if self.word.load(Relaxed) != CLOSED || !self.is_over(now_ms) {
            return None;
        }
        self.open(&mut slow, now_ms)
    }

    fn is_over(&self, now_ms: u64) -> bool {
        let counts = self.ratio.counts(now_ms, self.window_ms);
        counts.reaches(self.options.failures_percent, self.options.min_requests)
    }

    fn report_probe(&self, now_ms: u64, ok: bool) -> Option<BreakerState> {
        let mut slow = self.slow.lock();
        if self.word.load(Relaxed) & 3 != HALF_OPEN {
            return None;
        }
        if !ok {
            return self.open(&mut slow, now_ms);
        }
        slow.succeeded += 1;
        if slow.succeeded < self.options.half_open_probes.max(1) {
            return None;
        }
        self.ratio.clear();
        self.publish(CLOSED, 0);
        Some(BreakerState::Closed)
    }

    fn open(&self, slow: &mut Slow, now_ms: u64) -> Option<BreakerState> {
        slow.random = mix(slow.random);
        let open_for = self.open_for().mul_f64(1.0 + 0.2 * unit(slow.random));
        self.opened.fetch_add(1, Relaxed);
        self.publish(OPEN, now_ms.saturating_add(as_millis(open_for)));
        Some(BreakerState::Open)
    }

    fn open_for(&self) -> Duration {
        self.options
            .open_for
            .clamp(BREAKER_OPEN_MIN, BREAKER_OPEN_MAX)
    }

    fn publish(&self, state: u64, until_ms: u64) {
        self.word.store((until_ms << 2) | state, Release);
    }

    /// Its state. One whose open time is over is half open, though nobody has probed yet.
    pub fn state(&self, now: Instant) -> BreakerState {
        let word = self.word.load(Acquire);
        match word & 3 {
            CLOSED => BreakerState::Closed,
            OPEN if millis(now) < word >> 2 => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// How long it stays open yet: for `Retry-After`.
    pub fn retry_after(&self, now: Instant) -> Duration {
        Duration::from_millis((self.word.load(Acquire) >> 2).saturating_sub(millis(now)))
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }
}
