//! Every bound of this crate, in one place.

use std::time::Duration;

/// Slots of a weighted rotation. Weights whose sum (after division by their common divisor) is larger are scaled
/// down, each to at least one slot, so that a rotation has at most this many slots plus one for each server.
pub const ROTATION_SLOTS_MAX: usize = 1000;

/// The longest an ejection lasts, whatever was configured and however often it repeats.
pub const EJECTION_MAX: Duration = Duration::from_secs(24 * 3600);

/// How many times its first length an ejection grows to when it repeats.
pub const EJECTION_GROWTH_MAX: u32 = 10;

/// While one request probes a server whose ejection ran out, others keep away from it for so long (or for the
/// ejection's length where that is shorter). A probe that is never reported, because its client left, costs no more.
pub const PROBE_WINDOW_MAX: Duration = Duration::from_secs(1);

/// The window over which the retry budget is kept.
pub const BUDGET_WINDOW_S: u64 = 10;

/// Retries in each second that are granted even to a pool with little traffic (unless its budget is 0 %).
pub const BUDGET_RETRIES_PER_S_MIN: u32 = 3;

/// Checks of one server are at least so far apart, whatever was configured.
pub const CHECK_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest time between two checks of a server.
pub const CHECK_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
