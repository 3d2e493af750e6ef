//! nginx's `ip_hash`: a client's network decides, by the same sums, so that clients keep their servers when Seawall
//! takes nginx's place.
//!
//! nginx walks a hash over the first three octets of an IPv4 address, or all of an IPv6 address, and walks it on over
//! the same octets when the server it names is not in use. Each such walk is an affine step modulo 6271: a key needs
//! only the first result and how many octets there are.

use crate::limits::IP_HASH_TRIES_MAX;
use std::net::IpAddr;

const START: u32 = 89;
const FACTOR: u32 = 113;
const MODULUS: u32 = 6271;

/// The key of a client for [`Algorithm::IpHash`](crate::Algorithm::IpHash): its first three octets where it is IPv4
/// (also as an IPv4-mapped IPv6 address), else all sixteen.
pub fn ip_key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            u64::from(walk(START, &[a, b, c])) | (3 << 32)
        }
        IpAddr::V6(v6) => u64::from(walk(START, &v6.octets())) | (16 << 32),
    }
}

fn walk(hash: u32, octets: &[u8]) -> u32 {
    octets.iter().fold(hash, |hash, &octet| {
        (hash * FACTOR + u32::from(octet)) % MODULUS
    })
}

/// The hashes of a key: the first choice, then what follows when that is not in use.
pub(crate) fn hashes(key: u64) -> impl Iterator<Item = u32> {
    let first = (key as u32) % MODULUS;
    // Over k octets f(h) = h * 113^k + c, and f(89) is the first hash.
    let octets = ((key >> 32) as u32).min(16);
    let factor = (0..octets).fold(1, |factor, _| factor * FACTOR % MODULUS);
    let constant = (first + MODULUS - START * factor % MODULUS) % MODULUS;
    std::iter::successors(Some(first), move |&hash| {
        Some((hash * factor + constant) % MODULUS)
    })
    .take(IP_HASH_TRIES_MAX)
}

/// Servers by share of the weights, in order.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// The sum of weights up to and including a server, and its index.
    ends: Box<[(u64, u32)]>,
}

impl Shares {
    /// Of these `(index, weight)`.
    pub(crate) fn new(members: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut sum = 0;
        let end = |(index, weight): (u32, u32)| {
            sum += u64::from(weight.max(1));
            (sum, index)
        };
        Self {
            ends: members.map(end).collect(),
        }
    }

    /// Whose share a hash lies in, modulo the sum of weights.
    pub(crate) fn at(&self, hash: u32) -> Option<usize> {
        let sum = self.ends.last()?.0;
        let place = u64::from(hash) % sum;
        let at = self.ends.partition_point(|&(end, _)| end <= place);
        self.ends.get(at).map(|&(_, index)| index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nginx computes it, octet by octet.
    fn by_octets(octets: &[u8], tries: usize) -> Vec<u32> {
        let next = |hash: &u32| Some(walk(*hash, octets));
        std::iter::successors(Some(walk(START, octets)), next)
            .take(tries)
            .collect()
    }

    #[test]
    fn the_steps_are_those_over_the_octets() {
        for address in ["0.0.0.0", "192.0.2.77", "255.255.255.255", "10.1.0.9"] {
            let IpAddr::V4(v4) = address.parse().unwrap() else {
                unreachable!()
            };
            let hashes: Vec<u32> = hashes(ip_key(IpAddr::V4(v4))).collect();
            assert_eq!(hashes, by_octets(&v4.octets()[..3], 20), "{address}");
        }
        for address in ["2001:db8::1", "::1", "fe80::ffff:1:2"] {
            let IpAddr::V6(v6) = address.parse().unwrap() else {
                unreachable!()
            };
            let hashes: Vec<u32> = hashes(ip_key(IpAddr::V6(v6))).collect();
            assert_eq!(hashes, by_octets(&v6.octets(), 20), "{address}");
        }
    }

    #[test]
    fn a_network_has_one_key_however_its_addresses_are_written() {
        let key = |text: &str| ip_key(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("192.0.2.254"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.9"));
        assert_ne!(key("192.0.2.1"), key("192.0.3.1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8::2"));
    }

    #[test]
    fn any_number_is_a_key() {
        for key in [0, u64::MAX, 6271, 1 << 33] {
            assert!(hashes(key).all(|hash| hash < MODULUS));
        }
    }

    #[test]
    fn shares_follow_the_weights() {
        let shares = Shares::new([(4, 3), (7, 0), (9, 2)].into_iter());
        let at: Vec<usize> = (0..6).filter_map(|hash| shares.at(hash)).collect();
        assert_eq!(at, [4, 4, 4, 7, 9, 9]);
        assert_eq!(shares.at(6), Some(4));
        assert_eq!(Shares::default().at(1), None);
    }
}
