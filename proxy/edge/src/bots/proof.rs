//! A proof of work: a puzzle that is signed and says until when it holds, and a number with which its hash begins with
//! enough zero bits. Sans-io, and nothing is remembered: whoever has solved a puzzle shows it with each request.
//!
//! `6929f2c0-5f0c…-48213`: the end in hexadecimal seconds, sixteen bytes of an HMAC over it, the difficulty and what the
//! proof is bound to, the number. SHA-256 (FIPS 180-4) of the whole is what counts; it fits one block of the hash.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Digits of the end.
const END_DIGITS: usize = 8;
/// Digits of the signature.
const MAC_DIGITS: usize = 32;
/// Bytes of a puzzle.
const PUZZLE_BYTES: usize = END_DIGITS + 1 + MAC_DIGITS;
/// Bytes of a cookie: with thirteen digits one block of the hash is full.
pub const COOKIE_BYTES_MAX: usize = 55;

/// Signs puzzles.
pub struct Key([u8; 32]);

impl Key {
    /// Of random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn sign(&self, bound: &[&[u8]], difficulty: u8, end: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            // HMAC takes keys of any length.
            return String::new();
        };
        mac.update(end.as_bytes());
        mac.update(&[difficulty]);
        for part in bound {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let sum = mac.finalize().into_bytes();
        let half = sum.iter().take(MAC_DIGITS / 2);
        half.fold(String::with_capacity(MAC_DIGITS), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
            text
        })
    }
}

/// A puzzle, bound to some texts.
pub fn puzzle(key: &Key, bound: &[&[u8]], difficulty: u8, until_s: u64) -> String {
    let end = format!("{until_s:08x}");
    let mac = key.sign(bound, difficulty, &end);
    format!("{end}-{mac}")
}

/// Whether a cookie is a puzzle signed with one of these keys, for these texts, still holding, and solved. Nothing is
/// signed for what is not solved.
pub fn holds<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    cookie: &[u8],
    bound: &[&[u8]],
    difficulty: u8,
    now_s: u64,
) -> bool {
    if cookie.len() > COOKIE_BYTES_MAX {
        return false;
    }
    let Some((puzzle, number)) = cookie.split_at_checked(PUZZLE_BYTES) else {
        return false;
    };
    let Some((b'-', digits)) = number.split_first() else {
        return false;
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let Some((end, mac)) = std::str::from_utf8(puzzle)
        .ok()
        .and_then(|puzzle| puzzle.split_once('-'))
    else {
        return false;
    };
    // Cheapest first: most that is wrong is too old.
    let is_current = u64::from_str_radix(end, 16).is_ok_and(|end| end > now_s);
    is_current
        && end.len() == END_DIGITS
        && zero_bits(&Sha256::digest(cookie)) >= u32::from(difficulty)
        && keys
            .into_iter()
            .any(|key| is_same(mac.as_bytes(), key.sign(bound, difficulty, end).as_bytes()))
}

fn zero_bits(sum: &[u8]) -> u32 {
    let first = sum.first_chunk::<4>();
    first.map_or(0, |word| u32::from_be_bytes(*word).leading_zeros())
}

/// In a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: [&[u8]; 2] = [b"a.test", b"Firefox"];

    fn solved(puzzle: &str, difficulty: u8) -> String {
        (0u64..)
            .map(|n| format!("{puzzle}-{n}"))
            .find(|cookie| zero_bits(&Sha256::digest(cookie)) >= u32::from(difficulty))
            .unwrap()
    }

    #[test]
    fn a_solved_puzzle_holds_until_its_end_where_it_was_given() {
        let key = Key([7; 32]);
        let cookie = solved(&puzzle(&key, &BOUND, 10, 2000), 10);
        assert!(cookie.len() <= COOKIE_BYTES_MAX);
        let holds = |cookie: &str, bound: &[&[u8]], difficulty, now_s| {
            super::holds([&key], cookie.as_bytes(), bound, difficulty, now_s)
        };
        assert!(holds(&cookie, &BOUND, 10, 1999));
        assert!(!holds(&cookie, &BOUND, 10, 2000));
        assert!(!holds(&cookie, &[b"a.test", b"curl"], 10, 1999));
        // Parts do not run into one another.
        assert!(!holds(&cookie, &[b"a.testF", b"irefox"], 10, 1999));
        // A lower difficulty was not what was asked.
        assert!(!holds(&cookie, &BOUND, 9, 1999));
        let later = format!("{:08x}{}", 9000, &cookie[END_DIGITS..]);
        assert!(!holds(&later, &BOUND, 10, 1999));
        let (other, third) = (Key([8; 32]), Key([9; 32]));
        let holds = |keys: [&Key; 2]| super::holds(keys, cookie.as_bytes(), &BOUND, 10, 1999);
        assert!(!holds([&other, &third]));
        assert!(holds([&other, &key]) && holds([&key, &other]));
    }

    #[test]
    fn nothing_else_is_a_proof() {
        let key = Key([7; 32]);
        let puzzle = puzzle(&key, &BOUND, 1, 2000);
        let long = format!("{puzzle}-{}", "1".repeat(20));
        let wrong = ["", "-", "x", puzzle.as_str(), long.as_str()];
        let more = [
            format!("{puzzle}-"),
            format!("{puzzle}-x"),
            format!("{puzzle}--1"),
        ];
        for cookie in wrong.into_iter().chain(more.iter().map(String::as_str)) {
            assert!(!holds([&key], cookie.as_bytes(), &BOUND, 1, 1), "{cookie}");
        }
        // A signature of ours with a number that solves nothing.
        let unsolved = (0u64..)
            .map(|n| format!("{puzzle}-{n}"))
            .find(|cookie| zero_bits(&Sha256::digest(cookie)) == 0)
            .unwrap();
        assert!(!holds([&key], unsolved.as_bytes(), &BOUND, 1, 1));
    }
}
