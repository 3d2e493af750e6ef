//! One part of the memory tier: an index over slots and S3-FIFO to say which slot goes first.
//!
//! S3-FIFO (Yang et al., SOSP 2023): what is new waits in a small queue, a tenth of the bytes; what was asked for again there moves to
//! the main queue, the rest leaves and only its hash is remembered for a while: should it come back, it goes to the main queue at once.
//! A hit sets a counter and moves nothing, so that a read lock is enough.

use super::{
    ghosts::Ghosts,
    list::{Link, List, NONE},
    slots::{Queue, Slot, Slots},
};
use crate::{key::KeyRef, object::Object};
use hashbrown::HashTable;
use seawall_http::Fields;
use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
};

/// Uses that are counted at most.
const FREQUENCY_MAX: u8 = 3;
/// Uses in the small queue that make an object move to the main queue.
const FREQUENCY_MAIN: u8 = 2;
/// The small queue's share of the bytes, as a divisor.
const SMALL_SHARE: u64 = 10;
/// Objects whose keys hash to this part.
#[derive(Debug)]
pub(super) struct Shard {
    /// The first variant's slot of each key.
    index: HashTable<u32>,
    slots: Slots,
    free: Vec<u32>,
    small: List,
    main: List,
    small_bytes: u64,
    main_bytes: u64,
    objects: usize,
    ghosts: Ghosts,
    clock: AtomicU64,
}

impl Shard {
    pub fn new() -> Shard {
        Shard {
            index: HashTable::new(),
            slots: Slots::default(),
            free: Vec::new(),
            small: List::new(),
            main: List::new(),
            small_bytes: 0,
            main_bytes: 0,
            objects: 0,
            ghosts: Ghosts::default(),
            clock: AtomicU64::new(0),
        }
    }

    #[cfg(test)]
    pub fn objects(&self) -> usize {
        self.objects
    }

    fn first(&self, key: KeyRef<'_>) -> Option<u32> {
        self.index
            .find(key.hash, |&at| self.slots.holds(at, key))
            .copied()
    }

    /// The newest object that answers the request.
    #[inline]
    pub fn find(&self, key: KeyRef<'_>, request: &Fields<'_>) -> Option<Arc<Object>> {
        let first = self.first(key)?;
        let slot = self.slots.get(first)?;
        let slot = if slot.sibling == NONE {
            slot.object
                .as_ref()
                .filter(|object| object.selects(request))?;
            slot
        } else {
            let fitting = self
                .slots
                .variants(first)
                .filter(|(_, _, object)| object.selects(request));
            let (_, slot, _) = fitting.max_by_key(|(_, _, object)| object.response_time_ms())?;
            slot.used.store(self.clock.fetch_add(1, Relaxed), Relaxed);
            slot
        };
        // Two threads may count one use; that is as good, and cheaper than to agree.
        let frequency = slot.frequency.load(Relaxed);
        if frequency < FREQUENCY_MAX {
            slot.frequency.store(frequency + 1, Relaxed);
        }
        slot.object.clone()
    }

    pub fn sample(&self, key: KeyRef<'_>) -> Option<Arc<Object>> {
        self.slots.get(self.first(key)?)?.object.clone()
    }

    /// Adds an object; what it displaces goes to `gone`.
    pub fn insert(
        &mut self,
        object: Arc<Object>,
        replaces: Option<&Arc<Object>>,
        variants_max: usize,
        gone: &mut Vec<Arc<Object>>,
    ) {
        let key = object.key.clone();
        let mut was_used = false;
        while let Some(at) = self.displaced(&object, replaces) {
            was_used = true;
            gone.extend(self.take(at));
        }
        while let Some(at) = self.one_too_many(key.as_ref(), variants_max) {
            gone.extend(self.take(at));
        }
        // A renewed answer keeps the place that its predecessor had earned.
        let queue = if was_used || self.ghosts.remembers(key.as_ref().hash) {
            Queue::Main
        } else {
            Queue::Small
        };
        let at = self.allocate(object, queue);
        self.enqueue(at, queue);
        self.enter(at, key.as_ref());
        self.objects += 1;
    }

