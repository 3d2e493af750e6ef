//! Hexadecimal and base64 as zone files use them.

/// Decodes hexadecimal; `None` unless it is whole bytes of it.
pub(crate) fn hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for pair in pairs {
        out.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    rest.is_empty().then_some(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

/// Decodes base64 (RFC 4648 §4), padding required.
pub(crate) fn base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() || groups.is_empty() {
        return None;
    }
    for (i, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || (padding > 0 && i + 1 != groups.len()) {
            return None;
        }
        let mut bits = 0u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | u32::from(sextet(*byte)?);
        }
        let bytes = (bits << (8 + 6 * padding)).to_be_bytes();
        out.extend_from_slice(&bytes[..3 - padding]);
    }
    Some(())
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, bytes) in [
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYmFy", "foobar"),
            ("+/+/", "\u{fb}"),
        ] {
            let mut out = Vec::new();
            base64(text, &mut out).unwrap();
            if text != "+/+/" {
                assert_eq!(out, bytes.as_bytes());
            } else {
                assert_eq!(out, [0xfb, 0xff, 0xbf]);
            }
        }
        for text in ["Z", "Zg=", "Zg==Zg==", "=AAA", "Z===", "", "Zm9-"] {
            assert_eq!(base64(text, &mut Vec::new()), None, "{text}");
        }
    }

    #[test]
    fn hexadecimal_is_whole_bytes() {
        let mut out = Vec::new();
        hex("00fF", &mut out).unwrap();
        assert_eq!(out, [0, 255]);
        assert_eq!(hex("0", &mut Vec::new()), None);
        assert_eq!(hex("0g", &mut Vec::new()), None);
    }
}
