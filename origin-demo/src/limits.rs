//! Every limit on what strangers send and on what we keep, in one place.

use std::time::Duration;

/// Bytes of a request body (forms, JSON): 64 KiB.
pub const BODY_BYTES: usize = 64 * 1024;
/// Bytes of a batch posted to the index: 4 MiB.
pub const INDEX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an answer one role accepts from another: 8 MiB.
pub const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How long one role waits for another.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long open requests may take after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Products on a page, and at most in one api answer.
pub const PAGE: u64 = 24;
/// At most this many products in one api answer.
pub const PER_PAGE_MAX: u64 = 200;
/// The last page number that is looked at.
pub const PAGES_MAX: u64 = 10_000;
/// Of one product in a cart.
pub const QUANTITY_MAX: u32 = 20;
/// Different products in a cart.
pub const CART_LINES_MAX: usize = 50;
/// How long a line in a cart is kept after it was last changed: as long as the session's cookie.
pub const CART_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Characters of a search that are looked at.
pub const QUERY_CHARS: usize = 100;
/// Words of a search that are looked at.
pub const QUERY_WORDS: usize = 8;
/// Products held by the api's cache.
pub const CACHED_PRODUCTS: usize = 2_000;
/// How long a cached product is good, should nobody say that it changed.
pub const CACHED_FOR: Duration = Duration::from_secs(30);
/// Attempts at a job before it is set aside as a dead letter.
pub const JOB_ATTEMPTS: u32 = 5;
/// Attempts at indexing: search may be away for an hour and should still hear of everything.
pub const INDEX_ATTEMPTS: u32 = 20;
/// The longest pause between two attempts.
pub const JOB_BACKOFF_MAX: Duration = Duration::from_secs(300);
/// Bytes of a job's payload.
pub const JOB_PAYLOAD_BYTES: usize = 16 * 1024;
/// Finished jobs that are kept to look at.
pub const JOBS_DONE_KEPT: u64 = 2_000;
/// The largest artificial latency.
pub const FAULT_LATENCY_MS: u64 = 60_000;
/// Hits of a search that are ranked and counted into facets.
pub const HITS: usize = 20_000;
