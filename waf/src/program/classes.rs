//! Which automata scan which value.
//!
//! Values of one kind (the arguments' values, the cookies' names) form a class: its rules' transformation chains are
//! applied to each of its values, and its rules' patterns are looked for in the results by a few automata. Patterns that
//! need a byte which benign words lack have an automaton of their own, so that most values never come to it; phrases
//! have an Aho-Corasick automaton. Members that a rule selects by name form a class that is scanned besides. Classes
//! with the same patterns share the automata.

use ahash::AHashMap;
use smallvec::SmallVec;

use super::{ByteTest, PhraseSet, Rule, Selector, Union};
use crate::byteset::ByteSet;
use crate::operator::Phrases;
use crate::pattern::{Gate, Need, PatternError, need};
use crate::variable::{Part, Source, Variable};
use regex_syntax::hir::Hir;

/// Rules, by their index.
pub(crate) type Rules = SmallVec<[u32; 2]>;

/// An automaton, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Automaton {
    Union(usize),
    Phrases(usize),
}

/// A scan of the values of a class.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) automaton: Automaton,
    /// For each pattern of the automaton the rules that have it.
    pub(crate) rules: Vec<Rules>,
    /// What a value must have to be worth it.
    pub(crate) gate: Gate,
}

/// A transformation chain of a class, and what is asked of its results directly.
#[derive(Debug)]
pub(crate) struct ClassChain {
    pub(crate) chain: usize,
    pub(crate) tests: Vec<(ByteTest, Rules)>,
}

/// A class of values.
#[derive(Debug)]
pub(crate) struct Class {
    /// A number that no other class of the program has.
    pub(crate) id: u32,
    pub(crate) scans: Vec<Scan>,
    pub(crate) chains: Vec<ClassChain>,
    /// What a value must have to be worth a look.
    pub(crate) gate: Gate,
}

/// The classes of one kind of value.
#[derive(Debug, Default)]
struct Kind {
    generic: Option<usize>,
    /// By name in lower case.
    named: Vec<(Vec<u8>, usize)>,
}

/// All classes.
#[derive(Debug)]
pub(crate) struct Classes {
    list: Vec<Class>,
    kinds: Vec<[Kind; 2]>,
}

impl Classes {
    /// The classes of a member: that of all, and that of its name.
    pub(crate) fn of(&self, source: Source, part: Part, name: &[u8]) -> [Option<&Class>; 2] {
        let kind = self
            .kinds
            .get(source as usize)
            .and_then(|k| k.get(part as usize));
        let Some(kind) = kind else {
            return [None, None];
        };
        let named = kind
            .named
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .and_then(|(_, class)| self.list.get(*class));
        [kind.generic.and_then(|class| self.list.get(class)), named]
    }

    /// Whether anything looks at this kind of value.
    pub(crate) fn any(&self, source: Source, part: Part) -> bool {
        let kind = self
            .kinds
            .get(source as usize)
            .and_then(|k| k.get(part as usize));
        kind.is_some_and(|k| k.generic.is_some() || !k.named.is_empty())
    }
}

/// How the candidates of a rule are found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Find {
    /// Index in the list of distinct patterns to scan for.
    Pattern(usize),
    /// Index of a list of phrases.
    Phrases(usize),
    Test(ByteTest),
}

/// What a rule wants its values to be scanned for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Index of the rule.
    pub(super) rule: u32,
    pub(super) find: Find,
    /// Index of a transformation chain.
    pub(super) chain: usize,
}

/// Something to scan for in the members of this name (in lower case), or in all.
type Member<'a> = (Option<&'a [u8]>, &'a Wanted);

/// Builds classes and their automata.
pub(super) struct Builder<'a> {
    pub(super) rules: &'a [Rule],
    pub(super) patterns: &'a [Hir],
    pub(super) phrases: &'a [Phrases],
    pub(super) unions: Vec<Union>,
    pub(super) phrase_sets: Vec<PhraseSet>,
    known_unions: AHashMap<Vec<usize>, usize>,
    known_phrases: AHashMap<Vec<usize>, usize>,
    next_class: u32,
}

