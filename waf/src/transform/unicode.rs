//! UTF-8 as `%uHHHH`.

use std::io::Write;

/// Each character beyond ASCII as `%u` and its code point in lower-case hexadecimal, four digits at least.
///
/// ModSecurity's oddities are kept: overlong forms and surrogates are decoded, with their first byte after them; the
/// first byte of a broken sequence is dropped; a NUL is, too.
pub(super) fn utf8_to_unicode(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let (length, bits) = match first {
            0x00 => continue,
            0x01..=0x7f | 0x80..=0xbf | 0xf8..=0xff => {
                out.push(first);
                continue;
            }
            0xc0..=0xdf => (2, first & 0x1f),
            0xe0..=0xef => (3, first & 0x0f),
            0xf0..=0xf7 => (4, first & 0x07),
        };
        if first >= 0xf5 {
            out.push(first);
        }
        let Some((sequence, tail)) = after.split_at_checked(length - 1) else {
            continue;
        };
        if sequence.iter().any(|b| b & 0xc0 != 0x80) {
            continue;
        }
        let point = sequence
            .iter()
            .fold(u32::from(bits), |point, b| point << 6 | u32::from(b & 0x3f));
        rest = tail;
        // Writing to a vector cannot fail.
        let _ = write!(out, "%u{point:04x}");
        let shortest = [0, 0, 0x80, 0x800, 0x1_0000]
            .get(length)
            .copied()
            .unwrap_or(0);
        if (0xd800..=0xdfff).contains(&point) || point < shortest {
            out.push(first);
        }
    }
}
