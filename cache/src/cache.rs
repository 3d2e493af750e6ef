//! The cache: a store, the fills that feed it, and the memory of what cannot be stored.

use crate::{
    fill::{FillTable, shared::Shared},
    key::KeyRef,
    lookup::Lookup,
    object::{Hit, Object},
    options::Options,
    policy::{Profile, Rules},
    request::{Class, Request},
    search::Searches,
    seek::{reload, seek},
    stats::{Count, Counters, Stats},
    store::{Memory, Store},
    unstorable::Unstorable,
    uses::Uses,
};
use seawall_http::Method;
use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

/// Where it is remembered that a stale answer stands in, beside what is remembered as not storable.
pub(crate) fn standing(hash: u64) -> u64 {
    hash.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15
}

/// A cache, shared by all threads.
pub struct Cache {
    options: Options,
    pub(crate) store: Box<dyn Store>,
    pub(crate) fills: FillTable,
    fill_bytes: AtomicU64,
    pub(crate) unstorable: Unstorable,
    pub(crate) uses: Uses,
    pub(crate) searches: Searches,
    /// Purges of everything so far: what is older is gone, wherever it is.
    generation: AtomicU64,
    counters: Counters,
}

impl Cache {
    /// An empty cache in memory.
    pub fn new(options: Options) -> Arc<Cache> {
        let store = Box::new(Memory::new(&options));
        Cache::with_store(options, store)
    }

    /// A cache over a store of another kind.
    pub fn with_store(options: Options, store: Box<dyn Store>) -> Arc<Cache> {
        Arc::new(Cache {
            options,
            store,
            fills: FillTable::new(),
            fill_bytes: AtomicU64::new(0),
            unstorable: Unstorable::new(),
            uses: Uses::new(),
            searches: Searches::new(),
            generation: AtomicU64::new(0),
            counters: Counters::default(),
        })
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Looks a request up. A fresh hit allocates nothing and takes one read lock.
    #[inline]
    pub fn lookup(
        self: &Arc<Self>,
        key: KeyRef<'_>,
        request: &Request<'_>,
        rules: &Rules,
    ) -> Lookup {
        if request.method != Method::Get && request.method != Method::Head {
            self.counters.add(key.hash, Count::Pass);
            return Lookup::Pass("method");
        }
        let generation = self.generation.load(Acquire);
        let found = self
            .store
            .find(key, &request.fields)
            .filter(|object| object.glance.generation >= generation);
        let lookup = match found {
            Some(object)
                if request.now_ms < object.glance.fresh_until_ms
                    && (request.is_plain()
                        || rules.profile == Profile::Nginx
                        || request.fields.present & object.meta.bars == 0) =>
            {
                Lookup::Hit(Hit::new(object, request.now_ms))
            }
            found => seek(self, key, request, rules, generation, found),
        };
        self.counters.add(key.hash, lookup.count());
        lookup
    }

    /// Looks a request up that wants what the origin has now, and whose answer is stored nevertheless (nginx: `proxy_cache_bypass`): a fill
    /// without validators, or the way past the cache while somebody else fills.
    pub fn reload(
        self: &Arc<Self>,
        key: KeyRef<'_>,
        request: &Request<'_>,
        rules: &Rules,
    ) -> Lookup {
        let generation = self.generation.load(Acquire);
        self.counters.add(key.hash, Count::Pass);
        match reload(self, key, request, rules, generation) {
            Some(fill) => Lookup::Miss(fill),
            None => Lookup::Pass("bypass"),
        }
    }

    /// Drops all variants of a key. A fill that is under way goes on for those who read it and is not stored. True if there was
    /// anything to drop.
    pub fn purge(&self, key: KeyRef<'_>) -> bool {
        let mut place = self.fills.lock(key);
        let filling = place.purge(key);
        let stored = self.store.remove(key);
        drop(place);
        for (cookie, authorization) in [(false, false), (true, false), (false, true), (true, true)]
        {
            self.unstorable.forget(
                Class {
                    cookie,
                    authorization,
                    variant: 0,
                }
                .mix(key.hash),
            );
        }
        filling || stored > 0
    }

    /// What a successful unsafe request to a key calls for (RFC 9111 §4.4): as a purge.
    pub fn invalidate(&self, key: KeyRef<'_>) -> bool {
        self.purge(key)
    }

    /// Drops everything, fills under way included. It holds as soon as it returns; memory is given back on the way.
    pub fn purge_all(&self) {
        self.generation.fetch_add(1, Release);
        self.unstorable.forget_all();
        self.store.clear();
    }

    /// What it holds and has done.
    pub fn stats(&self) -> Stats {
        let usage = self.store.usage();
        Stats {
            objects: usage.objects,
            bytes: usage.bytes,
            fill_bytes: self.fill_bytes.load(Relaxed),
            evictions: usage.evictions,
            hits: self.counters.sum(Count::Hit),
            stale: self.counters.sum(Count::Stale),
            misses: self.counters.sum(Count::Miss),
            revalidations: self.counters.sum(Count::Revalidation),
            joins: self.counters.sum(Count::Join),
            passes: self.counters.sum(Count::Pass),
        }
    }

    /// Stores what a fill brought, unless a purge came first. Purges wait for the same lock.
    pub(crate) fn commit(
        &self,
        fill: &Arc<Shared>,
        object: &Arc<Object>,
        replaces: Option<&Arc<Object>>,
        reserved: u64,
    ) -> bool {
        let mut place = self.fills.lock(fill.key.as_ref());
        let is_current = place.leave(fill) && fill.generation >= self.generation.load(Acquire);
        if !is_current {
            self.store.release(reserved);
            return false;
        }
        self.unstorable
            .forget(fill.class.mix(fill.key.as_ref().hash));
        self.store.insert(object.clone(), replaces, reserved)
    }

    /// A fill that nobody may join any more.
    /// False if a purge was quicker.
    pub(crate) fn leave(&self, fill: &Arc<Shared>) -> bool {
        let left = self.fills.lock(fill.key.as_ref()).leave(fill);
        left && fill.generation >= self.generation.load(Acquire)
    }

    pub(crate) fn discard(&self, object: &Arc<Object>) {
        self.store.discard(object);
    }

    pub(crate) fn note_unstorable(&self, fill: &Shared, now_ms: u64, duration: Duration) {
        self.unstorable
            .note(fill.class.mix(fill.key.as_ref().hash), now_ms, duration);
    }

    /// Remembers that a stale answer stands in for a failing origin.
    pub(crate) fn note_standing(&self, fill: &Shared, now_ms: u64, duration: Duration) {
        let hash = standing(fill.class.mix(fill.key.as_ref().hash));
        self.unstorable.note(hash, now_ms, duration);
    }

    /// Room for a fill's bytes: within the limit of fills, and within the budget of all.
    pub(crate) fn reserve_for_fill(&self, bytes: u64) -> bool {
        let in_flight = self.fill_bytes.fetch_add(bytes, Relaxed) + bytes;
        let fits = in_flight <= self.options.fill_bytes_in_flight_max && self.store.reserve(bytes);
        if !fits {
            self.fill_bytes.fetch_sub(bytes, Relaxed);
        }
        fits
    }

    pub(crate) fn release_of_fill(&self, bytes: u64) {
        if bytes > 0 {
            self.fill_bytes.fetch_sub(bytes, Relaxed);
            self.store.release(bytes);
        }
    }

    /// The bytes stay reserved in the store until the object takes them over.
    pub(crate) fn fill_became_object(&self, bytes: u64) {
        self.fill_bytes.fetch_sub(bytes, Relaxed);
    }
}
