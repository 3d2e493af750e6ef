//! SQL and markup that is injected, by libinjection's method.

use super::prose::is_prose;
use crate::byteset::ByteSet;

/// The fingerprint of an injection: at most five kinds of tokens.
pub(crate) type Fingerprint = [u8; 8];

/// Tells injections from other texts.
pub(crate) trait Detector {
    /// The fingerprint of an SQL injection, if the text is one.
    fn sqli(&self, text: &[u8]) -> Option<Fingerprint>;
    /// Whether the text is an injection of markup. `bytes` are the bytes that occur in it.
    fn xss(&self, text: &[u8], bytes: &ByteSet) -> bool;
}

/// What was found in the texts of one transaction: a scan asks about them, then the rule, then what it captures.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    known: Vec<(Vec<u8>, Option<Fingerprint>)>,
    used: usize,
}

/// Texts that are remembered.
const REMEMBERED_MAX: usize = 8;
/// Bytes of one.
const REMEMBERED_BYTES_MAX: usize = 1024;

impl Fingerprints {
    /// Forgets the texts, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// The fingerprint of an SQL injection, if the text is one.
    pub(crate) fn sqli(&mut self, text: &[u8], bytes: &ByteSet) -> Option<Fingerprint> {
        if is_prose(text, bytes) {
            return None;
        }
        let known = self.known.get(..self.used).unwrap_or_default();
        if let Some((_, found)) = known.iter().find(|(known, _)| known == text) {
            return *found;
        }
        let found = Libinjection.sqli(text);
        if text.len() <= REMEMBERED_BYTES_MAX && self.used < REMEMBERED_MAX {
            if self.used == self.known.len() {
                self.known.push(Default::default());
            }
            if let Some((known, print)) = self.known.get_mut(self.used) {
                known.clear();
                known.extend_from_slice(text);
                *print = found;
                self.used += 1;
            }
        }
        found
    }
}

/// The port of libinjection to Rust.
pub(crate) struct Libinjection;

impl Detector for Libinjection {
    fn sqli(&self, text: &[u8]) -> Option<Fingerprint> {
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
        let mut fingerprints = Fingerprints::default();
        let mut ask = || fingerprints.sqli(text.as_bytes(), &ByteSet::of(text.as_bytes()));
        let found = ask();
        assert_eq!(ask(), found, "{text}");
        found.is_some()
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
