//! The cache: a store, the fills that feed it, and the memory of what cannot be stored.

use crate::{
    fill::{FillTable, shared::Shared},
    key::KeyRef,
    load::Load,
    lookup::{Lookup, Pass},
    object::{Hit, Object},
    options::Options,
    policy::{Profile, Rules},
    purge::{Durable, Manner, Purges, Scope, Verdict},
    request::{Class, Request},
    search::Searches,
    seek::{reload, seek},
    stats::{Count, Counters, Stats},
    store::{Disk, DiskOptions, DiskStats, Memory, Store},
    unstorable::Unstorable,
    uses::Uses,
};
use seawall_http::Method;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
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
    pub(crate) purges: Arc<Purges>,
    pub(crate) disk: Option<Arc<Disk>>,
    counters: Counters,
}

impl Cache {
    /// An empty cache in memory.
    pub fn new(options: Options) -> Arc<Cache> {
        Cache::with_tiers(options, Box::new(Memory::new(&options)), None)
    }

    /// A cache over a store of another kind.
    pub fn with_store(options: Options, store: Box<dyn Store>) -> Arc<Cache> {
        Cache::with_tiers(options, store, None)
    }

    /// A cache in memory and on a disk. What an earlier process left in the directory is there again soon.
    ///
    /// # Errors
    /// Where the directory cannot be used, or another process uses it: [`Cache::new`] does without.
    pub fn with_disk(options: Options, disk: &DiskOptions) -> io::Result<Arc<Cache>> {
        let disk = Arc::new(Disk::open(disk)?);
        let store = Box::new(Memory::new(&options));
        Ok(Cache::with_tiers(options, store, Some(disk)))
    }

    /// Leaves the disk to another process, for good: this cache goes on in memory, and acknowledges no purge any more where it had a
    /// disk. Blocks until what is to be written is written.
    pub fn leave_disk(&self) {
        if let Some(disk) = &self.disk {
            disk.leave();
        }
    }

