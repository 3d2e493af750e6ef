//! Response rate limiting: who forges a victim's address gets it few answers.
//!
//! Answers over UDP are counted by the client's network (/24, /56) and by what is answered: a name that exists by
//! itself, everything that does not exist in a zone together, errors together. Past the rate an answer is dropped, but
//! for every so-manyth, which is sent empty with TC, so that a real client behind that network asks over TCP. Clients
//! with a right cookie are not counted: nobody can forge one.
//!
//! A fixed table of 64-bit words without locks; two that share a word share a budget for a second, as in other servers.

use crate::policy::Net;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of the table: 512 KiB.
const WORDS: usize = 1 << 16;

/// How answers are limited.
#[derive(Clone, Debug)]
pub struct RrlOptions {
    /// Answers a second for each network and answer (default 200).
    pub rate: u16,
    /// Every so-manyth answer over the rate is sent truncated (default 2); 0 is none.
    pub slip: u16,
    /// Networks that are never limited (default: the loopback, from where nobody forges).
    pub exempt: Vec<Net>,
}

impl Default for RrlOptions {
    fn default() -> Self {
        let net = |address, bits| Net { address, bits };
        Self {
            rate: 200,
            slip: 2,
            exempt: vec![
                net(IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)), 8),
                net(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 128),
            ],
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Send,
    Truncate,
    Drop,
}

/// The table.
pub(crate) struct Rrl {
    options: RrlOptions,
    hasher: ahash::RandomState,
    /// Of a second and a number of answers in it: the upper half and the lower half.
    words: Box<[AtomicU64]>,
}

impl Rrl {
    pub fn new(options: RrlOptions) -> Self {
        Self {
            options,
            hasher: ahash::RandomState::new(),
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts an answer of some kind about some name.
    pub fn count(&self, from: IpAddr, kind: u8, name: &[u8], now_s: u32) -> Limit {
        if self.options.exempt.iter().any(|net| net.contains(from)) {
            return Limit::Send;
        }
        let network = match from.to_canonical() {
            IpAddr::V4(a) => u64::from(u32::from(a) >> 8),
            IpAddr::V6(a) => (u128::from(a) >> 72) as u64 | 1 << 63,
        };
        let index = self.hasher.hash_one((network, kind, name)) as usize % WORDS;
        let Some(word) = self.words.get(index) else {
            return Limit::Send;
        };
        let rate = u64::from(self.options.rate);
        let before = word.load(Ordering::Relaxed);
        let second = u64::from(now_s);
        // What was over the rate in the last second stays counted by half, so that a flood is not let through anew.
        let count = match second.wrapping_sub(before >> 32) {
            0 => before & 0xFFFF_FFFF,
            1 => ((before & 0xFFFF_FFFF) / 2).saturating_sub(rate / 2),
            _ => 0,
        };
        let count = (count + 1).min(rate * 1000);
        word.store(second << 32 | count, Ordering::Relaxed);
        if count <= rate {
            Limit::Send
        } else if self.options.slip > 0
            && (count - rate).is_multiple_of(u64::from(self.options.slip))
        {
            Limit::Truncate
        } else {
            Limit::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_rate_answers_are_dropped_but_for_some_that_send_to_tcp() {
        let rrl = Rrl::new(RrlOptions {
            rate: 10,
            slip: 2,
            exempt: Vec::new(),
        });
        let ip: IpAddr = "192.0.2.7".parse().unwrap();
        let run = |ip: IpAddr, name: &[u8], now| {
            (0..30)
                .map(|_| rrl.count(ip, 0, name, now))
                .collect::<Vec<_>>()
        };
        let first = run(ip, b"a", 5);
        assert!(first[..10].iter().all(|l| *l == Limit::Send));
        assert_eq!(
            first[10..14],
            [Limit::Drop, Limit::Truncate, Limit::Drop, Limit::Truncate]
        );
        assert_eq!(
            rrl.count("192.0.2.200".parse().unwrap(), 0, b"a", 5),
            Limit::Drop,
            "one network"
        );
        assert_eq!(rrl.count(ip, 0, b"b", 5), Limit::Send, "another answer");
        assert_eq!(rrl.count(ip, 0, b"a", 9), Limit::Send, "later");
    }

    #[test]
    fn the_loopback_is_exempt_unless_said() {
        let rrl = Rrl::new(RrlOptions {
            rate: 1,
            ..RrlOptions::default()
        });
        assert!(
            (0..100).all(|_| rrl.count("127.0.0.1".parse().unwrap(), 0, b"a", 1) == Limit::Send)
        );
    }
}
