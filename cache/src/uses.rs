//! How often keys were asked for that are not stored (nginx: `proxy_cache_min_uses`).

use crate::options::{USES_IDLE, USES_KEYS_MAX};
use moka::sync::Cache as Table;

/// Counts by the hash of a key: two keys with one hash are counted together.
pub(crate) struct Uses(Table<u64, u32>);

impl Uses {
    pub fn new() -> Uses {
        let table = Table::builder().max_capacity(USES_KEYS_MAX);
        Uses(table.time_to_idle(USES_IDLE).build())
    }

    /// Counts one more, and tells how many there are.
    pub fn count(&self, hash: u64) -> u32 {
        let count = self.0.get(&hash).unwrap_or(0).saturating_add(1);
        self.0.insert(hash, count);
        count
    }
}
