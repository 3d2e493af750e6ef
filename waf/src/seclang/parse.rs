//! Directives from the words of a line.

use seawall_diag::{Diagnostic, Diagnostics, FileId, Span};

use super::ast::{Directive, Engine, RuleSyntax, Spanned};
use super::names::{self, Kind};
use super::text::{self, Line, Word};
use super::{actions, operators, targets};

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
        _ => {
            found.push(names::unknown(
                Kind::Directive,
                &name.text,
                names::DIRECTIVES,
                name.at,
            ));
            None
        }
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
    match mode.text.to_ascii_lowercase().as_str() {
        "on" => Some(Engine::On),
        "off" => Some(Engine::Off),
        "detectiononly" => Some(Engine::DetectionOnly),
        _ => {
            let error = Diagnostic::error(
                "engine",
                mode.at,
                format!("`{}` is no mode of the engine", mode.text),
            );
            found.push(error.help("write On, Off or DetectionOnly"));
            None
        }
    }
}

fn exactly<'a, const N: usize>(
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
