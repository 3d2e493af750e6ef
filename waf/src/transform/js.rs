//! JavaScript's escapes: `\x27`, `\u0027`, `\47`, `\n`.

use super::encoding::copy_until;
use super::{hex, hex_pair};

/// Decodes escapes; a backslash before any other character is dropped, one at the end stays.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((_, after)) = copy_until(rest, memchr::memchr(b'\\', rest), out).split_first() {
        let (decoded, length) = escape(after);
        out.push(decoded);
        rest = after.get(length..).unwrap_or_default();
    }
}

/// The byte that stands for what follows a backslash, and how much of it there is.
fn escape(text: &[u8]) -> (u8, usize) {
    match text {
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| hex(**x).is_some()) => {
            // Only the lower byte counts; full-width ASCII (U+FF01 to U+FF5E) is folded.
            let (high, low) = (hex_pair(*a, *b).unwrap_or(0), hex_pair(*c, *d).unwrap_or(0));
            (
                if high == 0xff && (0x01..0x5f).contains(&low) {
                    low + 0x20
                } else {
                    low
                },
                5,
            )
        }
        [b'x', h, l, ..] if let Some(decoded) = hex_pair(*h, *l) => (decoded, 3),
        [b'0'..=b'7', ..] => octal(text),
        [c, ..] => {
            let decoded = match c {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => *other,
            };
            (decoded, 1)
        }
        [] => (b'\\', 0),
    }
}

/// Up to three octal digits, two where three would be more than a byte.
fn octal(text: &[u8]) -> (u8, usize) {
    let longest = if text.first().is_some_and(|b| *b > b'3') {
        2
    } else {
        3
    };
    let digits = text
        .iter()
        .take(longest)
        .take_while(|b| matches!(b, b'0'..=b'7'));
    digits.fold((0, 0), |(value, length), b| {
        (value << 3 | (b - b'0'), length + 1)
    })
}
