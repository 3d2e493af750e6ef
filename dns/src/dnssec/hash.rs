//! The hash of NSEC3 (RFC 5155 §5).

use sha1::{Digest, Sha1};

/// A hashed name.
pub(crate) type Hash = [u8; 20];

/// SHA-1, the only algorithm there is (RFC 5155 §11).
pub(crate) const SHA1: u8 = 1;

/// How names are hashed in one chain of NSEC3 records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashing {
    pub iterations: u16,
    pub salt: Box<[u8]>,
}

impl Hashing {
    /// As RFC 9276 §3.1 asks for: no salt, no further iterations.
    pub fn plain() -> Self {
        Self {
            iterations: 0,
            salt: Box::default(),
        }
    }

    /// Reads the data of NSEC3PARAM, or how that of NSEC3 begins. `None` for an unknown algorithm.
    pub fn read(data: &[u8]) -> Option<Self> {
        let ([algorithm, _, i0, i1, salt_len], rest) = data.split_first_chunk()?;
        let salt = rest.get(..usize::from(*salt_len))?;
        (*algorithm == SHA1).then(|| Self {
            iterations: u16::from_be_bytes([*i0, *i1]),
            salt: salt.into(),
        })
    }

    /// The hash of a name, given in lower case in pieces that are joined.
    pub fn of(&self, name: &[&[u8]]) -> Hash {
        let mut hasher = Sha1::new();
        name.iter().for_each(|piece| hasher.update(piece));
        hasher.update(&self.salt);
        let mut hash: Hash = hasher.finalize().into();
        for _ in 0..self.iterations {
            hash = Sha1::new()
                .chain_update(hash)
                .chain_update(&self.salt)
                .finalize()
                .into();
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::base32hex;

    #[test]
    fn names_of_rfc_5155_appendix_a() {
        let hashing = Hashing::read(&[1, 0, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd]).unwrap();
        for (name, text) in [
            (&b"\x07example\0"[..], "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            (
                b"\x01*\x01w\x07example\0",
                "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
            ),
        ] {
            assert_eq!(base32hex::encode(&hashing.of(&[name])), text.as_bytes());
        }
        assert_eq!(Hashing::read(&[2, 0, 0, 0, 0]), None);
        assert_eq!(Hashing::read(&[1, 0, 0, 0, 1]), None);
    }
}
