//! The WAF, for the API: events, explanations, exclusions.

use seawall_admin::PurgeRefusal;
use seawall_edge::{EVENTS_MAX, Edge, ExplainError, WafEvent};
use seawall_waf::{Exclude, Match, Verdict};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// The last events, newest first.
pub fn events(edge: &Edge, limit: usize) -> Value {
    let events = edge.waf_events(limit.min(EVENTS_MAX));
    json!({ "events": events.iter().map(|e| event(e)).collect::<Vec<_>>() })
}

fn event(event: &WafEvent) -> Value {
    json!({
        "time_ms": event.time_ms,
        "id": event.id,
        "client": event.client,
        "site": event.site,
        "rule_set": event.rule_set,
        "method": event.method,
        "path": event.path,
        "action": if event.blocked { "denied" } else { "detected" },
        "status": event.status,
        "rule": event.rule,
        "score": event.score,
        "threshold": event.threshold,
        "matches": event.matches.iter().map(found).collect::<Vec<_>>(),
        "exclude": lines(&event.suggestions()),
    })
}

fn found(found: &Match) -> Value {
    json!({
        "rule": found.rule,
        "message": found.message,
        "data": found.data,
        "severity": found.severity.map(|s| s.name()),
        "variable": found.variable,
        "value": found.value,
        "tags": found.tags.to_vec(),
        "scores": found.scores,
    })
}

fn lines(exclude: &[Exclude]) -> Vec<Value> {
    let one = |e: &Exclude| json!({ "rules": e.rules, "tags": e.tags, "target": e.target, "path": e.path, "line": e.to_string() });
    exclude.iter().map(one).collect()
}

fn refusal(e: ExplainError) -> PurgeRefusal {
    PurgeRefusal::Bad(e.to_string())
}

/// `{"id": ...}`, or `{"request": ..., "rule_set": ..., "client": ...}`.
pub fn explain(edge: &Edge, body: &Value) -> Result<Value, PurgeRefusal> {
    let fields = Fields::of(body, &["id", "request", "rule_set", "client"])?;
    if let Some(id) = fields.text("id")? {
        let known = edge.waf_event(id).ok_or_else(|| {
            let why = "no request with this id is among those that were refused lately";
            PurgeRefusal::Bad(why.into())
        })?;
        return Ok(event(&known));
    }
    let request = fields
        .text("request")?
        .ok_or_else(|| PurgeRefusal::Bad("write the `id` of a request, or a `request`".into()))?;
    let client = match fields.text("client")? {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => text
            .parse()
            .map_err(|_| PurgeRefusal::Bad("`client` is no address".into()))?,
    };
    let rule_set = fields.text("rule_set")?;
    let explained = edge
        .waf_explain(request.as_bytes(), rule_set, client)
        .map_err(refusal)?;
    let (action, status, rule) = match explained.verdict {
        Verdict::Pass => ("pass", None, None),
        Verdict::Deny { status, rule } => ("deny", Some(status), Some(rule)),
    };
    Ok(json!({
        "rule_set": explained.rule_set,
        "action": action,
        "status": status,
        "rule": rule,
        "score": explained.score,
        "threshold": explained.threshold,
        "matches": explained.matches.iter().map(found).collect::<Vec<_>>(),
        "exclude": lines(&explained.exclude),
    }))
}

/// An exclusion, with `"dry_run": true` if it is only tried out.
pub fn exclude(edge: &Edge, body: &Value) -> Result<(Value, Option<String>), PurgeRefusal> {
    let known = ["rules", "tags", "target", "path", "rule_set", "dry_run"];
    let fields = Fields::of(body, &known)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let exclude = Exclude {
        rules: fields.list("rules", |v| v.as_u64().and_then(|n| u32::try_from(n).ok()))?,
        tags: fields.list("tags", |v| v.as_str().map(str::to_owned))?,
        target: owned(fields.text("target")?),
        path: owned(fields.text("path")?),
    };
    let dry_run = match fields.0.get("dry_run") {
        None => false,
        Some(value) => value
            .as_bool()
            .ok_or_else(|| PurgeRefusal::Bad("`dry_run` is true or false".into()))?,
    };
    let rule_set = fields.text("rule_set")?;
    let excluded = edge
        .waf_exclude(rule_set, &exclude, dry_run)
        .map_err(refusal)?;
    let passing = excluded.changed.iter().filter(|(_, c)| c.passes).count();
    let changed = excluded.changed.iter().map(|(event, changed)| {
        json!({ "id": event.id, "path": event.path, "matches": changed.matches, "passes": changed.passes })
    });
    let said = (!dry_run).then(|| format!("waf {}: {exclude} is excluded", excluded.rule_set));
    let answer = json!({
        "rule_set": excluded.rule_set,
        "line": exclude.to_string(),
        "holds": !dry_run,
        "events": excluded.events,
        "changed": changed.collect::<Vec<_>>(),
        "passing": passing,
    });
    Ok((answer, said))
}

/// The fields of a body, all of them known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(body: &'a Value, known: &[&str]) -> Result<Self, PurgeRefusal> {
        let fields = body.as_object();
        let fields = fields.filter(|f| f.keys().all(|k| known.contains(&k.as_str())));
        let why = || PurgeRefusal::Bad(format!("the body is an object of {}", known.join(", ")));
        fields.map(Self).ok_or_else(why)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, PurgeRefusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(PurgeRefusal::Bad(format!("`{name}` is a text"))),
        }
    }

    fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, PurgeRefusal> {
        let wrong = || PurgeRefusal::Bad(format!("`{name}` is a list"));
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(value) => {
                let list = value.as_array().ok_or_else(wrong)?;
                list.iter().map(|v| read(v).ok_or_else(wrong)).collect()
            }
        }
    }
}
