//! DNS cookies (RFC 7873, RFC 9018): a client that sends ours back has been seen at its address.
//!
//! A server cookie is version 1, the time, and SipHash-2-4 over the client's cookie, both of them, and the client's
//! address. It holds for an hour, is renewed after half of one, and is checked without any state, so that servers
//! with the same secret accept one another's.

use std::net::IpAddr;

/// Bytes of a client's cookie.
pub(crate) const CLIENT_BYTES: usize = 8;
/// Bytes of ours.
pub(crate) const SERVER_BYTES: usize = 16;
/// Seconds for which a cookie holds, and after which it is renewed (RFC 9018 §4.3).
const OLD_S: u32 = 3600;
const RENEW_S: u32 = 1800;
/// Seconds it may come from the future.
const FUTURE_S: u32 = 300;

/// What a query's COOKIE option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub client: [u8; CLIENT_BYTES],
    /// A server's, if it has our length.
    pub server: Option<[u8; SERVER_BYTES]>,
}

impl Cookie {
    /// Reads an option's data. `None` where its length is none that RFC 7873 §5.2.2 allows.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (client, rest) = data.split_first_chunk()?;
        if !(rest.is_empty() || (8..=32).contains(&rest.len())) {
            return None;
        }
        Some(Self {
            client: *client,
            server: rest.try_into().ok(),
        })
    }
}

/// The secrets that cookies are made with.
#[derive(Clone)]
pub struct CookieSecrets {
    current: [u8; 16],
    /// Accepted, no longer given out.
    previous: Option<[u8; 16]>,
}

impl CookieSecrets {
    /// Secrets by choice: all servers of one address have the same (RFC 9018 §5).
    pub fn new(current: [u8; 16], previous: Option<[u8; 16]>) -> Self {
        Self { current, previous }
    }

    /// Reads one secret or two, each 32 hexadecimal digits on a line.
    pub fn read(text: &str) -> Option<Self> {
        let mut secrets = text.split_whitespace().map(|line| {
            let mut secret = [0; 16];
            let digits = line.as_bytes();
            for (byte, pair) in secret.iter_mut().zip(digits.as_chunks::<2>().0) {
                let digit = |d: u8| char::from(d).to_digit(16);
                *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
            }
            (digits.len() == 32).then_some(secret)
        });
        let current = secrets.next()??;
        let previous = match secrets.next() {
            Some(previous) => Some(previous?),
            None => None,
        };
        secrets
            .next()
            .is_none()
            .then(|| Self::new(current, previous))
    }

    /// A secret of this process's own.
    pub fn random() -> Self {
        use std::hash::{BuildHasher, Hasher};
        let mut current = [0; 16];
        for half in current.chunks_mut(8) {
            // Seeded by the operating system.
            let word = std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish();
            half.copy_from_slice(&word.to_ne_bytes());
        }
        Self::new(current, None)
    }

    /// Checks a cookie. Gives whether it is ours and right, and the one to send.
    pub(crate) fn check(
        &self,
        cookie: &Cookie,
        from: IpAddr,
        now: u32,
    ) -> (bool, [u8; SERVER_BYTES]) {
        let made = |time| make(&self.current, &cookie.client, time, from);
        let Some(server) = cookie.server else {
            return (false, made(now));
        };
        let [1, _, _, _, t0, t1, t2, t3, ..] = server else {
            return (false, made(now));
        };
        let time = u32::from_be_bytes([t0, t1, t2, t3]);
        let age = now.wrapping_sub(time);
        let fresh = age <= OLD_S || age.wrapping_neg() <= FUTURE_S;
        let current = same(&made(time), &server);
        let valid = fresh
            && (current
                || self
                    .previous
                    .is_some_and(|p| same(&make(&p, &cookie.client, time, from), &server)));
        let keep = valid && current && age <= RENEW_S;
        (valid, if keep { server } else { made(now) })
    }
}

impl std::fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieSecrets(***)")
    }
}

fn same(a: &[u8; SERVER_BYTES], b: &[u8; SERVER_BYTES]) -> bool {
    a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

/// RFC 9018 §4: version 1, three reserved bytes, the time, the hash.
fn make(
    secret: &[u8; 16],
    client: &[u8; CLIENT_BYTES],
    time: u32,
    from: IpAddr,
) -> [u8; SERVER_BYTES] {
    let mut input = [0; CLIENT_BYTES + 8 + 16];
    let mut cookie = [0; SERVER_BYTES];
    cookie[0] = 1;
    cookie[4..8].copy_from_slice(&time.to_be_bytes());
    input[..8].copy_from_slice(client);
    input[8..16].copy_from_slice(&cookie[..8]);
    let len = match from.to_canonical() {
        IpAddr::V4(a) => {
            input[16..20].copy_from_slice(&a.octets());
            20
        }
        IpAddr::V6(a) => {
            input[16..32].copy_from_slice(&a.octets());
            32
        }
    };
    let hash = siphash(secret, input.get(..len).unwrap_or_default());
    cookie[8..].copy_from_slice(&hash.to_le_bytes());
    cookie
}

/// SipHash-2-4 (Aumasson and Bernstein 2012). The standard library's is SipHash-1-3.
fn siphash(key: &[u8; 16], data: &[u8]) -> u64 {
    let word = |bytes: &[u8]| {
        let mut all = [0; 8];
        all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(all)
    };
    let (k0, k1) = (word(&key[..8]), word(&key[8..]));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut absorb = |m: u64, rounds: usize| {
        v[3] ^= m;
        (0..rounds).for_each(|_| round(&mut v));
        v[0] ^= m;
    };
    let (words, rest) = data.as_chunks::<8>();
    words.iter().for_each(|w| absorb(u64::from_le_bytes(*w), 2));
    absorb((data.len() as u64) << 56 | word(rest), 2);
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_authors() {
        let key: [u8; 16] = std::array::from_fn(|i| i as u8);
        let data: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(&key, &data), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn cookies_are_those_of_rfc_9018() {
        // Appendix A.1 and A.2.
        let secret = [
            0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37,
            0xbf, 0xcf,
        ];
        let client = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];
        let from: IpAddr = "198.51.100.100".parse().unwrap();
        let secrets = CookieSecrets::new(secret, None);
        let (known, made) = secrets.check(
            &Cookie {
                client,
                server: None,
            },
            from,
            1_559_731_985,
        );
        let expected = [
            1, 0, 0, 0, 0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80,
        ];
        assert!(!known);
        assert_eq!(made, expected);
        let own = Cookie {
            client,
            server: Some(made),
        };
        assert_eq!(secrets.check(&own, from, 1_559_731_985 + 60), (true, made));
        let (known, renewed) = secrets.check(&own, from, 1_559_731_985 + 1801);
        assert!(known && renewed != made);
        assert!(!secrets.check(&own, from, 1_559_731_985 + 3601).0);
        assert!(
            !secrets
                .check(&own, "198.51.100.101".parse().unwrap(), 1_559_731_985)
                .0
        );
        let rolled = CookieSecrets::new([7; 16], Some(secret));
        let (known, renewed) = rolled.check(&own, from, 1_559_731_985);
        assert!(known && renewed != made);
    }

    #[test]
    fn lengths_are_those_that_a_cookie_may_have() {
        for len in [0, 7, 9, 15, 41] {
            assert!(Cookie::read(&vec![1; len]).is_none(), "{len}");
        }
        for len in [8, 16, 24, 40] {
            assert_eq!(
                Cookie::read(&vec![1; len]).unwrap().server.is_some(),
                len == 24
            );
        }
    }
}
