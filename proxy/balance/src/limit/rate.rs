//! The table of keys, and what a limiter says.

use super::{gcra::Gcra, leaky::LeakyBucket};
pub(super) use crate::table::Found;
use crate::{moment, table::Table};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// What happens to requests within the burst, ahead of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// They pass at once (nginx's `nodelay`).
    Never,
    /// So many of them pass at once (nginx's `delay=`, 0 by default); the others wait until the rate allows them.
    After(u32),
}

/// A limit on a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Exact to the nanosecond.
    Gcra(Gcra),
    /// As nginx's `limit_req` counts.
    Leaky(LeakyBucket),
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Pass,
    /// After this wait. It is counted already.
    Delay(Duration),
    /// No. Nothing was counted.
    Refuse {
        /// When it may come back.
        retry_after: Duration,
    },
}

/// A limiter's word on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go.
    pub verdict: Verdict,
    /// How many may pass at once after a long silence.
    pub limit: u32,
    /// How many of them could pass now, after this one.
    pub remaining: u32,
    /// When all of them may pass again.
    pub reset: Duration,
    /// By how much the rate is exceeded, in thousandths of a request: what nginx logs as `excess`.
    pub excess_milli: u64,
}

impl Decision {
    /// Whether it may go, now or after a wait.
    pub fn is_allowed(&self) -> bool {
        !matches!(self.verdict, Verdict::Refuse { .. })
    }
}

/// What is known of one key: for a [`Gcra`] a nanosecond; for a [`LeakyBucket`] a millisecond and an excess.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) a: u64,
    pub(super) b: u64,
}

/// The keys of limits of one kind. Memory is taken when it is made: 24 bytes an entry, and never more.
///
/// Idle keys give up their places to new ones. Where a key's place is needed and all of its set are busy, the least
/// busy gives up its own, and the new key starts with what that one had used up: so no key ever gets more than its
/// limit, however many strangers come, and whoever is refused for it is refused no longer than the least busy of its
/// set would have been. [`overflows`](Self::overflows) counts how often that was so: a sign to make the table larger.
///
/// Keys are 64-bit hashes, keyed with a secret: two keys with one hash would share a limit.
#[derive(Debug)]
pub struct LimiterTable {
    table: Table<State>,
    overflows: AtomicU64,
}

impl LimiterTable {
    /// A table of at least so many keys, within [`TABLE_ENTRIES_MIN`](crate::limits::TABLE_ENTRIES_MIN) and
    /// [`TABLE_ENTRIES_MAX`](crate::limits::TABLE_ENTRIES_MAX).
    pub fn new(entries: usize) -> Self {
        moment::settle();
        Self {
            table: Table::new(entries),
            overflows: AtomicU64::new(0),
        }
    }

    /// A table of about so many bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        Self::new(bytes / (size_of::<u64>() + size_of::<State>()))
    }

    /// Asks for one request, or for `cost` of them, and counts it if it may go.
    pub fn check(&self, limit: &Limit, now: Instant, key: u64, cost: u32) -> Decision {
        let counted = |found: Found| {
            if found == Found::Taken {
                self.overflows.fetch_add(1, Relaxed);
            }
            found
        };
        let decision = match limit {
            Limit::Gcra(gcra) => self.table.with(key, Gcra::rank(now), |state, found| {
                gcra.check(now, cost, state, counted(found))
            }),
            Limit::Leaky(leaky) => self.table.with(key, leaky.rank(now), |state, found| {
                leaky.check(now, cost, state, counted(found))
            }),
        };
        // Every hash has a place.
        decision.unwrap_or(Decision {
            verdict: Verdict::Pass,
            limit: 0,
            remaining: 0,
            reset: Duration::ZERO,
            excess_milli: 0,
        })
    }

    /// Gives back what a [`check`](Self::check) counted: for a request that another limit refused.
    pub fn refund(&self, limit: &Limit, key: u64, cost: u32) {
        self.table.with_known(key, |state| match limit {
            Limit::Gcra(gcra) => gcra.refund(cost, state),
            Limit::Leaky(leaky) => leaky.refund(cost, state),
        });
    }

    /// How many keys are busy. Walks the table: for metrics that are asked for now and then.
    pub fn busy(&self, limit: &Limit, now: Instant) -> usize {
        match limit {
            Limit::Gcra(_) => self.table.count(Gcra::rank(now)),
            Limit::Leaky(leaky) => self.table.count(leaky.rank(now)),
        }
    }

    /// How often a busy key gave up its place.
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    /// How many keys fit.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }
}
