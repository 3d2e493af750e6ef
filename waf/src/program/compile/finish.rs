//! When all files are read: rules changed and removed by others, jumps, levels, automata.

use std::sync::Arc;

use ahash::AHashMap;
use seawall_diag::{Diagnostics, FileId, SourceMap};

use super::target::can_be_scanned;
use super::{Compiler, PHASES, Pending, PendingControl, Update, note, outcome};
use crate::audit::AuditSettings;
use crate::limits::{DryRun, Limits, Options, OverLimit};
use crate::operator::number_of_level;
use crate::pattern::Pattern;
use crate::program::classes::{Builder, Wanted};
use crate::program::{
    Control, NumberTest, Operator, Outcome, Program, Response, Rule, RuleSet, Selector, SetOp,
    SetVar, SourceSet, VariableName,
};
use crate::seclang::ast::{ControlSyntax, Disruption, Engine, Setting, Which};
use crate::variable::Variable;

/// Names under which rule sets keep the paranoia level.
///
/// CRS takes the others (`executing_paranoia_level`, `detection_paranoia_level`) from these.
const PARANOIA_NAMES: &[&str] = &["paranoia_level", "blocking_paranoia_level"];
/// The name under which rule sets keep the threshold.
const THRESHOLD_NAME: &str = "inbound_anomaly_score_threshold";
/// Names under which rule sets keep the inbound score.
const SCORE_NAMES: &[&str] = &[
    "inbound_anomaly_score",
    "blocking_inbound_anomaly_score",
    "anomaly_score",
];
/// What the names of all scores have in them, those of single paranoia levels among them.
const SCORE_NAME_PART: &str = "anomaly_score";
/// Media types whose bodies are looked at if nothing else is said.
const RESPONSE_TYPES: &[&str] = &["text/plain", "text/html", "text/xml", "application/json"];

impl Compiler {
    pub(super) fn finish(
        mut self,
        sources: &SourceMap,
        options: &Options,
    ) -> Result<Program, Diagnostics> {
        self.close_open();
        self.update_rules();
        self.resolve_jumps();
        self.resolve_controls();
        let audit = self.audit_settings();
        if self.found.has_errors() {
            return Err(self.found);
        }
        let removed = self.rules_of(&self.removed);
        let levels = self.levels();
        let paranoia = options.paranoia.clamp(1, 4);
        let (mut wanted, mut full) = (Vec::new(), Vec::new());
        for (index, pending) in self.done.iter_mut().enumerate() {
            let find = pending.find.filter(|_| {
                let first = pending.rule.links.first();
                first.is_some_and(|link| can_be_scanned(&link.targets))
            });
            pending.rule.scanned = find.is_some();
            let (Some(find), Some(link)) = (find, pending.rule.links.first()) else {
                continue;
            };
            if contains(&removed, index) {
                continue;
            }
            for chain in &link.chains {
                let want = Wanted {
                    rule: index as u32,
                    find,
                    chain: *chain,
                };
                full.push(want);
                if levels.get(index).is_none_or(|level| *level <= paranoia) {
                    wanted.push(want);
                }
            }
        }
        let (always, phase) = self.phase_sets(&removed);
        let uses = self.uses();
        self.note_scores();
        self.try_only(&options.dry_run);
        self.note_places(sources);
        let mut rules: Vec<Rule> = std::mem::take(&mut self.done)
            .into_iter()
            .map(|p| p.rule)
            .collect();
        let plain = |chain: usize| self.chains.get(chain).is_some_and(|c| c.is_empty());
        for link in rules.iter_mut().flat_map(|rule| &mut rule.links) {
            link.compares_tx = link.compares_tx(plain);
        }
        let mut builder = Builder::new(&rules, &self.scan_patterns, &self.phrases);
        let built = builder.classes(&wanted).and_then(|base| {
            let more = full.len() > wanted.len();
            let full = more.then(|| builder.classes(&full)).transpose()?;
            Ok((base, full))
        });
        let Builder {
            unions,
            phrase_sets,
            ..
        } = builder;
        let Ok((classes, full_classes)) = built else {
            self.found.error(
                "too-large",
                None,
                "the patterns of these rules together take too much memory",
            );
            return Err(self.found);
        };
        let tx_initial = self.tx_initial(options);
        let score_slots = SCORE_NAMES.iter().map(|name| self.slot(name)).collect();
        let (limits, response) = self.settings(options);
        let tx_selected = self.tx_selected(&rules);
        let signatures = std::mem::take(&mut self.signatures);
        Ok(Program {
            identity: Program::next_identity(),
            warnings: self.found,
            limits,
            response,
            audit,
            signatures,
            paranoia,
            engine: self.engine.unwrap_or(Engine::On),
            detect: options.detect,
            collections: options.collections.clone(),
            rules,
            levels,
            chains: self.chains,
            patterns: self.patterns,
            phrases: self.phrases,
            addresses: self.addresses,
            classes,
            full_classes,
            unions,
            phrase_sets,
            always,
            phase,
            uses,
            tx_names: self.tx_names,
            tx_slots: self.tx_slots,
            tx_selected,
            tx_initial,
            score_slots,
        })
    }

