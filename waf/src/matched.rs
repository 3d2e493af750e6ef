//! What matched: for the rules that follow, and for people.

use std::fmt::Write;
use std::sync::Arc;

/// Bytes of a value that a [`Match`] shows.
const EXCERPT_BYTES_MAX: usize = 96;
/// Names whose values are never shown.
const SECRETS: &[&str] = &[
    "authorization",
    "passw",
    "passwd",
    "pwd",
    "secret",
    "token",
    "session",
    "card",
    "cvc",
    "apikey",
    "api_key",
];

/// How grave a match is (ModSecurity's severities, which are syslog's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Severity {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Severity {
    /// The severity of a number from 0 to 7; anything above is `Debug`.
    pub(crate) fn of(level: u8) -> Self {
        use Severity::{Alert, Critical, Debug, Emergency, Error, Info, Notice, Warning};
        let all = [
            Emergency, Alert, Critical, Error, Warning, Notice, Info, Debug,
        ];
        all.get(level as usize).copied().unwrap_or(Debug)
    }

    /// `CRITICAL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "EMERGENCY",
            Self::Alert => "ALERT",
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// A rule that matched, for logs and explanations.
#[derive(Clone, Debug)]
pub struct Match {
    /// The rule's id; 0 for a limit of the engine's own.
    pub rule: u32,
    /// The rule's `msg`, macros put in; empty if it has none.
    pub message: String,
    /// The rule's `logdata`, macros put in; empty if it has none, or if what it shows is a secret.
    pub data: String,
    /// The rule's severity.
    pub severity: Option<Severity>,
    /// What was looked at: `ARGS:q`, `REQUEST_HEADERS:User-Agent`; for a chain, by its last link. Empty for a SecAction.
    pub variable: String,
    /// The transformed value around the matched bytes: at most 96 of its bytes, those that do not print escaped as
    /// `\xHH`; `***` where the variable's name says it is a secret.
    pub value: String,
    /// The rule's tags.
    pub tags: Arc<[String]>,
    /// Whether it adds to an anomaly score: what it found speaks against the request.
    pub scores: bool,
    /// Whether the rule is only tried: it has added nothing to a score and refused nothing.
    pub dry_run: bool,
    /// Whether it is for logs; what is not is for an audit log alone.
    pub logged: bool,
    /// Whether it is for an audit log.
    pub audited: bool,
    /// Where in the transformed value the operator matched: the first byte, and how many.
    pub place: (usize, usize),
    /// The rule as it was written.
    pub info: Arc<RuleInfo>,
}

/// A rule as it was written, for those who read of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its file.
    pub file: Arc<str>,
    /// Its line, from 1; 0 for a limit of the engine's own.
    pub line: u32,
    /// The operator of its last link, as ModSecurity's audit log names it: `Rx`; empty for a SecAction.
    pub operator: String,
    /// That operator's argument: at most 200 bytes of it.
    pub argument: String,
    /// `ver`; empty if it has none, and so are those that follow.
    pub version: String,
    /// `rev`
    pub revision: String,
    /// `maturity`, a number.
    pub maturity: String,
    /// `accuracy`, a number.
    pub accuracy: String,
}

/// Bytes of an operator's argument that are kept for readers.
const ARGUMENT_BYTES_MAX: usize = 200;

impl RuleInfo {
    /// Notes the operator of the last link.
    pub(crate) fn set_operator(&mut self, name: String, argument: &str) {
        let end = argument.floor_char_boundary(ARGUMENT_BYTES_MAX);
        self.operator = name;
        self.argument = argument.get(..end).unwrap_or_default().to_owned();
    }
}

/// The value that matched last.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    pub(crate) value: Vec<u8>,
    pub(crate) name: Vec<u8>,
    /// The bytes of the value that the operator matched.
    pub(crate) range: std::ops::Range<usize>,
}

impl Matched {
    pub(crate) fn clear(&mut self) {
        self.value.clear();
        self.name.clear();
        self.range = 0..0;
    }

    /// Whether the value may not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        SECRETS
            .iter()
            .any(|secret| memchr::memmem::find(&name, secret.as_bytes()).is_some())
    }

    /// The value around the matched bytes, for people.
    pub(crate) fn excerpt(&self) -> String {
        if self.is_secret() {
            return "***".to_owned();
        }
        // What matched stands in the middle if it cannot be all.
        let room = EXCERPT_BYTES_MAX.saturating_sub(self.range.len()) / 2;
        let start = self
            .range
            .start
            .saturating_sub(room)
            .min(self.value.len().saturating_sub(EXCERPT_BYTES_MAX));
        let end = (start + EXCERPT_BYTES_MAX).min(self.value.len());
        printable(self.value.get(start..end).unwrap_or_default())
    }
}

/// Text in which every byte that does not print, and the backslash, is escaped.
pub(crate) fn printable(text: &[u8]) -> String {
    text.iter()
        .fold(String::with_capacity(text.len()), |mut out, b| {
            match b {
                b' '..=b'~' if *b != b'\\' => out.push(*b as char),
                // Writing to a string cannot fail.
                _ => drop(write!(out, r"\x{b:02x}")),
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_bounded_and_shows_what_matched() {
        let mut value = vec![b'a'; 500];
        value[300] = b'X';
        let matched = Matched {
            value,
            name: b"ARGS:q".to_vec(),
            range: 300..301,
        };
        assert!(matched.excerpt().len() <= EXCERPT_BYTES_MAX && matched.excerpt().contains('X'));
    }

    #[test]
    fn an_excerpt_prints_and_keeps_secrets() {
        let matched = |name: &[u8]| Matched {
            value: b"a\n\xff\\".to_vec(),
            name: name.to_vec(),
            range: 0..1,
        };
        assert_eq!(matched(b"ARGS:q").excerpt(), r"a\x0a\xff\x5c");
        assert_eq!(matched(b"REQUEST_HEADERS:Authorization").excerpt(), "***");
        assert_eq!(matched(b"ARGS:user_Password").excerpt(), "***");
    }
}
