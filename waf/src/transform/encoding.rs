//! URL encoding (plain and with `%uHHHH`), base64 and hexadecimal.

use super::hex_pair;

/// `%HH` and `+`; what is not valid stays.
pub(crate) fn url_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    loop {
        rest = match copy_until(rest, memchr::memchr2(b'%', b'+', rest), out) {
            [b'%', h, l, tail @ ..] if let Some(decoded) = hex_pair(*h, *l) => {
                out.push(decoded);
                tail
            }
            [b'+', tail @ ..] => {
                out.push(b' ');
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
            [] => return,
        }
    }
}

/// Copies what stands before the next special byte, and returns what begins with it.
pub(super) fn copy_until<'a>(
    text: &'a [u8],
    special: Option<usize>,
    out: &mut Vec<u8>,
) -> &'a [u8] {
    let (plain, rest) = text.split_at(special.unwrap_or(text.len()).min(text.len()));
    out.extend_from_slice(plain);
    rest
}

/// `%HH`, `+` and IIS's `%uHHHH`.
///
/// Without a code page map ModSecurity 3 decodes only the full-width forms of ASCII (U+FF01 to U+FF5E) and puts an `x`
/// for any other `%uHHHH`; one that stands for ASCII (`%u0027`) is decoded here, because that is what a server does.
pub(super) fn url_decode_uni(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    loop {
        rest = match copy_until(rest, memchr::memchr2(b'%', b'+', rest), out) {
            [b'%', b'u' | b'U', a, b, c, d, tail @ ..]
                if let (Some(high), Some(low)) = (hex_pair(*a, *b), hex_pair(*c, *d)) =>
            {
                out.push(code_point(high, low));
                tail
            }
            [b'%', h, l, tail @ ..] if let Some(decoded) = hex_pair(*h, *l) => {
                out.push(decoded);
                tail
            }
            [b'+', tail @ ..] => {
                out.push(b' ');
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
            [] => return,
        }
    }
}

fn code_point(high: u8, low: u8) -> u8 {
    match (high, low) {
        (0xff, 0x01..=0x5e) => low + 0x20,
        (0x00, _) => low,
        _ => b'x',
    }
}

/// Base64 up to the first byte that is none (RFC 4648 §4), with or without padding.
pub(super) fn base64_decode(input: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0);
    for &b in input {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\r' | b'\n' => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}

/// Pairs of digits; other characters count as ModSecurity counts them, a last single one is dropped.
pub(super) fn hex_decode(input: &[u8], out: &mut Vec<u8>) {
    let digit = |b: u8| {
        if b >= b'A' {
            (b & 0xdf).wrapping_sub(b'A').wrapping_add(10)
        } else {
            b.wrapping_sub(b'0')
        }
    };
    out.extend(
        input
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[h, l]| digit(*h).wrapping_mul(16).wrapping_add(digit(*l))),
    );
}
