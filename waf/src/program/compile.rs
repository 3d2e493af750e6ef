//! From directives to a program: chains joined, names made slots, markers made jumps, patterns made unions.

mod actions;
mod operator;
mod target;

use std::sync::Arc;

use ahash::AHashMap;
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};

use super::classes::{self, Wanted};
use super::{Link, Program, Rule};
use crate::limits::Options;
use crate::pattern::Pattern;
use crate::seclang::ast::{Directive, Disruption, Engine, RuleSyntax, Spanned};
use crate::template::Template;
use crate::transform::{Chain, Transform};

use actions::Actions;
pub(super) use target::what;

/// The status of a refusal that names none.
const DENY_STATUS: u16 = 403;
/// Names under which rule sets keep the paranoia level.
const PARANOIA_NAMES: &[&str] = &[
    "paranoia_level",
    "blocking_paranoia_level",
    "detection_paranoia_level",
];
/// The name under which rule sets keep the threshold.
const THRESHOLD_NAME: &str = "inbound_anomaly_score_threshold";
/// Names under which rule sets keep the inbound score.
const SCORE_NAMES: &[&str] = &[
    "inbound_anomaly_score",
    "blocking_inbound_anomaly_score",
    "anomaly_score",
];

/// Compiles files to a program.
pub(super) fn compile(
    sources: &SourceMap,
    files: &[FileId],
    options: &Options,
) -> Result<Program, Diagnostics> {
    let mut compiler = Compiler::default();
    for name in 0..super::CAPTURES {
        compiler.slot(&name.to_string());
    }
    for file in files {
        let directives = crate::seclang::parse(*file, sources.text(*file), &mut compiler.found);
        directives.into_iter().for_each(|d| compiler.directive(d));
    }
    compiler.finish(options)
}

/// What SecDefaultAction says for a phase.
#[derive(Clone, Debug)]
struct Defaults {
    deny: Option<u16>,
    log: bool,
    transforms: Vec<Transform>,
}

impl Default for Defaults {
    /// ModSecurity's own: `log,pass`.
    fn default() -> Self {
        Self {
            deny: None,
            log: true,
            transforms: Vec::new(),
        }
    }
}

/// A rule with what is needed until all files are read.
struct Pending {
    at: Span,
    phase: usize,
    rule: Rule,
    skip_after: Option<Spanned<String>>,
    wants_link: bool,
}

#[derive(Default)]
struct Compiler {
    found: Diagnostics,
    engine: Option<Engine>,
    defaults: [Defaults; 2],
    open: Option<Pending>,
    done: Vec<Pending>,
    /// The position of the next rule for each marker; a name may stand more than once.
    markers: AHashMap<String, Vec<usize>>,
    ids: AHashMap<u32, Span>,
    chains: Vec<Chain>,
    chain_ids: AHashMap<Chain, usize>,
    patterns: Vec<Pattern>,
    /// What the unions look for, each text once.
    scan_patterns: Vec<Pattern>,
    scan_ids: AHashMap<String, usize>,
    wanted: Vec<Wanted>,
    tx_names: Vec<Arc<str>>,
    tx_slots: AHashMap<Arc<str>, usize>,
}

impl Compiler {
    /// The slot of a member of TX.
    fn slot(&mut self, name: &str) -> usize {
        let name = name.to_ascii_lowercase();
        if let Some(slot) = self.tx_slots.get(name.as_str()) {
            return *slot;
        }
        let name: Arc<str> = name.into();
        self.tx_names.push(name.clone());
        self.tx_slots.insert(name, self.tx_names.len() - 1);
        self.tx_names.len() - 1
    }

    fn template(&mut self, text: &str, at: Span) -> Option<Template> {
        let parsed = Template::parse(text, |name| self.slot(name));
        parsed
            .map_err(|unknown| {
                let error = Diagnostic::error(
                    "unknown-macro",
                    at,
                    format!("unknown macro `%{{{}}}`", unknown.0),
                );
                self.found
                    .push(error.help("write %{tx.name}, %{rule.id} or %{A_VARIABLE}"));
            })
            .ok()
    }

