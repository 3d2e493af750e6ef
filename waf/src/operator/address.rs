//! Lists of addresses and networks (`@ipMatch`, `@ipMatchFromFile`).

use std::net::IpAddr;

/// Ranges of addresses. IPv4 stands among IPv6 as `::ffff:a.b.c.d`.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// First and last, sorted, none touching another.
    ranges: Vec<(u128, u128)>,
}

impl Addresses {
    /// Parses addresses and networks; the error is the first that is none.
    pub(crate) fn parse<'a>(items: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut ranges = items
            .map(|item| range(item).ok_or_else(|| item.to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Ok(Self { ranges: merged })
    }

    /// Whether a text is an address in one of them.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        let address = std::str::from_utf8(text)
            .ok()
            .and_then(|t| t.trim().parse().ok());
        address.is_some_and(|address| {
            let number = number(address);
            let after = self.ranges.partition_point(|(first, _)| *first <= number);
            let range = after.checked_sub(1).and_then(|i| self.ranges.get(i));
            range.is_some_and(|(_, last)| number <= *last)
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn range(text: &str) -> Option<(u128, u128)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(bits);
    let free = bits.checked_sub(length)?;
    let mask = 1u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1);
    let number = number(address);
    Some((number & !mask, number | mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks() {
        let list =
            Addresses::parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"].into_iter())
                .unwrap();
        for inside in [
            "10.255.0.1",
            "192.0.2.1",
            "2001:db8:1::1",
            "::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(list.contains(inside.as_bytes()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.2", "2001:db9::", "::2", "x", ""] {
            assert!(!list.contains(outside.as_bytes()), "{outside}");
        }
        assert_eq!(
            Addresses::parse(["10.0.0.0/33"].into_iter())
                .err()
                .as_deref(),
            Some("10.0.0.0/33")
        );
        assert!(
            Addresses::parse(["0.0.0.0/0"].into_iter())
                .unwrap()
                .contains(b"8.8.8.8")
        );
    }
}
