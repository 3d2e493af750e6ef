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

/// Base64 in which everything that is none is passed over, padding included.
pub(super) fn base64_decode_forgiving(input: &[u8], out: &mut Vec<u8>) {
    let known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let kept: Vec<u8> = input.iter().copied().filter(known).collect();
    base64_decode(&kept, out);
}

/// Base64 with padding.
pub(super) fn base64_encode(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in input.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * i)) as usize & 63);
            out.push(if i <= chunk.len() {
                digit.copied().unwrap_or(b'=')
            } else {
                b'='
            });
        }
    }
}

/// Each byte as two digits.
pub(super) fn hex_encode(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().unwrap_or(b'0');
    out.extend(input.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]));
}

/// SQL's `0x` and pairs of digits, wherever it stands.
pub(super) fn sql_hex_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((first, after)) = rest.split_first() {
        if let [b'0', b'x' | b'X', digits @ ..] = rest {
            let pairs = digits.as_chunks::<2>().0.iter();
            let before = out.len();
            out.extend(pairs.map_while(|[h, l]| hex_pair(*h, *l)));
            let length = out.len() - before;
            if length > 0 {
                rest = digits.get(2 * length..).unwrap_or_default();
                continue;
            }
        }
        out.push(*first);
        rest = after;
    }
}

/// `%hh` for all but letters, digits and `*-_.`; a blank becomes `+`. At most three times as long.
pub(super) fn url_encode(input: &[u8], out: &mut Vec<u8>) {
    for b in input {
        match b {
            b' ' => out.push(b'+'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'*' | b'-' | b'_' | b'.') => {
                out.push(*b)
            }
            b => {
                out.push(b'%');
                hex_encode(&[*b], out);
            }
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
