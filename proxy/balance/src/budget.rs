//! The retry budget: when a whole pool fails, retries must not double its load.
//!
//! Requests are only counted, by one atomic addition. The window is brought up to date when somebody wants to retry:
//! what was counted since the last time is spread evenly over the seconds passed.

use crate::limits::BUDGET_WINDOW_S;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts requests and grants retries.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    requests: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// The second that was last brought up to date.
    second: u64,
    /// Requests counted up to then.
    requests_seen: u64,
    /// By second, modulo the window.
    seconds: [Second; BUDGET_WINDOW_S as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// In thousandths, as they come from spreading.
    requests_milli: u64,
    retries: u32,
}

impl Budget {
    pub(crate) fn on_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Grants and counts one retry, or not: within `percent` of the requests, or up to `per_s_min` in a second.
    pub(crate) fn allow(&self, second: u64, percent: u8, per_s_min: u32) -> bool {
        if percent == 0 {
            return false;
        }
        let mut window = self.window.lock();
        window.advance(second, self.requests.load(Relaxed));
        window.allow(percent, per_s_min)
    }
}

impl Window {
    fn advance(&mut self, second: u64, requests: u64) {
        // Time that seems to run backwards (another thread read its clock earlier) is the same second.
        // What was counted before the first retry ever is taken to be recent.
        let passed = match self.second {
            0 => {
                self.second = second.saturating_sub(BUDGET_WINDOW_S - 1);
                second - self.second
            }
            last => second.saturating_sub(last),
        };
        let new = requests.saturating_sub(self.requests_seen);
        self.requests_seen = self.requests_seen.max(requests);
        // Rounded up: where every request may be retried, a thousandth must not deny one.
        let share_milli = new.saturating_mul(1000).div_ceil(passed + 1);
        // Of the seconds passed only the newest lie in the window.
        let first = self
            .second
            .max((self.second + passed).saturating_sub(BUDGET_WINDOW_S - 1));
        for at in first..=self.second + passed {
            let is_old = at == self.second;
            let slot = self.slot(at);
            if !is_old {
                *slot = Second::default();
            }
            slot.requests_milli += share_milli;
        }
        self.second += passed;
    }

    fn allow(&mut self, percent: u8, per_s_min: u32) -> bool {
        let requests_milli: u64 = self
            .seconds
            .iter()
            .map(|second| second.requests_milli)
            .sum();
        let retries: u64 = self
            .seconds
            .iter()
            .map(|second| u64::from(second.retries))
            .sum();
        let within_share = (retries + 1).saturating_mul(100_000)
            <= requests_milli.saturating_mul(u64::from(percent));
        let now = self.slot(self.second);
        if !within_share && now.retries >= per_s_min {
            return false;
        }
        now.retries = now.retries.saturating_add(1);
        true
    }

    fn slot(&mut self, second: u64) -> &mut Second {
        &mut self.seconds[(second % BUDGET_WINDOW_S) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(budget: &Budget, second: u64, percent: u8, tries: usize) -> usize {
        (0..tries)
            .filter(|_| budget.allow(second, percent, 3))
            .count()
    }

    #[test]
    fn a_quiet_pool_gets_the_minimum_each_second() {
        let budget = Budget::default();
        assert_eq!(granted(&budget, 100, 20, 50), 3);
        assert_eq!(granted(&budget, 101, 20, 50), 3);
    }

    #[test]
    fn a_busy_pool_gets_its_share_of_ten_seconds() {
        let budget = Budget::default();
        (0..1000).for_each(|_| budget.on_request());
        assert_eq!(granted(&budget, 100, 20, 1000), 200);
        // The share is used up; a second later only the minimum is left.
        assert_eq!(granted(&budget, 101, 20, 1000), 3);
        // When the window has passed, so have its requests.
        assert_eq!(granted(&budget, 120, 20, 1000), 3);
    }

    #[test]
    fn requests_of_a_long_time_are_spread_over_it() {
        let budget = Budget::default();
        budget.allow(1000, 20, 3);
        (0..100_000).for_each(|_| budget.on_request());
        // 100,000 requests in 1,000 seconds are 1,000 in ten: 200 retries.
        let granted = granted(&budget, 2000, 20, 100_000);
        assert!((195..=205).contains(&granted), "{granted}");
    }

    #[test]
    fn no_budget_is_no_retry() {
        assert!(!Budget::default().allow(1, 0, 3));
    }

    #[test]
    fn a_clock_that_steps_back_neither_panics_nor_forgets() {
        let budget = Budget::default();
        assert_eq!(granted(&budget, 50, 20, 9), 3);
        assert_eq!(granted(&budget, 40, 20, 9), 0);
    }
}
