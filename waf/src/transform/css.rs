//! CSS escapes: `\27`, `\000027 `, `\j`.

use super::encoding::copy_until;
use super::{hex, hex_pair, shape::is_space};

/// Decodes escapes (CSS 2.1 §4.1.3), keeping the lowest byte of a code point.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((_, after)) = copy_until(rest, memchr::memchr(b'\\', rest), out).split_first() {
        rest = after;
        let digits = after
            .iter()
            .take(6)
            .take_while(|b| hex(**b).is_some())
            .count();
        match after.split_at_checked(digits) {
            Some((number, tail)) if digits > 0 => {
                out.push(code_point(number));
                // One white space ends the number and belongs to it.
                rest = if tail.first().is_some_and(|b| is_space(*b)) {
                    tail.get(1..).unwrap_or_default()
                } else {
                    tail
                };
            }
            _ => match after.split_first() {
                // A continued line.
                Some((b'\n', tail)) => rest = tail,
                Some((other, tail)) => {
                    out.push(*other);
                    rest = tail;
                }
                // A backslash at the very end is dropped.
                None => {}
            },
        }
    }
}

fn code_point(digits: &[u8]) -> u8 {
    let low = match digits {
        [.., h, l] => hex_pair(*h, *l).unwrap_or(0),
        [l] => hex(*l).unwrap_or(0),
        [] => 0,
    };
    // U+FF01 to U+FF5E, written with four digits or with leading zeros, are ASCII's full-width forms.
    let full_width = match digits {
        [a, b, _, _] | [b'0', a, b, _, _] | [b'0', b'0', a, b, _, _] => {
            hex_pair(*a, *b) == Some(0xff)
        }
        _ => false,
    };
    if full_width && (0x01..0x5f).contains(&low) {
        low + 0x20
    } else {
        low
    }
}