    fn directive(&mut self, directive: Directive) {
        if !matches!(directive, Directive::Rule(_)) {
            self.close_open();
        }
        match directive {
            Directive::Rule(rule) => self.rule(rule),
            Directive::Marker(name) => self.markers.entry(name).or_default().push(self.done.len()),
            Directive::Engine(engine) => self.engine = Some(engine),
            Directive::Default(actions) => self.default_action(actions),
        }
    }

    /// A chain that nothing continues.
    fn close_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.found.error(
                "open-chain",
                open.at,
                "this rule ends with `chain`, but no rule follows it",
            );
        }
    }

    fn rule(&mut self, syntax: RuleSyntax) {
        let at = syntax.at;
        let actions = self.actions(syntax.actions);
        let open = self.open.take();
        let phase = open
            .as_ref()
            .map(|o| o.phase)
            .or(actions.phase)
            .unwrap_or(1);
        let defaults = self.defaults.get(phase).cloned().unwrap_or_default();
        let transforms = actions
            .transforms
            .clone()
            .unwrap_or_else(|| defaults.transforms.clone());
        let chain = self.chain(transforms);
        let link = self.link(syntax.targets, syntax.operator, chain, &actions);
        let mut pending = match open {
            Some(open) => {
                self.no_chain_head_actions(&actions);
                open
            }
            None => self.head(at, phase, &defaults, &actions),
        };
        let rule = &mut pending.rule;
        // What a later link says of these is said of the chain (CRS scores and logs in the last link).
        rule.message = actions.message.or(rule.message.take());
        rule.log_data = actions.log_data.or(rule.log_data.take());
        rule.severity = actions.severity.or(rule.severity);
        rule.removes.extend(actions.removes);
        rule.links.extend(link);
        pending.wants_link = actions.chain;
        if pending.wants_link {
            self.open = Some(pending);
        } else {
            self.done.push(pending);
        }
    }

    /// The rule that a link begins.
    fn head(&mut self, at: Span, phase: usize, defaults: &Defaults, actions: &Actions) -> Pending {
        match &actions.id {
            None => self.found.push(
                Diagnostic::error("no-id", at, "a rule needs an id").help("add `id:` and a number"),
            ),
            Some(id) => {
                if let Some(first) = self.ids.insert(id.value, id.at) {
                    let message = format!("rule {} stands twice", id.value);
                    let error = Diagnostic::error("duplicate-id", id.at, message);
                    self.found.push(error.related(first, "first here"));
                }
            }
        }
        let deny = match actions.disruption.as_ref().map(|d| d.value) {
            Some(Disruption::Deny) => Some(actions.status.unwrap_or(DENY_STATUS)),
            Some(Disruption::Block) => defaults.deny.map(|status| actions.status.unwrap_or(status)),
            Some(Disruption::Pass) => None,
            None => defaults.deny,
        };
        let rule = Rule {
            id: actions.id.as_ref().map_or(0, |id| id.value),
            links: Vec::new(),
            scanned: false,
            log: actions.log.unwrap_or(defaults.log),
            message: None,
            log_data: None,
            severity: None,
            tags: actions.tags.as_slice().into(),
            deny,
            skip_to: None,
            removes: Vec::new(),
        };
        Pending {
            at,
            phase,
            rule,
            skip_after: actions.skip_after.clone(),
            wants_link: false,
        }
    }

    fn no_chain_head_actions(&mut self, actions: &Actions) {
        let places = [
            actions.id.as_ref().map(|s| (s.at, "an id")),
            actions
                .disruption
                .as_ref()
                .map(|s| (s.at, "a disruptive action")),
            actions.skip_after.as_ref().map(|s| (s.at, "skipAfter")),
        ];
        for (at, what) in places.into_iter().flatten() {
            let error = Diagnostic::error(
                "chain-action",
                at,
                format!("{what} belongs to the first rule of a chain"),
            );
            self.found.push(error);
        }
    }

    fn chain(&mut self, transforms: Vec<Transform>) -> usize {
        let chain = Chain::new(transforms);
        if let Some(id) = self.chain_ids.get(&chain) {
            return *id;
        }
        self.chains.push(chain.clone());
        self.chain_ids.insert(chain, self.chains.len() - 1);
        self.chains.len() - 1
    }

    fn finish(mut self, options: &Options) -> Result<Program, Diagnostics> {
        self.close_open();
        self.resolve_markers();
        if self.found.has_errors() {
            return Err(self.found);
        }
        let rules_len = self.done.len();
        let words = rules_len.div_ceil(64);
        let mut phase = [vec![0u64; words], vec![0u64; words]];
        let mut always = phase.clone();
        for (index, pending) in self.done.iter_mut().enumerate() {
            pending.rule.scanned = self.wanted.iter().any(|w| w.rule as usize == index);
            let bit = 1u64 << (index % 64);
            for (set, member) in [(&mut phase, true), (&mut always, !pending.rule.scanned)] {
                let word = set
                    .get_mut(pending.phase)
                    .and_then(|words| words.get_mut(index / 64));
                if let Some(word) = word.filter(|_| member) {
                    *word |= bit;
                }
            }
        }
        let rules: Vec<Rule> = std::mem::take(&mut self.done)
            .into_iter()
            .map(|p| p.rule)
            .collect();
        let (classes, unions) =
            classes::build(&rules, &self.wanted, &self.scan_patterns).map_err(|_| {
                let mut found = Diagnostics::default();
                found.error(
                    "too-large",
                    None,
                    "the patterns of these rules together take too much memory",
                );
                found
            })?;
        let paranoia = options.paranoia.to_string();
        let threshold = options.threshold.to_string();
        let initial = PARANOIA_NAMES
            .iter()
            .map(|n| (*n, &paranoia))
            .chain([(THRESHOLD_NAME, &threshold)]);
        let tx_initial = initial
            .map(|(name, value)| (self.slot(name), value.clone().into_bytes()))
            .collect();
        let score_slots = SCORE_NAMES.iter().map(|name| self.slot(name)).collect();
        Ok(Program {
            identity: Program::next_identity(),
            limits: options.limits.clone(),
            engine: self.engine.unwrap_or(Engine::On),
            rules,
            chains: self.chains,
            patterns: self.patterns,
            classes,
            unions,
            always,
            phase,
            tx_names: self.tx_names,
            tx_slots: self.tx_slots,
            tx_initial,
            score_slots,
        })
    }

    fn resolve_markers(&mut self) {
        for (index, pending) in self.done.iter_mut().enumerate() {
            let Some(marker) = &pending.skip_after else {
                continue;
            };
            let places = self
                .markers
                .get(&marker.value)
                .map_or(&[][..], Vec::as_slice);
            pending.rule.skip_to = places.iter().copied().find(|place| *place > index);
            if pending.rule.skip_to.is_none() {
                let message = format!("no SecMarker `{}` follows this rule", marker.value);
                self.found.error("unknown-marker", marker.at, message);
            }
        }
    }

    fn link(
        &mut self,
        targets: Vec<crate::seclang::ast::TargetSyntax>,
        operator: Option<crate::seclang::ast::OperatorSyntax>,
        chain: usize,
        actions: &Actions,
    ) -> Option<Link> {
        let (targets, exclusions) = self.targets(targets);
        let negated = operator.as_ref().is_some_and(|o| o.negated);
        let scan = (self.open.is_none() && !negated).then_some(());
        let operator = self.operator(operator)?;
        let link = Link {
            targets,
            exclusions,
            chain,
            operator: operator.test,
            negated,
            capture: actions.capture,
            set_vars: actions.set_vars.clone(),
        };
        if let (Some(()), Some(scan)) = (scan, operator.scan)
            && target::can_be_scanned(&link.targets)
        {
            self.want(scan, chain);
        }
        Some(link)
    }

    /// Has the unions look for the pattern of the rule that is being read.
    fn want(&mut self, scan: operator::Scan, chain: usize) {
        let pattern = match self.scan_ids.get(&scan.key) {
            Some(pattern) => *pattern,
            None => {
                self.scan_patterns.push(scan.pattern);
                self.scan_ids.insert(scan.key, self.scan_patterns.len() - 1);
                self.scan_patterns.len() - 1
            }
        };
        self.wanted.push(Wanted {
            rule: self.done.len() as u32,
            pattern,
            chain,
        });
    }
}
