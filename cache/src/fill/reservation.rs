//! A fill's share of the memory budget: given back when the last who reads it is gone.

use crate::cache::Cache;
use std::sync::Arc;

/// Bytes of the budget. Dropping gives them back.
pub(crate) struct Reservation {
    cache: Arc<Cache>,
    bytes: u64,
}

impl Reservation {
    pub fn none(cache: Arc<Cache>) -> Reservation {
        Reservation { cache, bytes: 0 }
    }

    /// Makes it at least `bytes`; false, and as before, if there is no room.
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 && !self.cache.reserve_for_fill(more) {
            return false;
        }
        self.bytes += more;
        true
    }

    /// Gives back what exceeds `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.cache.release_of_fill(less);
    }

    /// The bytes become an object's, which is no fill any more.
    pub fn hand_over(&mut self) -> u64 {
        let bytes = std::mem::take(&mut self.bytes);
        self.cache.fill_became_object(bytes);
        bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
