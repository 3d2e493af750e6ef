//! Which fills others may join: one a key and kind of client.

use super::{reservation::Reservation, shared::Shared};
use crate::{
    cache::Cache,
    key::{Key, KeyRef},
    request::Class,
};
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

const SHARDS: usize = 64;

type Running = HashMap<u64, Vec<Arc<Shared>>>;

/// Fills by the hash of their key. A purge and the commit of a fill take the same lock, so that one of them comes first.
pub(crate) struct FillTable {
    shards: Box<[Mutex<Running>]>,
}

/// Which fills are joined.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// The time, unix milliseconds.
    pub now_ms: u64,
    /// What began before that takes too long: another may fill, and only that one is stored.
    pub not_before_ms: u64,
}

/// Who fetches.
pub(crate) enum Claim {
    /// The caller does.
    Leader(Arc<Shared>),
    /// Somebody does already.
    Running(Arc<Shared>),
}

impl FillTable {
    pub fn new() -> FillTable {
        FillTable {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The fills of a key and its neighbours, locked.
    pub fn lock(&self, key: KeyRef<'_>) -> Place<'_> {
        let at = (key.hash >> 40) as usize % SHARDS;
        // `at` is below the number of shards, which is never 0.
        Place {
            running: self.shards.get(at).unwrap_or(&self.shards[0]).lock(),
            hash: key.hash,
        }
    }
}

/// A locked part of the table, seen from one key.
pub(crate) struct Place<'a> {
    running: MutexGuard<'a, Running>,
    hash: u64,
}

impl Place<'_> {
    /// Joins the fill of that key and kind, or begins one. What a purge came upon is not joined.
    pub fn claim(
        &mut self,
        cache: &Arc<Cache>,
        key: KeyRef<'_>,
        class: Class,
        terms: Terms,
    ) -> Claim {
        let generation = cache.purges.epoch();
        let fills = self.running.entry(self.hash).or_default();
        let same = |fill: &Arc<Shared>| fill.class == class && fill.key.as_ref() == key;
        match fills.iter().position(same) {
            Some(at) if fills.get(at).is_some_and(|fill| fill.is_past(cache, terms)) => {
                drop(fills.swap_remove(at))
            }
            Some(at) => {
                if let Some(fill) = fills.get(at) {
                    return Claim::Running(fill.clone());
                }
            }
            None => {}
        }
        let reservation = Reservation::none(cache.clone());
        let key: Key = key.to_key();
        let fill = Arc::new(Shared::new(key, class, generation, terms, reservation));
        fills.push(fill.clone());
        Claim::Leader(fill)
    }

    /// Takes a fill out; false if a purge was quicker: then it must not be stored.
    pub fn leave(&mut self, fill: &Arc<Shared>) -> bool {
        let Some(fills) = self.running.get_mut(&self.hash) else {
            return false;
        };
        let before = fills.len();
        fills.retain(|other| !Arc::ptr_eq(other, fill));
        let left = fills.len() < before;
        self.tidy();
        left
    }

    /// Takes all fills of a key out: they go on for those who read them, and are not stored.
    pub fn purge(&mut self, key: KeyRef<'_>) -> bool {
        let Some(fills) = self.running.get_mut(&self.hash) else {
            return false;
        };
        let before = fills.len();
        fills.retain(|fill| fill.key.as_ref() != key);
        let purged = fills.len() < before;
        self.tidy();
        purged
    }

    fn tidy(&mut self) {
        if self.running.get(&self.hash).is_some_and(Vec::is_empty) {
            self.running.remove(&self.hash);
        }
    }
}
