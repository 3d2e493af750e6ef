//! The verification: a rule's links, asked of the values that are candidates, in the order ModSecurity asks.

mod values;

use std::ops::Range;

use crate::byteset::ByteSet;
use crate::expand::Scope;
use crate::program::{CAPTURES, Link, NumberTest, Operator, Program, Rule, TextTest};
use crate::request::Store;
use crate::scratch::{Hit, Run};
use crate::tx::number;

/// One rule, being evaluated.
pub(crate) struct Evaluation<'a> {
    pub(crate) scope: Scope<'a>,
    /// Where the rule's candidates are; `None` if it has to look at all values itself.
    pub(crate) hits: Option<&'a [Hit]>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        program: &'a Program,
        store: &'a Store,
        rule: &'a Rule,
        hits: Option<&'a [Hit]>,
    ) -> Self {
        Self {
            scope: Scope {
                program,
                store,
                rule,
            },
            hits,
        }
    }

    /// Whether every link of the rule matches. What links set while they match stays set if a later one does not
    /// (ModSecurity's RuleWithOperator::evaluate).
    pub(crate) fn run(&self, run: &mut Run) -> bool {
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
            None => self.all_values(link, run),
        }
    }

    /// Asks the link's operator about a value; if it matches, does what the link does for each match.
    fn ask(
        &self,
        link: &Link,
        text: &[u8],
        name: impl FnOnce(&mut Vec<u8>),
        run: &mut Run,
    ) -> bool {
        let program = self.scope.program;
        let text = text.get(..program.limits.value_bytes_max).unwrap_or(text);
        let argument = match &link.operator {
            Operator::Text(_, template) | Operator::Number(_, template)
                if template.fixed().is_none() =>
            {
                Some(self.scope.expand(template, run))
            }
            _ => None,
        };
        let Run {
            buffers,
            patterns,
            groups,
            matched,
            tx,
            ..
        } = run;
        let chain = program.chains.get(link.chain);
        let variant = chain
            .and_then(|c| c.apply(text, &ByteSet::of(text), buffers))
            .unwrap_or(text);
        let found = match &link.operator {
            Operator::Pattern(index) => {
                let pattern = program.patterns.get(*index).zip(patterns.get_mut(*index));
                pattern.and_then(|(pattern, cache)| {
                    let cache = cache.get_or_insert_with(|| pattern.cache());
                    pattern.find(cache, variant, link.capture.then_some(groups))
                })
            }
            operator => test(operator, argument.as_deref(), variant).then_some(0..variant.len()),
        };
        if found.is_some() == link.negated {
            return false;
        }
        if link.capture && !link.negated {
            if !matches!(link.operator, Operator::Pattern(_)) {
                groups.clear();
                groups.push(found.clone());
            }
            for slot in 0..CAPTURES {
                match groups
                    .get(slot)
                    .cloned()
                    .flatten()
                    .and_then(|range| variant.get(range))
                {
                    Some(text) => tx.set(slot, text, program.limits.macro_bytes_max),
                    None => tx.unset(slot),
                }
            }
        }
        matched.value.clear();
        matched.value.extend_from_slice(variant);
        matched.range = found.unwrap_or(0..variant.len());
        matched.name.clear();
        name(&mut matched.name);
        link.set_vars
            .iter()
            .for_each(|set| self.scope.set_var(set, run));
        true
    }

    /// Whether a pattern matches a member's name.
    fn name_matches(&self, pattern: usize, name: &[u8], run: &mut Run) -> bool {
        let found = self
            .scope
            .program
            .patterns
            .get(pattern)
            .zip(run.patterns.get_mut(pattern));
        found.is_some_and(|(pattern, cache)| {
            pattern
                .find(cache.get_or_insert_with(|| pattern.cache()), name, None)
                .is_some()
        })
    }
}

/// Asks an operator that is no pattern. `argument` is its argument if macros were put in.
fn test(operator: &Operator, argument: Option<&[u8]>, text: &[u8]) -> bool {
    match operator {
        Operator::Pattern(_) => false,
        Operator::Always => true,
        Operator::BytesOutside(allowed) => !ByteSet::of(text).within(allowed),
        Operator::Text(test, template) => text_test(
            *test,
            text,
            argument.or(template.fixed()).unwrap_or_default(),
        ),
        Operator::Number(test, template) => number_test(
            *test,
            number(text),
            number(argument.or(template.fixed()).unwrap_or_default()),
        ),
    }
}

fn text_test(test: TextTest, text: &[u8], argument: &[u8]) -> bool {
    match test {
        TextTest::Equal => text == argument,
        TextTest::Contains => memchr::memmem::find(text, argument).is_some(),
        TextTest::BeginsWith => text.starts_with(argument),
        TextTest::EndsWith => text.ends_with(argument),
        TextTest::Within => memchr::memmem::find(argument, text).is_some(),
    }
}

fn number_test(test: NumberTest, value: i64, argument: i64) -> bool {
    match test {
        NumberTest::Eq => value == argument,
        NumberTest::Ge => value >= argument,
        NumberTest::Gt => value > argument,
        NumberTest::Le => value <= argument,
        NumberTest::Lt => value < argument,
    }
}

/// The range of the hits of one rule.
pub(crate) fn hits_of(hits: &[Hit], rule: u32) -> Range<usize> {
    hits.partition_point(|h| h.rule < rule)..hits.partition_point(|h| h.rule <= rule)
}
