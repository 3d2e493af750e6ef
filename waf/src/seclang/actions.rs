//! The actions of a rule: `id:1,phase:2,deny,msg:'a, b',t:none,setvar:tx.a=+1`.

use seawall_diag::{Diagnostic, Diagnostics, Span};

use super::ast::{Action, Disruption, Spanned};
use super::names::{self, Kind};
use super::text::Word;
use crate::transform::Transform;

const ACTIONS: &[&str] = &[
    "block",
    "capture",
    "chain",
    "ctl",
    "deny",
    "id",
    "log",
    "logdata",
    "msg",
    "nolog",
    "pass",
    "phase",
    "rev",
    "setvar",
    "severity",
    "skipAfter",
    "status",
    "t",
    "tag",
    "ver",
];
const SEVERITIES: &[&str] = &[
    "EMERGENCY",
    "ALERT",
    "CRITICAL",
    "ERROR",
    "WARNING",
    "NOTICE",
    "INFO",
    "DEBUG",
];

/// Parses the actions of a rule.
pub(super) fn parse(word: &Word, found: &mut Diagnostics) -> Vec<Spanned<Action>> {
    let mut actions = Vec::new();
    for (start, end) in split(&word.text) {
        let Some(part) = word.text.get(start..end) else {
            continue;
        };
        let body = part.trim();
        if body.is_empty() {
            continue;
        }
        let start = start + (part.len() - part.trim_start().len());
        let at = word.span(start..start + body.len());
        let (name, value) = body.split_once(':').unwrap_or((body, ""));
        let value_at = word.span((start + body.len() - value.len())..start + body.len());
        let name_at = word.span(start..start + name.trim_end().len());
        match action(name.trim_end(), &unquote(value), name_at, value_at) {
            Ok(value) => actions.push(Spanned { value, at }),
            Err(error) => found.push(*error),
        }
    }
    actions
}

/// Cuts at commas outside of single quotes.
fn split(text: &str) -> Vec<(usize, usize)> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'\'' => quoted = !quoted,
            b',' if !quoted => {
                parts.push((start, i));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push((start, text.len()));
    parts
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    match value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        Some(inner) => inner.replace("\\'", "'"),
        None => value.to_owned(),
    }
}

type Parsed = Result<Action, Box<Diagnostic>>;

fn bad(at: Span, message: String, help: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("bad-action", at, message).help(help))
}

fn number<T: std::str::FromStr>(
    name: &str,
    value: &str,
    at: Span,
    help: &str,
) -> Result<T, Box<Diagnostic>> {
    value
        .parse()
        .map_err(|_| bad(at, format!("`{value}` is no {name}"), help))
}

fn action(name: &str, value: &str, name_at: Span, at: Span) -> Parsed {
    let lower = name.to_ascii_lowercase();
    Ok(match lower.as_str() {
        "id" => Action::Id(number(
            "rule id",
            value,
            at,
            "write a whole number of your own",
        )?),
        "phase" => Action::Phase(phase(value, at)?),
        "pass" => Action::Disruption(Disruption::Pass),
        "block" => Action::Disruption(Disruption::Block),
        "deny" => Action::Disruption(Disruption::Deny),
        "status" => Action::Status(status(value, at)?),
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "msg" => Action::Msg(value.to_owned()),
        "logdata" => Action::LogData(value.to_owned()),
        "tag" => Action::Tag(value.to_owned()),
        "severity" => Action::Severity(severity(value, at)?),
        "t" => Action::Transform(transform(value, at)?),
        "setvar" => Action::SetVar(set_var(value, at)?),
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "skipafter" => Action::SkipAfter(value.to_owned()),
        "ver" | "rev" => Action::Note,
        "ctl" => control(value, at)?,
        _ => {
            return Err(Box::new(names::unknown(
                Kind::Action,
                name,
                ACTIONS,
                name_at,
            )));
        }
    })
}

fn phase(value: &str, at: Span) -> Result<u8, Box<Diagnostic>> {
    match value {
        "1" => Ok(1),
        "2" | "request" => Ok(2),
        "3" | "4" | "5" | "response" | "logging" => {
            let message = format!("phase `{value}` is not supported yet");
            Err(Box::new(
                Diagnostic::error("not-yet", at, message).help("phases 1 and 2 are"),
            ))
        }
        _ => Err(bad(
            at,
            format!("`{value}` is no phase"),
            "write 1 (request head) or 2 (request body)",
        )),
    }
}

fn status(value: &str, at: Span) -> Result<u16, Box<Diagnostic>> {
    let status: u16 = number("status", value, at, "write a status from 400 to 599")?;
    if (400..=599).contains(&status) {
        return Ok(status);
    }
    Err(bad(
        at,
        format!("a refusal cannot have the status {status}"),
        "write a status from 400 to 599",
    ))
}

fn severity(value: &str, at: Span) -> Result<u8, Box<Diagnostic>> {
    let named = SEVERITIES
        .iter()
        .position(|s| s.eq_ignore_ascii_case(value));
    let level = named
        .or_else(|| value.parse().ok())
        .filter(|l| *l < SEVERITIES.len());
    level.map(|l| l as u8).ok_or_else(|| {
        bad(
            at,
            format!("`{value}` is no severity"),
            "write CRITICAL, ERROR, WARNING, NOTICE or a number from 0 to 7",
        )
    })
}

fn transform(value: &str, at: Span) -> Result<Option<Transform>, Box<Diagnostic>> {
    if value.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    Transform::named(value).map(Some).ok_or_else(|| {
        let known: Vec<_> = Transform::names().collect();
        Box::new(names::unknown(Kind::Transformation, value, &known, at))
    })
}

fn set_var(value: &str, at: Span) -> Result<String, Box<Diagnostic>> {
    let name = value.trim_start_matches('!');
    let collection = name.split('.').next().unwrap_or_default();
    if collection.eq_ignore_ascii_case("tx") && name.len() > 3 {
        return Ok(value.to_owned());
    }
    let message = format!("variables of the collection `{collection}` cannot be set yet");
    Err(Box::new(
        Diagnostic::error("not-yet", at, message).help("write `tx.name=value`"),
    ))
}

fn control(value: &str, at: Span) -> Parsed {
    let (name, argument) = value.split_once('=').unwrap_or((value, ""));
    if !name.eq_ignore_ascii_case("ruleRemoveById") {
        let message = format!("`ctl:{name}` is not supported yet");
        return Err(Box::new(
            Diagnostic::error("not-yet", at, message).help("`ctl:ruleRemoveById` is"),
        ));
    }
    let (from, to) = argument.split_once('-').unwrap_or((argument, argument));
    let help = "write one id or a range: `ctl:ruleRemoveById=942100-942199`";
    Ok(Action::RemoveById(
        number("rule id", from.trim(), at, help)?,
        number("rule id", to.trim(), at, help)?,
    ))
}
