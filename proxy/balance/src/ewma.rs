//! A server's latency as a moving average that remembers peaks.
//!
//! A slower answer than expected counts at once and in full, faster ones bring the average down over ten seconds; while
//! nothing is heard the average fades, so that a server that was slow once is tried again. One word, no lock: of two
//! threads that meet, one sample is lost.

use crate::limits::{EWMA_DECAY, EWMA_MAX, EWMA_UNKNOWN};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Microseconds in the high half, the millisecond of the last sample (modulo 2^32) in the low half; 0 for no sample.
#[derive(Debug, Default)]
pub(crate) struct Ewma(AtomicU64);

impl Ewma {
    /// Notes an answer's latency.
    pub(crate) fn observe(&self, now_ms: u64, latency: Duration) {
        let sample = micros(latency.min(EWMA_MAX)).max(1);
        let word = self.0.load(Relaxed);
        let (value, elapsed_ms) = unpack(word, now_ms);
        if word != 0 && value >= sample && elapsed_ms == 0 {
            // Within one millisecond a faster answer says nothing new.
            return;
        }
        let next = if word == 0 || sample >= value {
            sample
        } else {
            let kept = fade(elapsed_ms);
            (value as f32 * kept + sample as f32 * (1.0 - kept)) as u32
        };
        self.0.store(pack(next.max(1), now_ms), Relaxed);
    }

    /// Notes a failure. It may have come fast, and must not look it: the average doubles.
    pub(crate) fn penalise(&self, now_ms: u64) {
        let word = self.0.load(Relaxed);
        let (value, _) = unpack(word, now_ms);
        let doubled = match word {
            0 => micros(EWMA_UNKNOWN),
            _ => value.saturating_mul(2).max(1000).min(micros(EWMA_MAX)),
        };
        self.0.store(pack(doubled, now_ms), Relaxed);
    }

    /// What one more request costs here, beside so many in flight: microseconds of waiting. A server that nobody knows
    /// costs nothing for one request, and much for others while that one is under way.
    pub(crate) fn cost(&self, now_ms: u64, in_flight: u32) -> f32 {
        let word = self.0.load(Relaxed);
        let requests = in_flight as f32 + 1.0;
        match (word, in_flight) {
            (0, 0) => 0.0,
            (0, _) => micros(EWMA_UNKNOWN) as f32 * requests,
            _ => {
                let (value, elapsed_ms) = unpack(word, now_ms);
                value as f32 * fade(elapsed_ms) * requests
            }
        }
    }

    /// The average, for people; `None` before the first answer.
    pub(crate) fn value(&self) -> Option<Duration> {
        let word = self.0.load(Relaxed);
        (word != 0).then(|| Duration::from_micros(word >> 32))
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn pack(micros: u32, now_ms: u64) -> u64 {
    (u64::from(micros) << 32) | (now_ms & 0xffff_ffff)
}

/// The value, and how long ago it was noted; a clock that steps back stands still.
fn unpack(word: u64, now_ms: u64) -> (u32, u32) {
    let elapsed = (now_ms as u32).wrapping_sub(word as u32);
    let elapsed = if elapsed > u32::MAX / 2 { 0 } else { elapsed };
    ((word >> 32) as u32, elapsed)
}

/// What is left of an average after so long.
fn fade(elapsed_ms: u32) -> f32 {
    match elapsed_ms {
        0 => 1.0,
        _ => (-(elapsed_ms as f32) / EWMA_DECAY.as_millis() as f32).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_counts_at_once_and_fades_slowly() {
        let ewma = Ewma::default();
        ewma.observe(1000, 10 * MS);
        ewma.observe(1001, 100 * MS);
        assert_eq!(ewma.value(), Some(100 * MS));
        for at in 0..1000 {
            ewma.observe(1002 + at * 10, 10 * MS);
        }
        // Ten seconds of the usual: a third of the surplus is left.
        let value = ewma.value().unwrap();
        assert!(value > 40 * MS && value < 46 * MS, "{value:?}");
    }

    #[test]
    fn silence_makes_a_slow_server_worth_a_try() {
        let ewma = Ewma::default();
        ewma.observe(1000, 1000 * MS);
        assert!(ewma.cost(1000, 0) > 999_000.0);
        let later = ewma.cost(61_000, 0);
        assert!(later > 0.0 && later < 3000.0, "{later}");
    }

    #[test]
    fn the_first_request_to_an_unknown_server_is_free_and_the_second_is_not() {
        let ewma = Ewma::default();
        assert_eq!(ewma.cost(5, 0), 0.0);
        assert_eq!(ewma.cost(5, 1), 2_000_000.0);
    }

    #[test]
    fn a_server_that_fails_fast_is_not_fast() {
        let ewma = Ewma::default();
        ewma.penalise(1000);
        assert_eq!(ewma.value(), Some(EWMA_UNKNOWN));
        for _ in 0..40 {
            ewma.penalise(1000);
        }
        assert_eq!(ewma.value(), Some(EWMA_MAX));
    }

    #[test]
    fn absurd_times_are_held_within_the_limits() {
        let ewma = Ewma::default();
        ewma.observe(u64::MAX, Duration::MAX);
        assert_eq!(ewma.value(), Some(EWMA_MAX));
        assert!(ewma.cost(0, u32::MAX).is_finite());
    }
}
