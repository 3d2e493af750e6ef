//! From directives to a program: chains joined, names made slots, markers made jumps, patterns made automata.

mod actions;
mod bounds;
mod files;
mod finish;
mod operator;
mod target;

use std::sync::Arc;

use ahash::AHashMap;
use regex_syntax::hir::Hir;
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use smallvec::SmallVec;

use super::classes::Find;
use super::{Link, Outcome, Program, Rule};
use crate::files::Files;
use crate::limits::Options;
use crate::matched::RuleInfo;
use crate::operator::{Addresses, Phrases};
use crate::pattern::Pattern;
use crate::seclang::ast::{
    Action, ControlSyntax, Directive, Disruption, Engine, Note, RuleSyntax, Setting, Spanned,
    TargetSyntax, Which,
};
use crate::template::Template;
use crate::transform::{Chain, Transform};
use crate::variable::{Record, Variable};

use actions::Actions;

/// The status of a refusal that names none.
const DENY_STATUS: u16 = 403;
/// Phases: request head and body, response head and body, logging.
pub(crate) const PHASES: usize = 5;

/// Compiles files to a program.
pub(super) fn compile(
    sources: &mut SourceMap,
    files: &[FileId],
    reader: &dyn Files,
    options: &Options,
) -> Result<Program, Diagnostics> {
    let mut compiler = Compiler::default();
    for name in 0..super::CAPTURES {
        compiler.slot(&name.to_string());
    }
    for file in files {
        compiler.file(sources, *file, reader, 0);
    }
    compiler.finish(sources, options)
}

/// What SecDefaultAction says for a phase.
#[derive(Clone, Debug)]
struct Defaults {
    outcome: Outcome,
    log: bool,
    audit: bool,
    transforms: Vec<Transform>,
}

impl Default for Defaults {
    /// ModSecurity's own: `log,auditlog,pass`.
    fn default() -> Self {
        Self {
            outcome: Outcome::Pass,
            log: true,
            audit: true,
            transforms: Vec::new(),
        }
    }
}

/// A `ctl` or a collection's action, until the rules it is about are known.
enum PendingControl {
    Syntax(ControlSyntax),
    Init(Record, Template),
    Expire(Record, Template, Template),
}

/// A rule with what is needed until all files are read.
struct Pending {
    at: Span,
    phase: usize,
    rule: Rule,
    /// The message as it was written, for what names rules by it.
    message: String,
    tags: Vec<String>,
    info: RuleInfo,
    /// How the first link's candidates can be found.
    find: Option<Find>,
    controls: Vec<PendingControl>,
    skip: Option<usize>,
    skip_after: Option<Spanned<String>>,
    wants_link: bool,
}

/// `SecRuleUpdate...`.
enum Update {
    Targets(Vec<TargetSyntax>),
    Actions(Vec<Spanned<Action>>),
}

#[derive(Default)]
struct Compiler {
    found: Diagnostics,
    taken: bounds::Taken,
    /// The directory of the file that is being read.
    directory: std::path::PathBuf,
    files_read: usize,
    engine: Option<Engine>,
    settings: Vec<Setting>,
    signatures: Vec<String>,
    defaults: [Defaults; PHASES],
    open: Option<Pending>,
    done: Vec<Pending>,
    removed: Vec<Which>,
    updates: Vec<(Vec<Which>, Update)>,
    /// The position of the next rule for each marker; a name may stand more than once.
    markers: AHashMap<String, Vec<usize>>,
    ids: AHashMap<u32, Span>,
    chains: Vec<Chain>,
    chain_ids: AHashMap<Chain, usize>,
    patterns: Vec<Pattern>,
    pattern_ids: AHashMap<String, usize>,
    phrases: Vec<Phrases>,
    phrase_ids: AHashMap<Vec<Vec<u8>>, usize>,
    addresses: Vec<Addresses>,
    /// What the unions look for, each text once.
    scan_patterns: Vec<Hir>,
    scan_ids: AHashMap<String, usize>,
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

