//! Huffman's code of RFC 7541 appendix B.
//!
//! The code is canonical: of one length the codes ascend with the symbols, and lengths follow each other. So the lengths below
//! are all there is to know; tables are made of them at compile time. Eight bits at a time are looked up, which is the
//! whole of what headers are written in; longer codes are found by their length.

use super::HpackError;

/// Bits of each byte's code.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// No code is longer; the one of this length that is all ones ends a text and must not stand in it.
const LONGEST: usize = 30;

/// Codes of one length.
#[derive(Clone, Copy)]
struct Class {
    /// The first of them.
    first: u32,
    count: u32,
    /// Where in [`SYMBOLS`] its symbol is.
    at: u32,
}

/// By the next eight bits: a symbol and its length, or 0 for those that are longer.
static SHORT: [(u8, u8); 256] = short();
/// By length.
static CLASSES: [Class; LONGEST + 1] = classes();
/// Symbols in the order of their codes.
static SYMBOLS: [u8; 256] = symbols();

const fn symbols() -> [u8; 256] {
    let mut out = [0; 256];
    let (mut at, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                out[at] = symbol as u8;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out
}

const fn classes() -> [Class; LONGEST + 1] {
    let mut out = [Class {
        first: 0,
        count: 0,
        at: 0,
    }; LONGEST + 1];
    let (mut code, mut at, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        let mut count = 0;
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                count += 1;
            }
            symbol += 1;
        }
        out[length] = Class {
            first: code,
            count,
            at,
        };
        code += count;
        at += count;
        length += 1;
    }
    out
}

const fn short() -> [(u8, u8); 256] {
    let (classes, symbols) = (classes(), symbols());
    let mut out = [(0, 0); 256];
    let mut length = 1;
    while length <= 8 {
        let class = classes[length];
        let mut n = 0;
        while n < class.count {
            let code = (class.first + n) << (8 - length);
            let mut low = 0;
            while low < 1 << (8 - length) {
                out[(code + low) as usize] = (symbols[(class.at + n) as usize], length as u8);
                low += 1;
            }
            n += 1;
        }
        length += 1;
    }
    out
}

/// Appends what `text` says.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    // Codes of five bits are the shortest.
    out.reserve(text.len() * 8 / 5 + 1);
    let mut bytes = text.iter();
    // The next bits from the top, and how many of them are there.
    let (mut bits, mut have) = (0u64, 0u32);
    loop {
        while have <= 56 {
            let Some(&byte) = bytes.next() else { break };
            bits |= u64::from(byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = SHORT[(bits >> 56) as usize];
        let length = u32::from(length);
        if length != 0 && length <= have {
            out.push(symbol);
            bits <<= length;
            have -= length;
        } else if have < 8 {
            // What is left is padding: ones (RFC 7541 §5.2).
            let padding = ((1u64 << have) - 1) << ((64 - have) % 64);
            return if have == 0 || bits == padding {
                Ok(())
            } else {
                Err(HpackError::Huffman)
            };
        } else {
            let (symbol, length) = long(bits, have).ok_or(HpackError::Huffman)?;
            out.push(symbol);
            bits <<= length;
            have -= length;
        }
    }
}

/// A code of more than eight bits.
#[cold]
fn long(bits: u64, have: u32) -> Option<(u8, u32)> {
    let longest = have.min(LONGEST as u32);
    for length in 9..=longest {
        let code = (bits >> (64 - length)) as u32;
        let class = CLASSES.get(length as usize)?;
        let nth = code.wrapping_sub(class.first);
        if nth < class.count {
            let symbol = SYMBOLS.get((class.at + nth) as usize)?;
            return Some((*symbol, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    /// The code itself, for the tests: bits of each symbol one after the other, padded with ones.
    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for &byte in text {
            let length = LENGTHS[byte as usize] as usize;
            let class = CLASSES[length];
            let mine = &SYMBOLS[class.at as usize..(class.at + class.count) as usize];
            let nth = mine.iter().position(|&s| s == byte).unwrap() as u32;
            let code = class.first + nth;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        while bits.len() % 8 != 0 {
            bits.push(true);
        }
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7541 appendix C.4.1.
        let text = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decoded(&text).unwrap(), b"www.example.com");
        assert_eq!(decoded(b""), Ok(Vec::new()));
    }

    #[test]
    fn every_byte_reads_as_it_was_written() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encoded(&all)).unwrap(), all);
        for byte in 0..=255 {
            for n in 1..10 {
                let text = vec![byte; n];
                assert_eq!(decoded(&encoded(&text)).unwrap(), text);
            }
        }
    }

    #[test]
    fn the_code_is_complete_but_for_its_end() {
        // The sum over all codes of 2^-length, with the end of 30 bits, is one.
        let sum: u64 = LENGTHS
            .iter()
            .map(|&n| 1u64 << (LONGEST - n as usize))
            .sum();
        assert_eq!(sum + 1, 1 << LONGEST);
    }

    #[test]
    fn padding_is_ones_and_less_than_a_byte() {
        assert_eq!(decoded(&[0x1f]).unwrap(), b"a");
        for bad in [
            &[0x18][..],
            &[0x1f, 0xff],
            &[0xff],
            &[0xff; 4],
            &[0xff, 0xff, 0xff, 0xfc],
        ] {
            assert_eq!(decoded(bad), Err(HpackError::Huffman), "{bad:x?}");
        }
    }
}
