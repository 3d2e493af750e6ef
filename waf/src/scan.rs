//! The scan: each distinct transformed value once through the automata of its classes.

use crate::byteset::ByteSet;
use crate::operator::{Fingerprints, PhraseSet};
use crate::program::{Automaton, Class, Program, Union, UnionCache};
use crate::scratch::{Hit, Scratch};
use crate::transform::Buffers;
use crate::variable::{Part, Source};

/// Bytes of names and of [repeating](REPEATING) values whose outcome is remembered.
const MEMO_BYTES_MAX: usize = 512;

/// Sources whose values come again with each request of a client, or with each for a page.
const REPEATING: &[Source] = &[
    Source::Headers,
    Source::Cookies,
    Source::Method,
    Source::Protocol,
    Source::Filename,
    Source::Basename,
    Source::RemoteAddr,
    Source::ServerName,
];

/// Bytes of a member that is not scanned where a thread may not compute for long.
const STEP_BYTES_MAX: usize = 2 << 10;

/// Work of one test that is not done where a thread may not compute for long: a quarter of a millisecond's.
const STEP_EFFORT_MAX: u64 = 400_000;

/// Bytes of a text that no test takes so much for.
const STEP_TEXT_BYTES_MAX: usize = 128;

/// Scans the members from index `from` on, and notes which rules have to look at which of them. Stops before a member
/// where the work has come to `until`, and says where; `None` is that all are scanned.
pub(crate) fn scan(
    program: &Program,
    scratch: &mut Scratch,
    from: usize,
    until: u64,
) -> Option<usize> {
    let classes = program.classes(scratch.run.full);
    let Scratch {
        store,
        hits,
        candidates,
        run,
        unions,
        memo,
        variants,
        found,
        ..
    } = scratch;
    for index in from..store.len() {
        let Some(member) = store.member(index).copied() else {
            continue;
        };
        let long = store.part(&member, Part::Value).len() > STEP_BYTES_MAX;
        if run.work > program.limits.work_max {
            break;
        }
        if run.work >= until || (long && until != u64::MAX) {
            return Some(index);
        }
        let before = run.work;
        for part in [Part::Value, Part::Name] {
            if !classes.any(member.source, part)
                || (part == Part::Name && !member.source.is_named())
            {
                continue;
            }
            let name = store.part(&member, Part::Name);
            let text = store.part(&member, part);
            let text = text.get(..program.limits.value_bytes_max).unwrap_or(text);
            let repeats = part == Part::Name || REPEATING.contains(&member.source);
            for class in classes.of(member.source, part, name).into_iter().flatten() {
                found.clear();
                let slot =
                    (repeats && text.len() <= MEMO_BYTES_MAX).then(|| memo.slot(class.id, text));
                match slot {
                    Some(slot) if slot.is(class.id, text) => found.extend_from_slice(&slot.rules),
                    slot => {
                        let mut search = Search {
                            program,
                            unions,
                            buffers: &mut run.buffers,
                            work: &mut run.work,
                            fingerprints: &mut run.fingerprints,
                            effort_max: if until == u64::MAX {
                                u64::MAX
                            } else {
                                STEP_EFFORT_MAX
                            },
                            given_up: false,
                            found,
                        };
                        search.class(variants, class, text);
                        if search.given_up {
                            // What was found of it so far is found again.
                            run.work = before;
                            return Some(index);
                        }
                        if let Some(slot) = slot {
                            slot.remember(class.id, text, found);
                        }
                    }
                }
                for rule in found.iter() {
                    hits.push(Hit {
                        rule: *rule,
                        member: index as u32,
                        part,
                    });
                    if let Some(word) = candidates.get_mut(*rule as usize / 64) {
                        *word |= 1 << (rule % 64);
                    }
                }
            }
        }
    }
    hits.sort_unstable();
    hits.dedup();
    None
}

/// The distinct forms that the transformation chains of a class give to a value.
#[derive(Debug, Default)]
pub(crate) struct Variants {
    /// The forms that differ from the value itself, one after the other.
    bytes: Vec<u8>,
    list: Vec<Variant>,
    /// For each chain of the class the index of its form; `None` is the value itself.
    of_chain: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Variant {
    range: std::ops::Range<usize>,
    bytes: ByteSet,
}

/// A search of one value, with what it needs.
struct Search<'a> {
    program: &'a Program,
    unions: &'a mut [Option<UnionCache>],
    buffers: &'a mut Buffers,
    work: &'a mut u64,
    fingerprints: &'a mut Fingerprints,
    /// What one test may take; where it would take more, the search is given up.
    effort_max: u64,
    given_up: bool,
    /// The rules that have to look at it.
    found: &'a mut Vec<u32>,
}

