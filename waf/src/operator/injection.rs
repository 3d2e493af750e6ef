//! SQL and markup that is injected, by libinjection's method.

use super::prose::is_prose;
use crate::byteset::ByteSet;

/// The fingerprint of an injection: at most five kinds of tokens.
pub(crate) type Fingerprint = [u8; 8];

/// Tells injections from other texts.
pub(crate) trait Detector {
    /// The fingerprint of an SQL injection, if the text is one. `bytes` are the bytes that occur in it.
    fn sqli(&self, text: &[u8], bytes: &ByteSet) -> Option<Fingerprint>;
    /// Whether the text is an injection of markup.
    fn xss(&self, text: &[u8], bytes: &ByteSet) -> bool;
}

/// The port of libinjection to Rust.
pub(crate) struct Libinjection;

impl Detector for Libinjection {
    fn sqli(&self, text: &[u8], bytes: &ByteSet) -> Option<Fingerprint> {
        if is_prose(text, bytes) {
            return None;
        }
        let found = libinjectionrs::detect_sqli(text);
        if !found.is_injection() {
            return None;
        }
        let mut fingerprint = Fingerprint::default();
        if let Some(print) = &found.fingerprint {
            for (slot, b) in fingerprint.iter_mut().zip(print.as_str().bytes()) {
                *slot = b;
            }
        }
        Some(fingerprint)
    }

    fn xss(&self, text: &[u8], bytes: &ByteSet) -> bool {
        // What it finds is a tag, a comment or a declaration, which begin with a bracket, or an attribute with a value.
        bytes.meets(&ByteSet::of(b"<=")) && libinjectionrs::detect_xss(text).is_injection()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqli(text: &str) -> bool {
        Libinjection
            .sqli(text.as_bytes(), &ByteSet::of(text.as_bytes()))
            .is_some()
    }

    fn xss(text: &str) -> bool {
        Libinjection.xss(text.as_bytes(), &ByteSet::of(text.as_bytes()))
    }

    #[test]
    fn injections_are_told_from_words() {
        assert!(sqli("1' or '1'='1") && sqli("-1 union select 1,2"));
        assert!(!sqli("union") && !sqli("a plain text") && !sqli("12345") && !sqli(""));
        assert!(xss("<script>alert(1)</script>") && xss("x onerror=alert(1)"));
        assert!(!xss("a < b") && !xss("q=1"));
    }
}
