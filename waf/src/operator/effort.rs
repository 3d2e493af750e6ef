//! What it takes at most to look for injected SQL and markup, told before it is done.
//!
//! For markup libinjection reads a text five times, as what could stand before it (nothing, an attribute without quotes, three kinds of
//! quotes). Each word may be an attribute's name and is compared with a table; one that begins with `on` with a table of
//! hundreds of events; and bytes of zero are passed over anew in each comparison. So a text of `onxxxx onxxxx` costs a hundred
//! times what its length says, and one of zeros more. The weights are measured (`examples/adversarial.rs`).

use super::injection::{SQL_BYTES_MAX, TOKEN_WORK};
use crate::byteset::ByteSet;

/// How often a text is read.
const READINGS: u64 = 5;
/// For each byte, each word, each word that may be an event, and each zero, in bytes looked at.
const BYTE: u64 = 6;
const WORD: u64 = 60;
const EVENT: u64 = 1000;
const ZERO: u64 = 1000;

/// Work of looking for markup in a text whose bytes these are.
pub(super) fn markup(text: &[u8], bytes: &ByteSet) -> u64 {
    let (mut words, mut events, mut before) = (0u64, 0u64, b' ');
    let mut letters = text.iter().zip(text.iter().skip(1));
    let delimits = |b: u8| b <= b' ' || b"/=>\"'`<".contains(&b);
    for (first, second) in letters.by_ref() {
        words += u64::from(delimits(*first));
        let event = delimits(before) && first.eq_ignore_ascii_case(&b'o');
        events += u64::from(event && (second.eq_ignore_ascii_case(&b'n') || *second == 0));
        before = *first;
    }
    let zeros = match bytes.contains(0) {
        true => memchr::memchr_iter(0, text).count() as u64,
        false => 0,
    };
    let reading = BYTE * text.len() as u64 + WORD * words + EVENT * events + ZERO * zeros;
    READINGS * reading
}

/// Work of looking for SQL in a text, at most: as if each sign and each word were a token that is read. Most texts are told
/// by the first few, so this says only where it is done; what it took is counted afterwards.
pub(super) fn sql(text: &[u8]) -> u64 {
    let (mut tokens, mut inside) = (0u64, false);
    for b in text.iter().take(SQL_BYTES_MAX) {
        let word = b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        tokens += u64::from(!(b.is_ascii_whitespace() || (word && inside)));
        inside = word;
    }
    TOKEN_WORK * tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_words_are_tokens() {
        assert_eq!(sql(b"a bc, 'd'"), 6 * TOKEN_WORK);
        assert_eq!(sql(&[b'/'; 1 << 20]), SQL_BYTES_MAX as u64 * TOKEN_WORK);
    }

    fn work(piece: &str) -> u64 {
        let text = piece.repeat(6000 / piece.len());
        markup(text.as_bytes(), &ByteSet::of(text.as_bytes()))
    }

    #[test]
    fn what_costs_more_counts_more() {
        let plain = work("abcdef");
        assert_eq!(plain, 5 * 6 * 6000);
        assert!(work("abcde ") > 2 * plain);
        assert!(work("onabc ") > 10 * work("abcde "));
        assert!(work("o\0\0\0\0\0") > 100 * plain);
        assert_eq!(markup(b"", &ByteSet::default()), 0);
    }
}
