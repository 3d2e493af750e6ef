//! `when` and `methods`: what a route asks of a request beside its path.

use super::document::networks;
use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Pattern, Test, Wanted};

pub(super) const WHEN: Shape = Shape {
    what: "`when`",
    fields: &["method", "header", "query", "cookie", "from", "not"],
    not_yet: &[],
};
pub(super) const WANTED: Shape = Shape {
    what: "a value that is wanted",
    fields: &["regex", "value"],
    not_yet: &[],
};

/// How deep `not` may stand in `not`.
const DEPTH_MAX: usize = 8;

/// The conditions of a route: `methods` and `when` together. `None` where one of them is wrong: without it the route
/// would take what it must not.
pub(crate) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Test>> {
    let mut tests = Vec::new();
    if let Some(node) = fields.get("methods") {
        tests.push(Test::Method(methods(reader, node)?));
    }
    if let Some(node) = fields.get("when") {
        tests.extend(conditions(reader, node, 0)?);
    }
    Some(tests)
}

fn conditions(reader: &mut Reader<'_>, node: &Node, depth: usize) -> Option<Vec<Test>> {
    if depth > DEPTH_MAX {
        reader.invalid(
            node.at,
            "`not` stands too deep in itself",
            "say it in fewer",
        );
        return None;
    }
    let fields = reader.open(node, &WHEN)?;
    let mut tests = Vec::new();
    if let Some(node) = fields.get("method") {
        tests.push(Test::Method(methods(reader, node)?));
    }
    type Make = fn(String, Wanted) -> Test;
    let named: [(&str, Make); 3] = [
        ("header", Test::Header),
        ("query", Test::Query),
        ("cookie", Test::Cookie),
    ];
    for (field, make) in named {
        let Some(node) = fields.get(field) else {
            continue;
        };
        for (key, node) in reader.entries(node, &format!("`{field}`")) {
            tests.push(make(key.name.clone(), wanted(reader, node)?));
        }
    }
    if let Some(node) = fields.get("from") {
        let nets = networks(reader, node);
        if nets.is_empty() {
            reader.invalid(
                node.at,
                "`from` names no network",
                "write from: [10.0.0.0/8]",
            );
            return None;
        }
        tests.push(Test::From(nets));
    }
    if let Some(node) = fields.get("not") {
        tests.push(Test::Not(conditions(reader, node, depth + 1)?));
    }
    if tests.is_empty() {
        reader.invalid(
            node.at,
            "a condition that asks nothing",
            "write for example when: { method: POST }",
        );
        return None;
    }
    Some(tests)
}

/// Methods, which are compared byte for byte (RFC 9110 §9.1).
pub(super) fn methods(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        let text = reader.string(node)?;
        if text.is_empty()
            || !text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_')
        {
            reader.invalid(
                node.at,
                format!("`{text}` is no method"),
                "methods are written in capitals: GET",
            );
            return None;
        }
        all.push(text.to_owned());
    }
    Some(all)
}

fn wanted(reader: &mut Reader<'_>, node: &Node) -> Option<Wanted> {
    match &node.value {
        Value::Map(_) => {
            let fields = reader.open(node, &WANTED)?;
            if let Some(node) = fields.get("regex") {
                let text = reader.string(node)?.to_owned();
                return Some(Wanted::Regex(Pattern {
                    at: node.at,
                    text,
                    caseless: false,
                    negated: false,
                }));
            }
            let Some(node) = fields.get("value") else {
                reader.missing(node.at, "a value that is wanted", "regex");
                return None;
            };
            texts(reader, node).map(Wanted::OneOf)
        }
        Value::List(_) => texts(reader, node).map(Wanted::OneOf),
        _ => Some(match reader.string(node)? {
            "present" | "true" => Wanted::Present,
            "absent" | "false" => Wanted::Absent,
            text => Wanted::OneOf(vec![text.to_owned()]),
        }),
    }
}

/// One text or several.
pub(super) fn texts(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        all.push(reader.string(node)?.to_owned());
    }
    Some(all)
}
