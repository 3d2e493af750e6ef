//! Purges: by key, URL, prefix, tag, site, or of everything, hard and soft.
//!
//! A purge notes a number beside what it names and touches no object: it costs the same for one object as for millions. An object carries
//! the number of purges that had happened when its fill began. A lookup compares that with the number of purges so far, which is one
//! comparison of two integers; only after a purge each object is looked at once more, and what a purge named is dropped, or made stale.
//! A fill that was under way is looked at in the same way when it ends, so that a purge during a fill wins.
//!
//! Limits: [`MARKS_MAX`] marks and [`PREFIXES_MAX`] prefixes. Past them the older half is forgotten, and whatever is older than the newest of
//! those forgotten counts as purged: too much is fetched again, never too little.

mod durable;
mod labels;
mod marks;
mod tags;
#[cfg(test)]
mod tests;

pub use durable::Durable;
pub(crate) use labels::Labels;
pub(crate) use marks::{Kind, Mark, Verdict};
pub use tags::request_tags;
pub(crate) use tags::{has_tags, tags_of};

use marks::Marks;
use parking_lot::RwLock;
use std::{
    collections::hash_map::{DefaultHasher, RandomState},
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
};

/// Keys, URLs, tags and sites whose purge is remembered.
pub const MARKS_MAX: usize = 131_072;
/// Prefixes whose purge is remembered.
pub const PREFIXES_MAX: usize = 4_096;

/// What a purge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everything.
    All,
    /// What was stored for a site, by its name.
    Site(&'a [u8]),
    /// What its origin labelled with this tag.
    Tag(&'a [u8]),
    /// What was stored for `host/path` and everything that begins like it.
    Prefix(&'a [u8]),
    /// What was stored for exactly `host/path?query`, whatever else its key has.
    Url(&'a [u8]),
    /// A key: all its variants.
    Key(&'a [u8]),
}

/// What becomes of what a purge names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It is gone.
    #[default]
    Hard,
    /// It is stale from now on: it may be served while it is renewed and where the origin fails, if its windows (RFC 5861) allow that, and
    /// is validated otherwise.
    Soft,
}

/// All purges so far.
pub(crate) struct Purges {
    /// How many there were. Changed under the lock of the marks.
    epoch: AtomicU64,
    seed: u64,
    marks: RwLock<Marks>,
}

/// A purge as a journal keeps it: what it named is a hash, but for prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub kind: Kind,
    pub mark: Mark,
    pub hash: u64,
    pub prefix: Box<[u8]>,
}

impl Purges {
    /// None yet.
    pub fn new() -> Purges {
        Purges::restored(RandomState::new().hash_one(0), 0, [])
    }

    /// Those of a journal, whose hashes were made with `seed`.
    pub fn restored(seed: u64, epoch: u64, entries: impl IntoIterator<Item = Entry>) -> Purges {
        let mut marks = Marks::default();
        entries.into_iter().for_each(|entry| marks.note(&entry));
        Purges {
            epoch: AtomicU64::new(epoch),
            seed,
            marks: RwLock::new(marks),
        }
    }

    /// How many there were.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    /// What the hashes are made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Notes a purge. What is looked up from now on is judged by it.
    pub fn note(&self, scope: Scope<'_>, manner: Manner, now_ms: u64) -> Entry {
        let (kind, named) = Kind::of(scope);
        let mut entry = Entry {
            kind,
            mark: Mark::default(),
            hash: hash(self.seed, kind, named),
            prefix: match kind {
                Kind::Prefix => named.into(),
                _ => Box::default(),
            },
        };
        let mut marks = self.marks.write();
        let epoch = self.epoch.load(Acquire) + 1;
        entry.mark = Mark::new(manner, epoch, now_ms);
        marks.note(&entry);
        self.epoch.store(epoch, Release);
        entry
    }

    /// What the purges after the first `since` ones say of an object.
    pub fn verdict(&self, labels: &Labels, key: &[u8], since: u64) -> Verdict {
        let marks = self.marks.read();
        let mut mark = marks.of_all();
        let mut add = |kind, named: &[u8]| {
            mark.absorb(marks.get(hash(self.seed, kind, named)));
        };
        add(Kind::Key, key);
        if !labels.url.is_empty() {
            add(Kind::Url, &labels.url);
            add(Kind::Site, labels.site.as_bytes());
        }
        labels.tags().for_each(|tag| add(Kind::Tag, tag));
        mark.absorb(marks.of_prefixes(&labels.url));
        mark.verdict(since)
    }

    /// Whether any purge by tag came after the first `since` purges: what has no head yet may be labelled with anything.
    pub fn tag_since(&self, since: u64) -> bool {
        self.marks.read().last_tag() > since
    }

    /// All that is remembered, with the number of purges.
    pub fn entries(&self) -> (u64, Vec<Entry>) {
        let marks = self.marks.read();
        (self.epoch.load(Acquire), marks.entries())
    }
}

/// The same for the same seed in every process that was built alike; a journal checks that it still is.
pub(crate) fn hash(seed: u64, kind: Kind, named: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write_u8(kind as u8);
    hasher.write(named);
    hasher.finish()
}
