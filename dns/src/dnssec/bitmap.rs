//! Bitmaps of the types at a name (RFC 4034 §4.1.2): for each window of 256 types that is not empty, its number, the
//! length of its bits, and its bits without the zeros at the end.

use crate::RType;

/// Appends the bitmap of these types, which are sorted on the way.
pub(crate) fn write(types: &mut Vec<RType>, out: &mut Vec<u8>) {
    types.sort_unstable();
    types.dedup();
    for window in types.chunk_by(|a, b| a.0 >> 8 == b.0 >> 8) {
        let mut bits = [0u8; 32];
        let mut len = 0;
        for rtype in window {
            let at = usize::from(rtype.0 & 255) / 8;
            len = len.max(at + 1);
            if let Some(byte) = bits.get_mut(at) {
                *byte |= 0x80 >> (rtype.0 & 7);
            }
        }
        out.extend(window.first().map(|t| (t.0 >> 8) as u8));
        out.push(len as u8);
        out.extend(bits.iter().take(len));
    }
}

/// The windows of a bitmap, as far as they are well-formed.
fn windows(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([window, len], rest) = data.split_first_chunk()?;
        let (bits, rest) = rest.split_at_checked(usize::from(*len))?;
        data = rest;
        Some((*window, bits))
    })
}

/// Whether these bytes are a bitmap. An empty one is: RFC 5155 §3.2.1 has it at empty non-terminals.
pub(crate) fn is_well_formed(data: &[u8]) -> bool {
    let mut last = None;
    let mut read = 0;
    for (window, bits) in windows(data) {
        if last.is_some_and(|l| window <= l)
            || bits.len() > 32
            || bits.last().is_none_or(|b| *b == 0)
        {
            return false;
        }
        last = Some(window);
        read += 2 + bits.len();
    }
    read == data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_4034() {
        let mut types = vec![
            RType(1234),
            RType::A,
            RType::MX,
            RType::RRSIG,
            RType::NSEC,
            RType::A,
        ];
        let mut out = Vec::new();
        write(&mut types, &mut out);
        let mut expected = vec![0, 6, 0x40, 1, 0, 0, 0, 3, 4, 27];
        expected.extend([0; 26]);
        expected.push(0x20);
        assert_eq!(out, expected);
        assert!(is_well_formed(&out) && is_well_formed(&[]));
        for broken in [
            &out[..5],
            &[0, 0],
            &[0, 1, 0],
            &[1, 1, 1, 0, 1, 1],
            &[0, 33],
        ] {
            assert!(!is_well_formed(broken), "{broken:?}");
        }
    }
}
