//! Where objects are kept.
//!
//! A store is asked in the middle of a request and never waits: what is slow (a disk) answers from what it has at hand and brings the
//! rest up for the next time. The cache above it decides what may be used; the store knows keys, variants, bytes and which object goes first.

pub(crate) mod disk;
mod ghosts;
mod list;
mod memory;
mod shard;
mod slots;
#[cfg(test)]
mod tests;

pub(crate) use disk::{Disk, Filed, Reading, write_bytes};
pub use disk::{DiskOptions, DiskStats, FILED_BYTES_MIN, FileBody, QUEUE_BYTES_MAX, READS_MAX};
pub use memory::Memory;

use crate::{key::KeyRef, object::Object};
use seawall_http::Fields;
use std::sync::Arc;

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects, each variant counted.
    pub objects: u64,
    /// Bytes of objects and of reservations.
    pub bytes: u64,
    /// Objects that made room for others.
    pub evictions: u64,
}

/// A tier of the cache. All operations are short and take no lock that outlives them.
pub trait Store: Send + Sync {
    /// The newest object of a key that answers a request with these fields, and a note that it was used.
    fn find(&self, key: KeyRef<'_>, request: &Fields<'_>) -> Option<Arc<Object>>;

    /// Any object of a key: tells what its answers vary on.
    fn sample(&self, key: KeyRef<'_>) -> Option<Arc<Object>>;

    /// Keeps an object in place of `replaces` and of its variant's predecessor. `reserved` bytes of it were reserved before and are
    /// taken over. False if it does not fit, or was the first to go.
    fn insert(&self, object: Arc<Object>, replaces: Option<&Arc<Object>>, reserved: u64) -> bool;

    /// Whether it has the same variant of the same key.
    fn has_variant(&self, object: &Arc<Object>) -> bool;

    /// Hands over objects in no order, until `each` says no. Takes short locks on the way.
    fn visit(&self, each: &mut dyn FnMut(&Arc<Object>) -> bool);

    /// All variants of a key.
    fn variants(&self, key: KeyRef<'_>) -> Vec<Arc<Object>>;

    /// Drops that very object, if it is still there.
    fn discard(&self, object: &Arc<Object>);

    /// Drops all variants of a key; how many there were.
    fn remove(&self, key: KeyRef<'_>) -> usize;

    /// Drops everything.
    fn clear(&self);

    /// Makes room for bytes that are on their way; false if there is none.
    fn reserve(&self, bytes: u64) -> bool;

    /// Gives reserved bytes back.
    fn release(&self, bytes: u64);

    /// What it holds.
    fn usage(&self) -> Usage;
}