    /// Whether it has left its disk.
    pub fn has_left_disk(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.has_left())
    }

    /// An empty memory over the disk that this one has, if it has one, with other limits.
    pub fn resized(&self, options: Options, disk: &DiskOptions) -> Arc<Cache> {
        if let Some(ours) = &self.disk {
            ours.set_limits(disk);
        }
        let store = Box::new(Memory::new(&options));
        Cache::with_tiers(options, store, self.disk.clone())
    }

    fn with_tiers(options: Options, store: Box<dyn Store>, disk: Option<Arc<Disk>>) -> Arc<Cache> {
        Arc::new(Cache {
            options,
            store,
            fills: FillTable::new(),
            fill_bytes: AtomicU64::new(0),
            unstorable: Unstorable::new(),
            uses: Uses::new(),
            searches: Searches::new(),
            purges: disk
                .as_ref()
                .map_or_else(|| Arc::new(Purges::new()), |disk| disk.purges().clone()),
            disk,
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
            return Lookup::Pass(Pass::Method);
        }
        let found = self
            .store
            .find(key, &request.fields)
            .and_then(|object| self.unpurged(object))
            .and_then(|object| self.at_hand(object))
            .and_then(|object| self.in_use(object, request.now_ms));
        let lookup = match found {
            Some(object)
                if request.now_ms < object.glance.fresh_until_ms
                    && (request.is_plain()
                        || rules.profile == Profile::Nginx
                        || request.fields.present & object.meta.bars == 0) =>
            {
                self.note_hit(&object);
                Lookup::Hit(Hit::new(object, request.now_ms))
            }
            found => seek(self, key, request, rules, found),
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
        self.counters.add(key.hash, Count::Pass);
        match reload(self, key, request, rules) {
            Some(fill) => Lookup::Miss(fill),
            None => Lookup::Pass(Pass::Bypass),
        }
    }

    /// Counts a hit. It is the second time at least that somebody asked: the disk may have it.
    #[inline]
    pub(crate) fn note_hit(&self, object: &Arc<Object>) {
        object.count_hit();
        if let Some(disk) = &self.disk
            && !object.is_offered()
        {
            disk.offer(object);
        }
    }

    /// Begins to bring up from the disk what answers a request, if it is there.
    pub(crate) fn bring_up(
        self: &Arc<Self>,
        key: KeyRef<'_>,
        request: &Request<'_>,
    ) -> Option<Load> {
        let disk = self.disk.as_ref()?;
        let place = disk.find(key, request, self.options.inactive)?;
        let read = disk.read(place, key)?;
        Some(Load::new(self.clone(), key, read, request.now_ms))
    }

    /// Keeps what came up from the disk, unless a newer answer or a purge was quicker. Where there is no room in memory the disk loses it, too:
    /// it would be brought up again and again.
    pub(crate) fn came_up(&self, object: Arc<Object>, now_ms: u64) {
        object.note_used(now_ms);
        let _place = self.fills.lock(object.key.as_ref());
        if self.store.has_variant(&object) {
            return;
        }
        let fits = match self.left_by_purges(&object) {
            Some(left) => self.store.insert(left, None, 0),
            None => false,
        };
        if let Some(disk) = self.disk.as_ref().filter(|_| !fits) {
            disk.forget_variant(&object);
        }
    }

    /// An object whose body is to be had: what is in a segment that made room is not there any more.
    #[inline]
    pub(crate) fn at_hand(&self, object: Arc<Object>) -> Option<Arc<Object>> {
        match object.filed() {
            Some(filed) if !filed.is_here() => {
                self.store.discard(&object);
                None
            }
            _ => Some(object),
        }
    }

    /// An object that was asked for lately enough, and is now.
    #[inline]
    pub(crate) fn in_use(&self, object: Arc<Object>, now_ms: u64) -> Option<Arc<Object>> {
        let Some(inactive) = self.options.inactive else {
            return Some(object);
        };
        if self.is_idle(&object, inactive, now_ms) {
            self.store.discard(&object);
            if let Some(disk) = &self.disk {
                disk.forget_variant(&object);
            }
            return None;
        }
        object.note_used(now_ms);
        Some(object)
    }

    fn is_idle(&self, object: &Object, inactive: Duration, now_ms: u64) -> bool {
        u128::from(now_ms.saturating_sub(object.used_ms())) > inactive.as_millis()
    }

    /// Whether an object would be served as far as `inactive` goes.
    pub(crate) fn is_in_use(&self, object: &Object, now_ms: u64) -> bool {
        let inactive = self.options.inactive;
        inactive.is_none_or(|inactive| !self.is_idle(object, inactive, now_ms))
    }

    /// A body in a file could not be sent: nobody finds it any more, and an operator is told.
    pub fn body_failed(&self, object: &Arc<Object>, error: &io::Error) {
        if let Some(disk) = &self.disk {
            disk.read_failed(error);
        }
        self.discard(object);
    }

    /// What the purges leave of an object that was found: itself, a stale one in its place, or nothing.
    #[inline]
    pub(crate) fn unpurged(&self, object: Arc<Object>) -> Option<Arc<Object>> {
        // Before the judgement: a purge that comes meanwhile is looked at next time.
        let epoch = self.purges.epoch();
        if object.judged() >= epoch {
            return Some(object);
        }
        self.judge(object, epoch)
    }

    #[cold]
    fn judge(&self, object: Arc<Object>, epoch: u64) -> Option<Arc<Object>> {
        let key = object.key.as_ref().bytes;
        match self
            .purges
            .verdict(&object.meta.labels, key, object.judged())
        {
            Verdict::Untouched => {
                object.set_judged(epoch);
                Some(object)
            }
            Verdict::Stale(at_ms) => {
                let stale = object.renewed(object.meta.clone().stale_since(at_ms));
                stale.set_judged(epoch);
                let stale = Arc::new(stale);
                self.store.insert(stale.clone(), Some(&object), 0);
                Some(stale)
            }
            Verdict::Gone => {
                self.store.discard(&object);
                None
            }
        }
    }

    /// Drops all variants of a key. A fill that is under way goes on for those who read it and is not stored. True if there was
    /// anything to drop.
    pub fn purge(&self, key: KeyRef<'_>) -> bool {
        let mut place = self.fills.lock(key);
        let filling = place.purge(key);
        let mut stored = self.store.remove(key);
        if let Some(disk) = &self.disk {
            // Only what is there has to be remembered: a stranger's requests fill no journal. While the files are looked through nobody
            // knows what is there.
            let on_disk = disk.forget(key);
            if stored + on_disk > 0 || filling || !disk.stats().scanned {
                let entry = self.purges.note(Scope::Key(key.bytes), Manner::Hard, 0);
                disk.note_quietly(entry);
            }
            stored += on_disk;
        }
        drop(place);
        for (cookie, authorization) in [(false, false), (true, false), (false, true), (true, true)]
        {
            self.unstorable.forget(
                Class {
                    cookie,
                    authorization,
                    ..Class::default()
                }
                .mix(key.hash),
            );
        }
        filling || stored > 0
    }

    /// Whether anything is stored under a key.
    pub fn contains(&self, key: KeyRef<'_>) -> bool {
        let on_disk = self.disk.as_ref().is_some_and(|disk| disk.contains(key));
        self.store.sample(key).is_some() || on_disk
    }

    /// What a successful unsafe request to a key calls for (RFC 9111 §4.4): as a purge.
    pub fn invalidate(&self, key: KeyRef<'_>) -> bool {
        self.purge(key)
    }

    /// Purges all that a scope names, fills under way included. It holds as soon as it returns, and costs the same however much there is;
    /// the memory is given back as objects are looked up or make room, but for purges of everything, which give it back on the way.
    pub fn purge_scope(&self, scope: Scope<'_>, manner: Manner, now_ms: u64) -> Durable {
        let entry = self.purges.note(scope, manner, now_ms);
        let durable = match &self.disk {
            Some(disk) => disk.note(entry),
            None => Durable::default(),
        };
        if manner == Manner::Hard && scope == Scope::All {
            self.unstorable.forget_all();
            self.store.clear();
            if let Some(disk) = &self.disk {
                disk.clear();
            }
        }
        durable
    }

    /// Drops everything.
    pub fn purge_all(&self) -> Durable {
        self.purge_scope(Scope::All, Manner::Hard, 0)
    }

    /// What the disk holds and has done, where there is one.
    pub fn disk_stats(&self) -> Option<DiskStats> {
        self.disk.as_ref().map(|disk| disk.stats())
    }

    /// Blocks until what was offered to the disk so far is written.
    pub fn flush(&self) {
        if let Some(disk) = &self.disk {
            disk.flush();
        }
    }

    /// What an operator has to be told of the disk, once.
    pub fn take_alerts(&self) -> Vec<String> {
        self.disk
            .as_ref()
            .map_or_else(Vec::new, |disk| disk.take_alerts())
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
            loads: self.counters.sum(Count::Load),
            passes: self.counters.sum(Count::Pass),
        }
    }

    /// Stores what a fill brought, unless a purge came first. Purges of its key wait for the same lock; others are looked at here, and
    /// what comes after that is looked at when the object is found.
    pub(crate) fn commit(
        &self,
        fill: &Arc<Shared>,
        object: &Arc<Object>,
        replaces: Option<&Arc<Object>>,
        reserved: u64,
    ) -> bool {
        let mut place = self.fills.lock(fill.key.as_ref());
        let object = match place.leave(fill) {
            true => self.left_by_purges(object),
            false => None,
        };
        let Some(object) = object else {
            self.store.release(reserved);
            return false;
        };
        self.unstorable
            .forget(fill.class.mix(fill.key.as_ref().hash));
        // What the disk has is older now. It was worth writing then, and is so now.
        let was_on_disk = self
            .disk
            .as_ref()
            .filter(|disk| disk.forget_variant(&object));
        let is_stored = self.store.insert(object.clone(), replaces, reserved);
        if let Some(disk) = was_on_disk {
            disk.offer(&object);
        }
        is_stored
    }

    /// As [`Cache::unpurged`], for what is not stored yet.
    pub(crate) fn left_by_purges(&self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let epoch = self.purges.epoch();
        let key = object.key.as_ref().bytes;
        let verdict = self
            .purges
            .verdict(&object.meta.labels, key, object.judged());
        let left = match verdict {
            Verdict::Gone => return None,
            Verdict::Untouched => object.clone(),
            Verdict::Stale(at_ms) => {
                Arc::new(object.renewed(object.meta.clone().stale_since(at_ms)))
            }
        };
        left.set_judged(epoch);
        Some(left)
    }

    /// A fill that nobody may join any more. False if a purge was quicker.
    pub(crate) fn leave(&self, fill: &Arc<Shared>) -> bool {
        let left = self.fills.lock(fill.key.as_ref()).leave(fill);
        left && (fill.generation >= self.purges.epoch() || !fill.is_purged(self))
    }

    pub(crate) fn discard(&self, object: &Arc<Object>) {
        self.store.discard(object);
        if let Some(disk) = &self.disk
            && disk.forget_variant(object)
        {
            let entry = self
                .purges
                .note(Scope::Key(object.key.as_ref().bytes), Manner::Hard, 0);
            disk.note_quietly(entry);
        }
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
