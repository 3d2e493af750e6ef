//! The scanning loops: where a run of allowed bytes ends.
//!
//! Each looks at sixteen bytes at once, which the compiler turns into vector instructions, and finishes byte by byte.

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
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// The first position at or after `from` whose byte satisfies `stop`, or the length.
#[inline(always)]
fn first(buf: &[u8], from: usize, stop: impl Fn(u8) -> bool + Copy) -> usize {
    let mut at = from;
    while let Some(block) = buf.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        if block.iter().fold(false, |any, &byte| any | stop(byte)) {
            break;
        }
        at += 16;
    }
    while let Some(&byte) = buf.get(at) {
        if stop(byte) {
            return at;
        }
        at += 1;
    }
    at
}

/// Where the token that starts at `from` ends. Names are short: byte by byte.
#[inline]
pub(crate) fn token_end(buf: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = buf.get(at) {
        if !is_token_byte(byte) {
            break;
        }
        at += 1;
    }
    at
}

/// The first control byte (tab apart) at or after `from`.
#[inline]
pub(crate) fn value_end(buf: &[u8], from: usize) -> usize {
    first(buf, from, is_control)
}

/// The first byte at or after `from` that ends a line or that no policy accepts in a value: CR, LF, NUL.
#[inline]
pub(crate) fn loose_value_end(buf: &[u8], from: usize) -> usize {
    first(buf, from, |byte| {
        (byte == b'\r') | (byte == b'\n') | (byte == 0)
    })
}

/// The first byte at or after `from` that is not visible ASCII, or is `#`.
#[inline]
pub(crate) fn target_end(buf: &[u8], from: usize) -> usize {
    first(buf, from, |byte| {
        (byte <= 0x20) | (byte >= 0x7f) | (byte == b'#')
    })
}

/// The first byte at or after `from` that nginx does not take as part of a target: a control or a space.
#[inline]
pub(crate) fn loose_target_end(buf: &[u8], from: usize) -> usize {
    first(buf, from, |byte| (byte <= 0x20) | (byte == 0x7f))
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
    fn token_bytes_are_those_of_the_rfc() {
        let tokens: Vec<u8> = (0..=255).filter(|&byte| is_token_byte(byte)).collect();
        assert_eq!(
            tokens,
            b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
        );
    }
}
