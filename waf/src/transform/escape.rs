//! Escape sequences of ANSI C: `\n`, `\x27`, `\047`.

use super::encoding::copy_until;
use super::hex_pair;

/// Decodes escapes; one that is none loses its backslash, a backslash at the very end stays.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((_, after)) = copy_until(rest, memchr::memchr(b'\\', rest), out).split_first() {
        let (decoded, length) = escape(after);
        out.extend(decoded);
        rest = after.get(length..).unwrap_or_default();
    }
}

/// The byte that stands for what follows a backslash, and how much of it there is.
fn escape(text: &[u8]) -> (Option<u8>, usize) {
    match text {
        [b'x' | b'X', h, l, ..] if let Some(decoded) = hex_pair(*h, *l) => (Some(decoded), 3),
        [b'0'..=b'7', ..] => {
            let digits = text.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7'));
            let (value, length) =
                digits.fold((0u32, 0), |(v, n), b| (v << 3 | u32::from(b - b'0'), n + 1));
            (Some(value as u8), length)
        }
        [c, ..] => {
            let decoded = match c {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'\\' | b'?' | b'\'' | b'"' => *c,
                // ModSecurity 3 leaves out what is no escape: the character stays.
                other => *other,
            };
            (Some(decoded), 1)
        }
        [] => (Some(b'\\'), 0),
    }
}
