//! The memory tier: sharded, weighed in bytes, one budget for what is stored and what is on its way.
//!
//! Why not a library: `foyer-memory`'s S3-FIFO was the plan and is what this one is measured against (`examples/lookup.rs`, one thread, two
//! threads, key included). A hot object is found in 66 and 105 ns here, in 111 and 251 ns there; one of 10,000 in 164 ns and 167 ns on one
//! thread, where both wait for memory; on a Zipf trace 71.1 % are hits here, 71.0 % there. What decides is the books: foyer splits its
//! capacity evenly over its shards and lets an object that is larger than a shard in, over the limit, after having evicted all else there (64 MiB
//! in 64 shards held 156 MiB), and has no room for bytes that are reserved but not yet stored. Here every shard draws on one budget, an object
//! of any permitted size fits, a fill's bytes count from its first, and all variants of a key lie side by side under one hash.

use super::{Store, Usage, shard::Shard};
use crate::{key::KeyRef, object::Object, options::Options};
use parking_lot::RwLock;
use seawall_http::Fields;
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Shards at most.
const SHARDS_MAX: usize = 4096;

/// A shard on cache lines of its own.
#[repr(align(128))]
struct Padded(RwLock<Shard>);

/// See the [module](self).
pub struct Memory {
    shards: Box<[Padded]>,
    limit_bytes: u64,
    variants_max: usize,
    /// Objects and reservations.
    used_bytes: AtomicU64,
    objects: AtomicU64,
    evictions: AtomicU64,
    /// Which shard makes room next: each in its turn.
    turn: AtomicUsize,
}

impl Memory {
    /// A store within `options.memory_bytes`.
    pub fn new(options: &Options) -> Memory {
        let shards = options.shards.clamp(1, SHARDS_MAX).next_power_of_two();
        Memory {
            shards: (0..shards)
                .map(|_| Padded(RwLock::new(Shard::new())))
                .collect(),
            limit_bytes: options.memory_bytes,
            variants_max: options.variants_max.max(1),
            used_bytes: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
        }
    }

    /// The hash table uses the top and the bottom bits, so the shard is chosen by some in between.
    #[inline]
    fn shard(&self, key: KeyRef<'_>) -> Option<&RwLock<Shard>> {
        let at = (key.hash >> 32) as usize & (self.shards.len() - 1);
        self.shards.get(at).map(|padded| &padded.0)
    }

    /// Counts objects out.
    fn left(&self, gone: &[Arc<Object>]) {
        let bytes = gone.iter().map(|object| object.weight()).sum();
        self.used_bytes.fetch_sub(bytes, Relaxed);
        self.objects.fetch_sub(gone.len() as u64, Relaxed);
    }

    /// Evicts until the budget holds. False if there is nothing left to evict.
    fn shrink(&self) -> bool {
        let mut fruitless = 0;
        while self.used_bytes.load(Relaxed) > self.limit_bytes {
            if fruitless == self.shards.len() {
                return false;
            }
            let at = self.turn.fetch_add(1, Relaxed) & (self.shards.len() - 1);
            let Some(shard) = self.shards.get(at) else {
                return false;
            };
            let evicted = shard.0.write().evict();
            match evicted {
                Some(object) => {
                    self.left(std::slice::from_ref(&object));
                    self.evictions.fetch_add(1, Relaxed);
                    fruitless = 0;
                }
                None => fruitless += 1,
            }
        }
        true
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        self.shards
            .iter()
            .for_each(|shard| shard.0.read().check_invariants());
        let objects: usize = self
            .shards
            .iter()
            .map(|shard| shard.0.read().objects())
            .sum();
        assert_eq!(objects as u64, self.objects.load(Relaxed));
        assert!(self.used_bytes.load(Relaxed) <= self.limit_bytes);
    }
}

impl Store for Memory {
    #[inline]
    fn find(&self, key: KeyRef<'_>, request: &Fields<'_>) -> Option<Arc<Object>> {
        self.shard(key)?.read().find(key, request)
    }

    fn sample(&self, key: KeyRef<'_>) -> Option<Arc<Object>> {
        self.shard(key)?.read().sample(key)
    }

    fn insert(&self, object: Arc<Object>, replaces: Option<&Arc<Object>>, reserved: u64) -> bool {
        let weight = object.weight();
        let Some(shard) = self
            .shard(object.key.as_ref())
            .filter(|_| weight <= self.limit_bytes)
        else {
            self.release(reserved);
            return false;
        };
        self.used_bytes.fetch_add(weight, Relaxed);
        self.release(reserved);
        self.objects.fetch_add(1, Relaxed);
        let mut gone = Vec::new();
        shard
            .write()
            .insert(object, replaces, self.variants_max, &mut gone);
        self.left(&gone);
        self.shrink()
    }

    fn has_variant(&self, object: &Arc<Object>) -> bool {
        self.shard(object.key.as_ref())
            .is_some_and(|shard| shard.read().has_variant(object))
    }

    fn visit(&self, each: &mut dyn FnMut(&Arc<Object>) -> bool) {
        for shard in &self.shards {
            // Copied out, so that whoever looks holds up nobody.
            let objects = shard.0.read().all();
            if !objects.iter().all(&mut *each) {
                return;
            }
        }
    }

    fn variants(&self, key: KeyRef<'_>) -> Vec<Arc<Object>> {
        self.shard(key)
            .map_or_else(Vec::new, |shard| shard.read().variants(key))
    }

    fn discard(&self, object: &Arc<Object>) {
        if let Some(shard) = self.shard(object.key.as_ref()) {
            let gone = shard.write().discard(object);
            self.left(gone.as_slice());
        }
    }

    fn remove(&self, key: KeyRef<'_>) -> usize {
        let mut gone = Vec::new();
        if let Some(shard) = self.shard(key) {
            shard.write().remove(key, &mut gone);
        }
        self.left(&gone);
        gone.len()
    }

    fn clear(&self) {
        for shard in &self.shards {
            loop {
                // In small steps: a hit on this shard waits for one of them at most.
                let gone: Vec<_> = {
                    let mut shard = shard.0.write();
                    std::iter::from_fn(|| shard.evict()).take(64).collect()
                };
                if gone.is_empty() {
                    break;
                }
                self.left(&gone);
            }
        }
    }

    fn reserve(&self, bytes: u64) -> bool {
        if bytes > self.limit_bytes {
            return false;
        }
        self.used_bytes.fetch_add(bytes, Relaxed);
        let fits = self.shrink();
        if !fits {
            self.release(bytes);
        }
        fits
    }

    fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Relaxed);
    }

    fn usage(&self) -> Usage {
        Usage {
            objects: self.objects.load(Relaxed),
            bytes: self.used_bytes.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
        }
    }
}
