//! Macros put in, variables set.

use crate::program::{Program, Rule, SetOp, SetVar, TxName, What};
use crate::request::Store;
use crate::scratch::Run;
use crate::seclang::ast::Variable;
use crate::template::{Piece, Template};
use crate::tx::number;

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
                if let What::Values { sources, part } = self.program.what(*variable) {
                    let first = sources
                        .iter()
                        .find_map(|s| self.store.first_part(*s, part, name.as_deref()));
                    out.extend_from_slice(first.unwrap_or_default());
                }
            }
        }
    }

    /// Runs a `setvar`.
    pub(crate) fn set_var(&self, set: &SetVar, run: &mut Run) {
        let bytes_max = self.program.limits.macro_bytes_max;
        let name = match &set.name {
            TxName::Slot(slot) => Err(*slot),
            TxName::Computed(template) => Ok(self.expand(template, run).to_ascii_lowercase()),
        };
        let text = match &set.op {
            SetOp::Remove => None,
            SetOp::Set(template) => Some(self.expand(template, run)),
            SetOp::Add(template) | SetOp::Subtract(template) => {
                let operand = number(&self.expand(template, run));
                let now = match &name {
                    Err(slot) => run.tx.get(*slot),
                    Ok(name) => run.tx.get_named(self.program, name),
                };
                let now = number(now.unwrap_or_default());
                let add = matches!(set.op, SetOp::Add(_));
                let sum = if add {
                    now.saturating_add(operand)
                } else {
                    now.saturating_sub(operand)
                };
                Some(sum.to_string().into_bytes())
            }
        };
        match (name, text) {
            (Err(slot), Some(text)) => run.tx.set(slot, &text, bytes_max),
            (Err(slot), None) => run.tx.unset(slot),
            (Ok(name), text) => run
                .tx
                .set_named(self.program, &name, text.as_deref(), bytes_max),
        }
    }
}
