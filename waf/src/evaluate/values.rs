//! Which values a link looks at: its targets' members, without those it excludes.

use super::Evaluation;
use crate::program::{Link, Selector, Target};
use crate::request::Member;
use crate::scratch::{Hit, Run};
use crate::variable::{Part, Record, Source, Variable};

/// Names and texts of members: copies, because the rule may set them while it looks at them.
type Members = Vec<(Vec<u8>, Vec<u8>)>;

impl Evaluation<'_> {
    /// Asks about the values that a scan found.
    pub(super) fn candidates(&self, link: &Link, hits: &[Hit], run: &mut Run) -> bool {
        let mut any = false;
        for target in &link.targets {
            for hit in hits {
                let Some(member) = self.scope.store.member(hit.member as usize) else {
                    continue;
                };
                if covers(&target.variable, member.source, hit.part) {
                    any |= self.member(link, target, member, hit.part, run);
                }
            }
        }
        any
    }

    /// Asks about every value of every target.
    pub(super) fn all_values(&self, link: &Link, run: &mut Run) -> bool {
        let mut any = false;
        // What this link matches is for the next one.
        let before = if self.scope.rule.remembers {
            std::mem::take(&mut run.matched_vars)
        } else {
            Members::new()
        };
        for target in &link.targets {
            any |= match &target.variable {
                _ if target.count => self.count(link, target, &before, run),
                Variable::Values { sources, part } => sources.iter().fold(false, |any, source| {
                    self.scope.store.of(*source).fold(any, |any, index| {
                        let member = self.scope.store.member(index);
                        any | member.is_some_and(|m| self.member(link, target, m, *part, run))
                    })
                }),
                Variable::Tx => self.tx(link, target, run),
                Variable::Record(record) => {
                    let members = self.record_members(*record, &target.selector, run);
                    self.list(link, target, record.name(), members, run)
                }
                Variable::MatchedVar => {
                    let (value, name) = (run.matched.value.clone(), run.matched.name.clone());
                    self.ask(link, &value, |out| out.extend_from_slice(&name), run)
                }
                Variable::MatchedVarName => {
                    let name = run.matched.name.clone();
                    self.ask(
                        link,
                        &name,
                        |out| out.extend_from_slice(b"MATCHED_VAR_NAME"),
                        run,
                    )
                }
                Variable::MatchedVars => before.iter().fold(false, |any, (name, value)| {
                    any | self.ask(link, value, |out| out.extend_from_slice(name), run)
                }),
                Variable::MatchedVarsNames => before.iter().fold(false, |any, (name, _)| {
                    any | self.ask(link, name, |out| out.extend_from_slice(name), run)
                }),
                Variable::Absent(_) => false,
            };
        }
        any
    }

    fn member(
        &self,
        link: &Link,
        target: &Target,
        member: &Member,
        part: Part,
        run: &mut Run,
    ) -> bool {
        let name = self.scope.store.part(member, Part::Name);
        if !self.selects(&target.selector, name, run)
            || self.excluded(link, member.source, part, name, run)
        {
            return false;
        }
        let text = self.scope.store.part(member, part);
        self.ask(
            link,
            text,
            |out| label(out, member.source.name(part), name),
            run,
        )
    }

    fn selects(&self, selector: &Selector, name: &[u8], run: &mut Run) -> bool {
        match selector {
            Selector::All => true,
            Selector::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Selector::Regex(pattern) => self.name_matches(*pattern, name, run),
            Selector::Slot(slot) => self.tx_name(*slot).eq_ignore_ascii_case(name),
        }
    }

    fn excluded(
        &self,
        link: &Link,
        source: Source,
        part: Part,
        name: &[u8],
        run: &mut Run,
    ) -> bool {
        link.exclusions
            .iter()
            .any(|e| covers(&e.variable, source, part) && self.selects(&e.selector, name, run))
            || self.excluded_by_ctl(|v| covers(v, source, part), name, run)
    }

    /// Whether a `ctl` excluded a member from this rule.
    fn excluded_by_ctl(
        &self,
        about: impl Fn(&Variable) -> bool,
        name: &[u8],
        run: &mut Run,
    ) -> bool {
        if run.excluded.is_empty() {
            return false;
        }
        let excluded = std::mem::take(&mut run.excluded);
        let found = excluded.iter().any(|(rules, exclusion)| {
            let mine = rules
                .get(self.index / 64)
                .is_some_and(|word| word & (1 << (self.index % 64)) != 0);
            mine && about(&exclusion.variable) && self.selects(&exclusion.selector, name, run)
        });
        run.excluded = excluded;
        found
    }

    /// Asks about the number of members.
    fn count(&self, link: &Link, target: &Target, before: &Members, run: &mut Run) -> bool {
        let number = match &target.variable {
            Variable::Values { sources, part } => {
                let mut number = 0;
                for source in *sources {
                    for index in self.scope.store.of(*source) {
                        let Some(member) = self.scope.store.member(index) else {
                            continue;
                        };
                        let name = self.scope.store.part(member, Part::Name);
                        if self.selects(&target.selector, name, run)
                            && !self.excluded(link, *source, *part, name, run)
                        {
                            number += 1;
                        }
                    }
                }
                number
            }
            Variable::Tx => match target.selector {
                Selector::Slot(slot) => usize::from(run.tx.get(slot).is_some()),
                _ => self.tx_members(&target.selector, run).len(),
            },
            Variable::Record(record) => self.record_members(*record, &target.selector, run).len(),
            Variable::MatchedVars | Variable::MatchedVarsNames => before.len(),
            Variable::MatchedVar | Variable::MatchedVarName => 1,
            Variable::Absent(_) => 0,
        };
        let name = match &target.variable {
            Variable::Values { sources, part } => sources.first().map_or("", |s| s.name(*part)),
            Variable::Record(record) => record.name(),
            _ => "TX",
        };
        let selected = match &target.selector {
            Selector::Name(name) => name.as_slice(),
            Selector::Slot(slot) => self.tx_name(*slot),
            _ => b"",
        };
        self.ask(
            link,
            number.to_string().as_bytes(),
            |out| {
                out.push(b'&');
                label(out, name, selected);
            },
            run,
        )
    }

    fn tx(&self, link: &Link, target: &Target, run: &mut Run) -> bool {
        let Selector::Slot(slot) = target.selector else {
            let members = self.tx_members(&target.selector, run);
            return self.list(link, target, "TX", members, run);
        };
        let Some(value) = run.tx.get(slot) else {
            return false;
        };
        // The rule may set what it looks at.
        let mut text = std::mem::take(&mut run.spare);
        text.clear();
        text.extend_from_slice(value);
        let any = self.listed(link, target, "TX", (self.tx_name(slot), &text), run);
        run.spare = text;
        any
    }

    /// Asks about the members of a collection that is not the request's.
    fn list(
        &self,
        link: &Link,
        target: &Target,
        collection: &str,
        members: Members,
        run: &mut Run,
    ) -> bool {
        members.iter().fold(false, |any, (name, text)| {
            any | self.listed(link, target, collection, (name, text), run)
        })
    }

    /// Asks about one of them.
    fn listed(
        &self,
        link: &Link,
        target: &Target,
        collection: &str,
        (name, text): (&[u8], &[u8]),
        run: &mut Run,
    ) -> bool {
        let mine = |variable: &Variable| *variable == target.variable;
        let excluded = link
            .exclusions
            .iter()
            .any(|e| mine(&e.variable) && self.selects(&e.selector, name, run));
        !excluded
            && !self.excluded_by_ctl(mine, name, run)
            && self.ask(link, text, |out| label(out, collection, name), run)
    }

    fn tx_name(&self, slot: usize) -> &[u8] {
        self.scope
            .program
            .tx_names
            .get(slot)
            .map_or(b"", |n| n.as_bytes())
    }

    /// The members of TX that a selector of several selects.
    fn tx_members(&self, selector: &Selector, run: &mut Run) -> Members {
        let known = match selector {
            Selector::Regex(pattern) => self.scope.program.tx_selected.get(pattern),
            _ => None,
        };
        let mut members = Members::new();
        let mut add = |slot: usize, run: &mut Run| {
            if let Some(text) = run.tx.get(slot) {
                members.push((self.tx_name(slot).to_vec(), text.to_vec()));
            }
        };
        match known {
            Some(slots) => slots.iter().for_each(|slot| add(*slot, run)),
            None => {
                for slot in 0..self.scope.program.tx_names.len() {
                    if self.selects(selector, self.tx_name(slot), run) {
                        add(slot, run);
                    }
                }
            }
        }
        let computed = run.tx.take_computed();
        for (name, text) in &computed {
            if self.selects(selector, name, run) {
                members.push((name.clone(), text.clone()));
            }
        }
        run.tx.give_computed(computed);
        members
    }

    /// The selected members of a record that is open.
    fn record_members(&self, record: Record, selector: &Selector, run: &mut Run) -> Members {
        let key = run.records.get(record as usize).cloned().flatten();
        let Some(key) = key else {
            return Members::new();
        };
        let mut members = self.scope.program.collections.members(&key, run.now_s);
        members.retain(|(name, _)| self.selects(selector, name, run));
        members
    }
}

/// Whether a target or an exclusion is about this kind of value.
fn covers(variable: &Variable, source: Source, part: Part) -> bool {
    matches!(variable, Variable::Values { sources, part: p } if *p == part && sources.contains(&source))
}

/// `ARGS:q`, or `REQUEST_URI`.
pub(super) fn label(out: &mut Vec<u8>, variable: &str, name: &[u8]) {
    out.extend_from_slice(variable.as_bytes());
    if !name.is_empty() {
        out.push(b':');
        out.extend_from_slice(name);
    }
}
