//! Lists of networks as people and services write them: a network, an address, a range or an autonomous system a line.
//!
//! ```text
//! # FireHOL, and most others
//! 192.0.2.0/24
//! 198.51.100.7
//! 2001:db8::/32
//! ; Spamhaus DROP and ASN-DROP
//! 203.0.113.0/24 ; SBL123456
//! AS64500 ; EXAMPLE
//! # P2P
//! 192.0.2.16-192.0.2.23
//! # what a geo block of nginx includes; 0 excepts a part of what is listed
//! 10.0.0.0/8 1;
//! 10.1.0.0/16 0;
//! ```
//!
//! A comment begins with `#` or `;`. A list that would have everybody on it is a mistake, and a fault. Limits:
//! [`BYTES_MAX`], [`ENTRIES_MAX`], [`FAULTS_MAX`].

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use std::{net::IpAddr, ops::Range};

/// Bytes of a file.
pub const BYTES_MAX: usize = 64 << 20;
/// Networks and systems of a list, ranges counted by the networks they are made of.
pub const ENTRIES_MAX: usize = 1 << 21;
/// Faults that are told of one file.
pub const FAULTS_MAX: usize = 20;

/// What stands in a list.
#[derive(Debug, Default)]
pub struct Entries {
    /// Networks, and whether they are on the list or excepted from it.
    pub networks: Vec<(IpNet, bool)>,
    /// Autonomous systems.
    pub systems: Vec<u32>,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, in bytes of the text.
    pub at: Range<usize>,
    /// Why.
    pub why: String,
    /// What to write.
    pub help: &'static str,
}

/// Values that mean that a network is not on it (nginx's `0`, and its empty string).
const EXCEPTED: [&str; 5] = ["0", "off", "no", "\"\"", "''"];

impl Entries {
    /// Reads a file's text into the list.
    ///
    /// # Errors
    /// Everything that is wrong with it, at most [`FAULTS_MAX`] of many.
    pub fn read(&mut self, text: &str) -> Result<(), Vec<Fault>> {
        let whole = |why: String, help| {
            let at = 0..text.lines().next().map_or(0, str::len);
            Err(vec![Fault { at, why, help }])
        };
        if text.len() > BYTES_MAX {
            let why = format!("a list has at most {BYTES_MAX} bytes");
            return whole(why, "use several lists");
        }
        let mut faults = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Err(fault) = self.line(line, start) {
                faults.push(fault);
                if faults.len() == FAULTS_MAX {
                    break;
                }
            }
            if self.networks.len() + self.systems.len() > ENTRIES_MAX {
                let why = format!("a list has at most {ENTRIES_MAX} networks");
                return whole(why, "use several lists");
            }
            start += line.len();
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn line(&mut self, line: &str, start: usize) -> Result<(), Fault> {
        let said = line.split(['#', ';']).next().unwrap_or_default();
        let fault = |word: &str, why: String, help| {
            let at = start + word.as_ptr() as usize - line.as_ptr() as usize;
            Fault {
                at: at..at + word.len(),
                why,
                help,
            }
        };
        let mut words = said.split_whitespace();
        let Some(word) = words.next() else {
            return Ok(());
        };
        let listed = match words.next() {
            None => true,
            Some(value) => !EXCEPTED.contains(&value),
        };
        let known = self.word(word, listed);
        known.map_err(|(why, help)| fault(word, why, help))?;
        match words.next() {
            None => Ok(()),
            Some(more) => {
                let why = format!("`{more}` is one word too many");
                Err(fault(more, why, "a comment begins with # or ;"))
            }
        }
    }

    fn word(&mut self, word: &str, listed: bool) -> Result<(), (String, &'static str)> {
        if let Some(system) = system(word) {
            if !listed {
                return Err((
                    format!("`{word}` cannot be excepted"),
                    "leave the system out",
                ));
            }
            self.systems.push(system);
            return Ok(());
        }
        let networks = networks(word).ok_or_else(|| {
            (
                format!("`{word}` is no network"),
                "write 192.0.2.0/24, 192.0.2.1, 192.0.2.0-192.0.2.9, 2001:db8::/32 or AS64500",
            )
        })?;
        if networks.iter().any(|network| network.prefix_len() == 0) {
            return Err((
                format!("`{word}` is everybody"),
                "a list is of some: allow or deny say what becomes of the others",
            ));
        }
        self.networks
            .extend(networks.into_iter().map(|network| (network, listed)));
        Ok(())
    }
}

/// `AS64500`.
fn system(word: &str) -> Option<u32> {
    let (letters, number) = word.split_at_checked(2)?;
    let is_system = letters.eq_ignore_ascii_case("as");
    number.parse().ok().filter(|_| is_system)
}

/// The networks of a word: one, or those that make up a range.
fn networks(word: &str) -> Option<Vec<IpNet>> {
    if let Ok(network) = word.parse::<IpNet>() {
        return Some(vec![network.trunc()]);
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(vec![address.into()]);
    }
    let (first, last) = word.split_once('-')?;
    match (first.parse().ok()?, last.parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Entries, Vec<Fault>> {
        let mut entries = Entries::default();
        entries.read(text).map(|()| entries)
    }

    #[test]
    fn every_spelling_that_lists_come_in_is_read() {
        let text = "# FireHOL\n192.0.2.0/24\r\n198.51.100.7\n; Spamhaus\n203.0.113.0/24 ; SBL1\nAS64500 ; X\nas64501\n\n\
                    10.0.0.0/8 1;\n10.1.0.0/16 0;\n10.2.0.0/16 \"\";\n10.3.0.0/16 DE;\n192.0.2.16-192.0.2.24\n2001:db8::1/32\n";
        let entries = read(text).unwrap();
        let networks: Vec<String> = entries
            .networks
            .iter()
            .map(|(net, listed)| format!("{}{net}", if *listed { "" } else { "!" }))
            .collect();
        let expected = [
            "192.0.2.0/24",
            "198.51.100.7/32",
            "203.0.113.0/24",
            "10.0.0.0/8",
            "!10.1.0.0/16",
            "!10.2.0.0/16",
            "10.3.0.0/16",
            "192.0.2.16/29",
            "192.0.2.24/32",
            "2001:db8::/32",
        ];
        assert_eq!(networks, expected);
        assert_eq!(entries.systems, [64_500, 64_501]);
        assert!(read("").unwrap().networks.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_and_the_rest_is_read_on() {
        let text = "192.0.2.0/24\n  192.0.2.0/33 # x\nshop.test\n10.0.0.0/8 1 2;\n0.0.0.0/0\n10.0.0.9-10.0.0.1\nAS1 0;\n";
        let faults = read(text).unwrap_err();
        let told: Vec<&str> = faults.iter().map(|f| &text[f.at.clone()]).collect();
        let expected = [
            "192.0.2.0/33",
            "shop.test",
            "2",
            "0.0.0.0/0",
            "10.0.0.9-10.0.0.1",
            "AS1",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn past_their_limits_lists_are_refused() {
        assert_eq!(read(&"x\n".repeat(100)).unwrap_err().len(), FAULTS_MAX);
        // A range of IPv6 is up to 254 networks.
        let range = "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n";
        let fault = read(&range.repeat(ENTRIES_MAX / 254 + 2)).unwrap_err();
        assert!(fault[0].why.contains("at most 2097152"), "{fault:?}");
        let fault = read(&"#".repeat(BYTES_MAX + 1)).unwrap_err();
        assert!(fault[0].why.contains("bytes"), "{fault:?}");
    }
}