    fn directive(&mut self, directive: Directive, reader: &dyn Files) {
        if !matches!(directive, Directive::Rule(_)) {
            self.close_open();
        }
        match directive {
            Directive::Rule(rule) => self.rule(rule, reader),
            Directive::Marker(name) => self.markers.entry(name).or_default().push(self.done.len()),
            Directive::Engine(engine) => self.engine = Some(engine),
            Directive::Default(actions) => self.default_action(actions),
            Directive::Remove(which) => self.removed.extend(which),
            Directive::UpdateTargets(which, targets) => {
                self.updates.push((which, Update::Targets(targets)));
            }
            Directive::UpdateActions(which, actions) => {
                self.updates.push((which, Update::Actions(actions)));
            }
            Directive::Setting(setting) => self.settings.push(setting),
            // Followed where files are read.
            Directive::Include(..) => {}
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

    fn rule(&mut self, syntax: RuleSyntax, reader: &dyn Files) {
        let at = syntax.at;
        if self.is_full() || !self.has_room_for_rule(at) {
            return;
        }
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
        let chains = self.chains_of(transforms, actions.multi_match);
        let operator = syntax
            .operator
            .as_ref()
            .map(|o| (o.name(), o.argument.value.clone()));
        let link = self.link(syntax.targets, syntax.operator, chains, &actions, reader);
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
        if let Some(text) = actions.message_text {
            pending.message = text;
        }
        pending.controls.extend(actions.controls);
        note(&mut pending.info, actions.notes);
        if let Some((name, argument)) = operator {
            pending.info.set_operator(name, &argument);
        }
        if let Some((link, find)) = link {
            if rule.links.is_empty() {
                pending.find = find;
            }
            let remembers = |v| matches!(v, Variable::MatchedVars | Variable::MatchedVarsNames);
            rule.remembers |= link.targets.iter().any(|t| remembers(t.variable));
            rule.links.push(link);
        }
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
        let rule = Rule {
            id: actions.id.as_ref().map_or(0, |id| id.value),
            links: Vec::new(),
            scanned: false,
            remembers: false,
            log: actions.log.unwrap_or(defaults.log),
            audit: actions.audit.unwrap_or(defaults.audit),
            message: None,
            log_data: None,
            severity: None,
            tags: actions.tags.as_slice().into(),
            info: Arc::default(),
            scores: false,
            dry_run: false,
            outcome: outcome(
                actions.disruption.as_ref().map(|d| d.value),
                actions.status,
                defaults.outcome,
            ),
            skip_to: None,
            controls: Vec::new(),
            gate: None,
        };
        Pending {
            at,
            phase,
            rule,
            message: String::new(),
            tags: actions.tags.clone(),
            info: RuleInfo::default(),
            find: None,
            controls: Vec::new(),
            skip: actions.skip,
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
                .filter(|s| s.value != Disruption::Pass)
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

    /// The chains whose results an operator is asked about: with `multiMatch` that of each step.
    fn chains_of(&mut self, transforms: Vec<Transform>, multi_match: bool) -> SmallVec<[usize; 1]> {
        if !multi_match {
            return SmallVec::from_slice(&[self.chain(transforms)]);
        }
        (0..=transforms.len())
            .map(|steps| self.chain(transforms.get(..steps).unwrap_or_default().to_vec()))
            .collect()
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

    fn link(
        &mut self,
        targets: Vec<TargetSyntax>,
        operator: Option<crate::seclang::ast::OperatorSyntax>,
        chains: SmallVec<[usize; 1]>,
        actions: &Actions,
        reader: &dyn Files,
    ) -> Option<(Link, Option<Find>)> {
        let (targets, exclusions) = self.targets(targets);
        let negated = operator.as_ref().is_some_and(|o| o.negated);
        let operator = self.operator(operator, reader)?;
        let link = Link {
            targets,
            exclusions,
            chains,
            operator: operator.test,
            negated,
            capture: actions.capture,
            set_vars: actions.set_vars.clone(),
            compares_tx: false,
        };
        Some((link, operator.find.filter(|_| !negated)))
    }
}

/// What actions say to readers alone; what is said last holds.
fn note(info: &mut RuleInfo, notes: Vec<(Note, String)>) {
    for (note, text) in notes {
        let place = match note {
            Note::Version => &mut info.version,
            Note::Revision => &mut info.revision,
            Note::Maturity => &mut info.maturity,
            Note::Accuracy => &mut info.accuracy,
        };
        *place = text;
    }
}

/// What becomes of a request that a rule with these actions matches.
fn outcome(disruption: Option<Disruption>, status: Option<u16>, default: Outcome) -> Outcome {
    match disruption {
        Some(Disruption::Deny) => Outcome::Deny(status.unwrap_or(DENY_STATUS)),
        Some(Disruption::Pass) => Outcome::Pass,
        Some(Disruption::Allow(allowed)) => Outcome::Allow(allowed),
        Some(Disruption::Block) | None => match (default, status) {
            (Outcome::Deny(_), Some(status)) => Outcome::Deny(status),
            (default, _) => default,
        },
    }
}
