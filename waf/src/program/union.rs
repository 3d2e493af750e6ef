//! Many patterns in one automaton: which of them match a text, in one pass over it.
//!
//! A lazy DFA: its states are built as texts need them, within a fixed amount of memory. Should a hostile text make it
//! thrash, it gives up, and every pattern is a candidate: the verification that follows is linear, too.

use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson;
use regex_automata::{Input, MatchKind, PatternID, PatternSet};
use regex_syntax::hir::{Hir, HirKind, Repetition};

use crate::pattern::PatternError;

/// Bytes that the automaton of all patterns may take.
const NFA_BYTES_MAX: usize = 128 << 20;
/// Bytes of lazily built states, a worker thread and union.
const CACHE_BYTES: usize = 8 << 20;
/// How often a search may fill that memory before it gives up ...
const CLEARS_MIN: usize = 8;
/// ... unless it got this many bytes further for every state it built.
const BYTES_PER_STATE_MIN: usize = 10;

/// A union of patterns.
#[derive(Debug)]
pub(crate) struct Union {
    dfa: dfa::DFA,
}

/// What a thread needs to search.
#[derive(Debug)]
pub(crate) struct UnionCache {
    cache: dfa::Cache,
    /// The patterns that were found since the last [`clear`](Self::clear).
    pub(crate) found: PatternSet,
}

impl UnionCache {
    /// Forgets what was found.
    pub(crate) fn clear(&mut self) {
        self.found.clear();
    }
}

impl Union {
    /// A union of these patterns, numbered in this order.
    pub(crate) fn new(patterns: &[&Hir]) -> Result<Self, PatternError> {
        let existence: Vec<Hir> = patterns
            .iter()
            .map(|hir| trim(trim((*hir).clone(), End::Last), End::First))
            .collect();
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(NFA_BYTES_MAX))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build_many_from_hir(&existence)
            .map_err(|_| PatternError::TooLarge)?;
        let config = dfa::Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CLEARS_MIN))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE_MIN));
        let dfa = dfa::Builder::new()
            .configure(config)
            .build_from_nfa(nfa)
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self { dfa })
    }

    /// Memory to search with.
    pub(crate) fn cache(&self) -> UnionCache {
        UnionCache {
            cache: self.dfa.create_cache(),
            found: PatternSet::new(self.dfa.pattern_len()),
        }
    }

    /// Adds the patterns that match `text` to `cache.found`.
    pub(crate) fn scan(&self, cache: &mut UnionCache, text: &[u8]) {
        let searched = self.dfa.try_which_overlapping_matches(
            &mut cache.cache,
            &Input::new(text),
            &mut cache.found,
        );
        if searched.is_err() {
            for pattern in (0..self.dfa.pattern_len()).filter_map(|i| PatternID::new(i).ok()) {
                cache.found.insert(pattern);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// Without what does not matter to whether there is a match: `a.*` matches where `a` does. States that remember only
/// how a match goes on would match at every byte and fill the cache.
fn trim(hir: Hir, end: End) -> Hir {
    match hir.into_kind() {
        HirKind::Repetition(Repetition { min: 0, .. }) => Hir::empty(),
        HirKind::Repetition(Repetition { min: 1, sub, .. }) => trim(*sub, end),
        HirKind::Repetition(r) => Hir::repetition(Repetition {
            max: Some(r.min),
            ..r
        }),
        HirKind::Capture(capture) => trim(*capture.sub, end),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.into_iter().map(|p| trim(p, end)).collect())
        }
        HirKind::Concat(mut parts) => {
            if end == End::First {
                parts.reverse();
            }
            while let Some(last) = parts.pop() {
                let last = trim(last, end);
                if *last.kind() != HirKind::Empty {
                    parts.push(last);
                    break;
                }
            }
            if end == End::First {
                parts.reverse();
            }
            Hir::concat(parts)
        }
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn compile(patterns: &[&str]) -> (Vec<Pattern>, Union) {
        let patterns: Vec<Pattern> = patterns
            .iter()
            .map(|p| Pattern::rx(p, false).unwrap())
            .collect();
        let union = Union::new(&patterns.iter().map(|p| &p.hir).collect::<Vec<_>>()).unwrap();
        (patterns, union)
    }

    fn candidates(union: &Union, cache: &mut UnionCache, text: &[u8]) -> Vec<usize> {
        cache.clear();
        union.scan(cache, text);
        cache.found.iter().map(|p| p.as_usize()).collect()
    }

    #[test]
    fn each_pattern_that_matches_is_found_in_one_pass() {
        let patterns = [
            "a.*z",
            "^b",
            "(?i)SELECT",
            "x{3,}$",
            "",
            ".*q.*",
            r"\bw\b",
            "a|b.*c",
        ];
        let (_, union) = compile(&patterns);
        let mut cache = union.cache();
        assert_eq!(candidates(&union, &mut cache, b"a select z"), [0, 2, 4, 7]);
        assert_eq!(candidates(&union, &mut cache, b"b w xxxx"), [1, 3, 4, 6]);
        assert_eq!(candidates(&union, &mut cache, b"q\n"), [4, 5]);
        assert_eq!(candidates(&union, &mut cache, b""), [4]);
    }

    #[test]
    fn a_union_finds_exactly_what_its_patterns_find_alone() {
        let patterns = [
            r"(?i)union.{1,9}select",
            "(a|ab)(c|bcd)(d*)",
            r"[^\w]or\s+\d",
            "x+y*z?",
            r"(?:\d+){2,}e",
            r"on\w+\s*=",
        ];
        let (compiled, union) = compile(&patterns);
        let mut cache = union.cache();
        let mut alone: Vec<_> = compiled.iter().map(|p| (p, None)).collect();
        let mut seed = 7u64;
        for _ in 0..3000 {
            let alphabet = b"abcdxyze12 or=nuionselctUS'";
            let text: Vec<u8> = (0..24)
                .map(|_| {
                    seed = seed
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    alphabet[(seed >> 33) as usize % alphabet.len()]
                })
                .collect();
            let found = alone
                .iter_mut()
                .map(|(p, cache)| p.find(cache, &text, None).is_some());
            let expected: Vec<usize> = found
                .enumerate()
                .filter(|(_, found)| *found)
                .map(|(i, _)| i)
                .collect();
            assert_eq!(
                candidates(&union, &mut cache, &text),
                expected,
                "{}",
                text.escape_ascii()
            );
        }
    }
}
