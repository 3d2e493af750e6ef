//! Targets: selectors become slots and patterns.

use seawall_diag::Diagnostic;

use super::Compiler;
use crate::pattern::{Pattern, PatternError};
use crate::program::{Exclusion, Selector, Target};
use crate::seclang::ast::{SelectorSyntax, Spanned, TargetSyntax};
use crate::variable::Variable;

/// Whether a scan can find the values that a rule with these targets is to look at.
pub(super) fn can_be_scanned(targets: &[Target]) -> bool {
    let fixed = |t: &Target| !t.count && matches!(t.variable, Variable::Values { .. });
    let small = |t: &Target| matches!(t.variable, Variable::Values { sources, .. } if sources.iter().all(|s| s.is_small()));
    !targets.is_empty() && targets.iter().all(fixed) && !targets.iter().all(small)
}

impl Compiler {
    pub(super) fn targets(&mut self, list: Vec<TargetSyntax>) -> (Vec<Target>, Vec<Exclusion>) {
        let (mut targets, mut exclusions) = (Vec::new(), Vec::new());
        for syntax in list {
            let (count, exclude) = (syntax.count, syntax.exclude);
            let Some(Exclusion { variable, selector }) = self.selected(syntax) else {
                continue;
            };
            if exclude {
                exclusions.push(Exclusion { variable, selector });
            } else {
                targets.push(Target {
                    variable,
                    selector,
                    count,
                });
            }
        }
        (targets, exclusions)
    }

    /// A variable with its selector.
    pub(super) fn selected(&mut self, syntax: TargetSyntax) -> Option<Exclusion> {
        Some(Exclusion {
            variable: syntax.variable,
            selector: self.selector(syntax.variable, syntax.selector)?,
        })
    }

    fn selector(
        &mut self,
        variable: Variable,
        selector: Option<Spanned<SelectorSyntax>>,
    ) -> Option<Selector> {
        let Some(Spanned { value, at }) = selector else {
            return Some(Selector::All);
        };
        Some(match value {
            SelectorSyntax::Name(name) if variable == Variable::Tx => {
                Selector::Slot(self.slot(&name))
            }
            SelectorSyntax::Name(name) => Selector::Name(name.to_ascii_lowercase().into_bytes()),
            SelectorSyntax::Regex(pattern) => {
                let key = format!("(?i){pattern}");
                if let Some(index) = self.pattern_ids.get(&key) {
                    return Some(Selector::Regex(*index));
                }
                // Names are compared regardless of case, so patterns for them are, too.
                let compiled = self.pattern_or_report(Pattern::rx(&pattern, true), |_| at)?;
                let index = self.keep_pattern(compiled, at)?;
                self.pattern_ids.insert(key, index);
                Selector::Regex(index)
            }
        })
    }

    /// The pattern; what is wrong with it is reported at the span that `place` gives for a part of it.
    pub(super) fn pattern_or_report<T>(
        &mut self,
        compiled: Result<T, PatternError>,
        place: impl Fn(Option<std::ops::Range<usize>>) -> seawall_diag::Span,
    ) -> Option<T> {
        let error = match compiled {
            Ok(pattern) => return Some(pattern),
            Err(error) => error,
        };
        let text = error.to_string();
        self.found.push(match error {
            PatternError::Unsupported(_, range) | PatternError::Around(_, range) => {
                Diagnostic::error("not-yet", place(Some(range)), text)
                    .help("rewrite this pattern without it")
            }
            PatternError::Syntax(_, range) => {
                Diagnostic::error("pattern", place(Some(range)), text)
            }
            PatternError::TooLarge => Diagnostic::error("pattern", place(None), text),
        });
        None
    }
}
