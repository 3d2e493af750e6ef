//! Where each object of the disk is: in memory, some 40 bytes an object.
//!
//! A hash stands for a key here; the key itself is in the record and compared when that is read. Two keys of one hash lose one of their
//! objects, and nothing else.

use crate::{key::KeyRef, object::Object, request::Request, vary::Vary};
use hashbrown::HashTable;
use parking_lot::Mutex;
use seawall_http::Fields;
use std::{sync::Arc, time::Duration};

const SHARDS: usize = 16;

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Location {
    pub segment: u32,
    pub at: u64,
    pub length: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    hash: u64,
    location: Location,
    /// When it was asked for last, unix seconds; 0 where nobody did since the process began.
    used_s: u32,
    /// Times that it was read since it was written here.
    reads: u8,
    /// Whether its body was compared with its checksum in this process.
    checked: bool,
    /// `None` where it does not vary.
    vary: Option<Arc<Vary>>,
}

impl Entry {
    /// Whether nobody asked for it that long.
    fn is_idle(&self, now_s: u32, inactive: Option<Duration>) -> bool {
        let idle_s = u64::from(now_s.saturating_sub(self.used_s));
        self.used_s > 0 && inactive.is_some_and(|inactive| idle_s > inactive.as_secs())
    }

    fn is_variant(&self, hash: u64, vary: &Vary) -> bool {
        self.hash == hash
            && match &self.vary {
                None => vary.is_empty(),
                Some(ours) => **ours == *vary,
            }
    }
}

/// The newest variant that a request selects.
fn newest<'a>(
    shard: &'a mut HashTable<Entry>,
    key: KeyRef<'_>,
    request: &Fields<'_>,
) -> Option<&'a mut Entry> {
    let fits = |entry: &&mut Entry| {
        entry.hash == key.hash && entry.vary.as_ref().is_none_or(|vary| vary.matches(request))
    };
    shard
        .iter_hash_mut(key.hash)
        .filter(fits)
        .max_by_key(|entry| (entry.location.segment, entry.location.at))
}

/// See the [module](self).
pub(super) struct Index {
    shards: Vec<Mutex<HashTable<Entry>>>,
}

impl Index {
    pub fn new() -> Index {
        Index {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<HashTable<Entry>>> {
        self.shards.get((hash >> 24) as usize % SHARDS)
    }

    /// Where the newest variant that a request selects is.
    pub fn find(
        &self,
        key: KeyRef<'_>,
        request: &Request<'_>,
        inactive: Option<Duration>,
    ) -> Option<Location> {
        let now_s = (request.now_ms / 1000) as u32;
        let mut shard = self.shard(key.hash)?.lock();
        let entry = newest(&mut shard, key, &request.fields)?;
        if entry.is_idle(now_s, inactive) {
            let location = entry.location;
            drop(shard);
            self.forget_at(key.hash, location);
            return None;
        }
        entry.used_s = now_s;
        entry.reads = entry.reads.saturating_add(1);
        Some(entry.location)
    }

    /// Whether there is one, without asking for it.
    pub fn has(&self, key: KeyRef<'_>, request: &Request<'_>, inactive: Option<Duration>) -> bool {
        let now_s = (request.now_ms / 1000) as u32;
        self.shard(key.hash).is_some_and(|shard| {
            let mut shard = shard.lock();
            let found = newest(&mut shard, key, &request.fields);
            found.is_some_and(|entry| !entry.is_idle(now_s, inactive))
        })
    }

    /// Whether the body at a place was compared with its checksum.
    pub fn is_checked(&self, hash: u64, location: Location) -> bool {
        let is_it = |e: &Entry| e.hash == hash && e.location == location;
        self.shard(hash)
            .and_then(|shard| Some(shard.lock().find(hash, is_it)?.checked))
            .unwrap_or_default()
    }

    /// It was.
    pub fn set_checked(&self, hash: u64, location: Location) {
        if let Some(shard) = self.shard(hash)
            && let Some(entry) = shard
                .lock()
                .find_mut(hash, |e| e.hash == hash && e.location == location)
        {
            entry.checked = true;
        }
    }

    /// Whether any variant of a key is there.
    pub fn contains(&self, key: KeyRef<'_>) -> bool {
        self.shard(key.hash)
            .is_some_and(|shard| shard.lock().iter_hash(key.hash).any(|e| e.hash == key.hash))
    }

    /// Enters an object in place of the same variant.
    pub fn insert(&self, hash: u64, vary: &Vary, location: Location, used_ms: u64) {
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let mut shard = shard.lock();
        let entry = Entry {
            hash,
            location,
            used_s: (used_ms / 1000) as u32,
            reads: 0,
            checked: false,
            vary: (!vary.is_empty()).then(|| Arc::new(vary.clone())),
        };
        match shard.find_mut(hash, |old| old.is_variant(hash, vary)) {
            Some(old) => *old = entry,
            None => drop(shard.insert_unique(hash, entry, |entry| entry.hash)),
        }
    }

    /// Drops a variant; false if it was not there.
    pub fn forget_variant(&self, object: &Object) -> bool {
        let hash = object.key.as_ref().hash;
        let Some(shard) = self.shard(hash) else {
            return false;
        };
        let mut shard = shard.lock();
        match shard.find_entry(hash, |old| old.is_variant(hash, &object.meta.vary)) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Drops what is at a place, unless it has moved.
    pub fn forget_at(&self, hash: u64, location: Location) {
        if let Some(shard) = self.shard(hash)
            && let Ok(entry) = shard
                .lock()
                .find_entry(hash, |old| old.hash == hash && old.location == location)
        {
            entry.remove();
        }
    }

    /// Drops all variants of a key; how many there were.
    pub fn forget(&self, key: KeyRef<'_>) -> usize {
        let Some(shard) = self.shard(key.hash) else {
            return 0;
        };
        let mut shard = shard.lock();
        let mut count = 0;
        while let Ok(entry) = shard.find_entry(key.hash, |old| old.hash == key.hash) {
            entry.remove();
            count += 1;
        }
        count
    }

    pub fn clear(&self) {
        self.shards.iter().for_each(|shard| shard.lock().clear());
    }

    /// What of a segment was read since it was written there.
    pub fn used_in(&self, segment: u32) -> Vec<(u64, Location)> {
        let mut used = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let entries = shard
                .iter()
                .filter(|entry| entry.location.segment == segment && entry.reads > 0);
            used.extend(entries.map(|entry| (entry.hash, entry.location)));
        }
        used
    }

    /// What was at a place is at another now. False if it is not there any more.
    pub fn move_to(&self, hash: u64, from: Location, to: Location) -> bool {
        let Some(shard) = self.shard(hash) else {
            return false;
        };
        let mut shard = shard.lock();
        let found = shard.find_mut(hash, |old| old.hash == hash && old.location == from);
        let is_there = found.is_some();
        if let Some(entry) = found {
            (entry.location, entry.reads, entry.checked) = (to, 0, false);
        }
        is_there
    }

    /// Drops all of a segment.
    pub fn forget_segment(&self, segment: u32) {
        for shard in &self.shards {
            shard
                .lock()
                .retain(|entry| entry.location.segment != segment);
        }
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}
