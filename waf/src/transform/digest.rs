//! Digests and parity bits.

use md5::{Digest, Md5};
use sha1::Sha1;

/// The raw bytes of the SHA-1 digest; rules print it with `hexEncode`.
pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Sha1::digest(input));
}

/// The raw bytes of the MD5 digest.
pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Md5::digest(input));
}

/// A byte whose highest bit makes the number of its ones even (0) or odd (1).
pub(super) fn parity(b: u8, odd: u32) -> u8 {
    let seven = b & 0x7f;
    seven
        | if seven.count_ones() % 2 == odd {
            0
        } else {
            0x80
        }
}
