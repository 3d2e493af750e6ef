//! Which values a link looks at: its targets' members, without those it excludes.

use super::Evaluation;
use crate::program::{Link, Part, Selector, Source, Target, What};
use crate::request::Member;
use crate::scratch::{Hit, Run};

impl Evaluation<'_> {
    /// Asks about the values that a union found.
    pub(super) fn candidates(&self, link: &Link, hits: &[Hit], run: &mut Run) -> bool {
        let mut any = false;
        for target in &link.targets {
            for hit in hits {
                let Some(member) = self.scope.store.member(hit.member as usize) else {
                    continue;
                };
                if covers(&target.what, member.source, hit.part) {
                    any |= self.member(link, target, member, hit.part, run);
                }
            }
        }
        any
    }

    /// Asks about every value of every target.
    pub(super) fn all_values(&self, link: &Link, run: &mut Run) -> bool {
        let mut any = false;
        for target in &link.targets {
            any |= match &target.what {
                _ if target.count => self.count(link, target, run),
                What::Values { sources, part } => sources.iter().fold(false, |any, source| {
                    self.scope.store.of(*source).fold(any, |any, index| {
                        let member = self.scope.store.member(index);
                        any | member.is_some_and(|m| self.member(link, target, m, *part, run))
                    })
                }),
                What::Tx => self.tx(link, target, run),
                What::MatchedVar => {
                    let (value, name) = (run.matched.value.clone(), run.matched.name.clone());
                    self.ask(link, &value, |out| out.extend_from_slice(&name), run)
                }
                What::MatchedVarName => {
                    let name = run.matched.name.clone();
                    self.ask(
                        link,
                        &name,
                        |out| out.extend_from_slice(b"MATCHED_VAR_NAME"),
                        run,
                    )
                }
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
            Selector::Slot(_) => false,
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
            .any(|e| covers(&e.what, source, part) && self.selects(&e.selector, name, run))
    }

    /// Asks about the number of members.
    fn count(&self, link: &Link, target: &Target, run: &mut Run) -> bool {
        let number = match &target.what {
            What::Values { sources, .. } => sources
                .iter()
                .flat_map(|source| self.scope.store.of(*source))
                .filter_map(|index| self.scope.store.member(index))
                .filter(|member| {
                    self.selects(
                        &target.selector,
                        self.scope.store.part(member, Part::Name),
                        run,
                    )
                })
                .count(),
            What::Tx => self.tx_members(&target.selector, run).len(),
            What::MatchedVar | What::MatchedVarName => 1,
        };
        let name = match &target.what {
            What::Values { sources, part } => sources.first().map_or("", |s| s.name(*part)),
            _ => "TX",
        };
        let selected = match &target.selector {
            Selector::Name(name) => name.as_slice(),
            _ => b"",
        };
        self.ask(
            link,
            number.to_string().as_bytes(),
            |out| label(out, &format!("&{name}"), selected),
            run,
        )
    }

    fn tx(&self, link: &Link, target: &Target, run: &mut Run) -> bool {
        let mut any = false;
        for (name, text) in self.tx_members(&target.selector, run) {
            let excluded = link.exclusions.iter().any(|e| {
                e.what == What::Tx
                    && match &e.selector {
                        Selector::Slot(slot) => self.tx_name(*slot) == name,
                        other => self.selects(other, &name, run),
                    }
            });
            if !excluded {
                any |= self.ask(link, &text, |out| label(out, "TX", &name), run);
            }
        }
        any
    }

    fn tx_name(&self, slot: usize) -> &[u8] {
        self.scope
            .program
            .tx_names
            .get(slot)
            .map_or(b"", |n| n.as_bytes())
    }

    /// The selected members of TX. Copies: the rule may set them while it looks at them.
    fn tx_members(&self, selector: &Selector, run: &mut Run) -> Vec<(Vec<u8>, Vec<u8>)> {
        if let Selector::Slot(slot) = selector {
            return run
                .tx
                .get(*slot)
                .map(|text| (self.tx_name(*slot).to_vec(), text.to_vec()))
                .into_iter()
                .collect();
        }
        let slots: Vec<usize> = run.tx.set_slots().collect();
        let mut members: Vec<(Vec<u8>, Vec<u8>)> = slots
            .into_iter()
            .map(|slot| {
                (
                    self.tx_name(slot).to_vec(),
                    run.tx.get(slot).unwrap_or_default().to_vec(),
                )
            })
            .chain(run.tx.computed().to_vec())
            .collect();
        members.retain(|(name, _)| self.selects(selector, name, run));
        members
    }
}

/// Whether a target or an exclusion is about this kind of value.
fn covers(what: &What, source: Source, part: Part) -> bool {
    matches!(what, What::Values { sources, part: p } if *p == part && sources.contains(&source))
}

/// `ARGS:q`, or `REQUEST_URI`.
fn label(out: &mut Vec<u8>, variable: &str, name: &[u8]) {
    out.extend_from_slice(variable.as_bytes());
    if !name.is_empty() {
        out.push(b':');
        out.extend_from_slice(name);
    }
}
