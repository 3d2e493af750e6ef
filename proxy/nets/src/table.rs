//! Networks with a value each, asked by address: the longest network that has the address counts.
//!
//! Compiled to intervals in order: networks that lie in one another are laid flat, so that one binary search answers, in
//! some twenty steps for a million networks, and without a pointer to follow. Never changed: a new one takes its place.

use ipnet::IpNet;
use std::net::IpAddr;

/// Networks with values.
#[derive(Clone, Debug)]
pub struct Table<V> {
    v4: Flat<u32, V>,
    v6: Flat<u128, V>,
    networks: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            v4: Flat::default(),
            v6: Flat::default(),
            networks: 0,
        }
    }
}

impl<V: Copy> Table<V> {
    /// Of what is written twice the last counts. IPv4 within IPv6 is IPv4.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, V)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            let bits = network.prefix_len();
            match network.network().to_canonical() {
                IpAddr::V4(start) if network.addr().is_ipv4() => {
                    v4.push((u32::from(start), bits, value))
                }
                IpAddr::V4(start) if bits >= 96 => v4.push((u32::from(start), bits - 96, value)),
                IpAddr::V4(start) => v6.push((start.to_ipv6_mapped().to_bits(), bits, value)),
                IpAddr::V6(start) => v6.push((u128::from(start), bits, value)),
            }
        }
        let (v4, v6) = (Flat::new(v4), Flat::new(v6));
        Self {
            networks: v4.networks + v6.networks,
            v4,
            v6,
        }
    }

    /// The longest network with this address, and its value.
    pub fn find(&self, address: IpAddr) -> Option<(IpNet, V)> {
        let address = address.to_canonical();
        let (bits, value) = match address {
            IpAddr::V4(v4) => self.v4.find(u32::from(v4)),
            IpAddr::V6(v6) => self.v6.find(u128::from(v6)),
        }?;
        Some((IpNet::new(address, bits).ok()?.trunc(), value))
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.networks
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.networks == 0
    }
}

/// Intervals of one family: where each begins, and what holds until the next.
#[derive(Clone, Debug)]
struct Flat<A, V> {
    starts: Vec<A>,
    held: Vec<Option<(u8, V)>>,
    networks: usize,
}

impl<A, V> Default for Flat<A, V> {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            held: Vec::new(),
            networks: 0,
        }
    }
}

/// An address as a number.
trait Number: Copy + Ord {
    /// The last address of the network that begins here.
    fn last(self, bits: u8) -> Self;
    /// The next address, if there is one.
    fn next(self) -> Option<Self>;
}

