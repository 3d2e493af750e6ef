//! The actions of a rule: `id:1,phase:2,deny,msg:'a, b',t:none,setvar:tx.a=+1`.

use seawall_diag::{Diagnostic, Diagnostics, Span};

use super::ast::{
    Action, Allowed, ControlSyntax, Disruption, Engine, Note, SelectorSyntax, Spanned,
    TargetSyntax, Which,
};
use super::names::{self, Kind};
use super::targets;
use super::text::Word;
use crate::audit::{AuditEngine, PartsChange};
use crate::request::BodyKind;
use crate::transform::Transform;
use crate::variable::{Record, Variable};

const ACTIONS: &[&str] = &[
    "accuracy",
    "allow",
    "auditlog",
    "block",
    "capture",
    "chain",
    "ctl",
    "deny",
    "drop",
    "expirevar",
    "id",
    "initcol",
    "log",
    "logdata",
    "maturity",
    "msg",
    "multiMatch",
    "noauditlog",
    "nolog",
    "pass",
    "phase",
    "rev",
    "sanitiseArg",
    "sanitiseMatched",
    "sanitiseMatchedBytes",
    "sanitiseRequestHeader",
    "sanitiseResponseHeader",
    "setrsc",
    "setsid",
    "setuid",
    "setvar",
    "severity",
    "skip",
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
        let parsed = if name.trim_end().eq_ignore_ascii_case("ctl") {
            control(
                word,
                start + body.len() - value.len(),
                &unquote(value),
                value_at,
            )
        } else {
            action(name.trim_end(), &unquote(value), name_at, value_at)
        };
        match parsed {
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
        "deny" | "drop" => Action::Disruption(Disruption::Deny),
        "allow" => Action::Disruption(Disruption::Allow(allowed(value, at)?)),
        "status" => Action::Status(status(value, at)?),
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "auditlog" => Action::AuditLog(true),
        "noauditlog" => Action::AuditLog(false),
        "msg" => Action::Msg(value.to_owned()),
        "logdata" => Action::LogData(value.to_owned()),
        "tag" => Action::Tag(value.to_owned()),
        "severity" => Action::Severity(severity(value, at)?),
        "t" => Action::Transform(transform(value, at)?),
        "setvar" => Action::SetVar(set_var(value, at)?),
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "multimatch" => Action::MultiMatch,
        "initcol" => init_collection(value, at)?,
        "setsid" => Action::Init(Record::Session, value.to_owned()),
        "setuid" => Action::Init(Record::User, value.to_owned()),
        "setrsc" => Action::Init(Record::Resource, value.to_owned()),
        "expirevar" => expire(value, at)?,
        "skip" => Action::Skip(number(
            "number of rules",
            value,
            at,
            "write a whole number",
        )?),
        "skipafter" => Action::SkipAfter(value.to_owned()),
        // What they hide is never shown here: values of secrets are masked by their names.
        "ver" => Action::Note(Note::Version, value.to_owned()),
        "rev" => Action::Note(Note::Revision, value.to_owned()),
        "maturity" => Action::Note(Note::Maturity, value.to_owned()),
        "accuracy" => Action::Note(Note::Accuracy, value.to_owned()),
        "sanitisearg"
        | "sanitisematched"
        | "sanitisematchedbytes"
        | "sanitiserequestheader"
        | "sanitiseresponseheader" => Action::Nothing,
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
        "3" => Ok(3),
        "4" | "response" => Ok(4),
        "5" | "logging" => Ok(5),
        _ => Err(bad(
            at,
            format!("`{value}` is no phase"),
            "write 1 (request head), 2 (request body), 3 (response head), 4 (response body) or 5 (logging)",
        )),
    }
}

