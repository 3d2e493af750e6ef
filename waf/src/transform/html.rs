//! HTML entities: `&lt;`, `&#60;`, `&#x3c;`, with or without the semicolon.

use super::encoding::copy_until;

const NBSP: u8 = 0xa0;

/// Decodes entities; those that are not known stay.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((ampersand, after)) =
        copy_until(rest, memchr::memchr(b'&', rest), out).split_first()
    {
        rest = after;
        match entity(after) {
            Some((decoded, length)) => {
                out.push(decoded);
                rest = after.get(length..).unwrap_or_default();
                rest = rest.strip_prefix(b";").unwrap_or(rest);
            }
            None => out.push(*ampersand),
        }
    }
}

/// The byte that the entity after an ampersand stands for, and the entity's length.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16).map(|(b, n)| (b, n + 2)),
        [b'#', digits @ ..] => number(digits, 10).map(|(b, n)| (b, n + 1)),
        _ => {
            let length = text
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric())
                .count();
            let name = text.get(..length)?.to_ascii_lowercase();
            let decoded = match name.as_slice() {
                b"quot" => b'"',
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"nbsp" => NBSP,
                _ => return None,
            };
            Some((decoded, length))
        }
    }
}

/// Only the lowest byte of a number counts; a number beyond 64 bits has all bits set, as strtol has it.
fn number(text: &[u8], radix: u32) -> Option<(u8, usize)> {
    let digits = text.iter().map_while(|b| (*b as char).to_digit(radix));
    let (mut value, mut length) = (0i64, 0);
    for digit in digits {
        value = value
            .saturating_mul(i64::from(radix))
            .saturating_add(i64::from(digit));
        length += 1;
    }
    (length > 0).then_some((value as u8, length))
}
