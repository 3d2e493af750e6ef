//! How many connections (or requests at once) a key may have.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

const SHARDS: usize = 64;

/// The counts of all keys that have a connection now; the others take no memory.
#[derive(Debug)]
pub struct ConnectionLimit {
    shards: [Mutex<HashMap<u64, u32>>; SHARDS],
    keys: AtomicUsize,
    keys_max: usize,
    overflows: AtomicU64,
}

impl ConnectionLimit {
    /// No connections yet; at most so many keys may have one at once.
    pub fn new(keys_max: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            keys: AtomicUsize::new(0),
            keys_max,
            overflows: AtomicU64::new(0),
        })
    }

    /// Counts one more connection of a key until the guard drops; `None` when it has `max` already, or (as in nginx)
    /// when too many keys are counted to count another. `key` is a hash, keyed with a secret.
    pub fn enter(self: &Arc<Self>, key: u64, max: u32) -> Option<ConnectionGuard> {
        if max == 0 {
            return None;
        }
        let mut counts = self.shard(key).lock();
        match counts.get_mut(&key) {
            Some(count) if *count >= max => return None,
            Some(count) => *count += 1,
            None => {
                let below = |keys: usize| (keys < self.keys_max).then_some(keys + 1);
                if self.keys.fetch_update(Relaxed, Relaxed, below).is_err() {
                    self.overflows.fetch_add(1, Relaxed);
                    return None;
                }
                counts.insert(key, 1);
            }
        }
        Some(ConnectionGuard {
            limit: Arc::clone(self),
            key,
        })
    }

    /// How many connections a key has.
    pub fn count(&self, key: u64) -> u32 {
        self.shard(key).lock().get(&key).copied().unwrap_or(0)
    }

    /// How many keys have one.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// How often a connection was refused because too many keys are counted.
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, u32>> {
        let at = (crate::random::mix(key) % SHARDS as u64) as usize;
        // Always in bounds: a remainder of the length.
        &self.shards[at]
    }

    fn leave(&self, key: u64) {
        let mut counts = self.shard(key).lock();
        let Some(count) = counts.get_mut(&key) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
            self.keys.fetch_sub(1, Relaxed);
        }
    }
}

/// One connection of a key, counted until it drops.
#[derive(Debug)]
pub struct ConnectionGuard {
    limit: Arc<ConnectionLimit>,
    key: u64,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.limit.leave(self.key);
    }
}
