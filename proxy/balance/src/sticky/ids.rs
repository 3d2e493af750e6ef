//! The ids by which cookies name servers.
//!
//! An id is a keyed hash (HMAC-SHA-256, cut to 128 bits) of the server's address: the same after a reload, a restart
//! and on every edge with the same key, whatever the order of the servers, and no way back to the address. Several
//! servers with one address are told apart by their number among those.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::HashMap;

const ID_BYTES: usize = 16;

/// The ids of a pool's servers. Made when a pool is; looked up by each request with a cookie.
#[derive(Debug, Default)]
pub struct StickyIds {
    ids: Box<[Box<str>]>,
    by_id: HashMap<Box<str>, usize>,
    tags: Box<[u64]>,
    by_tag: HashMap<u64, usize>,
}

impl StickyIds {
    /// The ids of servers: their addresses by index, each perhaps with the id that the operator gave it (nginx's
    /// `route`). `key` is the secret; one of 32 random bytes will do.
    pub fn new<'a>(key: &[u8], servers: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let mut seen: HashMap<&str, u64> = HashMap::new();
        let mut made = Self::default();
        let (mut ids, mut tags) = (Vec::new(), Vec::new());
        for (index, (address, given)) in servers.enumerate() {
            let number = seen.entry(address).or_default();
            let hash = keyed_hash(key, address, *number);
            *number += 1;
            let id: Box<str> = given.map_or_else(|| hex(&hash), Box::from);
            let tag = tag_of(&hash);
            // Of several with one given id the first is meant.
            made.by_id.entry(id.clone()).or_insert(index);
            made.by_tag.entry(tag).or_insert(index);
            ids.push(id);
            tags.push(tag);
        }
        made.ids = ids.into();
        made.tags = tags.into();
        made
    }

    /// A server's id: 32 hexadecimal digits, or as given.
    pub fn id(&self, index: usize) -> Option<&str> {
        self.ids.get(index).map(|id| &**id)
    }

    /// The server that a cookie names, if there is one.
    pub fn index(&self, id: &[u8]) -> Option<usize> {
        self.by_id.get(std::str::from_utf8(id).ok()?).copied()
    }

    /// A server's tag: what a [`StickyTable`](crate::StickyTable) remembers of it. Like an id, it outlives the order of
    /// the servers.
    pub fn tag(&self, index: usize) -> Option<u64> {
        self.tags.get(index).copied()
    }

    /// The server with a tag, if there is one.
    pub fn index_of_tag(&self, tag: u64) -> Option<usize> {
        self.by_tag.get(&tag).copied()
    }
}

fn keyed_hash(key: &[u8], address: &str, number: u64) -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    // HMAC takes keys of any length.
    if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) {
        hmac.update(address.as_bytes());
        hmac.update(&number.to_be_bytes());
        let hash = hmac.finalize().into_bytes();
        id.iter_mut().zip(hash).for_each(|(id, hash)| *id = hash);
    }
    id
}

fn tag_of(hash: &[u8; ID_BYTES]) -> u64 {
    hash.iter()
        .take(8)
        .fold(0, |tag, &byte| (tag << 8) | u64::from(byte))
}

fn hex(bytes: &[u8]) -> Box<str> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(key: &[u8], addresses: &[&str]) -> StickyIds {
        StickyIds::new(key, addresses.iter().map(|&address| (address, None)))
    }

    #[test]
    fn an_id_survives_a_new_order_and_a_restart() {
        let before = ids(b"secret", &["10.0.0.1:80", "10.0.0.2:80"]);
        let after = ids(b"secret", &["10.0.0.9:80", "10.0.0.2:80", "10.0.0.1:80"]);
        let id = before.id(0).unwrap();
        assert_eq!(after.index(id.as_bytes()), Some(2));
        assert_eq!(after.index_of_tag(before.tag(1).unwrap()), Some(1));
        assert_eq!(id.len(), 32);
        assert!(!id.contains("10.0"));
    }

    #[test]
    fn another_key_gives_other_ids() {
        let (a, b) = (ids(b"secret", &["a:1"]), ids(b"Secret", &["a:1"]));
        assert_ne!(a.id(0), b.id(0));
        assert_eq!(b.index(a.id(0).unwrap().as_bytes()), None);
    }

    #[test]
    fn the_id_is_the_one_that_any_hmac_makes() {
        // echo -en 'a:1\0\0\0\0\0\0\0\0' | openssl dgst -sha256 -hmac secret | cut -c -32
        assert_eq!(ids(b"secret", &["a:1"]).id(0), Some(EXPECTED));
    }

    const EXPECTED: &str = "12e88dba086bf58c475d9c9e6001280e";

    #[test]
    fn servers_with_one_address_have_different_ids() {
        let twins = ids(b"secret", &["a:1", "a:1"]);
        assert_ne!(twins.id(0), twins.id(1));
        assert_eq!(twins.index(twins.id(1).unwrap().as_bytes()), Some(1));
    }

    #[test]
    fn an_id_may_be_given_and_the_first_of_equals_is_meant() {
        let servers = [
            ("a:1", Some("alpha")),
            ("b:1", Some("alpha")),
            ("c:1", None),
        ];
        let ids = StickyIds::new(b"secret", servers.into_iter());
        assert_eq!(ids.id(1), Some("alpha"));
        assert_eq!(ids.index(b"alpha"), Some(0));
        assert_ne!(ids.tag(0), ids.tag(1));
    }

    #[test]
    fn what_a_stranger_sends_names_nobody() {
        let ids = ids(b"secret", &["a:1"]);
        for id in [
            &b""[..],
            b"0",
            b"\xff\xfe",
            b"a:1",
            &[b'0'; 32],
            &[b'a'; 9000],
        ] {
            assert_eq!(ids.index(id), None);
        }
    }
}
