//! The few patterns that look around or back, which no linear-time matcher can.
//!
//! `fancy-regex` matches text, not bytes: each byte is given to it as the character of its number (ISO 8859-1), which is
//! what the pattern's escapes mean, too. Its steps are bounded; a search that takes more counts as a match, because a
//! request that is made to exhaust a matcher is none that should pass by it.

use fancy_regex::{Regex, RegexBuilder};

use super::{Groups, PatternError};

/// Steps of one search.
const STEPS_MAX: usize = 20_000;
/// Bytes of a text that are searched. CRS has such patterns for short values; a longer one is searched so far.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Bytes that one pattern takes.
pub(super) const BYTES_MAX: usize = 4 << 20;
/// Characters of one: each may become a small automaton of its own.
const PATTERN_CHARACTERS_MAX: usize = 4 << 10;
/// Bytes of each of the automata that a pattern is made of. CRS has ten in the longest.
const PART_BYTES_MAX: usize = 128 << 10;

/// A pattern for bounded backtracking.
#[derive(Debug)]
pub(super) struct Backtracking(Regex);

impl Backtracking {
    /// A pattern in the translated syntax.
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<Self, PatternError> {
        if pattern.len() > PATTERN_CHARACTERS_MAX {
            return Err(PatternError::TooLarge);
        }
        let flags = if ignore_case { "(?ims)" } else { "(?ms)" };
        RegexBuilder::new(&format!("{flags}{pattern}"))
            .backtrack_limit(STEPS_MAX)
            .delegate_size_limit(PART_BYTES_MAX)
            .delegate_dfa_size_limit(PART_BYTES_MAX)
            .build()
            .map(Self)
            .map_err(|e| PatternError::Syntax(e.to_string(), 0..pattern.len()))
    }

    /// The matched bytes, and the groups.
    pub(super) fn find(
        &self,
        text: &[u8],
        groups: Option<&mut Groups>,
    ) -> Option<std::ops::Range<usize>> {
        let text = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
        let wide: String = text.iter().map(|b| char::from(*b)).collect();
        // A place in the wide text is the number of characters before it.
        let narrow = |at: usize| wide.get(..at).map_or(0, |before| before.chars().count());
        let place = |m: fancy_regex::Match<'_>| narrow(m.start())..narrow(m.end());
        let found = match self.0.captures(&wide) {
            Ok(found) => found?,
            Err(_) => {
                if let Some(groups) = groups {
                    groups.clear();
                    groups.push(Some(0..text.len()));
                }
                return Some(0..text.len());
            }
        };
        let whole = found.get(0).map(place)?;
        if let Some(groups) = groups {
            groups.clear();
            groups.extend((0..found.len()).map(|i| found.get(i).map(place)));
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_at_their_places() {
        let pattern = Backtracking::new(r"(?<!a)(\xff+)b", false).unwrap();
        let mut groups = Vec::new();
        assert_eq!(
            pattern.find(b"\xe9x\xff\xffb", Some(&mut groups)),
            Some(2..5)
        );
        assert_eq!(groups, [Some(2..5), Some(2..4)]);
        assert_eq!(pattern.find(b"nothing", None), None);
    }

    #[test]
    fn a_pattern_that_takes_too_much_is_refused() {
        let long = "(?=a)b".repeat(PATTERN_CHARACTERS_MAX / 6 + 1);
        assert!(matches!(
            Backtracking::new(&long, false),
            Err(PatternError::TooLarge)
        ));
    }

    #[test]
    fn a_search_that_takes_too_many_steps_is_a_match() {
        let pattern = Backtracking::new(r"^(?:(?:a|aa)(?!x))*c", false).unwrap();
        let text = vec![b'a'; 60];
        assert_eq!(pattern.find(&text, None), Some(0..60));
    }
}
