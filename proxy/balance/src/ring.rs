//! Consistent hashing: a ring of points, on which a key belongs to the server of the next point.
//!
//! The points are ketama's as nginx and Cache::Memcached::Fast place them (160 for each unit of weight, a chain of
//! CRC-32s over host, a zero, port), so that a cache cluster keeps its keys when Seawall takes nginx's place. Our own
//! and not `pingora_ketama`'s, which knows nothing but socket addresses (no names, no unix sockets), wraps at 65,536
//! servers and panics on a weight of zero; the tests hold the two against each other.
//!
//! All primaries are on the ring, in use or not: one that fails moves its own share of keys, and gets it back.

use crate::limits::{RING_POINTS_PER_WEIGHT, RING_WALK_MAX, RING_WEIGHT_MAX};

/// The hash of a key for [`Algorithm::Hash`](crate::Algorithm::Hash): nginx's (CRC-32).
pub fn hash_key(key: &[u8]) -> u64 {
    u64::from(crc32fast::hash(key))
}

/// Points in the order of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    points: Box<[(u32, u32)]>,
}

impl Ring {
    /// The ring of these `(index, weight, address)`.
    pub(crate) fn new<'a>(members: impl Iterator<Item = (u32, u32, &'a str)> + Clone) -> Self {
        let sum: u64 = members
            .clone()
            .map(|(_, weight, _)| u64::from(weight.max(1)))
            .sum();
        let scaled = |weight: u32| {
            let weight = u64::from(weight.max(1));
            if sum <= RING_WEIGHT_MAX {
                weight
            } else {
                (weight * RING_WEIGHT_MAX / sum).max(1)
            }
        };
        let mut points = Vec::new();
        for (index, weight, address) in members {
            let count = scaled(weight) * u64::from(RING_POINTS_PER_WEIGHT);
            place(&mut points, index, address, count);
        }
        points.sort_unstable();
        points.dedup_by_key(|&mut (hash, _)| hash);
        Self {
            points: points.into(),
        }
    }

    /// The servers a key belongs to, the first choice first; some of them more than once.
    pub(crate) fn from(&self, key: u64) -> impl Iterator<Item = usize> + '_ {
        let start = self.points.partition_point(|&(hash, _)| hash < key as u32);
        let (head, tail) = self.points.split_at(start);
        let walk = tail.iter().chain(head).take(RING_WALK_MAX);
        walk.map(|&(_, index)| index as usize)
    }
}

fn place(points: &mut Vec<(u32, u32)>, index: u32, address: &str, count: u64) {
    let (host, port) = host_and_port(address);
    let mut base = crc32fast::Hasher::new();
    base.update(host.as_bytes());
    base.update(b"\0");
    base.update(port.as_bytes());
    let mut previous = 0u32;
    for _ in 0..count {
        let mut hasher = base.clone();
        hasher.update(&previous.to_le_bytes());
        previous = hasher.finalize();
        points.push((previous, index));
    }
}

/// As nginx splits the text of a `server`: a port is the digits after the last colon, where there are any.
fn host_and_port(address: &str) -> (&str, &str) {
    if let Some(path) = address.strip_prefix("unix:") {
        return (path, "");
    }
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (address, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_ketama::{Bucket, Continuum};

    #[test]
    fn the_points_are_those_of_other_ketamas() {
        let members: Vec<(u32, u32, String)> = (0..7)
            .map(|index| (index, 1 + index % 3, format!("10.0.0.{index}:80{index:02}")))
            .collect();
        let ring = Ring::new(members.iter().map(|(i, w, a)| (*i, *w, a.as_str())));
        let buckets: Vec<Bucket> = members
            .iter()
            .map(|(_, weight, address)| Bucket::new(address.parse().unwrap(), *weight))
            .collect();
        let other = Continuum::new(&buckets);
        for key in 0..10_000 {
            let key = format!("/images/{key}.webp");
            let ours = ring.from(hash_key(key.as_bytes())).next().unwrap();
            let theirs = other.node(key.as_bytes()).unwrap();
            assert_eq!(members[ours].2, theirs.to_string(), "{key}");
        }
    }

    #[test]
    fn names_unix_sockets_and_bare_hosts_have_points_too() {
        assert_eq!(host_and_port("shop.test:80"), ("shop.test", "80"));
        assert_eq!(host_and_port("shop.test"), ("shop.test", ""));
        assert_eq!(host_and_port("[::1]:80"), ("[::1]", "80"));
        assert_eq!(host_and_port("unix:/run/a:80"), ("/run/a:80", ""));
        let addresses = ["shop.test:80", "unix:/run/a", "[::1]:80"];
        let ring = Ring::new((0u32..).zip(addresses).map(|(i, a)| (i, 1, a)));
        for index in 0..3 {
            assert!(ring.from(0).any(|at| at == index), "{index}");
        }
    }

    #[test]
    fn absurd_weights_are_scaled_and_nobody_is_lost() {
        let weights = [u32::MAX, 0, 1, u32::MAX / 2];
        let ring = Ring::new((0u32..).zip(weights).map(|(i, w)| (i, w, "a:1")));
        assert!(ring.points.len() <= 160 * 1004);
        let distinct = ["a:1", "b:1", "c:1", "d:1"];
        let members = (0u32..).zip(weights).zip(distinct);
        let ring = Ring::new(members.map(|((i, w), a)| (i, w, a)));
        for index in 0..4 {
            let count = ring.points.iter().filter(|point| point.1 == index).count();
            assert!(count > 100, "{index} has {count} points");
        }
    }

    #[test]
    fn an_empty_ring_has_nobody() {
        assert_eq!(Ring::default().from(7).count(), 0);
    }
}
