//! Which answers were not to be stored lately: requests for them go to the origin in parallel ("hit for miss").
//!
//! Without it, requests for an uncacheable page would queue behind each other's fills. Two keys with one hash share an entry, which
//! costs some seconds of coalescing and nothing else.

use crate::options::UNSTORABLE_KEYS_MAX;
use moka::sync::Cache as Table;
use std::time::Duration;

/// See the [module](self).
pub(crate) struct Unstorable {
    /// Until when, unix milliseconds on the requests' clock.
    until_ms: Table<u64, u64>,
}

impl Unstorable {
    pub fn new() -> Unstorable {
        Unstorable {
            until_ms: Table::builder().max_capacity(UNSTORABLE_KEYS_MAX).build(),
        }
    }

    pub fn note(&self, hash: u64, now_ms: u64, duration: Duration) {
        self.until_ms
            .insert(hash, now_ms + duration.as_millis() as u64);
    }

    pub fn forget(&self, hash: u64) {
        self.until_ms.invalidate(&hash);
    }

    pub fn forget_all(&self) {
        self.until_ms.invalidate_all();
    }

    pub fn contains(&self, hash: u64, now_ms: u64) -> bool {
        self.until_ms
            .get(&hash)
            .is_some_and(|until_ms| now_ms < until_ms)
    }
}
