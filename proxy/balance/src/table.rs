//! A hash table of fixed size, shared by threads: what strangers put in never makes it grow.
//!
//! It is made of sets of sixteen places; a key's hash names its set. Where the set is full, the entry that matters
//! least (as its owner ranks them) gives up its place, and what it held is shown to the owner. Sets are spread over
//! locks that are held for some nanoseconds, never over anything that waits.
//!
//! Keys are hashes. Where strangers choose what is hashed, the hash must be keyed with a secret: else they could choose
//! keys that share a set.

use crate::{
    limits::{TABLE_ENTRIES_MAX, TABLE_ENTRIES_MIN},
    random::mix,
};
use parking_lot::Mutex;

const WAYS: usize = 16;
const SHARDS_MAX: usize = 256;

/// The sets behind one lock.
type Shard<V> = Mutex<Box<[Set<V>]>>;

/// The table. A value's default stands for an empty place.
#[derive(Debug)]
pub(crate) struct Table<V> {
    shards: Box<[Shard<V>]>,
    sets_each: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Set<V> {
    /// 0 for an empty place.
    keys: [u64; WAYS],
    values: [V; WAYS],
}

/// How a key's place was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was there: the value is its own.
    Known,
    /// A place was free: the value is the default.
    Fresh,
    /// Another gave up its place: the value is that one's.
    Taken,
}

impl<V: Copy + Default> Table<V> {
    /// A table of at least so many entries, within [`TABLE_ENTRIES_MIN`] and [`TABLE_ENTRIES_MAX`].
    pub(crate) fn new(entries: usize) -> Self {
        let entries = entries.clamp(TABLE_ENTRIES_MIN, TABLE_ENTRIES_MAX);
        let sets = entries.div_ceil(WAYS);
        let shards = SHARDS_MAX.min(sets / 4);
        let sets_each = sets.div_ceil(shards);
        let shard = || Mutex::new(vec![Set::default(); sets_each].into());
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            sets_each,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.shards.len() * self.sets_each * WAYS
    }

    /// Bytes that it takes, whatever is in it.
    pub(crate) fn bytes(&self) -> usize {
        self.shards.len() * self.sets_each * size_of::<Set<V>>()
    }

    /// Works on the key's value, which is put in if it is not there. `rank`: the lower, the sooner an entry gives up
    /// its place; a rank of 0 is as good as empty, and the next owner is not shown it.
    pub(crate) fn with<R>(
        &self,
        key: u64,
        rank: impl Fn(&V) -> u64,
        work: impl FnOnce(&mut V, Found) -> R,
    ) -> Option<R> {
        self.at(key, |key, set| {
            let (place, found) = match set.place(key) {
                Some(place) => (place, Found::Known),
                None => set.free(&rank),
            };
            let (at, value) = (set.keys.get_mut(place)?, set.values.get_mut(place)?);
            *at = key;
            if found == Found::Fresh {
                *value = V::default();
            }
            Some(work(value, found))
        })
    }

    /// Works on the key's value if it is there.
    pub(crate) fn with_known<R>(&self, key: u64, work: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.at(key, |key, set| {
            let place = set.place(key)?;
            set.values.get_mut(place).map(work)
        })
    }

    /// Takes a key out.
    pub(crate) fn remove(&self, key: u64) -> Option<V> {
        self.at(key, |key, set| {
            let place = set.place(key)?;
            *set.keys.get_mut(place)? = 0;
            set.values.get_mut(place).map(std::mem::take)
        })
    }

    /// How many entries have a rank. Walks the whole table: for metrics that are asked for now and then.
    pub(crate) fn count(&self, rank: impl Fn(&V) -> u64) -> usize {
        let in_set = |set: &Set<V>| {
            let entries = set.keys.iter().zip(&set.values);
            entries
                .filter(|&(&key, value)| key != 0 && rank(value) != 0)
                .count()
        };
        let in_shard = |shard: &Shard<V>| shard.lock().iter().map(in_set).sum::<usize>();
        self.shards.iter().map(in_shard).sum()
    }

    fn at<R>(&self, key: u64, work: impl FnOnce(u64, &mut Set<V>) -> Option<R>) -> Option<R> {
        // The high half names the lock, the low half the set. Mixed, as not every hash has 64 good bits.
        let mixed = mix(key);
        let shard = scale(mixed >> 32, self.shards.len());
        let set = scale(mixed & 0xffff_ffff, self.sets_each);
        let mut shard = self.shards.get(shard)?.lock();
        work(key.max(1), shard.get_mut(set)?)
    }
}

