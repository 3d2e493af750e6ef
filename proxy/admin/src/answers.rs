//! What is only read.

use crate::{
    AdminState, CacheQuery, Problem, PurgeRefusal, audit, openapi,
    problem::{bad, failed, not_found},
};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Objects and events that are listed where the query does not say how many.
const LISTED: usize = 100;

/// A request that was let in.
pub struct Ask {
    /// The daemon.
    pub state: AdminState,
    /// Who asks.
    pub actor: String,
    /// Parameters of the path.
    pub params: HashMap<String, String>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// Fields of the request.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Ask {
    /// A parameter of the path; the router puts in all there are.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// An argument of the query.
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        let mut all = self.query.iter();
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.argument("limit") {
            None => Ok(LISTED),
            Some(text) => text.parse().map_err(|_| bad("`limit` is a number")),
        }
    }

    /// The body as an object; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| bad(format!("the body is not JSON: {error}")))
    }
}

/// An answer.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Value,
    /// Its validator.
    pub etag: Option<String>,
}

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Reply {
            status: StatusCode::OK,
            body,
            etag: None,
        }
    }
}

type Answer = Result<Reply, Problem>;

pub(crate) fn status(ask: &Ask) -> Answer {
    let mut status = ask.state.control.status();
    if let (Some(fields), Some(audit)) = (status.as_object_mut(), &ask.state.audit) {
        let head = audit.head();
        fields.insert(
            "audit".into(),
            json!({ "lines": head.lines, "hash": head.hash }),
        );
    }
    Ok(status.into())
}

pub(crate) fn signals(ask: &Ask) -> Answer {
    Ok(ask.state.control.signals().into())
}

pub(crate) fn sites(ask: &Ask) -> Answer {
    Ok(ask.state.control.sites().into())
}

pub(crate) fn pools(ask: &Ask) -> Answer {
    Ok(ask.state.control.pools().into())
}

pub(crate) fn limits(ask: &Ask) -> Answer {
    Ok(ask.state.control.limits().into())
}

pub(crate) fn certificates(ask: &Ask) -> Answer {
    Ok(ask.state.control.certificates().into())
}

pub(crate) fn no_certificate() -> Problem {
    not_found("no certificate is for this name")
}

pub(crate) fn certificate(ask: &Ask) -> Answer {
    let found = ask.state.control.certificate(ask.param("name"));
    found.map(Reply::from).ok_or_else(no_certificate)
}

pub(crate) fn certificate_why(ask: &Ask) -> Answer {
    let found = ask.state.control.explain_certificate(ask.param("name"));
    found.map(Reply::from).ok_or_else(no_certificate)
}

pub(crate) fn dnssec(ask: &Ask) -> Answer {
    Ok(ask.state.control.dnssec().into())
}

pub(crate) fn log_level(ask: &Ask) -> Answer {
    Ok(json!({ "level": ask.state.control.log_level() }).into())
}

pub(crate) fn audit(ask: &Ask) -> Answer {
    let Some(log) = &ask.state.audit else {
        return Err(not_found(
            "no audit log is kept: the state directory cannot be written",
        ));
    };
    let lines = log.tail(ask.limit()?.min(audit::TAIL_MAX));
    let lines = lines.map_err(|e| failed(&e.to_string()))?;
    let head = log.head();
    Ok(json!({ "lines": head.lines, "hash": head.hash, "entries": lines }).into())
}

pub(crate) fn described(ask: &Ask) -> Answer {
    let status = ask.state.control.status();
    let version = status.get("version").and_then(Value::as_str).unwrap_or("0");
    Ok(openapi::document(version).into())
}

pub(crate) fn refused(refusal: PurgeRefusal) -> Problem {
    match refusal {
        PurgeRefusal::Bad(why) => bad(why),
        PurgeRefusal::Failed(why) => failed(&why),
    }
}

pub(crate) fn cache_object(ask: &Ask) -> Answer {
    let mut url = None;
    let mut fields = Vec::new();
    for (name, value) in &ask.query {
        match name.as_str() {
            "url" => url = Some(value),
            "field" => fields.push(value.clone()),
            _ => return Err(bad("the query takes `url` and `field`")),
        }
    }
    let url = url.ok_or_else(|| bad("the query must have a `url`"))?;
    let found = ask.state.control.cache_object(url, &fields);
    found.map(Reply::from).map_err(refused)
}

pub(crate) fn cache_stats(ask: &Ask) -> Answer {
    let mut site = None;
    for (name, value) in &ask.query {
        match name.as_str() {
            "site" => site = Some(value.as_str()),
            _ => return Err(bad("the query takes `site`")),
        }
    }
    Ok(ask.state.control.cache_stats(site).into())
}

pub(crate) fn cache_objects(ask: &Ask) -> Answer {
    let mut wanted = CacheQuery {
        limit: ask.limit()?,
        ..CacheQuery::default()
    };
    for (name, value) in &ask.query {
        match name.as_str() {
            "prefix" => wanted.prefix = Some(value.clone()),
            "tag" => wanted.tag = Some(value.clone()),
            "site" => wanted.site = Some(value.clone()),
            "limit" => {}
            _ => return Err(bad("the query takes `prefix`, `tag`, `site` and `limit`")),
        }
    }
    let found = ask.state.control.cache_objects(&wanted);
    found.map(Reply::from).map_err(refused)
}
