//! The audit log of a rule set: an entry of ModSecurity 3's JSON format a line, for CrowdSec, dashboards and people.
//!
//! What an entry tells of is decided with the verdict (see [`seawall_waf::AuditEngine`]); it is written once the response
//! has its status, into the buffers that access logs go through: files are put away by size, nothing waits for a disk, and
//! lines that could not be written are counted. Secrets are `***` by their names, in arguments, fields and bodies; of a body
//! that is neither a form nor JSON nothing is written, because nothing in it could be masked.

use crate::{
    log::{Buffering, LogFile, privacy},
    pipeline::Cx,
    plan::WafPlan,
    template::iso8601,
};
use seawall_conf::model::WafMode;
use seawall_http::{Version, date};
use seawall_waf::{AuditEngine, AuditParts, Match, Transaction};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Bytes of a request's body that an entry has; of a longer one there is none.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How deep values of a JSON body are masked; what lies deeper is left out.
const DEPTH_MAX: usize = 32;

/// The audit log of a rule set.
pub struct AuditPlan {
    /// Where it goes.
    pub file: Arc<LogFile>,
    /// How lines come into it.
    pub how: Buffering,
    /// Which requests are told of, unless rule files or rules say.
    pub when: Option<AuditEngine>,
    /// Which parts.
    pub parts: Option<AuditParts>,
}

/// An entry that waits for the response.
pub struct Entry {
    waf: Arc<WafPlan>,
    engine: AuditEngine,
    parts: AuditParts,
    matches: Vec<Match>,
    body: Option<String>,
}

/// What is known of a request once its rules have run; `None` where nothing is to be told whatever the response.
pub fn entry(waf: &Arc<WafPlan>, transaction: &Transaction, form: bool) -> Option<Box<Entry>> {
    let audit = waf.audit.as_ref()?;
    let engine = transaction.audit_engine(audit.when);
    let matches: Vec<Match> = transaction
        .matches()
        .iter()
        .filter(|found| found.audited)
        .cloned()
        .collect();
    let told = match engine {
        AuditEngine::Off => false,
        AuditEngine::All => true,
        AuditEngine::Relevant => !matches.is_empty() || waf.program.audits_statuses(),
    };
    let parts = transaction.audit_parts(audit.parts);
    let body = transaction.request_body();
    let has_body = told && parts.request_body() && !body.is_empty();
    told.then(|| {
        Box::new(Entry {
            waf: waf.clone(),
            engine,
            parts,
            matches,
            body: has_body.then(|| masked_body(body, form)).flatten(),
        })
    })
}

impl Entry {
    /// Takes the place of what was known before the response was judged.
    pub fn after(mut self: Box<Self>, before: Option<Box<Self>>) -> Box<Self> {
        self.body = before.and_then(|before| before.body);
        self
    }
}

