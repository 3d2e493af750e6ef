//! The verification: a rule's links, asked of the values that are candidates, in the order ModSecurity asks.

mod values;

use std::borrow::Cow;
use std::ops::Range;

use crate::byteset::ByteSet;
use crate::expand::Scope;
use crate::operator::{check, number_test, text_test};
use crate::pattern::Groups;
use crate::program::{ByteTest, CAPTURES, Link, Operator, Program, Rule, Selector, TextTest};
use crate::request::Store;
use crate::scratch::{Hit, Run};
use crate::tx::number;

/// One rule, being evaluated.
pub(crate) struct Evaluation<'a> {
    pub(crate) scope: Scope<'a>,
    /// The rule's index.
    pub(crate) index: usize,
    /// Where the rule's candidates are; `None` if it has to look at all values itself.
    pub(crate) hits: Option<&'a [Hit]>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        program: &'a Program,
        store: &'a Store,
        rule: &'a Rule,
        index: usize,
        hits: Option<&'a [Hit]>,
    ) -> Self {
        Self {
            scope: Scope {
                program,
                store,
                rule,
            },
            index,
            hits,
        }
    }

    /// Whether every link of the rule matches. What links set while they match stays set if a later one does not
    /// (ModSecurity's RuleWithOperator::evaluate).
    pub(crate) fn run(&self, run: &mut Run) -> bool {
        if self.scope.rule.remembers {
            run.matched_vars.clear();
        }
        self.scope.rule.links.iter().enumerate().all(|(i, link)| {
            let hits = self.hits.filter(|_| i == 0);
            self.link(link, hits, run)
        })
    }

    fn link(&self, link: &Link, hits: Option<&[Hit]>, run: &mut Run) -> bool {
        if link.targets.is_empty() {
            run.matched.clear();
            link.set_vars
                .iter()
                .for_each(|set| self.scope.set_var(set, run));
            return true;
        }
        match hits {
            Some(hits) => self.candidates(link, hits, run),
            None if link.compares_tx && run.excluded.is_empty() => self.compare_tx(link, run),
            None => self.all_values(link, run),
        }
    }

    /// A link that [only compares members of TX](Link::compares_tx): what [`all_values`](Self::all_values) does of it,
    /// without copies.
    fn compare_tx(&self, link: &Link, run: &mut Run) -> bool {
        let mut any = false;
        for target in &link.targets {
            let Selector::Slot(slot) = target.selector else {
                continue;
            };
            let value = run.tx.get(slot);
            let text: &[u8] = match (target.count, value) {
                (true, Some(_)) => b"1",
                (true, None) => b"0",
                (false, Some(text)) => text,
                (false, None) => continue,
            };
            run.work += text.len() as u64;
            let matches = match &link.operator {
                Operator::Number(test, argument) => argument
                    .fixed()
                    .is_some_and(|argument| number_test(*test, number(text), number(argument))),
                Operator::Text(test, argument) => argument
                    .fixed()
                    .is_some_and(|argument| text_test(*test, text, argument)),
                _ => link.negated,
            };
            if matches == link.negated {
                continue;
            }
            any = true;
            let matched = &mut run.matched;
            matched.value.clear();
            matched.value.extend_from_slice(text);
            matched.range = 0..matched.value.len();
            matched.name.clear();
            if target.count {
                matched.name.push(b'&');
            }
            let name = self.scope.program.tx_names.get(slot);
            values::label(&mut matched.name, "TX", name.map_or(b"", |n| n.as_bytes()));
            self.remember_and_set(link, run);
        }
        any
    }

    /// Asks the link's operator about a value and, with `multiMatch`, about what each step makes of it; where it matches,
    /// does what the link does for each match.
    fn ask(&self, link: &Link, text: &[u8], name: impl Fn(&mut Vec<u8>), run: &mut Run) -> bool {
        let program = self.scope.program;
        let text = text.get(..program.limits.value_bytes_max).unwrap_or(text);
        let argument = match link.operator.template() {
            Some(template) if template.fixed().is_none() => Some(self.scope.expand(template, run)),
            _ => None,
        };
        let mut any = false;
        let mut last: Option<Vec<u8>> = None;
        let many = link.chains.len() > 1;
        for chain in &link.chains {
            run.work += text.len() as u64;
            let mut buffers = std::mem::take(&mut run.buffers);
            let chain = program.chains.get(*chain).filter(|c| !c.is_empty());
            let variant = chain
                .and_then(|c| c.apply(text, &ByteSet::of(text), &mut buffers))
                .unwrap_or(text);
            // A step that changes nothing is not asked about again.
            if !many || last.as_deref() != Some(variant) {
                any |= self.ask_variant(link, variant, argument.as_deref(), &name, run);
            }
            if many {
                last = Some(variant.to_vec());
            }
            run.buffers = buffers;
        }
        any
    }

    fn ask_variant(
        &self,
        link: &Link,
        variant: &[u8],
        argument: Option<&[u8]>,
        name: &impl Fn(&mut Vec<u8>),
        run: &mut Run,
    ) -> bool {
        let mut groups = std::mem::take(&mut run.groups);
        groups.clear();
        let found = self.find(link, variant, argument, &mut groups, run);
        if found.is_some() == link.negated {
            run.groups = groups;
            return false;
        }
        if link.capture && !link.negated {
            self.capture(link, variant, found.clone(), &mut groups, run);
        }
        run.groups = groups;
        let matched = &mut run.matched;
        matched.value.clear();
        matched.value.extend_from_slice(variant);
        matched.range = found.unwrap_or(0..variant.len());
        matched.name.clear();
        name(&mut matched.name);
        self.remember_and_set(link, run);
        true
    }

    /// What a link does for each value that matches.
    fn remember_and_set(&self, link: &Link, run: &mut Run) {
        let remembered_max = self.scope.program.limits.args_max;
        if self.scope.rule.remembers && run.matched_vars.len() < remembered_max {
            run.matched_vars
                .push((run.matched.name.clone(), run.matched.value.clone()));
        }
        link.set_vars
            .iter()
            .for_each(|set| self.scope.set_var(set, run));
    }

    /// Where the operator matches.
    fn find(
        &self,
        link: &Link,
        text: &[u8],
        argument: Option<&[u8]>,
        groups: &mut Groups,
        run: &mut Run,
    ) -> Option<Range<usize>> {
        let program = self.scope.program;
        let whole = |matches: bool| matches.then_some(0..text.len());
        run.work += text.len() as u64;
        match &link.operator {
            Operator::Pattern(index) => {
                let pattern = program.patterns.get(*index)?;
                let cache = run.patterns.get_mut(*index)?;
                pattern.find(cache, text, link.capture.then_some(groups))
            }
            Operator::MacroPattern(_) => run.macro_patterns.find(
                argument.unwrap_or_default(),
                text,
                link.capture.then_some(groups),
            ),
            Operator::Phrases(index) => program.phrases.get(*index)?.find(text),
            Operator::Text(test, template) => {
                let argument = argument.or(template.fixed()).unwrap_or_default();
                if !text_test(*test, text, argument) {
                    return None;
                }
                let at = match test {
                    TextTest::Contains => memchr::memmem::find(text, argument),
                    _ => None,
                };
                Some(at.map_or(0..text.len(), |at| at..at + argument.len()))
            }
            Operator::Number(test, template) => {
                let argument = argument.or(template.fixed()).unwrap_or_default();
                whole(number_test(*test, number(text), number(argument)))
            }
            Operator::Bytes(test) => {
                let bytes = ByteSet::of(text);
                run.work += test.work(text, &bytes);
                let matches = test.matches(text, &bytes, &mut run.fingerprints);
                run.work += run.fingerprints.take_work();
                whole(matches)
            }
            Operator::Addresses(index) => whole(program.addresses.get(*index)?.contains(text)),
            Operator::Checked(index, kind) => {
                let pattern = program.patterns.get(*index)?;
                let cache = run.patterns.get_mut(*index)?;
                let found = pattern.find(cache, text, link.capture.then_some(groups))?;
                check(*kind, text.get(found.clone())?).then_some(found)
            }
            Operator::Always => Some(0..text.len()),
            Operator::Never => None,
        }
    }

    /// Puts the groups of a match to `TX:0` to `TX:9`.
    fn capture(
        &self,
        link: &Link,
        variant: &[u8],
        found: Option<Range<usize>>,
        groups: &mut Groups,
        run: &mut Run,
    ) {
        let bytes_max = self.scope.program.limits.macro_bytes_max;
        if groups.is_empty() {
            groups.push(found);
        }
        let fingerprint = match &link.operator {
            Operator::Bytes(ByteTest::Sqli) => {
                run.fingerprints.sqli(variant, &ByteSet::of(variant))
            }
            _ => None,
        };
        for slot in 0..CAPTURES {
            let text = match (&fingerprint, slot) {
                (Some(print), 0) => {
                    let length = print.iter().position(|b| *b == 0).unwrap_or(print.len());
                    print.get(..length).map(Cow::Borrowed)
                }
                _ => {
                    let range = groups.get(slot).cloned().flatten();
                    range
                        .and_then(|range| variant.get(range))
                        .map(Cow::Borrowed)
                }
            };
            match text {
                Some(text) => run.tx.set(slot, &text, bytes_max),
                None => run.tx.unset(slot),
            }
        }
    }

    /// Whether a pattern matches a member's name.
    fn name_matches(&self, pattern: usize, name: &[u8], run: &mut Run) -> bool {
        let found = self
            .scope
            .program
            .patterns
            .get(pattern)
            .zip(run.patterns.get_mut(pattern));
        found.is_some_and(|(pattern, cache)| pattern.find(cache, name, None).is_some())
    }
}

/// The range of the hits of one rule.
pub(crate) fn hits_of(hits: &[Hit], rule: u32) -> Range<usize> {
    hits.partition_point(|h| h.rule < rule)..hits.partition_point(|h| h.rule <= rule)
}
