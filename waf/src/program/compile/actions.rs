//! The actions of a rule or a link, sorted; names become slots, texts become templates.

use seawall_diag::Span;

use super::{Compiler, Defaults, Outcome, PendingControl, outcome};
use crate::program::{SetOp, SetVar, VariableName};
use crate::seclang::ast::{Action, Disruption, Note, Spanned};
use crate::template::Template;
use crate::transform::Transform;
use crate::variable::Record;

/// The actions of one rule or link, sorted.
#[derive(Default)]
pub(super) struct Actions {
    pub(super) id: Option<Spanned<u32>>,
    pub(super) phase: Option<usize>,
    pub(super) disruption: Option<Spanned<Disruption>>,
    pub(super) status: Option<u16>,
    pub(super) log: Option<bool>,
    pub(super) audit: Option<bool>,
    pub(super) message: Option<Template>,
    pub(super) message_text: Option<String>,
    pub(super) log_data: Option<Template>,
    pub(super) tags: Vec<String>,
    pub(super) severity: Option<u8>,
    /// `None` where nothing is said: the defaults hold.
    pub(super) transforms: Option<Vec<Transform>>,
    pub(super) multi_match: bool,
    pub(super) set_vars: Vec<SetVar>,
    pub(super) capture: bool,
    pub(super) chain: bool,
    pub(super) skip: Option<usize>,
    pub(super) skip_after: Option<Spanned<String>>,
    pub(super) controls: Vec<PendingControl>,
    pub(super) notes: Vec<(Note, String)>,
}

impl Compiler {
    pub(super) fn default_action(&mut self, actions: Spanned<Vec<Spanned<Action>>>) {
        let at = actions.at;
        let actions = self.actions(actions.value);
        let Some(phase) = actions.phase else {
            self.found
                .error("default-phase", at, "SecDefaultAction needs a phase");
            return;
        };
        let defaults = Defaults {
            outcome: outcome(
                actions.disruption.map(|d| d.value),
                actions.status,
                Outcome::Pass,
            ),
            log: actions.log.unwrap_or(true),
            audit: actions.audit.unwrap_or(true),
            transforms: actions.transforms.unwrap_or_default(),
        };
        if let Some(slot) = self.defaults.get_mut(phase) {
            *slot = defaults;
        }
    }

    pub(super) fn actions(&mut self, list: Vec<Spanned<Action>>) -> Actions {
        let mut actions = Actions::default();
        for Spanned { value, at } in list {
            match value {
                Action::Id(id) => actions.id = Some(Spanned { value: id, at }),
                Action::Phase(phase) => actions.phase = Some(usize::from(phase.saturating_sub(1))),
                Action::Disruption(d) => actions.disruption = Some(Spanned { value: d, at }),
                Action::Status(status) => actions.status = Some(status),
                // What is logged is audited, too, and what is not is not, unless the other word follows.
                Action::Log(log) => (actions.log, actions.audit) = (Some(log), Some(log)),
                Action::AuditLog(audit) => actions.audit = Some(audit),
                Action::Msg(text) => {
                    actions.message = self.template(&text, at);
                    actions.message_text = Some(text);
                }
                Action::LogData(text) => actions.log_data = self.template(&text, at),
                Action::Tag(text) => actions.tags.push(text),
                Action::Severity(severity) => actions.severity = Some(severity),
                Action::Transform(None) => actions.transforms = Some(Vec::new()),
                Action::Transform(Some(t)) => actions.transforms.get_or_insert_default().push(t),
                Action::MultiMatch => actions.multi_match = true,
                Action::SetVar(text) => actions.set_vars.extend(self.set_var(&text, at)),
                Action::Init(record, key) => {
                    let key = self.template(&key, at);
                    actions
                        .controls
                        .extend(key.map(|key| PendingControl::Init(record, key)));
                }
                Action::Expire(record, member, seconds) => {
                    let parts = self.template(&member.to_ascii_lowercase(), at);
                    let parts = parts.zip(self.template(&seconds, at));
                    actions
                        .controls
                        .extend(parts.map(|(member, s)| PendingControl::Expire(record, member, s)));
                }
                Action::Capture => actions.capture = true,
                Action::Chain => actions.chain = true,
                Action::Skip(count) => actions.skip = Some(count),
                Action::SkipAfter(marker) => {
                    actions.skip_after = Some(Spanned { value: marker, at })
                }
                Action::Note(note, text) => actions.notes.push((note, text)),
                Action::Nothing => {}
                Action::Control(control) => {
                    actions.controls.push(PendingControl::Syntax(control));
                }
            }
        }
        actions
    }

    fn set_var(&mut self, text: &str, at: Span) -> Option<SetVar> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let (removed, name) = name.strip_prefix('!').map_or((false, name), |n| (true, n));
        // The parser saw to it that there is one.
        let (collection, member) = name.split_once('.')?;
        let member = member.trim();
        let computed = self.template(member, at)?;
        let name = match Record::named(collection) {
            Some(record) => VariableName::Record(record, computed),
            None if computed.fixed().is_some() => VariableName::Slot(self.slot(member)),
            None => VariableName::Computed(computed),
        };
        let op = match value {
            _ if removed => SetOp::Remove,
            None => SetOp::Set(Template::parse("1", |_| 0).ok()?),
            Some(value) => match (value.strip_prefix('+'), value.strip_prefix('-')) {
                (Some(add), _) => SetOp::Add(self.template(add, at)?),
                (_, Some(subtract)) => SetOp::Subtract(self.template(subtract, at)?),
                _ => SetOp::Set(self.template(value, at)?),
            },
        };
        Some(SetVar { name, op })
    }
}
