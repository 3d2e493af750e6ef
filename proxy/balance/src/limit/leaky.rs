//! nginx's leaky bucket, in its own arithmetic (ngx_http_limit_req_module): milliseconds, thousandths of a request,
//! rounded where it rounds, so that `limit_req` passes and refuses exactly the requests that it would there.

use super::rate::{Decision, Delay, Found, State, Verdict};
use crate::{limits::LIMIT_BURST_MAX, moment::millis};
use std::time::{Duration, Instant};

/// A rate and what may exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakyBucket {
    /// Thousandths of a request in a second, as nginx has them: `rate=30r/m` is 500.
    rate_milli: u64,
    burst: u32,
    delay: Delay,
}

impl LeakyBucket {
    /// `rate` requests a second, or a minute; 0 counts as 1. `burst` is at most [`LIMIT_BURST_MAX`].
    pub fn new(rate: u32, a_minute: bool, burst: u32, delay: Delay) -> Self {
        let scale = if a_minute { 60 } else { 1 };
        Self {
            rate_milli: (u64::from(rate.max(1)) * 1000 / scale).max(1),
            burst: burst.min(LIMIT_BURST_MAX),
            delay,
        }
    }

    /// How many may pass at once after a long silence.
    pub fn limit(&self) -> u32 {
        self.burst + 1
    }

    /// In how long so many may pass again: the window of a `RateLimit-Policy`.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.leaks_in_ms(u64::from(self.limit()) * 1000))
    }

    /// In how many milliseconds so much has leaked.
    fn leaks_in_ms(&self, excess_milli: u64) -> u64 {
        excess_milli.saturating_mul(1000) / self.rate_milli
    }

    /// A state is worth nothing once a new request would find an excess of 0 anyway.
    pub(super) fn rank(&self, now: Instant) -> impl Fn(&State) -> u64 + '_ {
        let now_ms = millis(now);
        move |state| {
            let empty_ms = state
                .a
                .saturating_add(self.leaks_in_ms(state.b.saturating_add(1000)));
            if empty_ms > now_ms { empty_ms } else { 0 }
        }
    }

    pub(super) fn check(
        &self,
        now: Instant,
        cost: u32,
        state: &mut State,
        found: Found,
    ) -> Decision {
        let now_ms = millis(now);
        let most_milli = u64::from(self.burst) * 1000;
        let extra_milli = u64::from(cost) * 1000;
        if found == Found::Fresh {
            *state = State { a: now_ms, b: 0 };
            let excess_milli = extra_milli.saturating_sub(1000);
            if excess_milli <= most_milli {
                state.b = excess_milli;
                return self.decision(self.delay_of(excess_milli), excess_milli);
            }
        }
        // A clock that steps back stands still.
        let passed_ms = now_ms.saturating_sub(state.a);
        let leaked_milli = self.rate_milli.saturating_mul(passed_ms) / 1000;
        let excess_milli = (state.b + extra_milli).saturating_sub(leaked_milli);
        if excess_milli > most_milli {
            // Rounded up, so that who comes back then passes.
            let over_milli = excess_milli - most_milli;
            let retry_ms = over_milli.saturating_mul(1000).div_ceil(self.rate_milli);
            let retry_after = Duration::from_millis(retry_ms);
            return self.decision(Verdict::Refuse { retry_after }, excess_milli);
        }
        state.b = excess_milli;
        if passed_ms > 0 {
            state.a = now_ms;
        }
        self.decision(self.delay_of(excess_milli), excess_milli)
    }

    fn delay_of(&self, excess_milli: u64) -> Verdict {
        let Delay::After(excess) = self.delay else {
            return Verdict::Pass;
        };
        let over_milli = excess_milli.saturating_sub(u64::from(excess) * 1000);
        match self.leaks_in_ms(over_milli) {
            0 => Verdict::Pass,
            wait_ms => Verdict::Delay(Duration::from_millis(wait_ms)),
        }
    }

    fn decision(&self, verdict: Verdict, excess_milli: u64) -> Decision {
        let most_milli = u64::from(self.burst) * 1000;
        let left_milli = most_milli.saturating_sub(excess_milli);
        let taken_milli = match verdict {
            Verdict::Refuse { .. } => excess_milli,
            _ => excess_milli + 1000,
        };
        Decision {
            verdict,
            limit: self.limit(),
            remaining: u32::try_from(left_milli / 1000).unwrap_or(u32::MAX),
            reset: Duration::from_millis(self.leaks_in_ms(taken_milli)),
            excess_milli,
        }
    }

    pub(super) fn refund(&self, cost: u32, state: &mut State) {
        state.b = state.b.saturating_sub(u64::from(cost) * 1000);
    }
}