    /// What the rule files say of an audit log.
    fn audit_settings(&mut self) -> AuditSettings {
        let mut audit = AuditSettings::default();
        for setting in self.settings.clone() {
            match setting {
                Setting::AuditEngine(engine) => audit.engine = Some(engine),
                Setting::AuditParts(parts) => audit.parts = Some(parts),
                Setting::AuditStatus(pattern) => audit.status = self.pattern_index(&pattern),
                Setting::Signature(text) => self.signatures.push(text),
                _ => {}
            }
        }
        audit
    }

    /// Notes where each rule was written.
    fn note_places(&mut self, sources: &SourceMap) {
        let mut names: AHashMap<FileId, Arc<str>> = AHashMap::new();
        // Rules of a file come in its order: lines are counted once.
        let mut counted = (FileId::default(), 0, 1);
        for pending in &mut self.done {
            let file = pending.at.file;
            let name = names
                .entry(file)
                .or_insert_with(|| sources.name(file).to_string_lossy().into());
            pending.info.file = name.clone();
            let start = pending.at.start as usize;
            let (at, line) = match counted {
                (known, at, line) if known == file && at <= start => (at, line),
                _ => (0, 1),
            };
            let between = sources.text(file).as_bytes().get(at..start);
            let line = line + memchr::memchr_iter(b'\n', between.unwrap_or_default()).count();
            counted = (file, start, line);
            pending.info.line = u32::try_from(line).unwrap_or(u32::MAX);
            pending.rule.info = Arc::new(std::mem::take(&mut pending.info));
        }
    }

    /// Notes which rules add to an anomaly score.
    fn note_scores(&mut self) {
        for pending in &mut self.done {
            let mut set_vars = pending.rule.links.iter().flat_map(|link| &link.set_vars);
            pending.rule.scores = set_vars.any(|set| adds_to_score(&self.tx_names, set));
        }
    }

    /// Takes from the rules that are only tried what they would add to a score, and their refusals.
    fn try_only(&mut self, dry_run: &DryRun) {
        for rule in self.done.iter_mut().map(|pending| &mut pending.rule) {
            if !dry_run.names(rule.id, &rule.tags) {
                continue;
            }
            (rule.dry_run, rule.scores) = (true, false);
            if let Outcome::Deny(_) = rule.outcome {
                rule.outcome = Outcome::Pass;
            }
            for link in &mut rule.links {
                link.set_vars
                    .retain(|set| !adds_to_score(&self.tx_names, set));
            }
        }
    }

    /// `SecRuleUpdate...`, in the order they stand.
    fn update_rules(&mut self) {
        for (which, update) in std::mem::take(&mut self.updates) {
            let set = self.rules_of(&which);
            let indexes: Vec<usize> = (0..self.done.len())
                .filter(|i| contains(&set, *i))
                .collect();
            match update {
                Update::Targets(targets) => {
                    let (targets, exclusions) = self.targets(targets);
                    for index in indexes {
                        let rule = self.done.get_mut(index).map(|p| &mut p.rule);
                        if let Some(link) = rule.and_then(|r| r.links.first_mut()) {
                            link.targets.extend(targets.iter().cloned());
                            link.exclusions.extend(exclusions.iter().cloned());
                        }
                    }
                }
                Update::Actions(actions) => {
                    for index in indexes {
                        let actions = self.actions(actions.clone());
                        self.update_actions(index, actions);
                    }
                }
            }
        }
    }

