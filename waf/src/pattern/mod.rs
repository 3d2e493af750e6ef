//! Patterns: PCRE as rules write it, compiled to linear-time matchers.

mod backtracking;
mod needs;
mod pcre;

use regex_automata::meta;
use regex_syntax::hir::Hir;

use crate::byteset::ByteSet;

use backtracking::Backtracking;
pub(crate) use needs::{Need, commonness, need};

/// Why a pattern cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PatternError {
    /// A construct of PCRE that no linear-time matcher has.
    #[error("{0} is not supported")]
    Unsupported(&'static str, std::ops::Range<usize>),
    /// It looks around or back, which only a backtracking matcher does.
    #[error("{0} takes a backtracking matcher")]
    Around(&'static str, std::ops::Range<usize>),
    /// It is no regular expression.
    #[error("{0}")]
    Syntax(String, std::ops::Range<usize>),
    /// It needs more memory than a pattern may.
    #[error("the pattern is too large")]
    TooLarge,
}

/// Bytes that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 16 << 20;
/// Bytes of the lazy DFA that verifies a pattern, a worker thread. A state of CRS's longest patterns takes some 10 KiB: with
/// less the search gives up and is made step by step, which is a hundred times slower.
const PATTERN_CACHE_BYTES: usize = 1 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// What it says, for the union that finds candidates; where it looks around, what it says without that.
    pub(crate) hir: Hir,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Linear(meta::Regex),
    /// For the few that look around or back: bounded steps, and undecided is a match.
    Backtracking(Backtracking),
}

/// Memory to search with; made when it is first needed.
pub(crate) type PatternCache = Option<meta::Cache>;

/// Where the groups of a match are; 0 is the whole match.
pub(crate) type Groups = Vec<Option<std::ops::Range<usize>>>;

impl Pattern {
    /// A pattern as `@rx` has it in ModSecurity 3: on bytes, `.` matches newlines, `^` and `$` match at lines.
    pub(crate) fn rx(pattern: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let translated = match pcre::translate(pattern, pcre::Around::Refuse) {
            Ok(translated) => translated,
            Err(PatternError::Around(..)) => return Self::looking_around(pattern, ignore_case),
            Err(error) => return Err(error),
        };
        let hir = parse(&translated, ignore_case, |range| {
            if translated == pattern {
                range
            } else {
                0..pattern.len()
            }
        })?;
        Self::linear(hir)
    }

    fn looking_around(pattern: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let whole = |_| 0..pattern.len();
        let blind = pcre::translate(pattern, pcre::Around::Drop)?;
        let kept = pcre::translate(pattern, pcre::Around::Keep)?;
        Ok(Self {
            hir: parse(&blind, ignore_case, whole)?,
            matcher: Matcher::Backtracking(Backtracking::new(&kept, ignore_case)?),
        })
    }

    fn linear(hir: Hir) -> Result<Self, PatternError> {
        let config = meta::Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(PATTERN_CACHE_BYTES);
        let regex = meta::Builder::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self {
            hir,
            matcher: Matcher::Linear(regex),
        })
    }

    /// Bytes that it takes, about.
    pub(crate) fn memory_usage(&self) -> usize {
        match &self.matcher {
            Matcher::Linear(regex) => regex.memory_usage(),
            Matcher::Backtracking(_) => backtracking::BYTES_MAX,
        }
    }

    /// The matched bytes, if any; with `groups`, the capture groups (0 is the whole match) are put there.
    pub(crate) fn find(
        &self,
        cache: &mut PatternCache,
        text: &[u8],
        groups: Option<&mut Groups>,
    ) -> Option<std::ops::Range<usize>> {
        let regex = match &self.matcher {
            Matcher::Linear(regex) => regex,
            Matcher::Backtracking(pattern) => return pattern.find(text, groups),
        };
        let cache = cache.get_or_insert_with(|| regex.create_cache());
        let input = regex_automata::Input::new(text);
        let Some(groups) = groups else {
            return regex.search_with(cache, &input).map(|m| m.range());
        };
        let mut captures = regex.create_captures();
        regex.search_captures_with(cache, &input, &mut captures);
        let whole = captures.get_match()?.range();
        groups.clear();
        groups.extend((0..captures.group_len()).map(|i| captures.get_group(i).map(|s| s.range())));
        Some(whole)
    }
}

/// What matches a text, at the beginning or the end or both, or anywhere.
pub(crate) fn text(text: &[u8], start: bool, end: bool) -> Result<Hir, PatternError> {
    let (start, end) = (if start { r"\A" } else { "" }, if end { r"\z" } else { "" });
    parse(&format!("{start}{}{end}", literal(text)), false, |_| 0..0)
}

fn parse(
    pattern: &str,
    ignore_case: bool,
    place: impl Fn(std::ops::Range<usize>) -> std::ops::Range<usize>,
) -> Result<Hir, PatternError> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .multi_line(true)
        .case_insensitive(ignore_case)
        .nest_limit(100)
        .build()
        .parse(pattern)
        .map_err(|e| syntax_error(&e, &place))
}

