//! base32hex without padding (RFC 4648 §7): its order is that of the bytes, which is why NSEC3 uses it.

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Encodes in lower case.
pub(crate) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut held) = (0u32, 0u32);
    let mut put = |value: u32| out.extend(DIGITS.get(value as usize & 31));
    for byte in bytes {
        (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
        while held >= 5 {
            held -= 5;
            put(bits >> held);
        }
    }
    if held > 0 {
        put(bits << (5 - held));
    }
    out
}

/// Decodes either case; `None` for anything that `encode` would not write.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in text {
        let value = match digit.to_ascii_lowercase() {
            d @ b'0'..=b'9' => d - b'0',
            d @ b'a'..=b'v' => d - b'a' + 10,
            _ => return None,
        };
        (bits, held) = (bits << 5 | u32::from(value), held + 5);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    let clean = held < 5 && bits & ((1 << held) - 1) == 0;
    clean.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "co"),
            ("fo", "cpng"),
            ("foo", "cpnmu"),
            ("foob", "cpnmuog"),
            ("fooba", "cpnmuoj1"),
            ("foobar", "cpnmuoj1e8"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text.as_bytes());
            assert_eq!(
                decode(text.to_uppercase().as_bytes()).unwrap(),
                plain.as_bytes()
            );
        }
        for text in ["c", "cp=", "w0", "cpn"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