impl<'a> Builder<'a> {
    pub(super) fn new(rules: &'a [Rule], patterns: &'a [Hir], phrases: &'a [Phrases]) -> Self {
        Self {
            rules,
            patterns,
            phrases,
            unions: Vec::new(),
            phrase_sets: Vec::new(),
            known_unions: AHashMap::new(),
            known_phrases: AHashMap::new(),
            next_class: 0,
        }
    }

    /// The classes for what is wanted.
    pub(super) fn classes(&mut self, wanted: &[Wanted]) -> Result<Classes, PatternError> {
        let rules = self.rules;
        let mut members: AHashMap<(Source, Part), Vec<Member<'_>>> = AHashMap::new();
        for want in wanted {
            let Some(link) = rules.get(want.rule as usize).and_then(|r| r.links.first()) else {
                continue;
            };
            for target in &link.targets {
                let Variable::Values { sources, part } = target.variable else {
                    continue;
                };
                let name = match &target.selector {
                    Selector::Name(name) => Some(name.as_slice()),
                    _ => None,
                };
                for source in sources {
                    members
                        .entry((*source, part))
                        .or_default()
                        .push((name, want));
                }
            }
        }
        let mut classes = Classes {
            list: Vec::new(),
            kinds: (0..Source::COUNT).map(|_| Default::default()).collect(),
        };
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_by_key(|(kind, _)| *kind);
        for ((source, part), members) in members {
            let kind = self.kind(&mut classes.list, &members)?;
            if let Some(slot) = classes
                .kinds
                .get_mut(source as usize)
                .and_then(|k| k.get_mut(part as usize))
            {
                *slot = kind;
            }
        }
        Ok(classes)
    }