fn syntax_error(
    error: &regex_syntax::Error,
    place: impl Fn(std::ops::Range<usize>) -> std::ops::Range<usize>,
) -> PatternError {
    let (message, span) = match error {
        regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span()),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span()),
        other => return PatternError::Syntax(other.to_string(), place(0..0)),
    };
    PatternError::Syntax(
        message,
        place(span.start.offset..span.end.offset.max(span.start.offset + 1)),
    )
}

/// A pattern that matches exactly these bytes.
fn literal(text: &[u8]) -> String {
    use std::fmt::Write;
    text.iter().fold(String::new(), |mut pattern, b| {
        if b.is_ascii_alphanumeric() {
            pattern.push(*b as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(pattern, r"\x{b:02x}");
        }
        pattern
    })
}

/// The phrases of `@pm`: words, with `|41 42|` for bytes in hexadecimal.
pub(crate) fn phrases(argument: &str) -> Vec<Vec<u8>> {
    let mut phrases = vec![Vec::new()];
    let mut hexadecimal = false;
    let mut digits: Vec<u8> = Vec::new();
    for b in argument.bytes() {
        match b {
            b'|' => {
                hexadecimal = !hexadecimal;
                digits.clear();
            }
            _ if hexadecimal => {
                digits.extend(Some(b).filter(u8::is_ascii_hexdigit));
                if let [high, low] = digits[..] {
                    let digit = |d: u8| (d as char).to_digit(16).unwrap_or(0) as u8;
                    phrases
                        .last_mut()
                        .into_iter()
                        .for_each(|p| p.push(digit(high) << 4 | digit(low)));
                    digits.clear();
                }
            }
            _ if b.is_ascii_whitespace() => phrases.push(Vec::new()),
            _ => phrases.last_mut().into_iter().for_each(|p| p.push(b)),
        }
    }
    phrases.retain(|p| !p.is_empty());
    phrases
}

/// What the values need to have that a union scans.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Vec<Need>);

impl Gate {
    /// A gate that lets through what any of these wants to see.
    pub(crate) fn new(needs: impl IntoIterator<Item = Need>) -> Self {
        let mut gate: Vec<Need> = Vec::new();
        for need in needs {
            // One that wants more than another is let through by it.
            if gate.iter().any(|g| need.implies(g)) {
                continue;
            }
            gate.retain(|g| !g.implies(&need));
            gate.push(need);
        }
        Self(gate)
    }

    /// Whether a value of this length with these bytes could match.
    pub(crate) fn admits(&self, bytes: &ByteSet, length: usize) -> bool {
        self.0
            .iter()
            .any(|need| length >= need.length && need.bytes.is_none_or(|b| b.meets(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &[u8]) -> bool {
        let pattern = Pattern::rx(pattern, false).unwrap();
        pattern.find(&mut None, text, None).is_some()
    }

    #[test]
    fn dots_match_newlines_and_anchors_match_at_lines() {
        assert!(found("a.b", b"a\nb"));
        assert!(found("^b", b"a\nb") && found("a$", b"a\nb"));
        assert!(found(r"\xff", b"\xff") && found("[^a]", b"\xff"));
    }

    #[test]
    fn groups_are_captured() {
        let pattern = Pattern::rx("(a+)(x)?(b)", false).unwrap();
        let mut groups = Vec::new();
        let whole = pattern.find(&mut None, b"zaab", Some(&mut groups));
        assert_eq!(whole, Some(1..4));
        assert_eq!(groups, [Some(1..4), Some(1..3), None, Some(3..4)]);
    }

    #[test]
    fn phrases_are_words_and_hexadecimal_bytes() {
        assert_eq!(
            phrases("a  bc |41 42|c"),
            [b"a".to_vec(), b"bc".to_vec(), b"ABc".to_vec()]
        );
    }

    #[test]
    fn a_pattern_beyond_its_size_limit_is_refused() {
        assert!(matches!(
            Pattern::rx(r"(?:[a-z]{500}x){500}{9}", false),
            Err(PatternError::TooLarge)
        ));
    }

    #[test]
    fn a_gate_never_shuts_out_a_match() {
        let patterns = [
            r"(?i)union\s+select",
            r"<script",
            r"a|b\(",
            r"^\d{3,}$",
            r"\bon\w+=",
            "(?:x?y)+",
            "",
            r"[\x80-\xff]{2}",
        ];
        let texts: [&[u8]; 10] = [
            b"UNION select",
            b"<script",
            b"b(",
            b"zz a",
            b"1234",
            b"onx=",
            b"y",
            b"",
            b"\xc3\xa9",
            b"12",
        ];
        for p in patterns {
            let gate = Gate::new([need(&Pattern::rx(p, false).unwrap().hir)]);
            for t in texts {
                assert!(
                    !found(p, t) || gate.admits(&ByteSet::of(t), t.len()),
                    "{p} on {}",
                    t.escape_ascii()
                );
            }
        }
        let gate = Gate::new([need(&Pattern::rx(r"(?i)sleep\s*\(", false).unwrap().hir)]);
        assert!(
            !gate.admits(&ByteSet::of(b"asleep"), 6) && gate.admits(&ByteSet::of(b"sleep("), 6)
        );
    }
}