    pub fn has_variant(&self, object: &Arc<Object>) -> bool {
        self.displaced(object, None).is_some()
    }

    pub fn all(&self) -> Vec<Arc<Object>> {
        let slots = self.slots.0.iter();
        slots.filter_map(|slot| slot.object.clone()).collect()
    }

    pub fn variants(&self, key: KeyRef<'_>) -> Vec<Arc<Object>> {
        let Some(first) = self.first(key) else {
            return Vec::new();
        };
        let variants = self.slots.variants(first);
        variants.map(|(_, _, object)| object.clone()).collect()
    }

    /// The slot of an object that the new one stands in for.
    fn displaced(&self, object: &Arc<Object>, replaces: Option<&Arc<Object>>) -> Option<u32> {
        let first = self.first(object.key.as_ref())?;
        let replaced =
            |old: &Arc<Object>| replaces.is_some_and(|replaces| Arc::ptr_eq(replaces, old));
        let mut variants = self.slots.variants(first);
        variants
            .find(|(_, _, old)| replaced(old) || old.is_same_variant(object))
            .map(|(at, _, _)| at)
    }

    /// The least recently used variant of a key that has no room for another.
    fn one_too_many(&self, key: KeyRef<'_>, variants_max: usize) -> Option<u32> {
        let first = self.first(key)?;
        if self.slots.variants(first).count() < variants_max {
            return None;
        }
        let oldest = self
            .slots
            .variants(first)
            .min_by_key(|(_, slot, _)| slot.used.load(Relaxed));
        oldest.map(|(at, _, _)| at)
    }

    fn allocate(&mut self, object: Arc<Object>, queue: Queue) -> u32 {
        let slot = Slot {
            hash: object.key.as_ref().hash,
            object: Some(object),
            frequency: AtomicU8::new(0),
            used: AtomicU64::new(self.clock.fetch_add(1, Relaxed)),
            queue,
            link: Link::LOOSE,
            sibling: NONE,
        };
        if let Some(at) = self.free.pop()
            && let Some(place) = self.slots.get_mut(at)
        {
            *place = slot;
            return at;
        }
        self.slots.0.push(slot);
        // Four billion objects of 640 bytes and more do not fit a shard.
        u32::try_from(self.slots.0.len() - 1).unwrap_or(NONE)
    }

