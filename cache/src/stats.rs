//! What a cache has done so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start, and what is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Objects, each variant counted.
    pub objects: u64,
    /// Bytes of objects and fills.
    pub bytes: u64,
    /// Bytes of fills in flight, part of `bytes`.
    pub fill_bytes: u64,
    /// Objects that made room for others.
    pub evictions: u64,
    /// Answered fresh.
    pub hits: u64,
    /// Answered stale, by RFC 5861 or at the client's wish.
    pub stale: u64,
    /// Fills begun without a stored answer.
    pub misses: u64,
    /// Fills begun to validate a stored answer, in the background or not.
    pub revalidations: u64,
    /// Joined somebody else's fill.
    pub joins: u64,
    /// Waited for the disk, and were looked up again.
    pub loads: u64,
    /// Not looked up, or known not to be storable.
    pub passes: u64,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Hit,
    Stale,
    Miss,
    Revalidation,
    Join,
    Pass,
    Load,
}

const KINDS: usize = 7;
const STRIPES: usize = 16;

/// Counters on several cache lines, so that threads that count at once do not wait for each other.
#[derive(Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
}

#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; KINDS]);

impl Counters {
    /// `hash` chooses the stripe.
    #[inline]
    pub fn add(&self, hash: u64, count: Count) {
        let stripe = self.stripes.get((hash >> 32) as usize % STRIPES);
        if let Some(counter) = stripe.and_then(|stripe| stripe.0.get(count as usize)) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub fn sum(&self, count: Count) -> u64 {
        self.stripes
            .iter()
            .filter_map(|stripe| stripe.0.get(count as usize))
            .map(|counter| counter.load(Relaxed))
            .sum()
    }
}
