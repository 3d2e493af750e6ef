//! Macros put in, variables set.

use crate::program::{Program, Rule, SetOp, SetVar, VariableName};
use crate::request::Store;
use crate::scratch::Run;
use crate::template::{Piece, Template};
use crate::tx::number;
use crate::variable::{Record, Variable};

/// What macros can name.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) program: &'a Program,
    pub(crate) store: &'a Store,
    pub(crate) rule: &'a Rule,
}

impl Scope<'_> {
    /// The text of a template.
    pub(crate) fn expand(&self, template: &Template, run: &mut Run) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &template.pieces {
            let before = out.len();
            self.piece(piece, run, &mut out);
            if matches!(piece, Piece::Text(_)) {
                continue;
            }
            // Macros in macros' values could double a text with each rule: together they have a limit.
            let added = out.len() - before;
            if added > run.macro_bytes_left {
                out.truncate(before);
            } else {
                run.macro_bytes_left -= added;
            }
        }
        out
    }

    fn piece(&self, piece: &Piece, run: &Run, out: &mut Vec<u8>) {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Tx(slot) => out.extend_from_slice(run.tx.get(*slot).unwrap_or_default()),
            Piece::Record(record, name) => {
                let key = run.records.get(*record as usize).and_then(Option::as_ref);
                let text = key.and_then(|key| self.program.collections.get(key, name, run.now_s));
                out.extend_from_slice(&text.unwrap_or_default());
            }
            Piece::RuleId => out.extend_from_slice(self.rule.id.to_string().as_bytes()),
            Piece::RuleSeverity => {
                out.extend_from_slice(
                    self.rule
                        .severity
                        .map(|s| s.to_string())
                        .unwrap_or_default()
                        .as_bytes(),
                );
            }
            // A message that names itself is not followed.
            Piece::RuleMsg => {
                let message = self.rule.message.as_ref().and_then(Template::fixed);
                out.extend_from_slice(message.unwrap_or_default());
            }
            Piece::Variable(Variable::MatchedVar, _) => out.extend_from_slice(&run.matched.value),
            Piece::Variable(Variable::MatchedVarName, _) => {
                out.extend_from_slice(&run.matched.name)
            }
            Piece::Variable(variable, name) => {
                if let Variable::Values { sources, part } = variable {
                    let first = sources
                        .iter()
                        .find_map(|s| self.store.first_part(*s, *part, name.as_deref()));
                    out.extend_from_slice(first.unwrap_or_default());
                }
            }
        }
    }

    /// Runs a `setvar`.
    pub(crate) fn set_var(&self, set: &SetVar, run: &mut Run) {
        let bytes_max = self.program.limits.macro_bytes_max;
        let operand = match &set.op {
            SetOp::Remove => Vec::new(),
            SetOp::Set(template) => match template.fixed() {
                Some(text) => text.to_vec(),
                None => self.expand(template, run),
            },
            SetOp::Add(template) | SetOp::Subtract(template) => self.expand(template, run),
        };
        match &set.name {
            VariableName::Slot(slot) => {
                match changed(&set.op, operand, run.tx.get(*slot)) {
                    Some(text) => run.tx.set(*slot, &text, bytes_max),
                    None => run.tx.unset(*slot),
                };
            }
            VariableName::Computed(template) => {
                let name = self.expand(template, run).to_ascii_lowercase();
                let text = changed(&set.op, operand, run.tx.get_named(self.program, &name));
                run.tx
                    .set_named(self.program, &name, text.as_deref(), bytes_max);
            }
            VariableName::Record(record, template) => {
                let name = self.expand(template, run).to_ascii_lowercase();
                let times = (run.now_s, self.program.limits.collection_timeout_s);
                if let Some(key) = run.records.get(*record as usize).and_then(Option::as_ref) {
                    self.program
                        .collections
                        .update(key, &name, times, |old| changed(&set.op, operand, old));
                }
            }
        }
    }

    /// Runs an `initcol`.
    pub(crate) fn init(&self, record: Record, key: &Template, run: &mut Run) {
        let mut key = self.expand(key, run);
        key.truncate(512);
        if let Some(slot) = run.records.get_mut(record as usize) {
            *slot = Some((record, key));
        }
    }

    /// Runs an `expirevar`.
    pub(crate) fn expire(
        &self,
        record: Record,
        member: &Template,
        seconds: &Template,
        run: &mut Run,
    ) {
        let name = self.expand(member, run).to_ascii_lowercase();
        let seconds = number(&self.expand(seconds, run)).max(0);
        let at = run.now_s.saturating_add(seconds.unsigned_abs());
        if let Some(key) = run.records.get(record as usize).and_then(Option::as_ref) {
            self.program.collections.expire(key, &name, at);
        }
    }
}

/// What a `setvar` makes of a variable; `None` is gone.
fn changed(op: &SetOp, operand: Vec<u8>, old: Option<&[u8]>) -> Option<Vec<u8>> {
    let now = || number(old.unwrap_or_default());
    let sum = match op {
        SetOp::Remove => return None,
        SetOp::Set(_) => return Some(operand),
        SetOp::Add(_) => now().saturating_add(number(&operand)),
        SetOp::Subtract(_) => now().saturating_sub(number(&operand)),
    };
    Some(sum.to_string().into_bytes())
}
