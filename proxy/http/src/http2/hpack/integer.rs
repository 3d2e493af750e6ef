//! Integers with a prefix (RFC 7541 §5.1).

use super::HpackError;

/// Reads an integer whose first byte is at `at`, and steps over it. What does not fit 32 bits is refused, and so are more than
/// five bytes behind the first, however little they say.
#[inline]
pub(super) fn read(bytes: &[u8], at: &mut usize, bits: u32) -> Result<usize, HpackError> {
    let most = (1u32 << bits) - 1;
    let first = u32::from(*bytes.get(*at).ok_or(HpackError::Truncated)?) & most;
    *at += 1;
    if first < most {
        return Ok(first as usize);
    }
    let mut value = u64::from(most);
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*at).ok_or(HpackError::Truncated)?;
        *at += 1;
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| HpackError::Integer)?;
            return Ok(value as usize);
        }
    }
    Err(HpackError::Integer)
}

/// Appends an integer; `first` holds the bits above the prefix.
#[inline]
pub(super) fn write(first: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1usize << bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push((rest & 127) as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_read_and_write() {
        // RFC 7541 appendix C.1.
        let cases: [(u32, usize, &[u8]); 3] =
            [(5, 10, &[10]), (5, 1337, &[31, 154, 10]), (8, 42, &[42])];
        for (bits, value, bytes) in cases {
            let mut out = Vec::new();
            write(0, bits, value, &mut out);
            assert_eq!(out, bytes);
            let mut at = 0;
            assert_eq!(read(bytes, &mut at, bits), Ok(value));
            assert_eq!(at, bytes.len());
        }
    }

    #[test]
    fn what_is_too_large_or_too_long_or_cut_off_is_refused() {
        let read = |bytes: &[u8]| read(bytes, &mut 0, 7);
        assert_eq!(read(&[]), Err(HpackError::Truncated));
        assert_eq!(read(&[0x7f, 0x80]), Err(HpackError::Truncated));
        assert_eq!(
            read(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]),
            Ok(u32::MAX as usize)
        );
        assert_eq!(
            read(&[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f]),
            Err(HpackError::Integer)
        );
        assert_eq!(
            read(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
            Err(HpackError::Integer)
        );
    }
}