impl Number for u32 {
    fn last(self, bits: u8) -> Self {
        self | u32::MAX.checked_shr(bits.into()).unwrap_or(0)
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn last(self, bits: u8) -> Self {
        self | u128::MAX.checked_shr(bits.into()).unwrap_or(0)
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<A: Number, V: Copy> Flat<A, V> {
    fn new(mut networks: Vec<(A, u8, V)>) -> Self {
        // Stable: of two that are the same, the later one stays later.
        networks.sort_by_key(|(start, bits, _)| (*start, *bits));
        let mut flat = Self::default();
        let mut open: Vec<(A, u8, V)> = Vec::new();
        let mut before = None;
        for (start, bits, value) in networks {
            flat.close(&mut open, Some(start));
            if before.replace((start, bits)) == Some((start, bits)) {
                open.pop();
            } else {
                flat.networks += 1;
            }
            open.push((start.last(bits), bits, value));
            flat.begin(start, Some((bits, value)));
        }
        flat.close(&mut open, None);
        flat.starts.shrink_to_fit();
        flat.held.shrink_to_fit();
        flat
    }

    /// Ends the networks that end before an address: from there on what is around them holds.
    fn close(&mut self, open: &mut Vec<(A, u8, V)>, until: Option<A>) {
        while let Some((last, ..)) = open.last().copied()
            && until.is_none_or(|until| last < until)
        {
            open.pop();
            if let Some(next) = last.next() {
                self.begin(next, open.last().map(|(_, bits, value)| (*bits, *value)));
            }
        }
    }

    fn begin(&mut self, start: A, held: Option<(u8, V)>) {
        if self.starts.last() == Some(&start) {
            self.held.pop();
        } else {
            self.starts.push(start);
        }
        self.held.push(held);
    }

    fn find(&self, address: A) -> Option<(u8, V)> {
        let after = self.starts.partition_point(|start| *start <= address);
        *self.held.get(after.checked_sub(1)?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(networks: &[(&str, u32)]) -> Table<u32> {
        Table::new(networks.iter().map(|(net, v)| (net.parse().unwrap(), *v)))
    }

    fn find(table: &Table<u32>, address: &str) -> Option<(String, u32)> {
        let found = table.find(address.parse().unwrap());
        found.map(|(net, v)| (net.to_string(), v))
    }

    #[test]
    fn the_longest_network_counts_and_its_surroundings_go_on_after_it() {
        let table = table(&[
            ("10.1.2.0/24", 3),
            ("10.0.0.0/8", 1),
            ("10.1.0.0/16", 2),
            ("255.255.255.255/32", 4),
            ("0.0.0.0/32", 5),
        ]);
        let net = |net: &str, v| Some((net.to_owned(), v));
        assert_eq!(find(&table, "10.1.2.255"), net("10.1.2.0/24", 3));
        assert_eq!(find(&table, "10.1.3.0"), net("10.1.0.0/16", 2));
        assert_eq!(find(&table, "10.2.0.0"), net("10.0.0.0/8", 1));
        assert_eq!(find(&table, "10.255.255.255"), net("10.0.0.0/8", 1));
        assert_eq!(find(&table, "11.0.0.0"), None);
        assert_eq!(find(&table, "9.255.255.255"), None);
        assert_eq!(
            find(&table, "255.255.255.255"),
            net("255.255.255.255/32", 4)
        );
        assert_eq!(find(&table, "0.0.0.0"), net("0.0.0.0/32", 5));
        assert_eq!(find(&table, "0.0.0.1"), None);
        assert_eq!(table.len(), 5);
    }

    #[test]
    fn families_are_apart_but_for_addresses_within_the_other() {
        let table = table(&[
            ("::ffff:192.0.2.0/120", 1),
            ("2001:db8::/32", 2),
            ("::/0", 3),
        ]);
        assert_eq!(find(&table, "192.0.2.9").map(|f| f.1), Some(1));
        assert_eq!(find(&table, "::ffff:192.0.2.9").map(|f| f.1), Some(1));
        assert_eq!(find(&table, "192.0.3.9"), None);
        assert_eq!(find(&table, "2001:db8::1").map(|f| f.1), Some(2));
        assert_eq!(find(&table, "ffff:ffff::1"), Some(("::/0".to_owned(), 3)));
    }

    #[test]
    fn of_what_is_written_twice_the_last_counts() {
        let table = table(&[
            ("192.0.2.0/24", 1),
            ("192.0.2.0/25", 7),
            ("192.0.2.0/24", 2),
        ]);
        assert_eq!(find(&table, "192.0.2.200").map(|f| f.1), Some(2));
        assert_eq!(find(&table, "192.0.2.1").map(|f| f.1), Some(7));
        assert_eq!(table.len(), 2);
        assert!(Table::<u32>::default().find([1, 2, 3, 4].into()).is_none());
    }

    #[test]
    fn it_says_what_looking_at_every_network_says() {
        // A small world: every network of the lowest byte, drawn by a fixed congruence.
        let mut state = 7u32;
        let mut draw = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        for _ in 0..200 {
            let networks: Vec<(IpNet, u32)> = (0..draw(24))
                .map(|v| {
                    let bits = 24 + draw(9) as u8;
                    let address = IpAddr::from([192, 0, 2, draw(256) as u8]);
                    (IpNet::new(address, bits).unwrap().trunc(), v)
                })
                .collect();
            let table = Table::new(networks.clone());
            for last in 0..=255u8 {
                let address = IpAddr::from([192, 0, 2, last]);
                let has = networks.iter().filter(|(net, _)| net.contains(&address));
                let longest = has.max_by_key(|(net, _)| net.prefix_len());
                assert_eq!(
                    table.find(address),
                    longest.copied(),
                    "{networks:?} {address}"
                );
            }
        }
    }
}
