//! Active checks.

use crate::model::{BodyExpected, CheckKind, HealthCheck, HttpCheck, Pattern};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};
use std::time::Duration;

pub(in crate::yaml) const HEALTH: Shape = Shape {
    what: "a health check",
    fields: &[
        "path",
        "tcp",
        "grpc",
        "method",
        "host",
        "headers",
        "expect",
        "port",
        "interval",
        "fast_interval",
        "jitter",
        "timeout",
        "fall",
        "rise",
    ],
    not_yet: &[],
};
pub(in crate::yaml) const EXPECT: Shape = Shape {
    what: "`expect`",
    fields: &["status", "body", "regex"],
    not_yet: &[],
};

/// Fields that only a check over HTTP has.
const OF_HTTP: &[&str] = &["path", "method", "host", "headers", "expect"];

/// A check over HTTP with every default.
pub(super) fn http() -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        statuses: vec![(200, 399)],
        body: None,
    }
}

/// A check of `/` with every default.
pub(super) fn default() -> HealthCheck {
    HealthCheck {
        kind: CheckKind::Http(http()),
        port: None,
        interval: Duration::from_secs(2),
        fast_interval: None,
        jitter_percent: 10,
        timeout: Duration::from_secs(1),
        fall: 2,
        rise: 2,
    }
}

/// How often, how long and how many times, of any check.
pub(super) fn check_of(reader: &mut Reader<'_>, fields: &Fields<'_>) -> HealthCheck {
    let mut check = default();
    check.interval = interval(reader, fields, "interval").unwrap_or(check.interval);
    if let Some(timeout) = fields.get("timeout").and_then(|n| reader.duration(n)) {
        check.timeout = timeout;
    }
    let mut count = |name| {
        let n = fields.get(name).and_then(|n| reader.integer(n, 1, 1000));
        n.map_or(2, |n| n as u32)
    };
    (check.fall, check.rise) = (count("fall"), count("rise"));
    check
}

pub(super) fn health(reader: &mut Reader<'_>, node: &Node) -> Option<HealthCheck> {
    let mut check = default();
    if let Value::Scalar { .. } = node.value {
        let text = reader.string(node)?;
        check.kind = match text {
            "tcp" => CheckKind::Tcp,
            "grpc" => CheckKind::Grpc(String::new()),
            _ => CheckKind::Http(HttpCheck {
                path: path(reader, node)?,
                ..http()
            }),
        };
        return Some(check);
    }
    let fields = reader.open(node, &HEALTH)?;
    let kind = kind(reader, &fields)?;
    check = HealthCheck {
        kind,
        ..check_of(reader, &fields)
    };
    check.port = fields
        .get("port")
        .and_then(|n| reader.integer(n, 1, 65_535))
        .map(|n| n as u16);
    check.fast_interval = interval(reader, &fields, "fast_interval");
    if let Some(percent) = fields.get("jitter").and_then(|n| reader.percent(n)) {
        check.jitter_percent = percent;
    }
    Some(check)
}

fn kind(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<CheckKind> {
    let tcp = fields.get("tcp").filter(|n| !n.is_off());
    let grpc = fields.get("grpc").filter(|n| !n.is_off());
    if tcp.is_none() && grpc.is_none() {
        return http_check(reader, fields).map(CheckKind::Http);
    }
    let (name, other) = if tcp.is_some() {
        ("tcp", Some("grpc").filter(|_| grpc.is_some()))
    } else {
        ("grpc", None)
    };
    for field in OF_HTTP.iter().copied().chain(other) {
        if let Some(at) = fields.key(field) {
            reader.invalid(
                at,
                format!("a check by `{name}` has no `{field}`"),
                "leave one of them out",
            );
        }
    }
    match grpc {
        Some(node) if tcp.is_none() => {
            let text = reader.string(node)?;
            let service = if matches!(text, "true" | "on") {
                ""
            } else {
                text
            };
            Some(CheckKind::Grpc(service.to_owned()))
        }
        _ => {
            reader.boolean(tcp?)?;
            Some(CheckKind::Tcp)
        }
    }
}

fn http_check(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<HttpCheck> {
    let mut check = http();
    if let Some(node) = fields.get("path") {
        check.path = path(reader, node)?;
    }
    if let Some(node) = fields.get("method") {
        let words = ["GET", "HEAD", "OPTIONS", "POST"].map(|m| (m, m));
        check.method = reader.choice(node, &words, &[])?.to_owned();
    }
    check.host = fields.get("host").and_then(|n| line(reader, n));
    if let Some(node) = fields.get("headers") {
        for (key, node) in reader.entries(node, "`headers`") {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if key.name.is_empty() || !key.name.bytes().all(token) {
                reader.invalid(
                    key.at,
                    format!("`{}` is no header's name", key.name),
                    "write a name such as X-Check",
                );
                continue;
            }
            if let Some(value) = line(reader, node) {
                check.headers.push((key.name.clone(), value));
            }
        }
    }
    if let Some(fields) = fields.get("expect").and_then(|n| reader.open(n, &EXPECT)) {
        if let Some(node) = fields.get("status") {
            let all = reader.list(node);
            check.statuses = all.iter().filter_map(|n| statuses(reader, n)).collect();
        }
        check.body = match (fields.get("body"), fields.get("regex")) {
            (Some(_), Some(second)) => {
                reader.invalid(
                    second.at,
                    "`body` and `regex` cannot stand together",
                    "the expression may hold the text",
                );
                None
            }
            (Some(node), None) => {
                let text = reader.string(node)?;
                Some(BodyExpected::Contains(text.to_owned()))
            }
            (None, Some(node)) => Some(BodyExpected::Matches(Pattern {
                at: node.at,
                text: reader.string(node)?.to_owned(),
                caseless: false,
                negated: false,
            })),
            (None, None) => None,
        };
        if check.body.is_some() && check.method == "HEAD" {
            reader.invalid(
                fields.at,
                "the answer to HEAD has no body to look at",
                "write method: GET",
            );
        }
    }
    Some(check)
}

fn path(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    let fits = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
    if !fits {
        reader.invalid(
            node.at,
            format!("`{text}` is no path"),
            "write health: { path: /ready }",
        );
    }
    fits.then(|| text.to_owned())
}

/// A field's value: one line.
fn line(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    if text.bytes().any(|b| b.is_ascii_control()) {
        reader.invalid(
            node.at,
            "a header's value has no line break or control character",
            "write one line",
        );
        return None;
    }
    Some(text.to_owned())
}

/// `200`, `2xx` or `200-299`.
fn statuses(reader: &mut Reader<'_>, node: &Node) -> Option<(u16, u16)> {
    let text = reader.string(node)?;
    let number = |t: &str| t.parse::<u16>().ok().filter(|n| (100..=599).contains(n));
    let range = match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(class), _) => class
            .parse::<u16>()
            .ok()
            .filter(|c| (1..=5).contains(c))
            .map(|c| (c * 100, c * 100 + 99)),
        (None, Some((from, to))) => number(from).zip(number(to)).filter(|(f, t)| f <= t),
        (None, None) => number(text).map(|n| (n, n)),
    };
    if range.is_none() {
        reader.invalid(
            node.at,
            format!("`{text}` is no status"),
            "write status: [200, 3xx, 401-403]",
        );
    }
    range
}

fn interval(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str) -> Option<Duration> {
    let node = fields.get(name)?;
    let interval = reader.duration(node)?;
    if interval < Duration::from_millis(10) {
        reader.invalid(
            node.at,
            "checks at least 10ms apart",
            format!("write {name}: 2s"),
        );
    }
    Some(interval)
}
