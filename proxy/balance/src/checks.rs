//! When a server is checked next.

use crate::{
    limits::{CHECK_INTERVAL_MAX, CHECK_INTERVAL_MIN},
    random::unit,
};
use std::time::{Duration, Instant};

/// How often a server is checked. Intervals are held within [`CHECK_INTERVAL_MIN`] and [`CHECK_INTERVAL_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// From the end of a check to the next.
    pub interval: Duration,
    /// The same while the server is down: it should not wait longer than needed. `None`: half the interval.
    pub fast_interval: Option<Duration>,
    /// How far each time is moved at random, up or down, in percent; at most 90.
    pub jitter_percent: u8,
}

impl CheckOptions {
    /// Every so often, twice as often while down, give or take a tenth.
    pub fn every(interval: Duration) -> Self {
        Self {
            interval,
            fast_interval: None,
            jitter_percent: 10,
        }
    }

    fn usual(&self) -> Duration {
        self.interval.clamp(CHECK_INTERVAL_MIN, CHECK_INTERVAL_MAX)
    }

    fn while_down(&self) -> Duration {
        let fast = self.fast_interval.unwrap_or(self.usual() / 2);
        fast.clamp(CHECK_INTERVAL_MIN, CHECK_INTERVAL_MAX)
    }
}

/// The times of one server's active checks.
///
/// The first comes within a tenth of the interval, the others an interval after the last one's end, with jitter, so
/// that many servers checked by many edges do not beat in time.
#[derive(Clone, Debug)]
pub struct CheckSchedule {
    options: CheckOptions,
    due: Instant,
}

impl CheckSchedule {
    /// A schedule that starts now, with the usual fast interval and jitter.
    pub fn new(now: Instant, interval: Duration, random: u64) -> Self {
        Self::with(now, CheckOptions::every(interval), random)
    }

    /// A schedule that starts now.
    pub fn with(now: Instant, options: CheckOptions, random: u64) -> Self {
        Self {
            options,
            due: now + (options.usual() / 10).mul_f64(unit(random)),
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
            self.options.usual()
        } else {
            self.options.while_down()
        };
        let jitter = f64::from(self.options.jitter_percent.min(90)) / 100.0;
        self.due = now + interval.mul_f64(1.0 - jitter + 2.0 * jitter * unit(random));
        self.due
    }
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
    fn the_interval_while_down_and_the_jitter_may_be_chosen() {
        let now = Instant::now();
        let options = CheckOptions {
            fast_interval: Some(Duration::from_millis(250)),
            jitter_percent: 0,
            ..CheckOptions::every(INTERVAL)
        };
        let mut schedule = CheckSchedule::with(now, options, 0);
        assert_eq!(
            schedule.checked(now, false, 7),
            now + Duration::from_millis(250)
        );
        assert_eq!(schedule.checked(now, true, 7), now + INTERVAL);
        let options = CheckOptions {
            jitter_percent: 255,
            ..options
        };
        let mut schedule = CheckSchedule::with(now, options, 0);
        assert!(schedule.checked(now, true, 0) > now, "never at once");
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
