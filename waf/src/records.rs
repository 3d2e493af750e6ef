//! What rules remember from one transaction to the next: `initcol:ip=%{REMOTE_ADDR}`, `setvar:ip.count=+1`,
//! `expirevar:ip.count=60`. In memory and bounded: a full shard drops what has expired, then what was set first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;

use crate::variable::Record;

const SHARDS: usize = 16;
/// Records of one shard.
const RECORDS_MAX: usize = 4096;
/// Members of one record; a new one beyond them is not kept.
const MEMBERS_MAX: usize = 64;
/// Bytes of a member's name or text, and of a record's key; the rest is cut off.
const TEXT_BYTES_MAX: usize = 512;

type Key = (Record, Vec<u8>);

#[derive(Debug)]
struct Member {
    name: Vec<u8>,
    text: Vec<u8>,
    /// The second from which on it is not there.
    expires_s: u64,
}

#[derive(Debug, Default)]
struct Shard {
    records: AHashMap<Key, Vec<Member>>,
    /// Keys in the order they were added.
    order: VecDeque<Key>,
}

/// Records of all collections.
#[derive(Debug)]
pub struct Collections {
    hasher: ahash::RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Collections {
    fn default() -> Self {
        Self {
            hasher: ahash::RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_BYTES_MAX).unwrap_or(text)
}

impl Collections {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|s| {
                s.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .records
                    .len()
            })
            .sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(index)?;
        // What is behind the lock is whole after every statement, whoever panicked.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The members that are there, names in lower case.
    pub(crate) fn members(&self, key: &Key, now_s: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(shard) = self.shard(key) else {
            return Vec::new();
        };
        let members = shard.records.get(key).into_iter().flatten();
        members
            .filter(|m| m.expires_s > now_s)
            .map(|m| (m.name.clone(), m.text.clone()))
            .collect()
    }

    /// A member.
    pub(crate) fn get(&self, key: &Key, name: &[u8], now_s: u64) -> Option<Vec<u8>> {
        let shard = self.shard(key)?;
        let member = shard
            .records
            .get(key)?
            .iter()
            .find(|m| m.name == cut(name))?;
        (member.expires_s > now_s).then(|| member.text.clone())
    }

    /// Sets a member to what `change` makes of what it was, or removes it.
    pub(crate) fn update(
        &self,
        key: &Key,
        name: &[u8],
        (now_s, timeout_s): (u64, u64),
        change: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
    ) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        let name = cut(name);
        let record = shard.record(key, now_s);
        record.retain(|m| m.expires_s > now_s);
        let at = record.iter().position(|m| m.name == name);
        let text = change(at.and_then(|i| record.get(i)).map(|m| m.text.as_slice()));
        match (at, text) {
            (Some(at), None) => drop(record.swap_remove(at)),
            (Some(at), Some(text)) => {
                if let Some(member) = record.get_mut(at) {
                    member.text = cut(&text).to_vec();
                    // One that `expirevar` gave an end keeps it.
                    member.expires_s = member.expires_s.max(1);
                }
            }
            (None, Some(text)) if record.len() < MEMBERS_MAX => record.push(Member {
                name: name.to_vec(),
                text: cut(&text).to_vec(),
                expires_s: now_s.saturating_add(timeout_s),
            }),
            (None, _) => {}
        }
    }

    /// Gives a member its end.
    pub(crate) fn expire(&self, key: &Key, name: &[u8], at_s: u64) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        let members = shard.records.get_mut(key).into_iter().flatten();
        members
            .filter(|m| m.name == cut(name))
            .for_each(|m| m.expires_s = at_s);
    }
}

impl Shard {
    fn record(&mut self, key: &Key, now_s: u64) -> &mut Vec<Member> {
        if !self.records.contains_key(key) {
            if self.records.len() >= RECORDS_MAX {
                self.make_room(now_s);
            }
            self.order.push_back(key.clone());
        }
        self.records.entry(key.clone()).or_default()
    }

    /// Looks at the oldest few: those that have expired go, and if there is none, the oldest.
    fn make_room(&mut self, now_s: u64) {
        for _ in 0..8 {
            let Some(key) = self.order.pop_front() else {
                return;
            };
            let alive = |members: &Vec<Member>| members.iter().any(|m| m.expires_s > now_s);
            if self.records.get(&key).is_some_and(alive) {
                self.order.push_back(key);
            } else {
                self.records.remove(&key);
                return;
            }
        }
        if let Some(oldest) = self.order.pop_front() {
            self.records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_live_until_they_expire() {
        let all = Collections::default();
        let key = (Record::Ip, b"192.0.2.1".to_vec());
        all.update(&key, b"n", (0, 60), |_| Some(b"1".to_vec()));
        all.update(&key, b"n", (1, 60), |old| {
            Some([old.unwrap(), b"2"].concat())
        });
        assert_eq!(all.get(&key, b"n", 59), Some(b"12".to_vec()));
        assert_eq!(all.get(&key, b"n", 60), None);
        all.expire(&key, b"n", 10);
        assert_eq!(all.get(&key, b"n", 10), None);
        assert!(all.members(&key, 10).is_empty() && all.members(&key, 9).len() == 1);
        all.update(&key, b"n", (5, 60), |_| None);
        assert_eq!(all.get(&key, b"n", 6), None);
    }

    #[test]
    fn records_and_members_have_limits() {
        let all = Collections::default();
        let set = |key: &Key, name: &[u8], now_s| {
            all.update(key, name, (now_s, 60), |_| Some(vec![b'x'; 10_000]));
        };
        for i in 0..(SHARDS * RECORDS_MAX * 2) as u32 {
            set(&(Record::Ip, i.to_be_bytes().to_vec()), b"a", 0);
        }
        assert!(all.len() <= SHARDS * RECORDS_MAX);
        let key = (Record::Global, b"g".to_vec());
        for i in 0..200u8 {
            set(&key, &[i], 0);
        }
        let members = all.members(&key, 0);
        assert!(members.len() == MEMBERS_MAX && members[0].1.len() == TEXT_BYTES_MAX);
    }
}
