//! When a server is checked next.

use crate::limits::{CHECK_INTERVAL_MAX, CHECK_INTERVAL_MIN};
use std::time::{Duration, Instant};

/// The times of one server's active checks.
///
/// The first comes within a tenth of the interval, the others an interval after the last one's end, give or take a
/// tenth, so that many servers checked by many edges do not beat in time. While a server is down it is checked twice
/// as often: it should not wait longer than needed.
#[derive(Clone, Debug)]
pub struct CheckSchedule {
    interval: Duration,
    due: Instant,
}

impl CheckSchedule {
    /// A schedule that starts now. The interval is held within [`CHECK_INTERVAL_MIN`] and [`CHECK_INTERVAL_MAX`].
    pub fn new(now: Instant, interval: Duration, random: u64) -> Self {
        let interval = interval.clamp(CHECK_INTERVAL_MIN, CHECK_INTERVAL_MAX);
        Self {
            interval,
            due: now + (interval / 10).mul_f64(unit(random)),
        }
    }

    /// When the next check is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// How long until then; zero when it is due.
    pub fn wait(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }

    /// A check has ended: plans the next and says when it is due. `up` is whether the server is up now.
    pub fn checked(&mut self, now: Instant, up: bool, random: u64) -> Instant {
        let interval = if up {
            self.interval
        } else {
            (self.interval / 2).max(CHECK_INTERVAL_MIN)
        };
        self.due = now + interval.mul_f64(0.9 + 0.2 * unit(random));
        self.due
    }
}

/// A random number as a fraction in `0..1`.
fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    #[test]
    fn the_first_check_comes_soon() {
        let now = Instant::now();
        for random in [0, u64::MAX / 2, u64::MAX] {
            assert!(CheckSchedule::new(now, INTERVAL, random).wait(now) <= INTERVAL / 10);
        }
    }

    #[test]
    fn checks_come_every_interval_give_or_take_a_tenth() {
        let now = Instant::now();
        let mut schedule = CheckSchedule::new(now, INTERVAL, 0);
        assert_eq!(
            schedule.checked(now, true, 0),
            now + Duration::from_millis(1800)
        );
        let latest = schedule.checked(now, true, u64::MAX);
        assert!(latest > now + INTERVAL && latest <= now + Duration::from_millis(2200));
    }

    #[test]
    fn a_server_that_is_down_is_checked_twice_as_often() {
        let now = Instant::now();
        let mut schedule = CheckSchedule::new(now, INTERVAL, 0);
        let due = schedule.checked(now, false, u64::MAX / 2);
        assert!(
            due <= now + Duration::from_millis(1001) && due >= now + Duration::from_millis(999)
        );
        assert_eq!(schedule.wait(due), Duration::ZERO);
    }

    #[test]
    fn an_interval_past_the_limits_is_held_within_them() {
        let now = Instant::now();
        let mut schedule = CheckSchedule::new(now, Duration::ZERO, 0);
        assert!(schedule.checked(now, false, 0) >= now + CHECK_INTERVAL_MIN.mul_f64(0.9));
        let mut schedule = CheckSchedule::new(now, Duration::MAX, 0);
        assert!(schedule.checked(now, true, u64::MAX) <= now + CHECK_INTERVAL_MAX.mul_f64(1.1));
    }
}