    fn update_actions(&mut self, index: usize, actions: super::Actions) {
        let chains = actions
            .transforms
            .clone()
            .map(|t| self.chains_of(t, actions.multi_match));
        let Some(pending) = self.done.get_mut(index) else {
            return;
        };
        let rule = &mut pending.rule;
        if actions.disruption.is_some() || actions.status.is_some() {
            let disruption = actions.disruption.map(|d| d.value);
            let kept = disruption.is_none() || disruption == Some(Disruption::Block);
            let disruption = disruption.filter(|_| !kept);
            rule.outcome = outcome(disruption, actions.status, rule.outcome);
        }
        rule.log = actions.log.unwrap_or(rule.log);
        rule.audit = actions.audit.unwrap_or(rule.audit);
        rule.message = actions.message.or(rule.message.take());
        rule.log_data = actions.log_data.or(rule.log_data.take());
        rule.severity = actions.severity.or(rule.severity);
        pending.tags.extend(actions.tags);
        rule.tags = pending.tags.as_slice().into();
        pending.controls.extend(actions.controls);
        note(&mut pending.info, actions.notes);
        if let Some(link) = rule.links.first_mut() {
            link.set_vars.extend(actions.set_vars);
            link.capture |= actions.capture;
            if let Some(chains) = chains {
                link.chains = chains;
            }
        }
        pending.skip_after = actions.skip_after.or(pending.skip_after.take());
    }

    /// The rules that any of these names.
    fn rules_of(&self, which: &[Which]) -> RuleSet {
        let mut set = vec![0u64; self.done.len().div_ceil(64)];
        for which in which {
            let test = Test::new(which);
            for (index, pending) in self.done.iter().enumerate() {
                if test.names(pending)
                    && let Some(word) = set.get_mut(index / 64)
                {
                    *word |= 1 << (index % 64);
                }
            }
        }
        set.into()
    }

    fn resolve_jumps(&mut self) {
        let phases: Vec<usize> = self.done.iter().map(|p| p.phase).collect();
        for (index, pending) in self.done.iter_mut().enumerate() {
            if let Some(marker) = &pending.skip_after {
                let places = self
                    .markers
                    .get(&marker.value)
                    .map_or(&[][..], Vec::as_slice);
                pending.rule.skip_to = places.iter().copied().find(|place| *place > index);
                if pending.rule.skip_to.is_none() {
                    let message = format!("no SecMarker `{}` follows this rule", marker.value);
                    self.found.error("unknown-marker", marker.at, message);
                }
            } else if let Some(count) = pending.skip {
                let later = phases.iter().enumerate().skip(index + 1);
                let mine = later.filter(|(_, phase)| **phase == pending.phase);
                let last = mine.map(|(i, _)| i + 1).take(count).last();
                pending.rule.skip_to = last;
            }
        }
    }

    fn resolve_controls(&mut self) {
        for index in 0..self.done.len() {
            let pending = self
                .done
                .get_mut(index)
                .map(|p| std::mem::take(&mut p.controls));
            let controls: Vec<Control> = pending
                .into_iter()
                .flatten()
                .filter_map(|control| self.control(control))
                .collect();
            if let Some(pending) = self.done.get_mut(index) {
                pending.rule.controls = controls;
            }
        }
    }

    fn control(&mut self, control: PendingControl) -> Option<Control> {
        let syntax = match control {
            PendingControl::Syntax(syntax) => syntax,
            PendingControl::Init(record, key) => return Some(Control::Init(record, key)),
            PendingControl::Expire(record, member, seconds) => {
                return Some(Control::Expire(record, member, seconds));
            }
        };
        Some(match syntax {
            ControlSyntax::Engine(engine) => Control::Engine(engine),
            ControlSyntax::RemoveRules(which) => Control::RemoveRules(self.rules_of(&[which])),
            ControlSyntax::RemoveTarget(which, target) => {
                let rules = self.rules_of(&[which]);
                Control::RemoveTarget(rules, self.selected(target)?)
            }
            ControlSyntax::BodyProcessor(kind) => Control::BodyProcessor(kind),
            ControlSyntax::BodyAccess(on) => Control::BodyAccess(on),
            ControlSyntax::ForceBody(on) => Control::ForceBody(on),
            ControlSyntax::ResponseBodyAccess(on) => Control::ResponseBodyAccess(on),
            ControlSyntax::AuditEngine(engine) => Control::AuditEngine(engine),
            ControlSyntax::AuditParts(change) => Control::AuditParts(change),
            ControlSyntax::Nothing => return None,
        })
    }

