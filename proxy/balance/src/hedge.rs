//! Hedging: where an answer is slower than nearly all others, the same request goes to a second server, and whichever
//! answers first is taken.
//!
//! Only for safe requests, only when asked for, and only within a budget: when everything is slow, a second request
//! for each would make it worse.

use crate::{budget::Budget, limits::BUDGET_HEDGES_PER_S_MIN, moment};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// When a second request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeOptions {
    /// After how long without an answer.
    pub after: HedgeAfter,
    /// Second requests as a share of requests, in percent; 0 allows none. One a second is always granted else.
    pub budget_percent: u8,
}

/// After how long without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// A fixed time.
    Fixed(Duration),
    /// What 95 of 100 answers take, by what was seen lately.
    P95 {
        /// But never sooner than this: a pool that answers in microseconds is not hedged by them.
        at_least: Duration,
    },
}

/// A pool's hedging.
#[derive(Debug)]
pub struct Hedge {
    options: HedgeOptions,
    p95: Quantile,
    budget: Budget,
}

impl Hedge {
    /// Hedging that has seen nothing yet.
    pub fn new(options: HedgeOptions) -> Self {
        Self {
            options,
            p95: Quantile::default(),
            budget: Budget::default(),
        }
    }

    /// Its options.
    pub fn options(&self) -> &HedgeOptions {
        &self.options
    }

    /// Counts a request towards the budget; second requests are not counted.
    pub fn on_request(&self) {
        self.budget.on_request();
    }

    /// Notes how long an answer took.
    pub fn observe(&self, latency: Duration) {
        if matches!(self.options.after, HedgeAfter::P95 { .. }) {
            self.p95.observe(latency);
        }
    }

    /// After how long without an answer a second request is worth asking for; `None` while nothing is known.
    pub fn after(&self) -> Option<Duration> {
        match self.options.after {
            HedgeAfter::Fixed(after) => Some(after),
            HedgeAfter::P95 { at_least } => self.p95.value().map(|p95| p95.max(at_least)),
        }
    }

    /// Whether one more second request fits the budget, which it then takes up.
    pub fn allow(&self, now: Instant) -> bool {
        let second = moment::millis(now) / 1000;
        self.budget
            .allow(second, self.options.budget_percent, BUDGET_HEDGES_PER_S_MIN)
    }
}

/// An estimate of the 95th percentile of what is observed: a sample above raises it by much, one below lowers it by
/// little, in the ratio that balances where one of twenty is above. Two threads that meet lose one sample.
#[derive(Debug, Default)]
struct Quantile {
    /// In nanoseconds; 0 for nothing seen.
    estimate_ns: AtomicU64,
}

impl Quantile {
    fn observe(&self, latency: Duration) {
        let sample = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        let estimate = self.estimate_ns.load(Relaxed);
        // Steps of 4.75 % up and 0.25 % down: nineteen to one.
        let next = if estimate == 0 {
            sample
        } else if sample > estimate {
            estimate.saturating_add(estimate / 400 * 19 + 1)
        } else {
            estimate - estimate / 400
        };
        self.estimate_ns.store(next.max(1), Relaxed);
    }

    fn value(&self) -> Option<Duration> {
        let estimate = self.estimate_ns.load(Relaxed);
        (estimate != 0).then(|| Duration::from_nanos(estimate))
    }
}
