//! SQL and markup that is injected, by libinjection's method.

use libinjectionrs::sqli::{SqliFlags, SqliState};

use super::prose::is_prose;
use crate::byteset::ByteSet;

/// The fingerprint of an injection: at most five kinds of tokens.
pub(crate) type Fingerprint = [u8; 8];

/// Tells injections from other texts.
pub(crate) trait Detector {
    /// The fingerprint of an SQL injection, if the text is one, and how many tokens were read to tell.
    fn sqli(&self, text: &[u8]) -> (Option<Fingerprint>, usize);
    /// Whether the text is an injection of markup. `bytes` are the bytes that occur in it.
    fn xss(&self, text: &[u8], bytes: &ByteSet) -> bool;
}

/// What was found in the texts of one transaction: a scan asks about them, then the rule, then what it captures.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    known: Vec<(Vec<u8>, Option<Fingerprint>)>,
    used: usize,
    /// What was done since it was asked for, in bytes looked at.
    work: u64,
}

/// Texts that are remembered.
const REMEMBERED_MAX: usize = 8;
/// Bytes of a text that SQL is looked for in. An injection is told by its first five tokens, which nearly always end soon;
/// but operators and signs without end become one, at a microsecond each. Patterns look at all of a text.
pub(super) const SQL_BYTES_MAX: usize = 16 << 10;
/// Bytes of one that is kept over a transaction's end.
const KEPT_BYTES_MAX: usize = 1024;
/// What a token takes, in bytes looked at: a word is looked up among ten thousand.
pub(super) const TOKEN_WORK: u64 = 2000;

impl Fingerprints {
    /// Forgets the texts, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.work = 0;
        for (text, _) in &mut self.known {
            text.clear();
            text.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// The work that was done since this was asked.
    pub(crate) fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    /// The fingerprint of an SQL injection, if the text is one.
    pub(crate) fn sqli(&mut self, text: &[u8], bytes: &ByteSet) -> Option<Fingerprint> {
        if is_prose(text, bytes) {
            return None;
        }
        let text = text.get(..SQL_BYTES_MAX).unwrap_or(text);
        let known = self.known.get(..self.used).unwrap_or_default();
        if let Some((_, found)) = known.iter().find(|(known, _)| known == text) {
            return *found;
        }
        let (found, tokens) = Libinjection.sqli(text);
        self.work += TOKEN_WORK * tokens as u64;
        if self.used < REMEMBERED_MAX {
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

/// Whether a text of these bytes may be markup: what is found is a tag, a comment or a declaration, which begin with a
/// bracket, or an attribute with a value.
pub(crate) fn may_be_markup(bytes: &ByteSet) -> bool {
    bytes.contains(b'<') || bytes.contains(b'=')
}

/// The port of libinjection to Rust.
pub(crate) struct Libinjection;

impl Detector for Libinjection {
    fn sqli(&self, text: &[u8]) -> (Option<Fingerprint>, usize) {
        let mut state = SqliState::new(text, SqliFlags::FLAG_NONE);
        let found = state.detect();
        // The text is read as it stands, and once more for each kind of quotes in it.
        let quotes = [b'\'', b'"'].iter().filter(|q| text.contains(q)).count();
        let tokens = state.stats_tokens.saturating_mul(1 + quotes);
        (found.then_some(state.fingerprint), tokens)
    }

    fn xss(&self, text: &[u8], bytes: &ByteSet) -> bool {
        may_be_markup(bytes) && libinjectionrs::detect_xss(text).is_injection()
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
    fn a_state_of_ones_own_says_what_the_library_says() {
        for text in [
            "1' or '1'='1",
            "-1 union select 1,2",
            "1\" or 1=1 -- -",
            "x' and sleep(5)#",
            "a plain text",
            "1/*!*/or/**/1=1",
            "",
            "'",
            "admin'--",
        ] {
            let theirs = libinjectionrs::detect_sqli(text.as_bytes());
            let (ours, _) = Libinjection.sqli(text.as_bytes());
            assert_eq!(ours.is_some(), theirs.is_injection(), "{text}");
            if let Some(print) = ours {
                let length = print.iter().position(|b| *b == 0).unwrap_or(print.len());
                let known = theirs.fingerprint.expect("a fingerprint");
                assert_eq!(&print[..length], known.as_str().as_bytes(), "{text}");
            }
        }
    }

    #[test]
    fn what_was_read_is_counted_and_no_more_is_read_than_the_limit() {
        let mut fingerprints = Fingerprints::default();
        let mut work = |text: &[u8]| {
            fingerprints.sqli(text, &ByteSet::of(text));
            fingerprints.take_work()
        };
        let short = work(b"(a plain text)");
        assert!(short > 0 && short <= 20 * TOKEN_WORK, "{short}");
        assert_eq!(work(b"(a plain text)"), 0, "it is remembered");
        let long = work(&vec![b'-'; SQL_BYTES_MAX]);
        let longer = work(&vec![b'-'; 10 * SQL_BYTES_MAX]);
        assert!(longer <= long.max(TOKEN_WORK), "{long} {longer}");
        assert_eq!(sqli_at(SQL_BYTES_MAX - 20), Some(true));
        assert_eq!(sqli_at(SQL_BYTES_MAX), Some(false));
    }

    /// Whether an injection is found behind so many signs that become one.
    fn sqli_at(bytes: usize) -> Option<bool> {
        let text = [vec![b'('; bytes].as_slice(), b"1 union select 1"].concat();
        let found = Fingerprints::default().sqli(&text, &ByteSet::of(&text));
        Some(found.is_some())
    }

    #[test]
    fn injections_are_told_from_words() {
        assert!(sqli("1' or '1'='1") && sqli("-1 union select 1,2"));
        assert!(!sqli("union") && !sqli("a plain text") && !sqli("12345") && !sqli(""));
        assert!(xss("<script>alert(1)</script>") && xss("x onerror=alert(1)"));
        assert!(!xss("a < b") && !xss("q=1"));
    }
}