    /// The level that must be reached for a rule not to be skipped: the highest of the gates that it stands behind.
    fn levels(&mut self) -> Vec<u8> {
        let mut levels = vec![0u8; self.done.len()];
        let phases: Vec<usize> = self.done.iter().map(|p| p.phase).collect();
        for (index, pending) in self.done.iter_mut().enumerate() {
            let chains = &self.chains;
            let plain = |chain: &usize| chains.get(*chain).is_some_and(|c| c.is_empty());
            let Some(level) = gate_level(&pending.rule, plain) else {
                continue;
            };
            pending.rule.gate = Some(level);
            let end = pending.rule.skip_to.unwrap_or(index);
            let behind = levels.iter_mut().zip(&phases).take(end).skip(index + 1);
            for (mine, _) in behind.filter(|(_, phase)| **phase == pending.phase) {
                *mine = level.max(*mine);
            }
        }
        levels
    }

    /// For each phase the rules that are asked even if no value is a candidate, and all rules of the phase.
    fn phase_sets(&self, removed: &RuleSet) -> ([Vec<u64>; PHASES], [Vec<u64>; PHASES]) {
        let words = self.done.len().div_ceil(64);
        let mut phase: [Vec<u64>; PHASES] = std::array::from_fn(|_| vec![0; words]);
        let mut always = phase.clone();
        for (index, pending) in self.done.iter().enumerate() {
            if contains(removed, index) {
                continue;
            }
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
        (always, phase)
    }

    /// The sources that anything looks at.
    fn uses(&self) -> SourceSet {
        let mut uses = SourceSet::default();
        let mut add = |variable: Variable| {
            if let Variable::Values { sources, .. } = variable {
                sources.iter().for_each(|s| uses.insert(*s));
            }
        };
        for rule in self.done.iter().map(|p| &p.rule) {
            for link in &rule.links {
                link.targets.iter().for_each(|t| add(t.variable));
                for set in &link.set_vars {
                    set.templates()
                        .for_each(|t| t.variables().for_each(&mut add));
                }
                link.operator
                    .template()
                    .into_iter()
                    .for_each(|t| t.variables().for_each(&mut add));
            }
            let texts = rule.message.iter().chain(&rule.log_data);
            texts.for_each(|t| t.variables().for_each(&mut add));
            for control in &rule.controls {
                if let Control::Init(_, key) = control {
                    key.variables().for_each(&mut add);
                }
            }
        }
        uses
    }

    /// The slots of TX that patterns select.
    fn tx_selected(&self, rules: &[Rule]) -> AHashMap<usize, Vec<usize>> {
        let links = rules.iter().flat_map(|rule| &rule.links);
        let targets = links.flat_map(|link| &link.targets);
        let patterns = targets.filter_map(|target| match (&target.variable, &target.selector) {
            (Variable::Tx, Selector::Regex(pattern)) => Some(*pattern),
            _ => None,
        });
        let mut selected = AHashMap::new();
        for index in patterns {
            let Some(pattern) = self.patterns.get(index) else {
                continue;
            };
            selected.entry(index).or_insert_with(|| {
                let mut cache = None;
                let names = self.tx_names.iter().enumerate();
                names
                    .filter(|(_, name)| pattern.find(&mut cache, name.as_bytes(), None).is_some())
                    .map(|(slot, _)| slot)
                    .collect()
            });
        }
        selected
    }

    fn tx_initial(&mut self, options: &Options) -> Vec<(usize, Vec<u8>)> {
        let paranoia = options.paranoia.to_string();
        let threshold = options.threshold.to_string();
        let initial = PARANOIA_NAMES
            .iter()
            .map(|n| (*n, &paranoia))
            .chain([(THRESHOLD_NAME, &threshold)]);
        initial
            .map(|(name, value)| (self.slot(name), value.clone().into_bytes()))
            .collect()
    }

    /// The limits, as the rule files change them, and whether responses are looked at.
    fn settings(&mut self, options: &Options) -> (Limits, Response) {
        let mut limits = options.limits.clone();
        let mut response = Response {
            body: options.response_body,
            types: RESPONSE_TYPES.iter().map(|t| (*t).to_owned()).collect(),
        };
        for setting in std::mem::take(&mut self.settings) {
            match setting {
                Setting::RequestBodyAccess(on) => limits.body_access = on,
                Setting::RequestBodyLimit(bytes) => {
                    limits.body_bytes_max = limits.body_bytes_max.min(bytes);
                }
                Setting::RequestBodyRefuse(refuse) => limits.body_over = over(refuse),
                Setting::JsonDepth(depth) => limits.json_depth_max = depth,
                Setting::Arguments(count) => limits.args_max = count,
                Setting::ResponseBodyAccess(on) => response.body &= on,
                Setting::ResponseBodyLimit(bytes) => {
                    limits.response_bytes_max = limits.response_bytes_max.min(bytes);
                }
                Setting::ResponseBodyRefuse(refuse) => limits.response_over = over(refuse),
                Setting::ResponseBodyTypes(types) => response.types = types,
                Setting::CollectionTimeout(seconds) => limits.collection_timeout_s = seconds,
                Setting::ArgumentSeparator(separator) => limits.argument_separator = separator,
                Setting::AuditEngine(_)
                | Setting::AuditParts(_)
                | Setting::AuditStatus(_)
                | Setting::Signature(_) => {}
            }
        }
        (limits, response)
    }
}

fn over(refuse: bool) -> OverLimit {
    if refuse {
        OverLimit::Refuse
    } else {
        OverLimit::Inspect
    }
}

/// Whether a set has a rule.
pub(super) fn contains(set: &[u64], index: usize) -> bool {
    set.get(index / 64)
        .is_some_and(|word| word & (1 << (index % 64)) != 0)
}

/// The level of a rule that does nothing but skip others below it: `TX:paranoia_level "@lt 2" "...,skipAfter:END"`.
fn gate_level(rule: &Rule, plain: impl Fn(&usize) -> bool) -> Option<u8> {
    let ([link], Some(_), Outcome::Pass) = (rule.links.as_slice(), rule.skip_to, rule.outcome)
    else {
        return None;
    };
    let [target] = link.targets.as_slice() else {
        return None;
    };
    let slot = matches!(target.selector, Selector::Slot(_)) && target.variable == Variable::Tx;
    let Operator::Number(NumberTest::Lt, argument) = &link.operator else {
        return None;
    };
    let whole = slot && !target.count && !link.negated && link.exclusions.is_empty();
    if !whole || !link.chains.iter().all(plain) {
        return None;
    }
    argument
        .fixed()
        .map(number_of_level)
        .filter(|level| *level > 0)
}

/// Whether a rule is one of those that are named.
enum Test<'a> {
    Ids(u32, u32),
    Tag(Text<'a>),
    Message(Text<'a>),
}

/// A text that is meant as it stands, or as a pattern.
struct Text<'a> {
    text: &'a str,
    pattern: Option<Pattern>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        let plain = |c: char| c.is_alphanumeric() || " _-/:.".contains(c);
        let pattern = (!text.chars().all(plain))
            .then(|| Pattern::rx(text, false).ok())
            .flatten();
        Self { text, pattern }
    }

    fn is(&self, other: &str) -> bool {
        match &self.pattern {
            Some(pattern) => {
                self.text == other || pattern.find(&mut None, other.as_bytes(), None).is_some()
            }
            None => self.text == other,
        }
    }
}

impl<'a> Test<'a> {
    fn new(which: &'a Which) -> Self {
        match which {
            Which::Ids(from, to) => Test::Ids(*from, *to),
            Which::Tag(tag) => Test::Tag(Text::new(tag)),
            Which::Message(message) => Test::Message(Text::new(message)),
        }
    }

    fn names(&self, pending: &Pending) -> bool {
        match self {
            Test::Ids(from, to) => (*from..=*to).contains(&pending.rule.id),
            Test::Tag(text) => pending.tags.iter().any(|tag| text.is(tag)),
            Test::Message(text) => text.is(&pending.message),
        }
    }
}

/// Whether a `setvar` adds to a member of TX that is an anomaly score.
fn adds_to_score(tx_names: &[Arc<str>], set: &SetVar) -> bool {
    let (VariableName::Slot(slot), SetOp::Add(_)) = (&set.name, &set.op) else {
        return false;
    };
    let name = tx_names.get(*slot);
    name.is_some_and(|name| name.contains(SCORE_NAME_PART))
}