    fn kind(
        &mut self,
        list: &mut Vec<Class>,
        members: &[Member<'_>],
    ) -> Result<Kind, PatternError> {
        let mut names: Vec<Option<&[u8]>> = members.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        let mut kind = Kind::default();
        for name in names {
            let mine: Vec<&Wanted> = members
                .iter()
                .filter(|(n, _)| *n == name)
                .map(|(_, want)| *want)
                .collect();
            list.push(self.class(&mine)?);
            match name {
                None => kind.generic = Some(list.len() - 1),
                Some(name) => kind.named.push((name.to_vec(), list.len() - 1)),
            }
        }
        Ok(kind)
    }

    fn class(&mut self, wanted: &[&Wanted]) -> Result<Class, PatternError> {
        let mut special: Vec<(usize, u32)> = Vec::new();
        let mut plain: Vec<(usize, u32)> = Vec::new();
        let mut phrases: Vec<(usize, u32)> = Vec::new();
        let mut chains: Vec<ClassChain> = Vec::new();
        let mut needs: Vec<Need> = Vec::new();
        for want in wanted {
            let at = chains.iter().position(|c| c.chain == want.chain);
            if at.is_none() {
                chains.push(ClassChain {
                    chain: want.chain,
                    tests: Vec::new(),
                });
            }
            match want.find {
                Find::Pattern(pattern) => {
                    let need = self.patterns.get(pattern).map(need).unwrap_or_default();
                    needs.push(need);
                    let group = if is_special(&need) {
                        &mut special
                    } else {
                        &mut plain
                    };
                    group.push((pattern, want.rule));
                }
                Find::Phrases(list) => {
                    needs.push(
                        self.phrases
                            .get(list)
                            .map(Phrases::need)
                            .unwrap_or_default(),
                    );
                    phrases.push((list, want.rule));
                }
                Find::Test(test) => {
                    needs.push(test.need());
                    let chain = at.unwrap_or(chains.len() - 1);
                    if let Some(chain) = chains.get_mut(chain) {
                        add_test(&mut chain.tests, test, want.rule);
                    }
                }
            }
        }
        let mut scans = Vec::new();
        for group in [plain, special] {
            scans.extend(self.union_scan(group)?);
        }
        scans.extend(self.phrase_scan(phrases)?);
        self.next_class += 1;
        Ok(Class {
            id: self.next_class,
            scans,
            chains,
            gate: Gate::new(needs),
        })
    }

    fn union_scan(&mut self, group: Vec<(usize, u32)>) -> Result<Option<Scan>, PatternError> {
        let (ids, rules) = by_pattern(group);
        if ids.is_empty() {
            return Ok(None);
        }
        let hirs: Vec<&Hir> = ids.iter().filter_map(|i| self.patterns.get(*i)).collect();
        let gate = Gate::new(hirs.iter().map(|hir| need(hir)));
        let union = match self.known_unions.get(&ids) {
            Some(union) => *union,
            None => {
                self.unions.push(Union::new(&hirs)?);
                self.known_unions.insert(ids, self.unions.len() - 1);
                self.unions.len() - 1
            }
        };
        Ok(Some(Scan {
            automaton: Automaton::Union(union),
            rules,
            gate,
        }))
    }

    fn phrase_scan(&mut self, group: Vec<(usize, u32)>) -> Result<Option<Scan>, PatternError> {
        let (ids, rules) = by_pattern(group);
        if ids.is_empty() {
            return Ok(None);
        }
        let lists: Vec<&Phrases> = ids.iter().filter_map(|i| self.phrases.get(*i)).collect();
        let gate = Gate::new(lists.iter().map(|list| list.need()));
        let set = match self.known_phrases.get(&ids) {
            Some(set) => *set,
            None => {
                self.phrase_sets.push(PhraseSet::new(&lists)?);
                self.known_phrases.insert(ids, self.phrase_sets.len() - 1);
                self.phrase_sets.len() - 1
            }
        };
        Ok(Some(Scan {
            automaton: Automaton::Phrases(set),
            rules,
            gate,
        }))
    }
}

fn add_test(tests: &mut Vec<(ByteTest, Rules)>, test: ByteTest, rule: u32) {
    match tests.iter_mut().find(|(t, _)| *t == test) {
        Some((_, rules)) => rules.push(rule),
        None => tests.push((test, Rules::from_slice(&[rule]))),
    }
}

/// Distinct patterns in order, and for each its rules.
fn by_pattern(mut group: Vec<(usize, u32)>) -> (Vec<usize>, Vec<Rules>) {
    group.sort_unstable();
    group.dedup();
    let (mut ids, mut rules): (Vec<usize>, Vec<Rules>) = (Vec::new(), Vec::new());
    for (id, rule) in group {
        if ids.last() != Some(&id) {
            ids.push(id);
            rules.push(Rules::new());
        }
        if let Some(last) = rules.last_mut() {
            last.push(rule);
        }
    }
    (ids, rules)
}

/// Whether a pattern needs a byte that words, numbers and names do not have.
fn is_special(need: &Need) -> bool {
    let words = [(b'a', b'z'), (b'A', b'Z'), (b'0', b'9')]
        .iter()
        .fold(ByteSet::of(b" _-.,"), |set, (from, to)| {
            set.union(ByteSet::range(*from, *to))
        });
    need.bytes.is_some_and(|bytes| !bytes.meets(&words))
}

impl ByteTest {
    /// What a value must have to match.
    fn need(&self) -> Need {
        let bytes = match self {
            Self::Outside(allowed) => allowed.complement(),
            Self::Sqli => ByteSet::range(b'a', b'z')
                .with_upper_case()
                .with(b'_')
                .complement(),
            Self::Xss => ByteSet::of(b"<="),
            Self::BrokenUrlEncoding => ByteSet::of(b"%"),
            Self::BrokenUtf8 => ByteSet::range(0x80, 0xff),
        };
        Need {
            bytes: Some(bytes),
            length: 1,
        }
    }
}
