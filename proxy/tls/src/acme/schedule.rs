//! When a certificate is asked for: sans-io, with clock and randomness handed in.

use super::limits::{FAILURES_BEFORE_FALLBACK, PAUSE_MAX, RENEWAL_INFO_MAX, RENEWAL_INFO_MIN};
use std::time::{Duration, SystemTime};

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub not_before: SystemTime,
    /// To.
    pub not_after: SystemTime,
}

impl Validity {
    /// After two thirds of the life, so that there is time to fail: 30 days of 90, two of six.
    pub fn two_thirds(&self) -> SystemTime {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        self.not_before
            .checked_add(life / 3 * 2)
            .unwrap_or(self.not_before)
    }
}

/// How soon after a certificate was issued another one may be asked for.
const ISSUED_PAUSE: Duration = Duration::from_secs(60);

/// When one certificate is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    pause: Duration,
    failures: u32,
    order: SystemTime,
    /// When the CA is asked for its wishes (RFC 9773); `None` where it has none.
    renewal_info: Option<SystemTime>,
    validity: Option<Validity>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this.
    At(SystemTime),
    /// An order.
    Order,
    /// A question to the CA when it would like to renew.
    RenewalInfo,
}

impl Schedule {
    /// Due at once: there is no certificate. Pauses after failures begin with `pause`.
    pub fn new(now: SystemTime, pause: Duration) -> Self {
        Self {
            pause,
            failures: 0,
            order: now,
            renewal_info: None,
            validity: None,
        }
    }

    /// Pauses after failures begin with this from now on.
    pub(super) fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// What is due now.
    pub fn due(&self, now: SystemTime) -> Due {
        if self.order <= now {
            return Due::Order;
        }
        match self.renewal_info {
            Some(at) if at <= now => Due::RenewalInfo,
            Some(at) => Due::At(at.min(self.order)),
            None => Due::At(self.order),
        }
    }

    /// When the next order is due.
    pub fn next_order(&self) -> SystemTime {
        self.order
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Which of so many CAs is asked: the first one, another after [`FAILURES_BEFORE_FALLBACK`] failures, in a circle.
    pub fn directory(&self, count: usize) -> usize {
        (self.failures / FAILURES_BEFORE_FALLBACK) as usize % count.max(1)
    }

    /// A certificate was issued. As [`on_certificate`](Self::on_certificate), but neither an order nor a question follows
    /// at once, whatever its dates say: a CA with a wrong clock must not make us go round in circles.
    pub fn on_issued(&mut self, now: SystemTime, validity: Validity, random: f64) {
        self.on_certificate(now, validity, random);
        let soonest = now.checked_add(self.pause.max(ISSUED_PAUSE));
        self.order = self.order.max(soonest.unwrap_or(now));
        self.renewal_info = now.checked_add(RENEWAL_INFO_MIN);
    }

    /// A certificate is there: it is renewed after two thirds of its life, a little earlier by chance so that many do not
    /// come at once. `random` is from 0 to 1.
    pub fn on_certificate(&mut self, now: SystemTime, validity: Validity, random: f64) {
        self.failures = 0;
        self.validity = Some(validity);
        let due = validity.two_thirds();
        let life = validity
            .not_after
            .duration_since(validity.not_before)
            .unwrap_or_default();
        let earlier = life.mul_f64(random.clamp(0.0, 1.0) / 50.0);
        self.order = due.checked_sub(earlier).unwrap_or(due);
        self.renewal_info = Some(now);
        self.check();
    }

    /// An order failed: twice the pause of the last failure, with up to a quarter more by chance, or what the CA asks
    /// for if that is longer.
    pub fn on_failure(&mut self, now: SystemTime, retry_after: Option<Duration>, random: f64) {
        let doubled = self
            .pause
            .saturating_mul(1u32.checked_shl(self.failures.min(20)).unwrap_or(u32::MAX))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let jittered = doubled.mul_f64(1.0 + random.clamp(0.0, 1.0) / 4.0);
        let pause = jittered.max(retry_after.unwrap_or_default()).min(PAUSE_MAX);
        self.order = now.checked_add(pause).unwrap_or(now);
        self.renewal_info = None;
        self.check();
    }

    /// The CA would like the certificate to be renewed within a window: a point of it by chance, now if it is past, and
    /// never later than two thirds of the life allow by much: a window that begins after nine tenths is not believed.
    /// Tells whether the window counts.
    pub fn on_renewal_info(
        &mut self,
        now: SystemTime,
        window: (SystemTime, SystemTime),
        ask_again: Duration,
        random: f64,
    ) -> bool {
        let again = ask_again.clamp(RENEWAL_INFO_MIN, RENEWAL_INFO_MAX);
        self.renewal_info = now.checked_add(again);
        let Some(validity) = self.validity else {
            return false;
        };
        let (start, end) = window;
        let Ok(width) = end.duration_since(start) else {
            return false;
        };
        let life = validity
            .not_after
            .duration_since(validity.not_before)
            .unwrap_or_default();
        let late = validity.not_before.checked_add(life.mul_f64(0.9));
        let point = start.checked_add(width.mul_f64(random.clamp(0.0, 1.0)));
        match (point, late) {
            (Some(point), Some(late)) if point <= late => {
                // A window that moves a little must not put off a point that was chosen before.
                if self.order < start || self.order > end {
                    self.order = point;
                }
                self.check();
                true
            }
            _ => false,
        }
    }

    /// The CA has no wishes, or they could not be fetched: asked again after `ask_again`, never if `None`.
    pub fn on_no_renewal_info(&mut self, now: SystemTime, ask_again: Option<Duration>) {
        self.renewal_info = ask_again.and_then(|again| now.checked_add(again));
    }

    /// Somebody asks for it: due at once.
    pub fn on_request(&mut self, now: SystemTime) {
        self.order = now;
    }

    fn check(&self) {
        debug_assert!(self.failures == 0 || self.renewal_info.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * days
    }

    fn ninety() -> Validity {
        Validity {
            not_before: at(0),
            not_after: at(90),
        }
    }

    /// A small generator: what is drawn must not matter.
    fn draws(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        })
    }

