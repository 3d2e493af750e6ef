//! When what was purged last.

use super::{Entry, MARKS_MAX, Manner, PREFIXES_MAX, Scope};
use hashbrown::HashMap;
use std::{collections::BTreeMap, ops::Bound};

/// What a mark stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    All,
    Site,
    Tag,
    Prefix,
    Url,
    Key,
}

impl Kind {
    pub fn of(scope: Scope<'_>) -> (Kind, &[u8]) {
        match scope {
            Scope::All => (Kind::All, b""),
            Scope::Site(name) => (Kind::Site, name),
            Scope::Tag(tag) => (Kind::Tag, tag),
            Scope::Prefix(prefix) => (Kind::Prefix, prefix),
            Scope::Url(url) => (Kind::Url, url),
            Scope::Key(key) => (Kind::Key, key),
        }
    }

    /// A kind by its number.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        use Kind::*;
        [All, Site, Tag, Prefix, Url, Key]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The last purges of something, by their numbers; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub hard: u64,
    pub soft: u64,
    /// When the soft one was, unix milliseconds.
    pub soft_at_ms: u64,
}

/// What the purges make of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Untouched,
    /// Stale since then, unix milliseconds.
    Stale(u64),
    Gone,
}

impl Mark {
    pub fn new(manner: Manner, epoch: u64, now_ms: u64) -> Mark {
        match manner {
            Manner::Hard => Mark {
                hard: epoch,
                ..Mark::default()
            },
            Manner::Soft => Mark {
                soft: epoch,
                soft_at_ms: now_ms,
                ..Mark::default()
            },
        }
    }

    /// The later of both.
    pub fn absorb(&mut self, other: Mark) {
        self.hard = self.hard.max(other.hard);
        if other.soft > self.soft {
            (self.soft, self.soft_at_ms) = (other.soft, other.soft_at_ms);
        }
    }

    fn last(&self) -> u64 {
        self.hard.max(self.soft)
    }

    pub fn verdict(&self, since: u64) -> Verdict {
        if self.hard > since {
            return Verdict::Gone;
        }
        if self.soft > since {
            return Verdict::Stale(self.soft_at_ms);
        }
        Verdict::Untouched
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Purges of everything, and those that are forgotten.
    all: Mark,
    hashes: HashMap<u64, (Kind, Mark)>,
    prefixes: BTreeMap<Box<[u8]>, Mark>,
    last_tag: u64,
}

impl Marks {
    pub fn note(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::All => self.all.absorb(entry.mark),
            Kind::Prefix => {
                let mark = self.prefixes.entry(entry.prefix.clone()).or_default();
                mark.absorb(entry.mark);
            }
            kind => {
                let (_, mark) = self
                    .hashes
                    .entry(entry.hash)
                    .or_insert((kind, Mark::default()));
                mark.absorb(entry.mark);
            }
        }
        if entry.kind == Kind::Tag {
            self.last_tag = self.last_tag.max(entry.mark.last());
        }
        self.forget();
    }

    /// Holds the limits: the older half goes, and counts as a purge of everything that old.
    fn forget(&mut self) {
        let mut forgotten = Mark::default();
        if self.hashes.len() > MARKS_MAX {
            let middle = middle(self.hashes.values().map(|(_, mark)| mark.last()));
            self.hashes.retain(|_, (_, mark)| {
                let stays = mark.last() > middle;
                if !stays {
                    forgotten.absorb(*mark);
                }
                stays
            });
        }
        if self.prefixes.len() > PREFIXES_MAX {
            let middle = middle(self.prefixes.values().map(Mark::last));
            self.prefixes.retain(|_, mark| {
                let stays = mark.last() > middle;
                if !stays {
                    forgotten.absorb(*mark);
                }
                stays
            });
        }
        self.all.absorb(forgotten);
    }

    pub fn of_all(&self) -> Mark {
        self.all
    }

    pub fn last_tag(&self) -> u64 {
        self.last_tag
    }

    /// The kind is part of the hash.
    pub fn get(&self, hash: u64) -> Mark {
        self.hashes
            .get(&hash)
            .map_or(Mark::default(), |(_, mark)| *mark)
    }

    /// The last purge of any prefix of `url`. Each step shortens what is looked for, to a purged prefix or to what a neighbour has in
    /// common with it, so that it takes as many steps as there are such places and not as many as there are prefixes.
    pub fn of_prefixes(&self, url: &[u8]) -> Mark {
        let mut found = Mark::default();
        if self.prefixes.is_empty() || url.is_empty() {
            return found;
        }
        let mut upper = Bound::Included(url);
        loop {
            let before = self
                .prefixes
                .range::<[u8], _>((Bound::Unbounded, upper))
                .next_back();
            let Some((prefix, mark)) = before else {
                return found;
            };
            let common = prefix
                .iter()
                .zip(url)
                .take_while(|(ours, theirs)| ours == theirs)
                .count();
            let shared = url.get(..common).unwrap_or_default();
            if common == prefix.len() {
                found.absorb(*mark);
                upper = Bound::Excluded(shared);
            } else {
                upper = Bound::Included(shared);
            }
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        let entry = |kind, mark, hash, prefix| Entry {
            kind,
            mark,
            hash,
            prefix,
        };
        let mut all = vec![entry(Kind::All, self.all, 0, Box::default())];
        let hashes = self.hashes.iter();
        all.extend(hashes.map(|(hash, (kind, mark))| entry(*kind, *mark, *hash, Box::default())));
        let prefixes = self.prefixes.iter();
        all.extend(prefixes.map(|(prefix, mark)| entry(Kind::Prefix, *mark, 0, prefix.clone())));
        all
    }
}

fn middle(epochs: impl Iterator<Item = u64>) -> u64 {
    let mut epochs: Vec<u64> = epochs.collect();
    let at = epochs.len() / 2;
    if epochs.is_empty() {
        return 0;
    }
    *epochs.select_nth_unstable(at).1
}
