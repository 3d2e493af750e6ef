//! The variables of a rule: `ARGS|!ARGS:csrf|REQUEST_HEADERS:/^X-/|&REQUEST_COOKIES`.

use seawall_diag::{Diagnostic, Diagnostics};

use super::ast::{SelectorSyntax, Spanned, TargetSyntax};
use super::names::{self, Kind};
use super::text::Word;
use crate::variable::{self, Shape, VARIABLES, Variable};

/// Parses the variables of a rule.
pub(super) fn parse(word: &Word, found: &mut Diagnostics) -> Vec<TargetSyntax> {
    let (targets, whole) = list(word, 0, found);
    // One that is wrong is reported already.
    if whole && targets.iter().all(|t| t.exclude) {
        found.error(
            "no-variable",
            word.at,
            "a rule needs at least one variable that is not excluded",
        );
    }
    targets
}

/// Parses the variables that stand in a word from `from` on, and says whether all of them could be.
pub(super) fn list(word: &Word, from: usize, found: &mut Diagnostics) -> (Vec<TargetSyntax>, bool) {
    let parts = split(word.text.get(from..).unwrap_or_default());
    let targets: Vec<TargetSyntax> = parts
        .iter()
        .filter_map(|(start, end)| one(word, from + start, from + end, found))
        .collect();
    let whole = targets.len() == parts.len();
    (targets, whole)
}

/// Cuts at `|` (and at `,`, which ModSecurity takes too) outside `/.../` and quotes.
fn split(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut i, mut regex) = (Vec::new(), 0, 0, false);
    while let Some(b) = bytes.get(i) {
        match b {
            b'\\' if regex => i += 1,
            b'/' if regex => regex = false,
            b'/' if opens_pattern(bytes, i) => regex = true,
            b'|' | b',' if !regex => {
                parts.push((start, i));
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    parts.push((start, text.len()));
    parts
}

/// Whether the slash at `i` begins a pattern: it is the first of a selector, and no path such as `XML:/*` or `XML://@*`.
fn opens_pattern(bytes: &[u8], i: usize) -> bool {
    let first = i > 0 && matches!(bytes.get(i - 1), Some(b':' | b'\''));
    first && !matches!(bytes.get(i + 1), Some(b'*' | b'/'))
}

fn one(
    word: &Word,
    mut start: usize,
    mut end: usize,
    found: &mut Diagnostics,
) -> Option<TargetSyntax> {
    let part = word.text.get(start..end)?;
    start += part.len() - part.trim_start().len();
    end -= part.len() - part.trim_end().len();
    let (mut count, mut exclude) = (false, false);
    while let Some(b) = word.text.as_bytes().get(start).filter(|_| start < end) {
        match b {
            b'&' => count = true,
            b'!' => exclude = true,
            _ => break,
        }
        start += 1;
    }
    let body = word.text.get(start..end)?;
    let name = body.split([':', '.']).next().unwrap_or_default();
    let name_at = word.span(start..start + name.len());
    let Some((mut variable, shape)) = variable::named(name) else {
        let known: Vec<_> = VARIABLES.iter().map(|(n, ..)| *n).collect();
        found.push(names::unknown(Kind::Variable, name, &known, name_at));
        return None;
    };
    let mut selector = body.get(name.len() + 1..).map(|text| {
        let from = start + name.len() + 1;
        Spanned {
            value: selector(text),
            at: word.span(from..end),
        }
    });
    match shape {
        Shape::Single => {
            if let Some(s) = &selector {
                let message =
                    format!("`{name}` is a single value: nothing can be selected from it");
                found.error("no-selector", s.at, message);
                return None;
            }
        }
        Shape::Paths => {
            let text = body.get(name.len() + 1..).unwrap_or(variable::XML_TEXT);
            let Some(path) = variable::xml(text) else {
                let at = selector.map_or(name_at, |s| s.at);
                let error =
                    Diagnostic::error("not-yet", at, format!("the path `{text}` is not supported"));
                found.push(error.help("XML:/* (all text) and XML://@* (all attributes) are"));
                return None;
            };
            (variable, selector) = (path, None);
        }
        Shape::Collection => {}
    }
    if let Variable::Absent(name) = variable {
        let message = format!("`{name}` never has a value here, so that this never matches");
        found.push(Diagnostic::warning("absent-variable", name_at, message));
    }
    Some(TargetSyntax {
        variable,
        selector,
        count,
        exclude,
    })
}

fn selector(text: &str) -> SelectorSyntax {
    let text = text
        .strip_prefix('\'')
        .and_then(|t| t.strip_suffix('\''))
        .unwrap_or(text);
    match text.strip_prefix('/').and_then(|t| t.strip_suffix('/')) {
        Some(pattern) => SelectorSyntax::Regex(pattern.to_owned()),
        None => SelectorSyntax::Name(text.to_owned()),
    }
}
