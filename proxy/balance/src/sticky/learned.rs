//! Sessions learned from what origins set: which server a session belongs to.

use crate::{
    moment::{NEVER, as_millis, millis},
    table::Table,
};
use std::time::{Duration, Instant};

/// Sessions and their servers: bounded, each kept for a while after its last use. Where there is no place left, the
/// session that would end first gives up its own.
#[derive(Debug)]
pub struct StickyTable {
    table: Table<Session>,
    ttl_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    tag: u64,
    ends_ms: u64,
}

impl StickyTable {
    /// A table of at least so many sessions (within [`TABLE_ENTRIES_MIN`](crate::limits::TABLE_ENTRIES_MIN) and
    /// [`TABLE_ENTRIES_MAX`](crate::limits::TABLE_ENTRIES_MAX)), each kept for `ttl` after its last use.
    pub fn new(entries: usize, ttl: Duration) -> Self {
        crate::moment::settle();
        Self {
            table: Table::new(entries),
            ttl_ms: as_millis(ttl),
        }
    }

    /// Notes that a session belongs to the server with this tag. `session` is a hash of its name, keyed with a secret.
    pub fn learn(&self, now: Instant, session: u64, tag: u64) {
        let now_ms = millis(now);
        let ends_ms = now_ms.saturating_add(self.ttl_ms);
        self.table.with(session, rank(now_ms), |entry, _| {
            *entry = Session { tag, ends_ms };
        });
    }

    /// The tag of the server that a session belongs to. Looking counts as use.
    pub fn lookup(&self, now: Instant, session: u64) -> Option<u64> {
        let now_ms = millis(now);
        let ends_ms = now_ms.saturating_add(self.ttl_ms);
        let known = self.table.with_known(session, |entry| {
            let is_live = entry.ends_ms > now_ms;
            if is_live {
                entry.ends_ms = entry.ends_ms.max(ends_ms);
            }
            is_live.then_some(entry.tag)
        });
        known.flatten()
    }

    /// Forgets a session.
    pub fn forget(&self, session: u64) {
        self.table.remove(session);
    }

    /// How many sessions are known. Walks the table: for metrics that are asked for now and then.
    pub fn len(&self, now: Instant) -> usize {
        self.table.count(rank(millis(now)))
    }

    /// Whether none is known.
    pub fn is_empty(&self, now: Instant) -> bool {
        self.len(now) == 0
    }

    /// How many fit.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }
}

/// The session that ends first matters least; one that has ended does not.
fn rank(now_ms: u64) -> impl Fn(&Session) -> u64 {
    move |session| {
        if session.ends_ms > now_ms {
            session.ends_ms
        } else {
            NEVER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    const TTL: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_is_kept_for_a_while_after_its_last_use() {
        let table = StickyTable::new(0, TTL);
        let now = Instant::now();
        table.learn(now, 7, 42);
        assert_eq!(table.lookup(now + TTL / 2, 7), Some(42));
        assert_eq!(table.lookup(now + TTL, 7), Some(42), "it was used");
        assert_eq!(table.lookup(now + 3 * TTL, 7), None);
        assert_eq!(table.lookup(now, 8), None);
    }

    #[test]
    fn a_session_may_move_and_be_forgotten() {
        let table = StickyTable::new(0, TTL);
        let now = Instant::now();
        table.learn(now, 7, 42);
        table.learn(now, 7, 43);
        assert_eq!((table.lookup(now, 7), table.len(now)), (Some(43), 1));
        table.forget(7);
        assert_eq!(table.lookup(now, 7), None);
        assert!(table.is_empty(now));
    }

    #[test]
    fn strangers_cannot_make_it_grow_and_those_in_use_stay() {
        let table = StickyTable::new(0, TTL);
        let now = Instant::now();
        let sessions = 10 * table.capacity() as u64;
        for at in 0..sessions {
            table.learn(now, mix(at), at);
            // One that is used all the time.
            table.learn(now + Duration::from_secs(1), mix(u64::MAX), 99);
        }
        assert!(table.len(now) <= table.capacity());
        assert_eq!(table.lookup(now, mix(u64::MAX)), Some(99));
        assert_eq!(table.lookup(now, mix(sessions - 1)), Some(sessions - 1));
        assert_eq!(table.len(now + 2 * TTL), 0, "they all end");
    }

    #[test]
    fn any_hash_is_a_key_and_absurd_times_do_not_overflow() {
        let table = StickyTable::new(usize::MAX / 1_000_000_000_000, Duration::MAX);
        for key in [0, 1, u64::MAX, 1 << 32] {
            table.learn(Instant::now(), key, 5);
            assert_eq!(table.lookup(Instant::now(), key), Some(5));
        }
    }
}
