//! The configuration over the API: shown, compared, put, confirmed, taken back.

use crate::{
    ConfigRefusal, Problem, PutConfig, ReloadError,
    answers::{Ask, Reply},
    problem::{bad, failed, not_found},
};
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest a configuration may wait to be confirmed.
pub const CONFIRM_MAX: Duration = Duration::from_secs(24 * 3600);

type Answer = Result<Reply, Problem>;

pub(crate) fn show(ask: &Ask) -> Answer {
    let shown = ask.state.control.config().map_err(refused)?;
    Ok(Reply {
        status: StatusCode::OK,
        etag: Some(format!("\"{}\"", shown.hash)),
        body: json!({
            "path": shown.path, "text": shown.text, "hash": shown.hash, "generation": shown.generation,
            "files": shown.files, "pending": shown.pending,
        }),
    })
}

fn text(ask: &Ask) -> Result<String, Problem> {
    match String::from_utf8(ask.body.clone()) {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => Err(bad(
            "the body is the configuration as text, and it is empty",
        )),
        Err(_) => Err(bad(
            "the body is the configuration as text, and this is not UTF-8",
        )),
    }
}

/// `120s`, `2m`
fn confirm_within(ask: &Ask) -> Result<Option<Duration>, Problem> {
    let Some(text) = ask.argument("confirm") else {
        return Ok(None);
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    match seconds.map(Duration::from_secs) {
        Some(limit) if !limit.is_zero() && limit <= CONFIRM_MAX => Ok(Some(limit)),
        _ => Err(bad("`confirm` is a duration from 1s to 24h: confirm=120s")),
    }
}

pub(crate) fn put(ask: &Ask) -> Answer {
    let if_match = ask
        .headers
        .get(header::IF_MATCH)
        .map(|v| v.to_str().unwrap_or_default());
    let order = PutConfig {
        text: text(ask)?,
        dry_run: ask.argument("dry_run") == Some("true"),
        if_match: if_match
            .filter(|m| *m != "*")
            .map(|m| m.trim_matches('"').to_owned()),
        confirm: confirm_within(ask)?,
        actor: ask.actor.clone(),
    };
    ask.state
        .control
        .put_config(&order)
        .map(Reply::from)
        .map_err(refused)
}

pub(crate) fn diff(ask: &Ask) -> Answer {
    let order = PutConfig {
        text: text(ask)?,
        dry_run: true,
        if_match: None,
        confirm: None,
        actor: ask.actor.clone(),
    };
    ask.state
        .control
        .put_config(&order)
        .map(Reply::from)
        .map_err(refused)
}

pub(crate) fn reload(ask: &Ask) -> Answer {
    match ask.state.control.reload() {
        Ok(outcome) => Ok(json!({ "reloaded": true, "warnings": outcome.warnings }).into()),
        Err(error) => Err(wrong(error)),
    }
}

pub(crate) fn confirm(ask: &Ask) -> Answer {
    ask.state
        .control
        .confirm_config()
        .map(Reply::from)
        .map_err(refused)
}

pub(crate) fn revert(ask: &Ask) -> Answer {
    ask.state
        .control
        .revert_config(&ask.actor)
        .map(Reply::from)
        .map_err(refused)
}

pub(crate) fn revisions(ask: &Ask) -> Answer {
    ask.state
        .control
        .revisions()
        .map(Reply::from)
        .map_err(refused)
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| not_found("a revision is a number"))
}

pub(crate) fn revision(ask: &Ask) -> Answer {
    let number = number(ask.param("revision"))?;
    ask.state
        .control
        .revision(number)
        .map(Reply::from)
        .map_err(refused)
}

pub(crate) fn rollback(ask: &Ask) -> Answer {
    let body = ask.json()?;
    let revision = match body.get("revision") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            value
                .as_u64()
                .ok_or_else(|| bad("`revision` is a number"))?,
        ),
    };
    let confirm = confirm_within(ask)?;
    let done = ask.state.control.rollback(revision, confirm, &ask.actor);
    done.map(Reply::from).map_err(refused)
}

fn wrong(error: ReloadError) -> Problem {
    let detail = "the configuration has errors; the previous one serves on";
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Configuration Refused",
        detail,
    )
    .with("rendered", error.rendered)
    .with("diagnostics", error.diagnostics)
}

fn refused(refusal: ConfigRefusal) -> Problem {
    match refusal {
        ConfigRefusal::Wrong(error) => wrong(error),
        ConfigRefusal::Changed => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "Changed Meanwhile",
            "the configuration is another than the one that If-Match names: read it again",
        ),
        ConfigRefusal::Conflict(why) => Problem::new(StatusCode::CONFLICT, "Not Possible Now", why),
        ConfigRefusal::Unknown(why) => not_found(&why),
        ConfigRefusal::Failed(why) => failed(&why),
    }
}
