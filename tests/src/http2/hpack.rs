//! As much of HPACK (RFC 7541) as is needed to say anything and to read a status.

/// An integer with a prefix of so many bits (RFC 7541 §5.1).
pub fn integer(first: u8, bits: u32, mut value: usize) -> Vec<u8> {
    let most = (1usize << bits) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let mut out = vec![first | most as u8];
    value -= most;
    while value >= 128 {
        out.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = integer(0, 7, bytes.len());
    out.extend_from_slice(bytes);
    out
}

/// A literal field without indexing and without Huffman's code (RFC 7541 §6.2.2).
pub fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(text(name.as_ref()));
    out.extend(text(value.as_ref()));
    out
}

/// A literal field that enters the dynamic table (RFC 7541 §6.2.1).
pub fn indexed_field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![0x40];
    out.extend(text(name.as_ref()));
    out.extend(text(value.as_ref()));
    out
}

/// A block of fields.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(n, v)| field(n, v)).collect()
}

/// `:status` where it is the block's first field, as it must be.
pub fn status(block: &[u8]) -> Option<u16> {
    // Changes of the table's size may stand before it.
    let start = block.iter().position(|b| b & 0xe0 != 0x20)?;
    let block = block.get(start..)?;
    let first = *block.first()?;
    if first & 0x80 != 0 {
        let listed = [200, 204, 206, 304, 400, 404, 500];
        return listed
            .get(usize::from(first & 0x7f).checked_sub(8)?)
            .copied();
    }
    let name = first & if first & 0x40 != 0 { 0x3f } else { 0x0f };
    if !(8..=14).contains(&name) {
        return None;
    }
    let length = *block.get(1)?;
    let value = block.get(2..2 + usize::from(length & 0x7f))?;
    let digits = match length & 0x80 {
        0 => value.iter().map(|b| b.wrapping_sub(b'0')).collect(),
        _ => huffman_digits(value),
    };
    digits.iter().try_fold(0u16, |n, d| {
        (*d < 10).then(|| n.checked_mul(10)?.checked_add(u16::from(*d)))?
    })
}

/// The first three digits of a text in Huffman's code: `0` to `2` have five bits, the others six (RFC 7541 appendix B).
fn huffman_digits(bytes: &[u8]) -> Vec<u8> {
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .map_or(1, |b| usize::from(b >> (7 - at % 8) & 1))
    };
    let take = |at: usize, n: usize| (at..at + n).fold(0, |v, i| v << 1 | bit(i));
    let mut at = 0;
    let mut digits = Vec::new();
    while digits.len() < 3 {
        match take(at, 5) {
            short @ 0..=2 => {
                digits.push(short as u8);
                at += 5;
            }
            _ => {
                digits.push(take(at, 6).wrapping_sub(0x19).wrapping_add(3) as u8);
                at += 6;
            }
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_forms() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8d]), Some(404));
        assert_eq!(status(b"\x08\x03431"), Some(431));
        // 405: 4 is 011010, 0 is 00000, 5 is 011011.
        assert_eq!(status(&[0x48, 0x83, 0x68, 0x0d, 0xff]), Some(405));
    }
}