/// A body with its secrets covered.
fn masked_body(body: &[u8], form: bool) -> Option<String> {
    let body = Some(body).filter(|body| body.len() <= BODY_BYTES_MAX)?;
    if form {
        return Some(privacy::shown(body, true));
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    mask(&mut value, 0);
    Some(value.to_string())
}

fn mask(value: &mut Value, depth: usize) {
    match value {
        Value::Object(_) | Value::Array(_) if depth >= DEPTH_MAX => *value = Value::Null,
        Value::Object(members) => {
            for (name, member) in members {
                if privacy::is_secret(name.as_bytes()) {
                    *member = privacy::COVER.into();
                } else {
                    mask(member, depth + 1);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| mask(value, depth + 1)),
        _ => {}
    }
}

/// Writes an entry, now that the request has its answer.
pub fn write(cx: &mut Cx<'_>, entry: &Entry) {
    let Some(audit) = &entry.waf.audit else {
        return;
    };
    let status = cx.tx.status;
    let relevant = !entry.matches.is_empty() || entry.waf.program.audits_status(status);
    if entry.engine == AuditEngine::Relevant && !relevant {
        return;
    }
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    let line = line(cx, entry);
    local.logs.line(&audit.file, audit.how, |out| {
        out.extend_from_slice(line.to_string().as_bytes());
    });
}

fn line(cx: &Cx<'_>, entry: &Entry) -> Value {
    let tx = &*cx.tx;
    let info = &cx.client.info;
    let mut request = Map::new();
    let http_version = match tx.head.version {
        Version::Http10 => 1.0,
        Version::Http11 => 1.1,
        Version::Http2 => 2.0,
    };
    request.insert("method".into(), lossy(tx.method_text()).into());
    request.insert("http_version".into(), http_version.into());
    request.insert("hostname".into(), lossy(&tx.host).into());
    request.insert("uri".into(), privacy::shown(tx.request_uri(), true).into());
    if entry.parts.request_fields() {
        let fields = tx.fields();
        let fields = fields.iter().map(|(_, name, value)| (name, value));
        request.insert("headers".into(), headers(fields));
    }
    if let Some(body) = &entry.body {
        request.insert("body".into(), body.as_str().into());
    }
    let mut response = Map::new();
    response.insert("http_code".into(), tx.status.into());
    if entry.parts.response_fields() {
        response.insert("headers".into(), headers(sent_fields(tx.sent_head())));
    }
    let mut transaction = json!({
        "client_ip": tx.client_text(info),
        "client_port": info.peer.map_or(0, |peer| peer.port()),
        "time_stamp": time_stamp(tx.now_ms / 1000),
        "time": iso_time(tx.now_ms / 1000),
        "unique_id": lossy(&tx.id),
        "request": request,
        "response": response,
    });
    if let Some(members) = transaction.as_object_mut() {
        if let Some(local) = info.local {
            members.insert("host_ip".into(), local.ip().to_string().into());
            members.insert("host_port".into(), local.port().into());
        }
        if entry.parts.messages() {
            members.insert("producer".into(), producer(&entry.waf));
            members.insert(
                "messages".into(),
                entry.matches.iter().map(message).collect(),
            );
        }
    }
    json!({ "transaction": transaction })
}

fn producer(waf: &WafPlan) -> Value {
    let mode = match waf.mode {
        WafMode::Block => "Enabled",
        WafMode::Detect => "DetectionOnly",
        WafMode::Off => "Disabled",
    };
    json!({
        "modsecurity": concat!("Seawall ", env!("CARGO_PKG_VERSION")),
        "connector": format!("Seawall, rule set {}", waf.name),
        "secrules_engine": mode,
        "components": waf.program.signatures(),
    })
}

/// Numbers are texts here, as ModSecurity writes them.
fn message(found: &Match) -> Value {
    let info = &found.info;
    let (first, length) = found.place;
    let matched = match found.variable.as_str() {
        "" => String::new(),
        variable => format!(
            "Matched \"Operator `{}' with parameter `{}' against variable `{variable}' (Value: `{}' )",
            info.operator, info.argument, found.value
        ),
    };
    let or_zero = |text: &str| if text.is_empty() { "0" } else { text }.to_owned();
    let severity = found.severity.map_or(0, |severity| severity as u8);
    json!({
        "message": found.message,
        "details": {
            "match": matched,
            "reference": format!("o{first},{length}"),
            "ruleId": found.rule.to_string(),
            "file": &*info.file,
            "lineNumber": info.line.to_string(),
            "data": found.data,
            "severity": severity.to_string(),
            "ver": info.version,
            "rev": info.revision,
            "tags": &*found.tags,
            "maturity": or_zero(&info.maturity),
            "accuracy": or_zero(&info.accuracy),
        },
    })
}

/// Fields by name; those that come again are joined as RFC 9110 §5.3 has it. Credentials are covered.
fn headers<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Value {
    let mut all = Map::new();
    for (name, value) in fields {
        let text = if privacy::is_credential(name) {
            privacy::COVER.to_owned()
        } else {
            privacy::shown(value, true)
        };
        match all.entry(lossy(name)) {
            serde_json::map::Entry::Vacant(place) => {
                place.insert(text.into());
            }
            serde_json::map::Entry::Occupied(mut place) => {
                let known = place.get().as_str().unwrap_or_default();
                let joined = format!("{known}, {text}");
                place.insert(joined.into());
            }
        }
    }
    all.into()
}

/// The fields of a response's head, after its status line.
fn sent_fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|b| *b == b'\n').skip(1).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
    })
}

/// `Mon Nov 30 04:25:55 2026`
fn time_stamp(unix_s: u64) -> String {
    let text = lossy(&date::format(unix_s));
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (weekday, day, month) = (part(0..3), part(5..7), part(8..11));
    format!("{weekday} {month} {day} {} {}", part(17..25), part(12..16))
}

fn iso_time(unix_s: u64) -> String {
    let mut out = Vec::new();
    iso8601(unix_s, &mut out);
    lossy(&out)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_masked_by_names_or_not_written() {
        let shown = |body: &str, form| masked_body(body.as_bytes(), form);
        assert_eq!(
            shown("q=1&password=x", true).as_deref(),
            Some("q=1&password=***")
        );
        assert_eq!(
            shown(
                r#"{"a":[{"api_key":{"b":1}}],"user[password]":"x","q":"1"}"#,
                false
            )
            .as_deref(),
            Some(r#"{"a":[{"api_key":"***"}],"q":"1","user[password]":"***"}"#)
        );
        assert_eq!(shown("--B\r\n", false), None);
        let long = format!("[{}1]", "1,".repeat(BODY_BYTES_MAX));
        assert_eq!(shown(&long, false), None);
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        assert!(shown(&deep, false).unwrap().len() <= 2 * DEPTH_MAX + 4);
    }

    #[test]
    fn fields_that_come_again_are_joined_and_credentials_covered() {
        let head =
            b"HTTP/1.1 200 OK\r\nVary: a\r\nSet-Cookie: s=1\r\nVary: b\r\nX: /?token=1\r\n\r\n";
        assert_eq!(
            headers(sent_fields(head)),
            json!({ "Vary": "a, b", "Set-Cookie": "***", "X": "/?token=***" })
        );
    }

    #[test]
    fn times_are_written_as_modsecurity_writes_them() {
        assert_eq!(time_stamp(1_796_012_755), "Mon Nov 30 04:25:55 2026");
    }
}
