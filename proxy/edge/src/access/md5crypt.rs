//! MD5-crypt in Apache's (`$apr1$`) and the older (`$1$`) form: a thousand rounds over password and salt.
//!
//! Weak by today's measure and read all the same, because it is what `htpasswd` wrote for twenty years.

use md5::{Digest, Md5};

/// The letters of the encoding, six bits each, lowest first.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The 22 letters of a password's hash. `magic` is `$apr1$` or `$1$`; of the salt eight bytes count.
pub(super) fn hash(password: &[u8], salt: &[u8], magic: &[u8]) -> Vec<u8> {
    let salt = salt.get(..8).unwrap_or(salt);
    let inner = Md5::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut outer = Md5::new()
        .chain_update(password)
        .chain_update(magic)
        .chain_update(salt);
    let mut left = password.len();
    while left > 0 {
        let n = left.min(16);
        outer.update(inner.get(..n).unwrap_or_default());
        left -= n;
    }
    let mut bits = password.len();
    while bits > 0 {
        let first = password.get(..1).unwrap_or_default();
        outer.update(if bits & 1 == 1 { &[0] } else { first });
        bits >>= 1;
    }
    let mut state = outer.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        if odd {
            next.update(password)
        } else {
            next.update(state)
        }
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        if odd {
            next.update(state)
        } else {
            next.update(password)
        }
        state = next.finalize();
    }
    encode(&state.into())
}

/// The bytes in the order they are written in, three to four letters.
fn encode(bytes: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(22);
    let mut put = |value: u32, letters: usize| {
        for n in 0..letters {
            let index = (value >> (6 * n) & 63) as usize;
            out.push(LETTERS.get(index).copied().unwrap_or(b'.'));
        }
    };
    let [
        b0,
        b1,
        b2,
        b3,
        b4,
        b5,
        b6,
        b7,
        b8,
        b9,
        b10,
        b11,
        b12,
        b13,
        b14,
        b15,
    ] = bytes.map(u32::from);
    for (high, middle, low) in [
        (b0, b6, b12),
        (b1, b7, b13),
        (b2, b8, b14),
        (b3, b9, b15),
        (b4, b10, b5),
    ] {
        put(high << 16 | middle << 8 | low, 4);
    }
    put(b11, 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // As `openssl passwd -apr1` and `-1` make them.
    #[test]
    fn hashes_are_those_of_openssl() {
        for (password, salt, magic, expected) in [
            ("secret", "abcdefgh", "$apr1$", "h9FWgUz3n9YxylKLlR5SQ/"),
            ("secret", "abcdefgh", "$1$", "cHJi5PXp/ki/ktXzqlk6I1"),
            (
                "a much longer password than sixteen bytes",
                "ab",
                "$apr1$",
                "ZgbyBttfAvWjwKDroS41O1",
            ),
        ] {
            let made = hash(password.as_bytes(), salt.as_bytes(), magic.as_bytes());
            assert_eq!(String::from_utf8(made).unwrap(), expected);
        }
    }
}
