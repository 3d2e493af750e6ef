//! Requests and failures over a sliding window, without a lock.
//!
//! The window is ten slices, each one word: which slice of time it counts, its requests, its failures. Whoever finds
//! a slice of an older time starts it anew. The share is only computed when something fails.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

const SLICES: u64 = 10;
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const EPOCH_MASK: u64 = (1 << 24) - 1;
const ONE_REQUEST: u64 = 1 << COUNT_BITS;
const ONE_FAILURE: u64 = 1;
/// A slice counts no further than this: the share is known well enough. What many threads add at once past it does not
/// reach the next field.
const COUNT_MAX: u64 = COUNT_MASK - 4096;

/// The window's counts. Its length is the caller's, so that a reload may change it: slices of another length belong to
/// another time.
#[derive(Debug, Default)]
pub(crate) struct Ratio {
    slices: [AtomicU64; SLICES as usize],
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
}

impl Counts {
    /// Whether failures make up so many percent of at least so many requests.
    pub(crate) fn reaches(self, percent: u8, min_requests: u32) -> bool {
        self.requests >= u64::from(min_requests.max(1))
            && self.failures > 0
            && self.failures * 100 >= self.requests * u64::from(percent)
    }
}

impl Ratio {
    /// Counts one request. `window_ms` is at least 10.
    pub(crate) fn note(&self, now_ms: u64, window_ms: u64, failed: bool) {
        let epoch = epoch(now_ms, window_ms);
        let Some(slice) = self.slices.get((epoch % SLICES) as usize) else {
            return;
        };
        let one = ONE_REQUEST + if failed { ONE_FAILURE } else { 0 };
        let mut word = slice.load(Relaxed);
        loop {
            let age = age(word, epoch);
            // A slice that seems to be of the future was begun by a thread that read its clock later: it will do.
            if age == 0 || age > EPOCH_MASK / 2 {
                if requests(word) < COUNT_MAX {
                    slice.fetch_add(one, Relaxed);
                }
                return;
            }
            let fresh = ((epoch & EPOCH_MASK) << (2 * COUNT_BITS)) | one;
            match slice.compare_exchange_weak(word, fresh, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// The counts of the window that ends now.
    pub(crate) fn counts(&self, now_ms: u64, window_ms: u64) -> Counts {
        let epoch = epoch(now_ms, window_ms);
        let words = self.slices.iter().map(|slice| slice.load(Relaxed));
        words
            .filter(|&word| age(word, epoch) < SLICES)
            .fold(Counts::default(), |sum, word| Counts {
                requests: sum.requests + requests(word),
                failures: sum.failures + (word & COUNT_MASK),
            })
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.slices.iter().for_each(|slice| slice.store(0, SeqCst));
    }
}

/// The slice of time that `now_ms` lies in. Two of them 2^24 slices apart (a week at least) are taken for one.
fn epoch(now_ms: u64, window_ms: u64) -> u64 {
    now_ms / (window_ms / SLICES).max(1)
}

fn age(word: u64, epoch: u64) -> u64 {
    epoch.wrapping_sub(word >> (2 * COUNT_BITS)) & EPOCH_MASK
}

fn requests(word: u64) -> u64 {
    (word >> COUNT_BITS) & COUNT_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: u64 = 1000;

    fn counts(requests: u64, failures: u64) -> Counts {
        Counts { requests, failures }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let ratio = Ratio::default();
        for at in 0..10 {
            ratio.note(50_000 + at * 100, WINDOW_MS, at % 2 == 0);
        }
        assert_eq!(ratio.counts(50_900, WINDOW_MS), counts(10, 5));
        assert_eq!(ratio.counts(51_400, WINDOW_MS), counts(5, 2));
        assert_eq!(ratio.counts(60_000, WINDOW_MS), counts(0, 0));
        ratio.note(51_000, WINDOW_MS, false);
        assert_eq!(ratio.counts(51_000, WINDOW_MS), counts(10, 4));
        ratio.clear();
        assert_eq!(ratio.counts(51_000, WINDOW_MS), counts(0, 0));
    }

    #[test]
    fn a_clock_that_steps_back_a_little_is_counted_and_never_panics() {
        let ratio = Ratio::default();
        ratio.note(51_000, WINDOW_MS, true);
        ratio.note(50_000, WINDOW_MS, true);
        assert_eq!(ratio.counts(51_000, WINDOW_MS), counts(2, 2));
        ratio.note(0, 0, true);
    }

    #[test]
    fn a_slice_that_is_full_stays_full() {
        let ratio = Ratio::default();
        for _ in 0..COUNT_MASK + 5000 {
            ratio.note(50_000, WINDOW_MS, true);
        }
        assert_eq!(
            ratio.counts(50_000, WINDOW_MS),
            counts(COUNT_MAX, COUNT_MAX)
        );
    }

    #[test]
    fn a_share_counts_from_enough_requests_on() {
        assert!(counts(20, 10).reaches(50, 20));
        assert!(!counts(20, 9).reaches(50, 20));
        assert!(!counts(19, 19).reaches(50, 20));
        assert!(!counts(20, 0).reaches(0, 0), "no failure never counts");
        assert!(!counts(0, 0).reaches(50, 0));
    }
}
