//! The scanning loops: where a run of allowed bytes ends.
//!
//! Eight bytes at a time are judged by arithmetic on one word, which also says which byte it was; the last few bytes are looked at one by one.

/// Token characters (RFC 9110 §5.6.2).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
                | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        );
        byte += 1;
    }
    table
};

/// Whether `byte` may stand in a token.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether `byte` may not stand in a field value: a control other than the tab (RFC 9110 §5.5).
#[inline]
pub(crate) fn is_control(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f)
}

/// The first position at or after `from` whose byte satisfies `stop`, or the length; byte by byte.
#[inline(always)]
fn rest(buf: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> usize {
    let tail = buf.get(from..).unwrap_or_default();
    match tail.iter().position(|&byte| stop(byte)) {
        Some(at) => from + at,
        None => buf.len().max(from),
    }
}

/// `byte` in each byte of a word.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The high bits of the bytes of `word` that are `byte`; exact for every byte.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ splat(byte);
    !(((differs & splat(0x7f)) + splat(0x7f)) | differs) & splat(0x80)
}

/// The high bits of the bytes of `word` that are below `bound`, which is at most 0x80; exact for every byte.
#[inline(always)]
fn below(word: u64, bound: u8) -> u64 {
    !((word | splat(0x80)) - splat(bound)) & !word & splat(0x80)
}

/// The high bits of the bytes of `word` that are controls but no tab; exact for every byte.
#[inline(always)]
fn controls(word: u64) -> u64 {
    (below(word, 0x20) & !equal(word, b'\t')) | equal(word, 0x7f)
}

/// Not zero when a byte of `word` is a control, a tab included. Cheaper than [`controls`], which decides.
#[inline(always)]
fn may_have_controls(word: u64) -> u64 {
    let not_del = word ^ splat(0x7f);
    let low = word.wrapping_sub(splat(0x20)) & !word;
    let del = not_del.wrapping_sub(splat(1)) & !not_del;
    (low | del) & splat(0x80)
}

/// The first position whose bit `hits` sets in a word of the text, or else that `stop` finds in the last few bytes.
#[inline(always)]
fn first_in_words(
    buf: &[u8],
    from: usize,
    hits: impl Fn(u64) -> u64,
    stop: impl Fn(u8) -> bool,
) -> usize {
    let mut at = from;
    while let Some(word) = buf.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let hits = hits(u64::from_le_bytes(*word));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    rest(buf, at, stop)
}

/// The first colon at or after `from`, or the length. Names are short: word by word.
#[inline]
pub(crate) fn colon(buf: &[u8], from: usize) -> usize {
    first_in_words(buf, from, |word| equal(word, b':'), |byte| byte == b':')
}

/// Where the token that starts at `from` ends.
#[inline]
pub(crate) fn token_end(buf: &[u8], from: usize) -> usize {
    rest(buf, from, |byte| !is_token_byte(byte))
}

/// The first control byte (tab apart) at or after `from`.
#[inline]
pub(crate) fn value_end(buf: &[u8], from: usize) -> usize {
    let hits = |word| match may_have_controls(word) {
        0 => 0,
        _ => controls(word),
    };
    first_in_words(buf, from, hits, is_control)
}

/// The first byte at or after `from` that ends a line or that no policy accepts in a value: CR, LF, NUL.
#[inline]
pub(crate) fn loose_value_end(buf: &[u8], from: usize) -> usize {
    let hits = |word| equal(word, b'\r') | equal(word, b'\n') | equal(word, 0);
    first_in_words(buf, from, hits, |byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// The first byte at or after `from` that is not visible ASCII, or is `#`.
#[inline]
pub(crate) fn target_end(buf: &[u8], from: usize) -> usize {
    let hits =
        |word| below(word, 0x21) | equal(word, 0x7f) | equal(word, b'#') | (word & splat(0x80));
    first_in_words(
        buf,
        from,
        hits,
        |byte| matches!(byte, 0..=0x20 | 0x7f.. | b'#'),
    )
}

/// The first byte at or after `from` that nginx does not take as part of a target: a control or a space.
#[inline]
pub(crate) fn loose_target_end(buf: &[u8], from: usize) -> usize {
    let hits = |word| below(word, 0x21) | equal(word, 0x7f);
    first_in_words(buf, from, hits, |byte| matches!(byte, 0..=0x20 | 0x7f))
}

/// The first byte at or after `from` that is not a space.
#[inline]
pub(crate) fn spaces_end(buf: &[u8], from: usize) -> usize {
    let mut at = from;
    while buf.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stop_is_found_wherever_it_lies() {
        for at in 0..70 {
            let mut buf = vec![b'a'; 70];
            buf[at] = 0x7f;
            assert_eq!(value_end(&buf, 0), at);
            assert_eq!(target_end(&buf, 0), at);
            assert_eq!(loose_value_end(&buf, 0), 70);
            buf[at] = b'\t';
            assert_eq!(value_end(&buf, 0), 70);
            buf[at] = b'\r';
            assert_eq!(loose_value_end(&buf, at), at);
            assert_eq!(token_end(&buf, 0), at);
        }
        assert_eq!(value_end(b"abc", 9), 9);
    }

    #[test]
    fn words_agree_with_bytes_about_every_byte_in_every_place() {
        for byte in 0..=255u8 {
            for place in 0..8 {
                for around in [b'a', 0x80, 0xff, b'9'] {
                    let mut word = [around; 8];
                    word[place] = byte;
                    let found = controls(u64::from_le_bytes(word));
                    let bit = 0x80u64 << (8 * place);
                    assert_eq!(found, if is_control(byte) { bit } else { 0 }, "{byte}");
                    let possible = may_have_controls(u64::from_le_bytes(word)) != 0;
                    assert!(possible || !is_control(byte), "{byte}");
                    let found = below(u64::from_le_bytes(word), 0x21);
                    assert_eq!(found, if byte < 0x21 { bit } else { 0 }, "{byte}");
                    let found = equal(u64::from_le_bytes(word), b':');
                    assert_eq!(found, if byte == b':' { bit } else { 0 }, "{byte}");
                }
            }
        }
        assert_eq!((colon(b"Content-Length: 1", 0), colon(b"abc", 1)), (14, 3));
    }

    #[test]
    fn token_bytes_are_those_of_the_rfc() {
        let tokens: Vec<u8> = (0..=255).filter(|&byte| is_token_byte(byte)).collect();
        assert_eq!(
            tokens,
            b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
        );
    }
}