fn allowed(value: &str, at: Span) -> Result<Allowed, Box<Diagnostic>> {
    match value {
        "" => Ok(Allowed::All),
        "phase" => Ok(Allowed::Phase),
        "request" => Ok(Allowed::Request),
        _ => Err(bad(
            at,
            format!("`{value}` cannot be allowed"),
            "write allow, allow:phase or allow:request",
        )),
    }
}

fn init_collection(value: &str, at: Span) -> Parsed {
    let (name, key) = value.split_once('=').unwrap_or((value, ""));
    match Record::named(name.trim()) {
        Some(record) if !key.is_empty() => Ok(Action::Init(record, key.to_owned())),
        _ => Err(bad(
            at,
            format!("`{value}` names no collection with a key"),
            "write ip, global, session, user or resource and a key: `initcol:ip=%{REMOTE_ADDR}`",
        )),
    }
}

fn expire(value: &str, at: Span) -> Parsed {
    let (variable, seconds) = value.split_once('=').unwrap_or((value, ""));
    let (collection, member) = variable.split_once('.').unwrap_or((variable, ""));
    if collection.trim().eq_ignore_ascii_case("tx") {
        // They end with the transaction, which is before any second has passed.
        return Ok(Action::Nothing);
    }
    match Record::named(collection.trim()) {
        Some(record) if !seconds.is_empty() && !member.is_empty() => Ok(Action::Expire(
            record,
            member.to_owned(),
            seconds.to_owned(),
        )),
        _ => Err(bad(
            at,
            format!("`{value}` names no variable with its seconds"),
            "write `expirevar:ip.name=60`",
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
    let (collection, member) = name.split_once('.').unwrap_or((name, ""));
    let known = collection.eq_ignore_ascii_case("tx") || Record::named(collection).is_some();
    if known && !member.is_empty() {
        return Ok(value.to_owned());
    }
    Err(bad(
        at,
        format!("variables of the collection `{collection}` cannot be set"),
        "write `tx.name=value`, or ip, global, session, user or resource instead of tx",
    ))
}

/// `ctl:NAME=ARGUMENT`. `from` is where the value stands in the word, for the spans of targets.
fn control(word: &Word, from: usize, value: &str, at: Span) -> Parsed {
    let (name, argument) = value.split_once('=').unwrap_or((value, ""));
    let argument = argument.trim();
    let lower = name.to_ascii_lowercase();
    Ok(Action::Control(match lower.as_str() {
        "ruleengine" => ControlSyntax::Engine(engine(argument).ok_or_else(|| {
            bad(
                at,
                format!("`{argument}` is no mode of the engine"),
                "write On, Off or DetectionOnly",
            )
        })?),
        "ruleremovebyid" => ControlSyntax::RemoveRules(ids(argument, at)?),
        "ruleremovebytag" => ControlSyntax::RemoveRules(Which::Tag(argument.to_owned())),
        "ruleremovebymsg" => ControlSyntax::RemoveRules(Which::Message(argument.to_owned())),
        "ruleremovetargetbyid" | "ruleremovetargetbytag" | "ruleremovetargetbymsg" => {
            let (rules, target) = argument.split_once(';').ok_or_else(|| {
                bad(
                    at,
                    "what is not to be looked at is missing".to_owned(),
                    "write the rules, a semicolon and a target: `942100;ARGS:password`",
                )
            })?;
            let which = match lower.as_str() {
                "ruleremovetargetbyid" => ids(rules, at)?,
                "ruleremovetargetbytag" => Which::Tag(rules.trim().to_owned()),
                _ => Which::Message(rules.trim().to_owned()),
            };
            let semicolon = word.text.get(from..).and_then(|t| t.find(';')).unwrap_or(0);
            ControlSyntax::RemoveTarget(which, one_target(word, from + semicolon + 1, target, at)?)
        }
        "requestbodyprocessor" => {
            ControlSyntax::BodyProcessor(BodyKind::named(argument).ok_or_else(|| {
                bad(
                    at,
                    format!("`{argument}` is no body processor"),
                    "write URLENCODED, MULTIPART, JSON or XML",
                )
            })?)
        }
        "requestbodyaccess" => ControlSyntax::BodyAccess(on_off(argument, at)?),
        "responsebodyaccess" => ControlSyntax::ResponseBodyAccess(on_off(argument, at)?),
        "forcerequestbodyvariable" => ControlSyntax::ForceBody(on_off(argument, at)?),
        "auditengine" => {
            ControlSyntax::AuditEngine(AuditEngine::named(argument).ok_or_else(|| {
                bad(
                    at,
                    format!("`{argument}` is no mode of the audit log"),
                    "write On, Off or RelevantOnly",
                )
            })?)
        }
        "auditlogparts" => {
            ControlSyntax::AuditParts(PartsChange::named(argument).ok_or_else(|| {
                bad(
                    at,
                    format!("`{argument}` are no parts of an audit log"),
                    "write letters such as ABHZ, +C or -F",
                )
            })?)
        }
        "debugloglevel" | "requestbodylimit" | "responsebodylimit" | "hashengine"
        | "hashenforcement" => ControlSyntax::Nothing,
        _ => {
            let message = format!("`ctl:{name}` is not supported");
            let help = "ruleEngine, ruleRemoveById/ByTag/ByMsg, ruleRemoveTargetById/ByTag/ByMsg, \
                        requestBodyProcessor, requestBodyAccess, forceRequestBodyVariable are";
            return Err(Box::new(
                Diagnostic::error("not-yet", at, message).help(help),
            ));
        }
    }))
}

/// The target that stands alone at the end of a `ctl`.
fn one_target(
    word: &Word,
    from: usize,
    text: &str,
    at: Span,
) -> Result<TargetSyntax, Box<Diagnostic>> {
    let text = text.trim();
    // Commas and bars are part of a name here: the target is one.
    let mut found = Diagnostics::default();
    let (name, member) = match text.split_once([':', '.']) {
        Some((name, member)) => (name, Some(member)),
        None => (text, None),
    };
    let known = crate::variable::named(name);
    if let (Some((variable, crate::variable::Shape::Collection)), Some(member)) = (known, member)
        && !matches!(variable, Variable::Absent(_))
    {
        let pattern = member.strip_prefix('/').and_then(|m| m.strip_suffix('/'));
        let selector = match pattern {
            Some(pattern) => SelectorSyntax::Regex(pattern.to_owned()),
            None => SelectorSyntax::Name(member.trim_matches('\'').to_owned()),
        };
        return Ok(TargetSyntax {
            variable,
            selector: Some(Spanned {
                value: selector,
                at,
            }),
            count: false,
            exclude: true,
        });
    }
    let end = from + text.len();
    let cut = word.cut(from..end);
    let (mut list, _) = targets::list(&cut, 0, &mut found);
    match list.pop() {
        Some(target) => Ok(target),
        None => Err(found.iter().next().cloned().map_or_else(
            || bad(at, format!("`{text}` is no target"), "write a variable"),
            Box::new,
        )),
    }
}

/// What `SecRuleEngine` and `ctl:ruleEngine` say.
pub(super) fn engine(mode: &str) -> Option<Engine> {
    match mode.to_ascii_lowercase().as_str() {
        "on" => Some(Engine::On),
        "off" => Some(Engine::Off),
        "detectiononly" => Some(Engine::DetectionOnly),
        _ => None,
    }
}

fn on_off(value: &str, at: Span) -> Result<bool, Box<Diagnostic>> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(bad(at, format!("`{value}` is neither"), "write On or Off")),
    }
}

/// An id, or a range of ids.
pub(super) fn ids(text: &str, at: Span) -> Result<Which, Box<Diagnostic>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let help = "write one id or a range: `942100-942199`";
    Ok(Which::Ids(
        number("rule id", from.trim(), at, help)?,
        number("rule id", to.trim(), at, help)?,
    ))
}
