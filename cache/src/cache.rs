//! The cache: a store, the fills that feed it, and the memory of what cannot be stored.

use crate::{
    fill::{Claim, Fill, FillReader, FillTable, shared::Shared},
    key::KeyRef,
    lookup::{Lookup, Worth, appraise, demands_of},
    object::{Hit, Object},
    options::{OBJECT_OVERHEAD_BYTES, Options},
    policy::{Demands, Profile, Rules},
    request::{Class, Request},
    stats::{Count, Counters, Stats},
    store::{Memory, Store},
    unstorable::Unstorable,
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

/// A cache, shared by all threads.
pub struct Cache {
    options: Options,
    store: Box<dyn Store>,
    fills: FillTable,
    fill_bytes: AtomicU64,
    unstorable: Unstorable,
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
            .filter(|object| object.meta.generation >= generation);
        if let Some(object) = &found
            && request.now_ms < object.meta.decision.fresh_until_ms
            && (request.fields.present & object.meta.bars == 0 || rules.profile == Profile::Nginx)
        {
            self.counters.add(key.hash, Count::Hit);
            return Lookup::Hit(Hit::new(object.clone(), request.now_ms));
        }
        let lookup = Seeker {
            cache: self,
            key,
            request,
            rules,
            generation,
        }
        .seek(found);
        self.counters.add(key.hash, kind_of(&lookup));
        lookup
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
        let too_large = object.weight()
            > self
                .options
                .object_bytes_max
                .saturating_add(OBJECT_OVERHEAD_BYTES * 4);
        if !is_current || too_large {
            self.store.release(reserved);
            return false;
        }
        self.unstorable
            .forget(fill.class.mix(fill.key.as_ref().hash));
        self.store.insert(object.clone(), replaces, reserved)
    }

    /// A fill that nobody may join any more.
    pub(crate) fn leave(&self, fill: &Arc<Shared>) {
        self.fills.lock(fill.key.as_ref()).leave(fill);
    }

    pub(crate) fn discard(&self, object: &Arc<Object>) {
        self.store.discard(object);
    }

    pub(crate) fn note_unstorable(&self, fill: &Shared, now_ms: u64, duration: Duration) {
        self.unstorable
            .note(fill.class.mix(fill.key.as_ref().hash), now_ms, duration);
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

fn kind_of(lookup: &Lookup) -> Count {
    match lookup {
        Lookup::Hit(_) => Count::Hit,
        Lookup::Stale(_, None) => Count::Stale,
        Lookup::Stale(_, Some(_)) | Lookup::Revalidate(..) => Count::Revalidation,
        Lookup::Join(_) => Count::Join,
        Lookup::Miss(_) => Count::Miss,
        Lookup::Pass(_) | Lookup::OnlyIfCached => Count::Pass,
    }
}

/// A lookup that is more than a fresh hit.
struct Seeker<'a> {
    cache: &'a Arc<Cache>,
    key: KeyRef<'a>,
    request: &'a Request<'a>,
    rules: &'a Rules,
    generation: u64,
}

impl Seeker<'_> {
    fn seek(&self, found: Option<Arc<Object>>) -> Lookup {
        let demands = demands_of(self.request, self.rules);
        if demands.no_store {
            return Lookup::Pass("request");
        }
        match found {
            Some(object) => self.use_stored(object, &demands),
            None => self.fetch(None, &demands),
        }
    }

    fn use_stored(&self, object: Arc<Object>, demands: &Demands) -> Lookup {
        let worth = appraise(&object, self.request, demands, self.rules);
        match worth {
            Worth::Barred => Lookup::Pass("request"),
            Worth::Fresh => Lookup::Hit(self.hit(object)),
            Worth::StaleAllowed => Lookup::Stale(self.hit(object), None),
            Worth::StaleWhileRevalidate => self.renew_behind(object),
            Worth::Validate { reload } => {
                let stands_in = !reload && self.request.now_ms < object.meta.decision.sie_until_ms;
                if stands_in && self.is_unstorable(self.class(Some(&object))) {
                    // The origin failed a moment ago: the stale answer goes on standing in (RFC 5861 §4).
                    return Lookup::Stale(self.hit(object), None);
                }
                self.fetch(Some(object), demands)
            }
        }
    }

    /// Stale-while-revalidate: whoever is first claims the renewal.
    fn renew_behind(&self, object: Arc<Object>) -> Lookup {
        let class = self.class(Some(&object));
        // The renewal is a GET, whose head alone would not do.
        if self.request.method == Method::Head || self.is_unstorable(class) {
            return Lookup::Stale(self.hit(object), None);
        }
        let mut place = self.cache.fills.lock(self.key);
        if place.is_running(self.key, class, self.generation) {
            return Lookup::Stale(self.hit(object), None);
        }
        if let Some(newer) = self.newer_than(Some(&object)) {
            return Lookup::Hit(self.hit(newer));
        }
        match place.claim(self.cache, self.key, class, self.generation) {
            Claim::Running(_) => Lookup::Stale(self.hit(object), None),
            Claim::Leader(shared) => {
                let fill = Fill::new(self.cache.clone(), shared, Some(object.clone()));
                Lookup::Stale(self.hit(object), Some(fill))
            }
        }
    }

    /// Leads a fill or joins one.
    fn fetch(&self, stale: Option<Arc<Object>>, demands: &Demands) -> Lookup {
        if demands.only_if_cached {
            return Lookup::OnlyIfCached;
        }
        if self.request.method == Method::Head {
            return Lookup::Pass("method");
        }
        let sample = if stale.is_none() {
            self.cache.store.sample(self.key)
        } else {
            None
        };
        let class = self.class(stale.as_ref().or(sample.as_ref()));
        if self.is_unstorable(class) {
            return Lookup::Pass("miss");
        }
        let mut place = self.cache.fills.lock(self.key);
        if !place.is_running(self.key, class, self.generation)
            && let Some(newer) = self.newer_than(stale.as_ref())
            && appraise(&newer, self.request, demands, self.rules) == Worth::Fresh
        {
            // Another fill was stored between our look and the lock.
            return Lookup::Hit(self.hit(newer));
        }
        match place.claim(self.cache, self.key, class, self.generation) {
            Claim::Running(shared) => Lookup::Join(FillReader::new(shared, self.request)),
            Claim::Leader(shared) => self.lead(shared, stale),
        }
    }

    fn lead(&self, shared: Arc<Shared>, stale: Option<Arc<Object>>) -> Lookup {
        let fill = Fill::new(self.cache.clone(), shared, stale.clone());
        match stale {
            Some(object) if fill.validators().is_some() => {
                Lookup::Revalidate(self.hit(object), fill)
            }
            _ => Lookup::Miss(fill),
        }
    }

    /// A fresh object that was stored since we looked. Called under the lock of the fills, which a commit takes.
    fn newer_than(&self, seen: Option<&Arc<Object>>) -> Option<Arc<Object>> {
        let object = self.cache.store.find(self.key, &self.request.fields)?;
        let is_new = seen.is_none_or(|seen| !Arc::ptr_eq(seen, &object));
        let is_fresh = self.request.now_ms < object.meta.decision.fresh_until_ms;
        (is_new && is_fresh && object.meta.generation >= self.generation).then_some(object)
    }

    /// The kind of client, and of variant as far as a stored answer tells what there is to vary on.
    fn class(&self, known: Option<&Arc<Object>>) -> Class {
        let variant = known.map_or(0, |object| object.meta.vary.hash_of(&self.request.fields));
        Class {
            variant,
            ..Class::of(self.request, self.rules)
        }
    }

    fn is_unstorable(&self, class: Class) -> bool {
        self.cache
            .unstorable
            .contains(class.mix(self.key.hash), self.request.now_ms)
    }

    fn hit(&self, object: Arc<Object>) -> Hit {
        Hit::new(object, self.request.now_ms)
    }
}
