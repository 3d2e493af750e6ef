//! Cache keys: length-prefixed parts, kept whole and compared whole.
//!
//! A hash finds the place, the bytes decide: two requests share an answer only if every part of their keys is equal. Parts are
//! prefixed with their length so that `("ab", "c")` and `("a", "bc")` are different keys. The hash is seeded once a process,
//! so that nobody outside can aim for one shard; it is therefore nothing to write to a disk.

use ahash::RandomState;
use std::sync::{Arc, OnceLock};

/// The hash function of this process.
fn seed() -> &'static RandomState {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new)
}

/// Hashes anything that has to land in the same tables as keys.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    seed().hash_one(bytes)
}

/// A key that is owned: what an object and a fill carry.
#[derive(Clone, Debug)]
pub struct Key {
    hash: u64,
    bytes: Arc<[u8]>,
}

impl Key {
    /// Bytes that were a key, with their hash in this process.
    pub(crate) fn of_parts(hash: u64, bytes: &[u8]) -> Key {
        Key {
            hash,
            bytes: bytes.into(),
        }
    }

    /// The key as it is compared.
    #[inline]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            bytes: &self.bytes,
        }
    }
}

/// A borrowed key with its hash. Made by [`KeyBuf::finish`] or [`Key::as_ref`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef<'a> {
    /// Hash of `bytes`, good for this process only.
    pub hash: u64,
    /// All parts, each behind its length.
    pub bytes: &'a [u8],
}

impl<'a> KeyRef<'a> {
    /// The parts in order.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_at_checked(4)?;
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let (part, after) = after.split_at_checked(length)?;
            rest = after;
            Some(part)
        })
    }

    /// A copy that owns its bytes.
    pub fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            bytes: self.bytes.into(),
        }
    }
}

/// Builds keys in a buffer that a connection reuses.
#[derive(Debug)]
pub struct KeyBuf {
    bytes: Vec<u8>,
    random: &'static RandomState,
}

impl Default for KeyBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyBuf {
    /// An empty builder.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            random: seed(),
        }
    }

    /// The parts of another key, to be followed by more.
    pub(crate) fn after(key: KeyRef<'_>) -> Self {
        Self {
            bytes: key.bytes.to_vec(),
            random: seed(),
        }
    }

    /// Forgets the parts, keeps the buffer.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a part.
    #[inline]
    pub fn part(&mut self, bytes: &[u8]) {
        // A part past 4 GiB would not fit; heads end at 64 KiB.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// The key of the parts so far.
    #[inline]
    pub fn finish(&mut self) -> KeyRef<'_> {
        KeyRef {
            hash: self.random.hash_one(self.bytes.as_slice()),
            bytes: &self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[&str]) -> Key {
        let mut buf = KeyBuf::new();
        parts.iter().for_each(|part| buf.part(part.as_bytes()));
        buf.finish().to_key()
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(key(&["ab", "c"]).as_ref(), key(&["a", "bc"]).as_ref());
        assert_ne!(key(&["ab"]).as_ref(), key(&["ab", ""]).as_ref());
    }

    #[test]
    fn equal_parts_are_one_key_in_every_builder() {
        assert_eq!(
            key(&["https", "shop.test", "/a?b"]).as_ref(),
            key(&["https", "shop.test", "/a?b"]).as_ref()
        );
    }

    #[test]
    fn a_key_tells_its_parts() {
        let key = key(&["ab", "", "c"]);
        let parts: Vec<_> = key.as_ref().parts().collect();
        assert_eq!(parts, [&b"ab"[..], b"", b"c"]);
    }

    #[test]
    fn a_cleared_builder_starts_anew() {
        let mut buf = KeyBuf::new();
        buf.part(b"old");
        buf.clear();
        buf.part(b"new");
        assert_eq!(buf.finish(), key(&["new"]).as_ref());
    }
}
