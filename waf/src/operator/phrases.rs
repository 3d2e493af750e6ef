//! Lists of phrases (`@pm`, `@pmFromFile`): one automaton for all lists of a class, and one for each list.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind};

use crate::byteset::ByteSet;
use crate::pattern::{Need, PatternError, commonness};

/// A list of phrases, found in any case.
#[derive(Debug)]
pub(crate) struct Phrases {
    pub(crate) list: Vec<Vec<u8>>,
    automaton: AhoCorasick,
}

fn build(phrases: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<AhoCorasick, PatternError> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .prefilter(false)
        .build(phrases)
        .map_err(|_| PatternError::TooLarge)
}

impl Phrases {
    /// A list; none of the phrases is empty.
    pub(crate) fn new(list: Vec<Vec<u8>>) -> Result<Self, PatternError> {
        let automaton = build(list.iter())?;
        Ok(Self { list, automaton })
    }

    /// Where the first phrase stands.
    pub(crate) fn find(&self, text: &[u8]) -> Option<std::ops::Range<usize>> {
        self.automaton.find(text).map(|m| m.range())
    }

    /// What a text needs to have to contain one of them.
    pub(crate) fn need(&self) -> Need {
        let rarest = |phrase: &Vec<u8>| {
            phrase
                .iter()
                .map(|b| {
                    ByteSet::default()
                        .with(b.to_ascii_lowercase())
                        .with_upper_case()
                })
                .min_by_key(commonness)
                .unwrap_or(ByteSet::ALL)
        };
        let bytes = self
            .list
            .iter()
            .fold(ByteSet::default(), |all, phrase| all.union(rarest(phrase)));
        Need {
            bytes: Some(bytes),
            length: self.list.iter().map(Vec::len).min().unwrap_or(0),
        }
    }
}

/// Several lists in one automaton.
#[derive(Debug)]
pub(crate) struct PhraseSet {
    automaton: AhoCorasick,
    /// For each phrase the list it is of.
    lists: Vec<u32>,
    count: usize,
}

impl PhraseSet {
    /// A set of these lists, numbered in this order.
    pub(crate) fn new(lists: &[&Phrases]) -> Result<Self, PatternError> {
        let phrases = || lists.iter().flat_map(|l| &l.list);
        let owners = lists
            .iter()
            .zip(0u32..)
            .flat_map(|(list, owner)| std::iter::repeat_n(owner, list.list.len()))
            .collect();
        Ok(Self {
            automaton: build(phrases())?,
            lists: owners,
            count: lists.len(),
        })
    }

    /// Calls `found` with each list that has a phrase in the text, perhaps more than once.
    pub(crate) fn scan(&self, text: &[u8], mut found: impl FnMut(u32)) {
        let mut left = self.count;
        let mut seen = 0u64;
        let input = Input::new(text).anchored(Anchored::No);
        let Ok(matches) = self.automaton.try_find_overlapping_iter(input) else {
            return (0..self.count as u32).for_each(found);
        };
        for m in matches {
            let Some(list) = self.lists.get(m.pattern().as_usize()).copied() else {
                continue;
            };
            // Of more than 64 lists the last ones are told again and again, which does no harm.
            let bit = 1u64.checked_shl(list).unwrap_or(0);
            if seen & bit == 0 {
                seen |= bit;
                found(list);
                left -= usize::from(bit != 0);
                if left == 0 {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Phrases {
        Phrases::new(words.iter().map(|w| w.as_bytes().to_vec()).collect()).unwrap()
    }

    #[test]
    fn each_list_with_a_phrase_in_the_text_is_found() {
        let (a, b, c) = (list(&["/etc/", "passwd"]), list(&["ETC"]), list(&["zz"]));
        let set = PhraseSet::new(&[&a, &b, &c]).unwrap();
        let found = |text: &str| {
            let mut found = Vec::new();
            set.scan(text.as_bytes(), |list| found.push(list));
            found.sort_unstable();
            found
        };
        assert_eq!(found("x/etc/passwd"), [0, 1]);
        assert_eq!(found("ZZ"), [2]);
        assert!(found("nothing").is_empty() && found("").is_empty());
        assert_eq!(a.find(b"x/ETC/"), Some(1..6));
    }

    #[test]
    fn a_text_with_a_phrase_has_what_the_list_needs() {
        let list = list(&["sleep(", "Benchmark", "x-y"]);
        for text in ["SLEEP(1)", "a benchmark", "X-Y"] {
            let need = list.need();
            assert!(text.len() >= need.length);
            assert!(need.bytes.unwrap().meets(&ByteSet::of(text.as_bytes())));
        }
    }
}
