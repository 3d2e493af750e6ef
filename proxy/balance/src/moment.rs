//! Instants as milliseconds, so that they fit an atomic.

use crate::limits::EJECTION_MAX;
use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Milliseconds are counted from here. It is the one clock reading of the crate, and its value decides nothing.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Stands for "not set".
pub(crate) const NEVER: u64 = 0;

/// Settles the origin, so that later instants lie after it.
pub(crate) fn settle() {
    LazyLock::force(&ORIGIN);
}

/// The instant that the crate counts from. Simulations start at a fixed distance from it, so that a seed is all that
/// their course depends on.
pub fn epoch() -> Instant {
    *ORIGIN
}

/// `now` in nanoseconds, for what is counted finely; never 0.
pub(crate) fn nanos(now: Instant) -> u64 {
    let passed = now.saturating_duration_since(*ORIGIN).as_nanos();
    u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
}

/// `now` in milliseconds; never [`NEVER`].
pub(crate) fn millis(now: Instant) -> u64 {
    as_millis(now.saturating_duration_since(*ORIGIN)).saturating_add(1)
}

/// The instant that [`millis`] turned into `ms`.
pub(crate) fn instant(ms: u64, now: Instant) -> Instant {
    let ahead = Duration::from_millis(ms.saturating_sub(millis(now)));
    now.checked_add(ahead.min(EJECTION_MAX)).unwrap_or(now)
}

/// A duration in whole milliseconds.
pub(crate) fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
