//! Directives from the words of a line.

use seawall_diag::{Diagnostic, Diagnostics, FileId, Span};

use super::ast::{Directive, Engine, RuleSyntax, Spanned, Which};
use super::names::{self, Kind};
use super::text::{self, Line, Word};
use super::{actions, operators, settings, targets};

/// Parses a file; what is wrong with it goes to `found`, and the rest is parsed on.
pub(crate) fn parse(file: FileId, source: &str, found: &mut Diagnostics) -> Vec<Directive> {
    let lines = text::lines(file, source, found);
    lines
        .iter()
        .filter_map(|line| directive(line, found))
        .collect()
}

fn directive(line: &Line, found: &mut Diagnostics) -> Option<Directive> {
    let (name, arguments) = line.words.split_first()?;
    match name.text.to_ascii_lowercase().as_str() {
        "secrule" => rule(name, arguments, found),
        "secaction" => {
            let [actions] = exactly(name, arguments, "one list of actions", found)?;
            let actions = actions::parse(actions, found);
            Some(Directive::Rule(RuleSyntax {
                at: name.at,
                targets: Vec::new(),
                operator: None,
                actions,
            }))
        }
        "secmarker" => {
            let [marker] = exactly(name, arguments, "one name", found)?;
            Some(Directive::Marker(marker.text.clone()))
        }
        "secdefaultaction" => {
            let [actions] = exactly(name, arguments, "one list of actions", found)?;
            Some(Directive::Default(Spanned {
                at: actions.at,
                value: actions::parse(actions, found),
            }))
        }
        "secruleengine" => {
            let [mode] = exactly(name, arguments, "On, Off or DetectionOnly", found)?;
            engine(mode, found).map(Directive::Engine)
        }
        "include" | "includeoptional" => {
            let [pattern] = exactly(name, arguments, "a path", found)?;
            let pattern = Spanned {
                value: pattern.text.clone(),
                at: pattern.at,
            };
            let optional = name.text.len() > "include".len();
            Some(Directive::Include(pattern, optional))
        }
        lower if lower.starts_with("secruleremoveby") || lower.starts_with("secruleupdate") => {
            change(name, lower, arguments, found)
        }
        lower => {
            if let Some(setting) = settings::parse(lower, name, arguments, found) {
                return setting.map(Directive::Setting);
            }
            if !names::WITHOUT_EFFECT
                .iter()
                .any(|n| n.eq_ignore_ascii_case(lower))
            {
                let error = names::unknown(Kind::Directive, &name.text, names::DIRECTIVES, name.at);
                found.push(error);
            }
            None
        }
    }
}

/// `SecRuleRemoveBy...` and `SecRuleUpdate...`.
fn change(
    name: &Word,
    lower: &str,
    arguments: &[Word],
    found: &mut Diagnostics,
) -> Option<Directive> {
    let by = lower
        .rsplit_once("by")
        .map(|(_, by)| by)
        .unwrap_or_default();
    if lower.starts_with("secruleremove") {
        let which: Vec<Which> = arguments
            .iter()
            .flat_map(|word| which(by, word, found))
            .collect();
        if arguments.is_empty() {
            found.error("arguments", name.at, format!("{} takes rules", name.text));
        }
        return Some(Directive::Remove(which));
    }
    let [rules, what, rest @ ..] = arguments else {
        let message = format!("{} takes rules and what changes of them", name.text);
        found.error("arguments", name.at, message);
        return None;
    };
    let rules = which(by, rules, found);
    if lower.starts_with("secruleupdateaction") {
        return Some(Directive::UpdateActions(rules, actions::parse(what, found)));
    }
    if let Some(replaced) = rest.first() {
        found.push(Diagnostic::error(
            "not-yet",
            replaced.at,
            "replacing a target is not supported: exclude it and add the other",
        ));
    }
    let (targets, _) = targets::list(what, 0, found);
    Some(Directive::UpdateTargets(rules, targets))
}

/// The rules that a word names, by `id`, `tag` or `msg`.
fn which(by: &str, word: &Word, found: &mut Diagnostics) -> Vec<Which> {
    match by {
        "tag" => vec![Which::Tag(word.text.clone())],
        "msg" => vec![Which::Message(word.text.clone())],
        _ => word
            .text
            .split([',', ' '])
            .filter(|part| !part.is_empty())
            .filter_map(|part| {
                // `id:offset` names a link of a chain; the first one is the rule's.
                let id = part.strip_suffix(":0").unwrap_or(part);
                actions::ids(id, word.at)
                    .map_err(|error| found.push(*error))
                    .ok()
            })
            .collect(),
    }
}

fn rule(name: &Word, arguments: &[Word], found: &mut Diagnostics) -> Option<Directive> {
    let (variables, operator, actions) = match arguments {
        [v, o] => (v, o, None),
        [v, o, a] => (v, o, Some(a)),
        _ => {
            let at = arguments.get(3).map_or(name.at, |w| w.at);
            let error = Diagnostic::error(
                "arguments",
                at,
                "SecRule takes variables, an operator and actions",
            );
            found.push(error.help("an argument with blanks needs quotes around it"));
            return None;
        }
    };
    let targets = targets::parse(variables, found);
    let operator = operators::parse(operator, found);
    let actions = actions.map_or_else(Vec::new, |a| actions::parse(a, found));
    // Without its operator the rule is reported already; what else is wrong with it has been, too.
    Some(Directive::Rule(RuleSyntax {
        at: name.at,
        targets,
        operator: Some(operator?),
        actions,
    }))
}

fn engine(mode: &Word, found: &mut Diagnostics) -> Option<Engine> {
    let engine = actions::engine(&mode.text);
    if engine.is_none() {
        let error = Diagnostic::error(
            "engine",
            mode.at,
            format!("`{}` is no mode of the engine", mode.text),
        );
        found.push(error.help("write On, Off or DetectionOnly"));
    }
    engine
}

pub(super) fn exactly<'a, const N: usize>(
    name: &Word,
    arguments: &'a [Word],
    what: &str,
    found: &mut Diagnostics,
) -> Option<&'a [Word; N]> {
    let exact = <&[Word; N]>::try_from(arguments).ok();
    if exact.is_none() {
        let at: Span = arguments.get(N).map_or(name.at, |w| w.at);
        found.error("arguments", at, format!("{} takes {what}", name.text));
    }
    exact
}