    fn enqueue(&mut self, at: u32, queue: Queue) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        slot.queue = queue;
        let weight = slot.object.as_ref().map_or(0, |object| object.weight());
        match queue {
            Queue::Small => {
                self.small_bytes += weight;
                self.small.push_back(&mut self.slots, at);
            }
            Queue::Main => {
                self.main_bytes += weight;
                self.main.push_back(&mut self.slots, at);
            }
        }
    }

    fn dequeue(&mut self, at: u32) {
        let Some(slot) = self.slots.get(at) else {
            return;
        };
        let weight = slot.object.as_ref().map_or(0, |object| object.weight());
        match slot.queue {
            Queue::Small => {
                self.small_bytes -= weight;
                self.small.unlink(&mut self.slots, at);
            }
            Queue::Main => {
                self.main_bytes -= weight;
                self.main.unlink(&mut self.slots, at);
            }
        }
    }

    /// Puts a slot at the head of its key's variants.
    fn enter(&mut self, at: u32, key: KeyRef<'_>) {
        let slots = &mut self.slots;
        match self
            .index
            .find_mut(key.hash, |&first| slots.holds(first, key))
        {
            Some(first) => {
                let sibling = std::mem::replace(first, at);
                if let Some(slot) = slots.get_mut(at) {
                    slot.sibling = sibling;
                }
            }
            None => {
                let slots = &self.slots;
                let hash_of = |&first: &u32| slots.get(first).map_or(0, |slot| slot.hash);
                self.index.insert_unique(key.hash, at, hash_of);
            }
        }
    }

    /// Takes a slot out of index and queue and frees it.
    fn take(&mut self, at: u32) -> Option<Arc<Object>> {
        self.dequeue(at);
        self.leave(at);
        let object = self.slots.get_mut(at)?.object.take()?;
        self.free.push(at);
        self.objects -= 1;
        Some(object)
    }

    /// Takes a slot out of its key's variants.
    fn leave(&mut self, at: u32) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let (hash, sibling) = (slot.hash, std::mem::replace(&mut slot.sibling, NONE));
        let Some(key) = slot.object.as_ref().map(|object| object.key.clone()) else {
            return;
        };
        let slots = &self.slots;
        let Ok(mut entry) = self
            .index
            .find_entry(hash, |&first| slots.holds(first, key.as_ref()))
        else {
            return;
        };
        if *entry.get() == at {
            match sibling {
                NONE => drop(entry.remove()),
                next => *entry.get_mut() = next,
            }
            return;
        }
        let first = *entry.get();
        let before = self
            .slots
            .variants(first)
            .find(|(_, slot, _)| slot.sibling == at)
            .map(|(at, _, _)| at);
        if let Some(slot) = before.and_then(|before| self.slots.get_mut(before)) {
            slot.sibling = sibling;
        }
    }

    pub fn discard(&mut self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let first = self.first(object.key.as_ref())?;
        let (at, _, _) = self
            .slots
            .variants(first)
            .find(|(_, _, other)| Arc::ptr_eq(other, object))?;
        self.take(at)
    }

    pub fn remove(&mut self, key: KeyRef<'_>, gone: &mut Vec<Arc<Object>>) {
        while let Some(first) = self.first(key) {
            gone.extend(self.take(first));
        }
    }

    /// Drops the object that is worth least. What was used in the meantime is passed over, each use once, so that this ends.
    pub fn evict(&mut self) -> Option<Arc<Object>> {
        loop {
            let small_is_due =
                self.small_bytes > (self.small_bytes + self.main_bytes) / SMALL_SHARE;
            if let Some(at) = self
                .small
                .front()
                .filter(|_| small_is_due || self.main.front().is_none())
            {
                if self.frequency(at) >= FREQUENCY_MAIN {
                    self.requeue(at, 0);
                    continue;
                }
                let object = self.take(at)?;
                self.ghosts.remember(object.key.as_ref().hash, self.objects);
                return Some(object);
            }
            let at = self.main.front()?;
            match self.frequency(at) {
                0 => return self.take(at),
                uses => self.requeue(at, uses - 1),
            }
        }
    }

    fn frequency(&self, at: u32) -> u8 {
        self.slots
            .get(at)
            .map_or(0, |slot| slot.frequency.load(Relaxed))
    }

    /// Moves a slot to the back of the main queue.
    fn requeue(&mut self, at: u32, frequency: u8) {
        self.dequeue(at);
        if let Some(slot) = self.slots.get(at) {
            slot.frequency.store(frequency, Relaxed);
        }
        self.enqueue(at, Queue::Main);
    }

    #[cfg(test)]
    pub fn check_invariants(&self) {
        let living = self
            .slots
            .0
            .iter()
            .filter_map(|slot| slot.object.as_ref().map(|object| (slot, object)));
        let (mut count, mut small, mut main) = (0, 0, 0);
        for (slot, object) in living {
            count += 1;
            match slot.queue {
                Queue::Small => small += object.weight(),
                Queue::Main => main += object.weight(),
            }
            let first = self.first(object.key.as_ref()).expect("indexed");
            assert!(
                self.slots
                    .variants(first)
                    .any(|(_, _, other)| Arc::ptr_eq(other, object))
            );
        }
        assert_eq!(
            (count, small, main),
            (self.objects, self.small_bytes, self.main_bytes)
        );
        assert_eq!(self.slots.0.len(), self.objects + self.free.len());
        self.ghosts.check_invariants();
    }
}
