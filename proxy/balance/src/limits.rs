//! Every bound of this crate, in one place.

use std::time::Duration;

/// Slots of a weighted rotation. Weights whose sum (after division by their common divisor) is larger are scaled
/// down, each to at least one slot, so that a rotation has at most this many slots plus one for each server.
pub const ROTATION_SLOTS_MAX: usize = 1000;

/// The sum of weights on a hash ring. A larger one is scaled down, each weight to at least one.
pub const RING_WEIGHT_MAX: u64 = 1000;

/// Points of a hash ring for each unit of weight: nginx's and Cache::Memcached::Fast's number.
pub const RING_POINTS_PER_WEIGHT: u32 = 160;

/// Points of a hash ring that one pick looks at, where those before are of servers not in use; then the choice is by
/// rotation.
pub const RING_WALK_MAX: usize = 1000;

/// Places that one pick by `ip_hash` tries, as in nginx; then the choice is by rotation.
pub const IP_HASH_TRIES_MAX: usize = 20;

/// Lost races for the last slots below `max_conns` after which a pick calls the pool full.
pub const CLAIMS_LOST_MAX: usize = 16;

/// The longest an ejection lasts, whatever was configured and however often it repeats.
pub const EJECTION_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long an ejection that repeats grows, if nothing else is configured.
pub const EJECTION_LONGEST: Duration = Duration::from_secs(300);

/// While one request probes a server whose ejection ran out, others keep away from it for so long (or for the
/// ejection's length where that is shorter). A probe that is never reported, because its client left, costs no more.
pub const PROBE_WINDOW_MAX: Duration = Duration::from_secs(1);

/// The window over which the retry budget is kept.
pub const BUDGET_WINDOW_S: u64 = 10;

/// Retries in each second that are granted even to a pool with little traffic (unless its budget is 0 %), by default.
pub const BUDGET_RETRIES_PER_S_MIN: u32 = 3;

/// Hedges in each second that are granted even to a pool with little traffic (unless their budget is 0 %).
pub const BUDGET_HEDGES_PER_S_MIN: u32 = 1;

/// Requests that may wait for a server, whatever was configured.
pub const QUEUE_SIZE_MAX: u32 = 16_384;

/// Checks of one server are at least so far apart, whatever was configured.
pub const CHECK_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest time between two checks of a server.
pub const CHECK_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);

/// The shortest window of a ratio (ejection, breaker).
pub const RATIO_WINDOW_MIN: Duration = Duration::from_millis(100);

/// The longest.
pub const RATIO_WINDOW_MAX: Duration = Duration::from_secs(3600);

/// The shortest time a breaker stays open.
pub const BREAKER_OPEN_MIN: Duration = Duration::from_millis(10);

/// The longest.
pub const BREAKER_OPEN_MAX: Duration = Duration::from_secs(24 * 3600);

/// How fast a latency's moving average forgets: after this time without news a third is left.
pub const EWMA_DECAY: Duration = Duration::from_secs(10);

/// What a latency of nobody knows is taken for while the first request is under way.
pub const EWMA_UNKNOWN: Duration = Duration::from_secs(1);

/// The highest latency a moving average holds, and what it grows to where a server only fails.
pub const EWMA_MAX: Duration = Duration::from_secs(600);

/// Waits before a retry are no longer than this, whatever was configured.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Entries of a table (limiter, learned sessions) are at least so many, whatever was configured.
pub const TABLE_ENTRIES_MIN: usize = 1024;

/// And at most so many: 2^26 entries are 1.5 GiB.
pub const TABLE_ENTRIES_MAX: usize = 1 << 26;

/// The highest burst of a limiter, where its interval is no longer than some seconds; see [`LIMIT_AHEAD_NS_MAX`].
pub const LIMIT_BURST_MAX: u32 = 1_000_000_000;

/// How far ahead a limiter counts, in nanoseconds: 146 years. A longer interval, or a burst that reaches further, is cut
/// down to it.
pub const LIMIT_AHEAD_NS_MAX: u64 = u64::MAX / 4;
