//! Regression tests of rule sets, from the tree of a file.

use super::tree::{Node, Value, parse};
use crate::load::LoadOptions;
use crate::regressions::{Regression, Stage};
use base64::Engine;
use seawall_diag::{Diagnostics, FileId, SourceMap};

const FORM: &str = "application/x-www-form-urlencoded";

/// The most bytes that a repetition grows to.
const REPEATED_BYTES_MAX: usize = 1 << 20;

/// Methods whose requests say how long their body is, also when there is none.
const WITH_BODY: &[&str] = &["POST", "PUT", "PATCH", "DELETE"];

impl Node {
    fn field(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|(k, _)| k.name == name).map(|(_, n)| n),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.field(name).filter(|n| !n.is_null())?.scalar()
    }

    fn items(&self, name: &str) -> &[Node] {
        match self.field(name).map(|n| &n.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}

/// Reads the tree of a file; `None` where it is none.
pub(crate) fn regressions(
    sources: &SourceMap,
    file: FileId,
    stem: &str,
    options: &LoadOptions,
    found: &mut Diagnostics,
) -> Option<Vec<Regression>> {
    let root = parse(file, sources, options, found)?;
    let rule = root.text("rule_id").unwrap_or(stem).to_owned();
    let tests = root.items("tests").iter().enumerate().map(|(n, node)| {
        let number = (n + 1).to_string();
        let id = node.text("test_id").or_else(|| node.text("test_title"));
        let id = id.unwrap_or(&number);
        let name = match id.contains('-') {
            true => id.to_owned(),
            false => format!("{rule}-{id}"),
        };
        let stages = node.items("stages").iter();
        let stages = stages.map(|node| stage(node.field("stage").unwrap_or(node)));
        Regression {
            name,
            at: node.at,
            stages: stages.collect(),
        }
    });
    Some(tests.collect())
}

fn stage(node: &Node) -> Stage {
    let mut stage = Stage::default();
    if let Some(input) = node.field("input") {
        stage.request = request(input);
    }
    let Some(output) = node.field("output") else {
        return stage;
    };
    let log = output.field("log");
    let ids = |name| {
        let items = log.map_or(&[][..], |log| log.items(name)).iter();
        items.filter_map(|n| n.scalar()?.parse::<u32>().ok())
    };
    stage.expect.extend(ids("expect_ids"));
    stage.exclude.extend(ids("no_expect_ids"));
    stage.isolated = output.text("isolated") == Some("true");
    let said = |new: &str, old: &str| {
        let new = log.and_then(|log| log.text(new));
        new.or_else(|| output.text(old)).map(str::to_owned)
    };
    for (text, ids) in [
        (said("match_regex", "log_contains"), &mut stage.expect),
        (
            said("no_match_regex", "no_log_contains"),
            &mut stage.exclude,
        ),
    ] {
        match text.as_deref().map(id_of) {
            Some(Some(id)) => ids.push(id),
            Some(None) => stage.says_more = true,
            None => {}
        }
    }
    let more = ["status", "response_contains", "expect_error", "retry_once"];
    stage.says_more |= more.iter().any(|name| output.field(name).is_some());
    stage
}

/// `id "942100"`, with or without backslashes: a rule's id and nothing else.
fn id_of(text: &str) -> Option<u32> {
    let rest = text.trim().strip_prefix("id")?.trim_start();
    let quote = |c| c == '"' || c == '\\';
    rest.trim_matches(quote).parse().ok()
}

fn request(input: &Node) -> Vec<u8> {
    let decoded = |name| {
        let text = input.text(name)?;
        let engine = base64::engine::general_purpose::STANDARD;
        engine
            .decode(text.split_whitespace().collect::<String>())
            .ok()
    };
    if let Some(whole) = decoded("encoded_request") {
        return whole;
    }
    if let Some(whole) = input.text("raw_request") {
        return whole.as_bytes().to_vec();
    }
    let completes = match input.text("autocomplete_headers") {
        Some(word) => word != "false",
        None => input.text("stop_magic") != Some("true"),
    };
    let method = input.text("method").unwrap_or("GET");
    let mut fields = fields(input);
    let kind = |fields: &[(String, String)]| {
        let found = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        found.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let mut data = decoded("encoded_data").unwrap_or_else(|| {
        let mut text = repeated(&written(input));
        if completes && !text.is_empty() {
            if kind(&fields).is_none() {
                fields.push(("Content-Type".into(), FORM.into()));
            }
            if kind(&fields).as_deref() == Some(FORM) && !is_encoded(&text) {
                text = encoded(&text);
            }
        }
        text.into_bytes()
    });
    if kind(&fields).is_some_and(|kind| kind.contains("multipart/form-data")) {
        data = with_both(&data);
    }
    if completes {
        let has = |name: &str, fields: &[(String, String)]| {
            fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if !has("connection", &fields) {
            fields.push(("Connection".into(), "close".into()));
        }
        let framed = has("content-length", &fields) || has("transfer-encoding", &fields);
        if !framed && (!data.is_empty() || WITH_BODY.contains(&method)) {
            fields.push(("Content-Length".into(), data.len().to_string()));
        }
    }
    let uri = input.text("uri").unwrap_or("/");
    let version = input.text("version").unwrap_or("HTTP/1.1");
    let mut out = format!("{method} {uri} {version}\r\n").into_bytes();
    for (name, value) in fields {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&data);
    out
}

/// A mapping, or a list of names and values.
fn fields(input: &Node) -> Vec<(String, String)> {
    let value = |node: &Node| match node.is_null() {
        true => String::new(),
        false => node.scalar().unwrap_or_default().to_owned(),
    };
    match input.field("headers").map(|n| &n.value) {
        Some(Value::Map(fields)) => fields
            .iter()
            .map(|(k, n)| (k.name.clone(), value(n)))
            .collect(),
        Some(Value::List(fields)) => {
            let pair = |n: &Node| {
                let name = n.text("name").unwrap_or_default();
                (
                    name.to_owned(),
                    n.field("value").map(value).unwrap_or_default(),
                )
            };
            fields.iter().map(pair).collect()
        }
        _ => Vec::new(),
    }
}

/// A text, or lines of it.
fn written(input: &Node) -> String {
    match input.field("data").map(|n| &n.value) {
        Some(Value::List(lines)) => {
            let lines: Vec<&str> = lines.iter().filter_map(Node::scalar).collect();
            lines.join("\r\n")
        }
        _ => input.text("data").unwrap_or_default().to_owned(),
    }
}

/// `{{ "x" | repeat 3 }}` put in.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("{{") {
        out.push_str(before);
        let filled = from.split_once("}}").and_then(|(inner, after)| {
            let (quoted, times) = inner.trim().rsplit_once('|')?;
            let times: usize = times.trim().strip_prefix("repeat")?.trim().parse().ok()?;
            let unit = quoted.trim().strip_prefix('"')?.strip_suffix('"')?;
            (unit.len().checked_mul(times)? <= REPEATED_BYTES_MAX)
                .then(|| (unit.repeat(times), after))
        });
        match filled {
            Some((filled, after)) => {
                out.push_str(&filled);
                rest = after;
            }
            None => {
                out.push_str("{{");
                rest = from;
            }
        }
    }
    out + rest
}

fn is_encoded(text: &str) -> bool {
    text.contains('+')
        || text
            .as_bytes()
            .windows(3)
            .any(|w| matches!(w, [b'%', h, l] if h.is_ascii_hexdigit() && l.is_ascii_hexdigit()))
}

/// A form with its names and values percent-encoded.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for (n, pair) in text.split('&').enumerate() {
        if n > 0 {
            out.push('&');
        }
        for (n, part) in pair.splitn(2, '=').enumerate() {
            if n > 0 {
                out.push('=');
            }
            for byte in part.bytes() {
                match byte {
                    b' ' => out.push('+'),
                    b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) => {
                        out.push(char::from(b))
                    }
                    b => out.push_str(&format!("%{b:02X}")),
                }
            }
        }
    }
    out
}

/// Lines end with both characters.
fn with_both(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 64);
    for byte in data {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
