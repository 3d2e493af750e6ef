//! The places of a shard: each holds an object, its place in a queue, and the way to the next variant of its key.

use super::list::{Link, Links};
use crate::{key::KeyRef, object::Object};
use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64},
};

/// Which queue of S3-FIFO an object waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Small,
    Main,
}

/// A place, free or taken.
#[derive(Debug)]
pub(super) struct Slot {
    /// `None`: free.
    pub object: Option<Arc<Object>>,
    pub hash: u64,
    pub frequency: AtomicU8,
    /// The shard's clock at the last use; kept only where a key has several variants.
    pub used: AtomicU64,
    pub queue: Queue,
    pub link: Link,
    /// The next variant of the same key.
    pub sibling: u32,
}

/// All places, by number.
#[derive(Debug, Default)]
pub(super) struct Slots(pub Vec<Slot>);

impl Links for Slots {
    fn link(&mut self, at: u32) -> Option<&mut Link> {
        Some(&mut self.0.get_mut(at as usize)?.link)
    }
}

impl Slots {
    pub fn get(&self, at: u32) -> Option<&Slot> {
        self.0.get(at as usize)
    }

    pub fn get_mut(&mut self, at: u32) -> Option<&mut Slot> {
        self.0.get_mut(at as usize)
    }

    pub fn holds(&self, at: u32, key: KeyRef<'_>) -> bool {
        let object = self
            .get(at)
            .filter(|slot| slot.hash == key.hash)
            .and_then(|slot| slot.object.as_ref());
        object.is_some_and(|object| object.key.as_ref().bytes == key.bytes)
    }

    /// The variants from `first` on.
    pub fn variants(&self, first: u32) -> impl Iterator<Item = (u32, &Slot, &Arc<Object>)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let here = at;
            let slot = self.get(here)?;
            at = slot.sibling;
            Some((here, slot, slot.object.as_ref()?))
        })
    }
}
