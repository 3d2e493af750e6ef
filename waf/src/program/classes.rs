//! Which union scans which value.
//!
//! Values of one kind (the arguments' values, the cookies' names, the header User-Agent) form a class: its rules'
//! patterns are one union, its rules' transformation chains are applied to each of its values. Members that a rule
//! selects by name are classes of their own, with the rules for all members in them, so that each value is scanned by
//! exactly one union. Classes with the same patterns share the automaton.

use ahash::AHashMap;
use smallvec::SmallVec;

use super::{Part, Rule, Selector, Source, Union, What};
use crate::pattern::{Gate, Pattern, PatternError};

/// A class of values.
#[derive(Debug)]
pub(crate) struct Class {
    /// Index of its union.
    pub(crate) union: usize,
    /// For each pattern of the union the rules that have it.
    pub(crate) rules: Vec<SmallVec<[u32; 2]>>,
    /// Indexes of the transformation chains of its rules.
    pub(crate) chains: Vec<usize>,
    /// What a value must have to be worth a scan.
    pub(crate) gate: Gate,
}

/// The classes of one kind of value.
#[derive(Debug, Default)]
struct Kind {
    /// For the members that have no class of their own.
    generic: Option<usize>,
    /// By name in lower case.
    named: Vec<(Vec<u8>, usize)>,
}

/// All classes.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) list: Vec<Class>,
    kinds: Vec<[Kind; 2]>,
}

impl Classes {
    /// The class of a member.
    pub(crate) fn of(&self, source: Source, part: Part, name: &[u8]) -> Option<&Class> {
        let kind = self.kinds.get(source as usize)?.get(part as usize)?;
        let named = kind
            .named
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, class)| *class);
        self.list.get(named.or(kind.generic)?)
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

/// A pattern that a rule wants to be scanned for.
pub(super) struct Wanted {
    /// Index of the rule.
    pub(super) rule: u32,
    /// Index in the list of distinct patterns to scan for.
    pub(super) pattern: usize,
    /// Index of the rule's transformation chain.
    pub(super) chain: usize,
}

/// A pattern for the members of this name (in lower case), or for all members.
type Member<'a> = (Option<&'a [u8]>, &'a Wanted);

/// Builds the classes and their unions. `patterns` are the distinct patterns to scan for.
pub(super) fn build(
    rules: &[Rule],
    wanted: &[Wanted],
    patterns: &[Pattern],
) -> Result<(Classes, Vec<Union>), PatternError> {
    let mut builder = Builder {
        patterns,
        list: Vec::new(),
        unions: Vec::new(),
        known: AHashMap::new(),
    };
    let mut members: AHashMap<(Source, Part), Vec<Member<'_>>> = AHashMap::new();
    for want in wanted {
        let Some(link) = rules.get(want.rule as usize).and_then(|r| r.links.first()) else {
            continue;
        };
        for target in &link.targets {
            let What::Values { sources, part } = &target.what else {
                continue;
            };
            let name = match &target.selector {
                Selector::Name(name) => Some(name.as_slice()),
                _ => None,
            };
            for source in sources {
                members
                    .entry((*source, *part))
                    .or_default()
                    .push((name, want));
            }
        }
    }
    let mut kinds: Vec<[Kind; 2]> = (0..Source::COUNT).map(|_| Default::default()).collect();
    for ((source, part), members) in members {
        let mut kind = Kind {
            generic: builder.class(&members, None)?,
            named: Vec::new(),
        };
        let mut names: Vec<&[u8]> = members.iter().filter_map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            if let Some(class) = builder.class(&members, Some(name))? {
                kind.named.push((name.to_vec(), class));
            }
        }
        if let Some(slot) = kinds
            .get_mut(source as usize)
            .and_then(|k| k.get_mut(part as usize))
        {
            *slot = kind;
        }
    }
    Ok((
        Classes {
            list: builder.list,
            kinds,
        },
        builder.unions,
    ))
}

struct Builder<'a> {
    patterns: &'a [Pattern],
    list: Vec<Class>,
    unions: Vec<Union>,
    known: AHashMap<Vec<usize>, usize>,
}

impl Builder<'_> {
    fn class(
        &mut self,
        members: &[Member<'_>],
        name: Option<&[u8]>,
    ) -> Result<Option<usize>, PatternError> {
        let mine = || {
            members
                .iter()
                .filter(|(n, _)| n.is_none() || *n == name)
                .map(|(_, want)| *want)
        };
        let mut ids: Vec<usize> = mine().map(|w| w.pattern).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(None);
        }
        let mut rules: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); ids.len()];
        for want in mine() {
            if let Some(list) = ids
                .binary_search(&want.pattern)
                .ok()
                .and_then(|i| rules.get_mut(i))
                && !list.contains(&want.rule)
            {
                list.push(want.rule);
            }
        }
        let mut chains: Vec<usize> = mine().map(|w| w.chain).collect();
        chains.sort_unstable();
        chains.dedup();
        let chosen: Vec<&Pattern> = ids.iter().filter_map(|i| self.patterns.get(*i)).collect();
        let gate = Gate::new(chosen.iter().map(|p| p.need()));
        let union = match self.known.get(&ids) {
            Some(union) => *union,
            None => {
                self.unions.push(Union::new(
                    &chosen.iter().map(|p| &p.hir).collect::<Vec<_>>(),
                )?);
                self.known.insert(ids, self.unions.len() - 1);
                self.unions.len() - 1
            }
        };
        self.list.push(Class {
            union,
            rules,
            chains,
            gate,
        });
        Ok(Some(self.list.len() - 1))
    }
}
