//! What changes something that runs, and nothing on the disk.

use crate::{
    Problem, PurgeOrder, PurgeWhat, ServerChange,
    answers::{Ask, Reply, no_certificate, refused},
    problem::{bad, not_found},
};
use axum::http::StatusCode;
use serde_json::{Value, json};

type Answer = Result<Reply, Problem>;

pub(crate) fn drain(ask: &Ask) -> Answer {
    server(ask, "drain", ServerChange::Drain(true))
}

pub(crate) fn undrain(ask: &Ask) -> Answer {
    server(ask, "undrain", ServerChange::Drain(false))
}

pub(crate) fn check(ask: &Ask) -> Answer {
    server(ask, "check", ServerChange::CheckNow)
}

pub(crate) fn weight(ask: &Ask) -> Answer {
    let body = ask.json()?;
    let weight = body.get("weight").and_then(Value::as_u64);
    let weight = weight.filter(|n| *n <= 65_535);
    let weight = weight.ok_or_else(|| bad("the body must be {\"weight\": 0 to 65535}"))?;
    server(ask, "weight", ServerChange::Weight(weight as u32))
}

fn server(ask: &Ask, change: &str, wanted: ServerChange) -> Answer {
    let (pool, server) = (ask.param("pool"), ask.param("server"));
    match ask.state.control.server(pool, server, wanted) {
        true => Ok(json!({ "pool": pool, "server": server, "change": change }).into()),
        false => Err(not_found("there is no such server in such a pool")),
    }
}

/// The order takes a while: what becomes of it is in the timeline.
pub(crate) fn renew(ask: &Ask) -> Answer {
    let name = ask.param("name");
    match ask.state.control.renew_certificate(name) {
        Ok(true) => Ok(Reply {
            status: StatusCode::ACCEPTED,
            body: json!({ "name": name, "asked": true }),
            etag: None,
        }),
        Ok(false) => Err(no_certificate()),
        Err(reason) => Err(Problem::new(StatusCode::CONFLICT, "Not Renewed", reason)),
    }
}

pub(crate) fn log_level(ask: &Ask) -> Answer {
    let body = ask.json()?;
    let level = body
        .get("level")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match ask.state.control.set_log_level(level) {
        true => Ok(json!({ "level": level }).into()),
        false => Err(bad(
            "the body must be {\"level\": \"emerg, alert, crit, error, warn, notice, info or debug\"}",
        )),
    }
}

pub(crate) fn purge(ask: &Ask) -> Answer {
    let body = ask.json()?;
    let order = purge_order(&body).ok_or_else(|| bad(PURGE_BODY))?;
    let outcome = ask.state.control.purge(&order).map_err(refused)?;
    let mut answer = body;
    if let (Some(fields), Some(removed)) = (answer.as_object_mut(), outcome.removed) {
        fields.insert("removed".into(), removed.into());
    }
    Ok(answer.into())
}

const PURGE_BODY: &str = "the body must be one of {\"url\": \"https://...\"}, {\"prefix\": \"host/path\"}, {\"tag\": \"...\"}, \
                          {\"site\": \"...\"} and {\"all\": true}, with \"soft\": true if it is to be stale instead of gone";

/// Exactly one of the ways to name what is purged, and nothing that is not known.
fn purge_order(body: &Value) -> Option<PurgeOrder> {
    let fields = body.as_object()?;
    let soft = match fields.get("soft") {
        None => false,
        Some(soft) => soft.as_bool()?,
    };
    let mut named = fields.iter().filter(|(name, _)| *name != "soft");
    let (name, value) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let text = || value.as_str().map(str::to_owned);
    let what = match name.as_str() {
        "url" => PurgeWhat::Url(text()?),
        "prefix" => PurgeWhat::Prefix(text()?),
        "tag" => PurgeWhat::Tag(text()?),
        "site" => PurgeWhat::Site(text()?),
        "all" if *value == Value::Bool(true) => PurgeWhat::All,
        _ => return None,
    };
    Some(PurgeOrder { what, soft })
}
