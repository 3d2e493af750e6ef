//! Hashes of what was evicted from the small queue lately: as many as there are objects.

use hashbrown::{HashMap, hash_map::Entry};
use std::collections::VecDeque;

/// Hashes remembered at least, however few objects there are.
const GHOSTS_MIN: usize = 64;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    order: VecDeque<u64>,
    /// How often each stands in `order`.
    hashes: HashMap<u64, u32>,
}

impl Ghosts {
    /// Adds a hash; with as many as there are objects, the oldest goes.
    pub fn remember(&mut self, hash: u64, objects: usize) {
        self.order.push_back(hash);
        *self.hashes.entry(hash).or_insert(0) += 1;
        while self.order.len() > objects.max(GHOSTS_MIN) {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Entry::Occupied(mut entry) = self.hashes.entry(oldest) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// Whether it was here lately.
    pub fn remembers(&self, hash: u64) -> bool {
        self.hashes.contains_key(&hash)
    }
}

impl Ghosts {
    #[cfg(test)]
    pub fn check_invariants(&self) {
        let counted: u32 = self.hashes.values().sum();
        assert_eq!(counted as usize, self.order.len());
    }
}
