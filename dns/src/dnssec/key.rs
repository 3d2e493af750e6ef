//! Keys: made, signed with, and shown as DNSKEY and DS (RFC 4034 §2, §5).

use crate::{Error, Name};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use std::fmt;

/// Flags of a zone's key, and of one that is a secure entry point (RFC 4034 §2.1.1).
const ZONE_KEY: u16 = 256;
const ENTRY_POINT: u16 = 1;
/// Bytes of a signature of both algorithms.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// An algorithm that signs; those that RFC 8624 §3.1 recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSAP256SHA256, number 13 (RFC 6605).
    EcdsaP256Sha256,
    /// ED25519, number 15 (RFC 8080).
    Ed25519,
}

impl Algorithm {
    /// Its number (the IANA registry of DNSSEC algorithms).
    pub fn number(self) -> u8 {
        match self {
            Self::EcdsaP256Sha256 => 13,
            Self::Ed25519 => 15,
        }
    }

    /// The algorithm of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::EcdsaP256Sha256, Self::Ed25519]
            .into_iter()
            .find(|a| a.number() == number)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256Sha256 => "ECDSAP256SHA256",
            Self::Ed25519 => "ED25519",
        })
    }
}

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A pair of keys.
pub(crate) struct Key {
    pub algorithm: Algorithm,
    secret: Secret,
    private: Box<[u8]>,
    /// As record data.
    dnskey: Box<[u8]>,
    pub tag: u16,
}

/// The secret part is never printed.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.algorithm, self.tag)
    }
}

impl Key {
    /// Makes a key from the system's randomness.
    pub fn generate(algorithm: Algorithm, entry_point: bool) -> Result<Self, Error> {
        let (private, public) = match algorithm {
            Algorithm::EcdsaP256Sha256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .map_err(|_| Error::KeyUnusable)?;
                let private = pair
                    .private_key()
                    .as_be_bytes()
                    .map_err(|_| Error::KeyUnusable)?;
                let public = pair.public_key().as_ref();
                // The DNS leaves out the byte that says "uncompressed" (RFC 6605 §4).
                let public = public.get(1..).unwrap_or_default();
                (private.as_ref().to_vec(), public.to_vec())
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(|_| Error::KeyUnusable)?;
                let seed = pair.seed().map_err(|_| Error::KeyUnusable)?;
                let private = seed.as_be_bytes().map_err(|_| Error::KeyUnusable)?;
                (
                    private.as_ref().to_vec(),
                    pair.public_key().as_ref().to_vec(),
                )
            }
        };
        Self::from_parts(algorithm, entry_point, &private, &public)
    }

    /// Takes a key as it was kept: the private part, and the public one as in DNSKEY. They have to fit each other.
    pub fn from_parts(
        algorithm: Algorithm,
        entry_point: bool,
        private: &[u8],
        public: &[u8],
    ) -> Result<Self, Error> {
        let secret = match algorithm {
            Algorithm::EcdsaP256Sha256 => {
                let point = [&[4], public].concat();
                EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    private,
                    &point,
                )
                .map(Secret::Ecdsa)
            }
            Algorithm::Ed25519 => {
                Ed25519KeyPair::from_seed_and_public_key(private, public).map(Secret::Ed25519)
            }
        };
        let flags = ZONE_KEY | if entry_point { ENTRY_POINT } else { 0 };
        let [f0, f1] = flags.to_be_bytes();
        let dnskey = [&[f0, f1, 3, algorithm.number()], public].concat();
        Ok(Self {
            algorithm,
            secret: secret.map_err(|_| Error::KeyUnusable)?,
            private: private.into(),
            tag: tag(&dnskey),
            dnskey: dnskey.into(),
        })
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], Error> {
        let made = match &self.secret {
            Secret::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().try_into()),
            Secret::Ed25519(pair) => pair.try_sign(message).map(|s| s.as_ref().try_into()),
        };
        made.ok().and_then(Result::ok).ok_or(Error::KeyUnusable)
    }

    /// The data of its DNSKEY record.
    pub fn dnskey(&self) -> &[u8] {
        &self.dnskey
    }

    /// The public part as in DNSKEY.
    pub fn public(&self) -> &[u8] {
        self.dnskey.get(4..).unwrap_or_default()
    }

    /// The private part, for keeping.
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// The data of the DS that leads to it, with SHA-256 (RFC 4509), the digest that RFC 8624 §3.3 asks for.
    pub fn ds(&self, origin: &Name) -> Box<[u8]> {
        let input = [origin.lower().wire(), &self.dnskey].concat();
        let [t0, t1] = self.tag.to_be_bytes();
        let head = [t0, t1, self.algorithm.number(), 2];
        [&head, digest(&SHA256, &input).as_ref()].concat().into()
    }
}

/// The tag of a key (RFC 4034 appendix B).
pub(crate) fn tag(dnskey: &[u8]) -> u16 {
    let (pairs, rest) = dnskey.as_chunks::<2>();
    let sum: u32 = pairs
        .iter()
        .map(|p| u32::from(u16::from_be_bytes(*p)))
        .sum();
    let sum = sum + rest.first().map_or(0, |b| u32::from(*b) << 8);
    (sum + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn bytes(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_key_of_rfc_6605_has_its_tag_and_ds() {
        let key = Key::from_parts(
            Algorithm::EcdsaP256Sha256,
            true,
            &bytes("GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ="),
            &bytes("GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="),
        )
        .unwrap();
        assert_eq!(key.tag, 55648);
        let origin = Name::parse("example.net.", None).unwrap();
        assert_eq!(
            hex(&key.ds(&origin)),
            "d9600d02b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"
        );
    }

    #[test]
    fn the_key_of_rfc_8080_has_its_tag_and_ds() {
        let key = Key::from_parts(
            Algorithm::Ed25519,
            true,
            &bytes("ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI="),
            &bytes("l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="),
        )
        .unwrap();
        assert_eq!(key.tag, 3613);
        let origin = Name::parse("example.com.", None).unwrap();
        assert_eq!(
            hex(&key.ds(&origin)),
            "0e1d0f023aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b"
        );
    }

    #[test]
    fn halves_that_do_not_fit_each_other_are_refused() {
        for algorithm in [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519] {
            let (one, other) = (
                Key::generate(algorithm, false).unwrap(),
                Key::generate(algorithm, false).unwrap(),
            );
            let made = Key::from_parts(algorithm, false, one.private(), other.public());
            assert_eq!(made.err(), Some(Error::KeyUnusable));
            assert!(Key::from_parts(algorithm, false, one.private(), one.public()).is_ok());
            assert!(!format!("{one:?}").contains(&hex(one.private())));
        }
    }
}