impl<V: Copy + Default> Set<V> {
    fn place(&self, key: u64) -> Option<usize> {
        self.keys.iter().position(|&at| at == key)
    }

    /// An empty place, else that of the entry which matters least.
    fn free(&self, rank: impl Fn(&V) -> u64) -> (usize, Found) {
        let mut least = (0, u64::MAX);
        for (place, (&key, value)) in self.keys.iter().zip(&self.values).enumerate() {
            let rank = if key == 0 { 0 } else { rank(value) };
            if rank == 0 {
                return (place, Found::Fresh);
            }
            if rank < least.1 {
                least = (place, rank);
            }
        }
        (least.0, Found::Taken)
    }
}

/// A 32-bit number as one below `bound`, by multiplication in place of division.
fn scale(number: u64, bound: usize) -> usize {
    ((number * bound as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value is its own rank.
    fn put(table: &Table<u64>, key: u64, value: u64) -> (u64, Found) {
        let work = |at: &mut u64, found| (std::mem::replace(at, value), found);
        table
            .with(key, |&rank| rank, work)
            .expect("every key has a place")
    }

    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        let table = Table::new(0);
        assert_eq!(put(&table, 7, 70), (0, Found::Fresh));
        assert_eq!(put(&table, 7, 71), (70, Found::Known));
        assert_eq!(table.with_known(7, |value| *value), Some(71));
        assert_eq!(table.with_known(8, |value| *value), None);
        assert_eq!(table.count(|&rank| rank), 1);
        assert_eq!(table.remove(7), Some(71));
        assert_eq!(table.remove(7), None);
        assert_eq!(put(&table, 7, 1), (0, Found::Fresh));
    }

    #[test]
    fn the_least_gives_up_its_place_and_its_value_is_shown() {
        let table = Table::new(0);
        let mut known = std::collections::HashMap::new();
        for key in 0..20 * table.capacity() as u64 {
            let value = 1 + mix(key) % 1000;
            let (before, found) = put(&table, key + 1, value);
            match found {
                Found::Known => panic!("{key} is new"),
                Found::Fresh => assert_eq!(before, 0),
                Found::Taken => {
                    // Where it was, nobody mattered less.
                    let gone: Vec<u64> = known
                        .iter()
                        .filter(|&(&key, &value)| {
                            value == before && table.with_known(key, |_| ()).is_none()
                        })
                        .map(|(&key, _)| key)
                        .take(1)
                        .collect();
                    let gone = gone.first().expect("somebody gave up a place");
                    known.remove(gone);
                }
            }
            known.insert(key + 1, value);
            if key > 3000 {
                break;
            }
        }
        assert!(known.len() <= table.capacity());
        for (&key, &value) in &known {
            assert_eq!(table.with_known(key, |value| *value), Some(value));
        }
    }

    #[test]
    fn those_of_no_rank_give_up_their_places_first_and_are_not_shown() {
        let table = Table::new(0);
        let capacity = table.capacity() as u64;
        for key in 1..=capacity * 4 {
            put(&table, key, 0);
        }
        assert_eq!(table.count(|&rank| rank), 0);
        for key in capacity * 4 + 1..capacity * 4 + 100 {
            assert_eq!(put(&table, key, 5), (0, Found::Fresh));
        }
    }

    #[test]
    fn sizes_are_held_within_the_limits() {
        let table = Table::<u64>::new(0);
        assert!(table.capacity() >= TABLE_ENTRIES_MIN);
        assert!(table.bytes() <= 2 * TABLE_ENTRIES_MIN * 16);
        for entries in [1025, 5000, 100_000] {
            let capacity = Table::<u64>::new(entries).capacity();
            assert!(capacity >= entries && capacity < entries + entries / 4 + 4096);
        }
    }

    #[test]
    fn keys_are_spread_over_all_sets() {
        let table = Table::new(100_000);
        let keys = table.capacity() as u64 / 2;
        let taken = (0..keys)
            .filter(|&key| put(&table, key << 20, 1).1 == Found::Taken)
            .count();
        // Half full: hardly a set of sixteen is full.
        assert!(taken < keys as usize / 100, "{taken} of {keys}");
    }
}
