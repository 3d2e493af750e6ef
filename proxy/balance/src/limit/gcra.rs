//! The generic cell rate algorithm: a limiter that remembers one time for each key.
//!
//! That time (the "theoretical arrival time") says until when what has passed is spread at the rate. A request passes
//! when it lies no further ahead than the burst allows, and moves it by its own interval. The same as a bucket of
//! `burst + 1` tokens that fills at the rate, without ticks.

use super::rate::{Decision, Delay, Found, State, Verdict};
use crate::{
    limits::{LIMIT_AHEAD_NS_MAX, LIMIT_BURST_MAX},
    moment::nanos,
};
use std::time::{Duration, Instant};

/// So many requests in so much time, with a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Between two requests at the rate.
    interval_ns: u64,
    burst: u32,
    delay: Delay,
}

impl Gcra {
    /// `rate` requests `per` this time (0 counts as 1), and up to `burst` more at once (at most
    /// [`LIMIT_BURST_MAX`]). An interval is rounded up to whole nanoseconds: never more than the rate.
    pub fn new(rate: u32, per: Duration, burst: u32, delay: Delay) -> Self {
        let interval = per.as_nanos().div_ceil(u128::from(rate.max(1))).max(1);
        let interval_ns = u64::try_from(interval).map_or(LIMIT_AHEAD_NS_MAX, |interval_ns| {
            interval_ns.min(LIMIT_AHEAD_NS_MAX)
        });
        let reach = u32::try_from(LIMIT_AHEAD_NS_MAX / interval_ns).unwrap_or(u32::MAX);
        Self {
            interval_ns,
            burst: burst.min(LIMIT_BURST_MAX).min(reach),
            delay,
        }
    }

    /// How many may pass at once after a long silence.
    pub fn limit(&self) -> u32 {
        self.burst + 1
    }

    /// In how long so many may pass again: the window of a `RateLimit-Policy`.
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.times(self.limit()))
    }

    fn times(&self, requests: u32) -> u64 {
        self.interval_ns.saturating_mul(u64::from(requests))
    }

    pub(super) fn rank(now: Instant) -> impl Fn(&State) -> u64 {
        let now_ns = nanos(now);
        move |state| if state.a > now_ns { state.a } else { 0 }
    }

    pub(super) fn check(&self, now: Instant, cost: u32, state: &mut State, _: Found) -> Decision {
        let now_ns = nanos(now);
        // How far what has passed reaches ahead, before and after this request.
        let ahead_ns = state.a.saturating_sub(now_ns);
        let after_ns = ahead_ns.saturating_add(self.times(cost));
        let most_ns = self.times(self.limit());
        let verdict = if after_ns > most_ns {
            let retry_after = Duration::from_nanos(after_ns - most_ns);
            return self.decision(Verdict::Refuse { retry_after }, ahead_ns, after_ns);
        } else {
            self.delay_of(ahead_ns)
        };
        state.a = now_ns.saturating_add(after_ns);
        self.decision(verdict, after_ns, ahead_ns)
    }

    fn delay_of(&self, ahead_ns: u64) -> Verdict {
        match self.delay {
            Delay::Never => Verdict::Pass,
            Delay::After(excess) => match ahead_ns.saturating_sub(self.times(excess)) {
                0 => Verdict::Pass,
                wait_ns => Verdict::Delay(Duration::from_nanos(wait_ns)),
            },
        }
    }

    /// `taken_ns`: what is taken of the whole; `excess_ns`: what to call the excess.
    fn decision(&self, verdict: Verdict, taken_ns: u64, excess_ns: u64) -> Decision {
        let left_ns = self.times(self.limit()).saturating_sub(taken_ns);
        // For the log: a division of 128 bits would cost more than all the rest.
        let excess_milli = excess_ns as f64 * 1000.0 / self.interval_ns as f64;
        Decision {
            verdict,
            limit: self.limit(),
            remaining: u32::try_from(left_ns / self.interval_ns).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(taken_ns),
            excess_milli: excess_milli as u64,
        }
    }

    pub(super) fn refund(&self, cost: u32, state: &mut State) {
        state.a = state.a.saturating_sub(self.times(cost));
    }
}