impl Search<'_> {
    fn class(&mut self, variants: &mut Variants, class: &Class, text: &[u8]) {
        let set = ByteSet::of(text);
        let chains = || {
            class
                .chains
                .iter()
                .filter_map(|c| self.program.chains.get(c.chain))
        };
        // Most values have nothing that any pattern needs, and nothing that a chain could make it of.
        let reach = chains().fold(ByteSet::default(), |all, chain| {
            all.union(chain.reach(&set))
        });
        *self.work += text.len() as u64;
        if !class.gate.admits(&reach, usize::MAX) {
            return;
        }
        variants.bytes.clear();
        variants.list.clear();
        variants.of_chain.clear();
        for chain in chains() {
            *self.work += text.len() as u64;
            let variant = chain.apply(text, &set, self.buffers);
            let known = variant.map(|v| variants.index(v));
            variants.of_chain.push(known);
        }
        let plain = variants.of_chain.iter().any(Option::is_none);
        if plain {
            self.text(class, text, &set);
        }
        for variant in &variants.list {
            let bytes = variants.bytes.get(variant.range.clone());
            self.text(class, bytes.unwrap_or_default(), &variant.bytes);
        }
        for (chain, variant) in class.chains.iter().zip(&variants.of_chain) {
            let (text, set) = match variant.and_then(|v| variants.list.get(v)) {
                Some(v) => (
                    variants.bytes.get(v.range.clone()).unwrap_or_default(),
                    &v.bytes,
                ),
                None => (text, &set),
            };
            for (test, rules) in &chain.tests {
                let hands_over = self.effort_max != u64::MAX && text.len() > STEP_TEXT_BYTES_MAX;
                if hands_over && test.effort(text, set) > self.effort_max {
                    self.given_up = true;
                    return;
                }
                *self.work += test.work(text, set);
                if *self.work > self.program.limits.work_max {
                    return;
                }
                if test.matches(text, set, self.fingerprints) {
                    self.found.extend_from_slice(rules);
                }
                *self.work += self.fingerprints.take_work();
            }
        }
    }

    /// One form of a value through the automata that it could matter to.
    fn text(&mut self, class: &Class, text: &[u8], set: &ByteSet) {
        for scan in &class.scans {
            if !scan.gate.admits(set, text.len()) {
                continue;
            }
            *self.work += text.len() as u64;
            match scan.automaton {
                Automaton::Union(index) => {
                    let union = self.program.unions.get(index);
                    let Some((union, cache)) = union.zip(self.unions.get_mut(index)) else {
                        continue;
                    };
                    union_scan(union, cache, text, |pattern| {
                        if let Some(rules) = scan.rules.get(pattern) {
                            self.found.extend_from_slice(rules);
                        }
                    });
                }
                Automaton::Phrases(index) => {
                    let set: Option<&PhraseSet> = self.program.phrase_sets.get(index);
                    let found = &mut *self.found;
                    if let Some(set) = set {
                        set.scan(text, |list| {
                            if let Some(rules) = scan.rules.get(list as usize) {
                                found.extend_from_slice(rules);
                            }
                        });
                    }
                }
            }
        }
    }
}

fn union_scan(
    union: &Union,
    cache: &mut Option<UnionCache>,
    text: &[u8],
    mut found: impl FnMut(usize),
) {
    let cache = cache.get_or_insert_with(|| union.cache());
    union.scan(cache, text);
    // Nearly always nothing is found, and to know that is all that it may cost.
    if !cache.found.is_empty() {
        cache.found.iter().for_each(|p| found(p.as_usize()));
        cache.clear();
    }
}

impl Variants {
    /// The index of a form, which is added if it is new.
    fn index(&mut self, variant: &[u8]) -> usize {
        let known = self
            .list
            .iter()
            .position(|v| self.bytes.get(v.range.clone()) == Some(variant));
        known.unwrap_or_else(|| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(variant);
            self.list.push(Variant {
                range: start..self.bytes.len(),
                bytes: ByteSet::of(variant),
            });
            self.list.len() - 1
        })
    }
}

/// What was found in short values that come again with each request: names, and values of [such sources](REPEATING).
#[derive(Debug, Default)]
pub(crate) struct Memo {
    hasher: ahash::RandomState,
    slots: Vec<MemoSlot>,
}

/// How many there are; one more takes the place of another.
const MEMO_SLOTS: usize = 1024;

/// A remembered value.
#[derive(Debug, Default)]
pub(crate) struct MemoSlot {
    /// 0 is none.
    class: u32,
    text: Vec<u8>,
    rules: Vec<u32>,
}

impl Memo {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    fn slot(&mut self, class: u32, text: &[u8]) -> &mut MemoSlot {
        if self.slots.is_empty() {
            self.slots.resize_with(MEMO_SLOTS, MemoSlot::default);
        }
        let index = self.hasher.hash_one((class, text)) as usize % MEMO_SLOTS;
        &mut self.slots[index]
    }
}

impl MemoSlot {
    fn is(&self, class: u32, text: &[u8]) -> bool {
        self.class == class && self.text == text
    }

    fn remember(&mut self, class: u32, text: &[u8], rules: &[u32]) {
        self.class = class;
        self.text.clear();
        self.text.extend_from_slice(text);
        self.rules.clear();
        self.rules.extend_from_slice(rules);
    }
}
