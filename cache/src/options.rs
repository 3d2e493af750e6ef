//! What a cache is made with, and every limit it holds to.

use std::time::Duration;

/// How large a cache may grow. A size of 0 in `shards` or a missing limit is set right by [`crate::Cache::new`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of objects and of fills in flight together (default 256 MiB). Each object counts with its head, body, key
    /// and [`OBJECT_OVERHEAD_BYTES`].
    pub memory_bytes: u64,
    /// The largest head and body that is stored (default 32 MiB).
    pub object_bytes_max: u64,
    /// What is larger is kept in slices, where the origin gives parts and names a strong validator (default a sixteenth of `memory_bytes`, 1 MiB to
    /// 32 MiB).
    pub whole_bytes_max: u64,
    /// Variants of one key (default 64); the least recently used goes first.
    pub variants_max: usize,
    /// Independent parts of the index, rounded up to a power of two (default 16). Each chooses by itself what goes first, so that a cache of few
    /// objects in many parts chooses worse: on the web's traces 64 are below what 16 reach (`examples/hit_ratio.rs`).
    pub shards: usize,
    /// Bytes of bodies that are being received (default a quarter of `memory_bytes`). What exceeds it streams through unstored.
    pub fill_bytes_in_flight_max: u64,
    /// What nobody asked for that long is not served any more, however fresh (nginx: `inactive`). Default: none, what is least worth makes room.
    pub inactive: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_memory(256 << 20)
    }
}

impl Options {
    /// The defaults for a cache of that many bytes.
    pub fn with_memory(memory_bytes: u64) -> Self {
        Self {
            memory_bytes,
            object_bytes_max: 32 << 20,
            whole_bytes_max: (memory_bytes / 16).clamp(1 << 20, 32 << 20),
            variants_max: 64,
            shards: 16,
            fill_bytes_in_flight_max: memory_bytes / 4,
            inactive: None,
        }
    }
}

/// What an object costs beside its own bytes: allocations, its slot, its share of index and ghost queue.
pub const OBJECT_OVERHEAD_BYTES: u64 = 640;
/// What a piece of a body in flight costs beside its bytes.
pub(crate) const CHUNK_OVERHEAD_BYTES: u64 = 96;
/// Small pieces of a body are joined when they reach this; a body up to this size is one piece.
pub(crate) const PIECE_BYTES: usize = 64 << 10;
/// How far the fastest reader of a body that is not kept may be behind before the leader waits for it. As much of such a body is held for
/// its readers beside the budget.
pub(crate) const LAG_BYTES_MAX: u64 = 256 << 10;
/// Keys whose answers are remembered as not storable.
pub(crate) const UNSTORABLE_KEYS_MAX: u64 = 100_000;
/// How long an answer is remembered as not storable: its requests go to the origin in parallel.
pub(crate) const UNSTORABLE: Duration = Duration::from_secs(5);
/// The same after a failure of the origin, which may be over soon.
pub(crate) const UNSTORABLE_FAILURE: Duration = Duration::from_secs(1);
/// Keys whose requests are counted before they are stored, and how long a count is kept (nginx: `inactive`).
pub(crate) const USES_KEYS_MAX: u64 = 100_000;
pub(crate) const USES_IDLE: Duration = Duration::from_secs(600);
/// Members of Accept-Language that are put in order; a longer one selects as it stands.
pub(crate) const LANGUAGES_MAX: usize = 16;
/// Paths whose answers said which parameters do not count (No-Vary-Search), and names that one may list.
pub(crate) const SEARCH_PATHS_MAX: u64 = 10_000;
pub(crate) const SEARCH_NAMES_MAX: usize = 64;
/// Tags of one object; an answer with more is not stored.
pub(crate) const TAGS_MAX: usize = 256;
/// Bytes of one tag.
pub(crate) const TAG_BYTES_MAX: usize = 1024;
/// Bytes of all tags of one object.
pub(crate) const TAGS_BYTES_MAX: usize = 16 << 10;
/// Members of a `Vary` field; an answer that varies on more is not stored.
pub(crate) const VARY_FIELDS_MAX: usize = 16;
/// Directives that are looked at in one Cache-Control field.
pub(crate) const DIRECTIVES_MAX: usize = 64;
/// The longest lifetime or age that is understood (RFC 9111 §1.2.2).
pub(crate) const DELTA_SECONDS_MAX: u64 = 1 << 31;
/// The longest heuristic lifetime.
pub(crate) const HEURISTIC_MAX: Duration = Duration::from_secs(24 * 3600);