    #[test]
    fn it_renews_after_two_thirds_and_a_little_earlier_by_chance() {
        for random in draws(1).take(200) {
            let mut schedule = Schedule::new(at(0), Duration::from_secs(60));
            assert_eq!(schedule.due(at(0)), Due::Order);
            schedule.on_certificate(at(0), ninety(), random);
            assert!(schedule.next_order() <= at(60) && schedule.next_order() >= at(58));
            assert_eq!(schedule.due(at(0)), Due::RenewalInfo);
        }
    }

    #[test]
    fn pauses_double_and_never_exceed_a_day_or_fall_below_what_the_ca_asks() {
        for seed in 0..64 {
            let mut random = draws(seed);
            let mut schedule = Schedule::new(at(0), Duration::from_secs(120));
            let mut now = at(0);
            for n in 0u32..40 {
                let asked = (n % 3 == 0).then_some(Duration::from_secs(700));
                schedule.on_failure(now, asked, random.next().unwrap());
                let pause = schedule.next_order().duration_since(now).unwrap();
                let base = Duration::from_secs(120 << n.min(15)).min(DAY);
                assert!(pause >= base.min(DAY) && pause <= DAY, "{n}: {pause:?}");
                assert!(asked.is_none_or(|asked| pause >= asked));
                assert_eq!(schedule.failures(), n + 1);
                now = schedule.next_order();
            }
        }
    }

    #[test]
    fn a_ca_that_asks_for_years_is_asked_again_after_a_day() {
        let mut schedule = Schedule::new(at(0), Duration::from_secs(1));
        schedule.on_failure(at(0), Some(DAY * 3650), 0.5);
        assert_eq!(schedule.next_order(), at(1));
        schedule.on_failure(at(1), Some(Duration::MAX), 1.0);
        assert_eq!(schedule.next_order(), at(2));
    }

    #[test]
    fn another_ca_is_tried_after_two_failures_and_the_first_again_after_success() {
        let mut schedule = Schedule::new(at(0), Duration::from_secs(1));
        let mut asked = Vec::new();
        for _ in 0..6 {
            asked.push(schedule.directory(2));
            schedule.on_failure(at(0), None, 0.0);
        }
        assert_eq!(asked, [0, 0, 1, 1, 0, 0]);
        schedule.on_failure(at(0), None, 0.0);
        schedule.on_certificate(at(0), ninety(), 0.0);
        assert_eq!(schedule.directory(2), 0);
        assert_eq!(Schedule::new(at(0), DAY).directory(0), 0);
    }

    #[test]
    fn the_cas_window_counts_and_one_that_is_past_means_now() {
        let mut schedule = Schedule::new(at(0), Duration::from_secs(60));
        schedule.on_certificate(at(0), ninety(), 0.0);
        assert!(schedule.on_renewal_info(at(1), (at(40), at(42)), DAY, 0.5));
        assert_eq!(schedule.next_order(), at(41));
        // The same window again changes nothing.
        assert!(schedule.on_renewal_info(at(2), (at(40), at(42)), DAY, 0.9));
        assert_eq!(schedule.next_order(), at(41));
        // The CA is about to revoke.
        assert!(schedule.on_renewal_info(at(3), (at(1), at(2)), DAY, 0.9));
        assert_eq!(schedule.due(at(3)), Due::Order);
    }

    #[test]
    fn a_window_too_late_or_upside_down_is_not_believed() {
        for window in [(at(85), at(89)), (at(42), at(40)), (at(400), at(500))] {
            let mut schedule = Schedule::new(at(0), Duration::from_secs(60));
            schedule.on_certificate(at(0), ninety(), 0.0);
            assert!(!schedule.on_renewal_info(at(1), window, Duration::ZERO, 0.0));
            assert_eq!(schedule.next_order(), at(60));
            // Nor is it asked for more often than once an hour.
            assert_eq!(
                schedule.due(at(1)),
                Due::At(at(1) + Duration::from_secs(3600))
            );
        }
    }

    #[test]
    fn a_certificate_that_is_due_when_it_is_issued_makes_no_circle() {
        let mut schedule = Schedule::new(at(80), Duration::from_secs(1));
        schedule.on_issued(at(80), ninety(), 0.0);
        assert_eq!(schedule.next_order(), at(80) + ISSUED_PAUSE);
        assert_eq!(schedule.due(at(80)), Due::At(at(80) + ISSUED_PAUSE));
    }

    #[test]
    fn who_asks_gets_it_at_once_and_a_ca_without_wishes_is_left_alone() {
        let mut schedule = Schedule::new(at(0), Duration::from_secs(60));
        schedule.on_certificate(at(0), ninety(), 0.0);
        schedule.on_no_renewal_info(at(0), None);
        assert_eq!(schedule.due(at(1)), Due::At(at(60)));
        schedule.on_request(at(1));
        assert_eq!(schedule.due(at(1)), Due::Order);
    }
}
