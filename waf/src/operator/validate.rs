//! Encodings that are broken.

/// Whether a percent sign stands without two hexadecimal digits after it.
pub(crate) fn is_broken_url_encoding(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| {
        !matches!(text.get(at + 1..at + 3), Some([h, l]) if h.is_ascii_hexdigit() && l.is_ascii_hexdigit())
    })
}

/// Whether a text is no UTF-8: broken sequences, overlong forms, surrogates.
pub(crate) fn is_broken_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_encodings_are_found() {
        assert!(
            is_broken_url_encoding(b"a%2")
                && is_broken_url_encoding(b"%zz")
                && is_broken_url_encoding(b"%")
        );
        assert!(!is_broken_url_encoding(b"%20a%2f") && !is_broken_url_encoding(b"a"));
        assert!(
            is_broken_utf8(b"\xc0\xaf")
                && is_broken_utf8(b"\xff")
                && !is_broken_utf8("é".as_bytes())
        );
    }
}
