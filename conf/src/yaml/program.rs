//! `do`: a program in the order written, nginx's rewrite module in YAML.

use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Condition, FileTest, Op, Pattern, RewriteFlag};

pub(super) const STEP: Shape = Shape {
    what: "a step of `do`",
    fields: &["set", "rewrite", "return", "if", "then"],
    not_yet: &[],
};
pub(super) const REWRITE: Shape = Shape {
    what: "`rewrite` in `do`",
    fields: &["regex", "to", "then"],
    not_yet: &[],
};
pub(super) const RETURN: Shape = Shape {
    what: "`return`",
    fields: &["status", "body", "to"],
    not_yet: &[],
};
pub(super) const CONDITION: Shape = Shape {
    what: "`if`",
    fields: &[
        "value",
        "equals",
        "matches",
        "file",
        "directory",
        "exists",
        "not",
    ],
    not_yet: &[],
};

/// Reads a program.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Op> {
    let nodes = reader.list(node);
    let mut ops = Vec::new();
    for node in nodes {
        step(reader, node, &mut ops);
    }
    ops
}

fn step(reader: &mut Reader<'_>, node: &Node, ops: &mut Vec<Op>) {
    if let Value::Scalar { .. } = node.value {
        if reader.choice(node, &[("break", ())], &[]).is_some() {
            ops.push(Op::Break);
        }
        return;
    }
    let Some(fields) = reader.open(node, &STEP) else {
        return;
    };
    let written = ["set", "rewrite", "return", "if"]
        .iter()
        .filter(|f| fields.get(f).is_some())
        .count();
    if written != 1 {
        let help = "write each of `set`, `rewrite`, `return` and `if` as a step of its own";
        return reader.invalid(node.at, "a step does one thing", help);
    }
    if let Some(node) = fields.get("set") {
        for (key, node) in reader.entries(node, "`set`") {
            if let Some(value) = reader.template(node) {
                ops.push(Op::Set {
                    variable: key.name.trim_start_matches('$').to_owned(),
                    value,
                });
            }
        }
    }
    ops.extend(fields.get("rewrite").and_then(|n| rewrite(reader, n)));
    ops.extend(fields.get("return").and_then(|n| ret(reader, n)));
    if let Some(node) = fields.get("if") {
        let condition = condition(reader, node);
        let then = fields
            .get("then")
            .map_or_else(Vec::new, |n| read(reader, n));
        ops.extend(condition.map(|condition| Op::If {
            condition,
            then,
            route: None,
        }));
    }
}

fn pattern(reader: &mut Reader<'_>, node: &Node, negated: bool) -> Option<Pattern> {
    Some(Pattern {
        at: node.at,
        text: reader.string(node)?.to_owned(),
        caseless: false,
        negated,
    })
}

fn rewrite(reader: &mut Reader<'_>, node: &Node) -> Option<Op> {
    let fields = reader.open(node, &REWRITE)?;
    let (Some(regex), Some(to)) = (fields.get("regex"), fields.get("to")) else {
        let lacks = if fields.get("to").is_some() {
            "regex"
        } else {
            "to"
        };
        reader.missing(fields.at, "`rewrite`", lacks);
        return None;
    };
    let words = [
        ("continue", RewriteFlag::Continue),
        ("last", RewriteFlag::Last),
        ("break", RewriteFlag::Break),
        ("redirect", RewriteFlag::Redirect),
        ("permanent", RewriteFlag::Permanent),
    ];
    let flag = match fields.get("then") {
        Some(node) => reader.choice(node, &words, &[])?,
        None => RewriteFlag::Continue,
    };
    Some(Op::Rewrite {
        pattern: pattern(reader, regex, false)?,
        replacement: reader.template(to)?,
        flag,
    })
}

/// A status, or `{ status, body }`, or `{ status, to }`.
fn ret(reader: &mut Reader<'_>, node: &Node) -> Option<Op> {
    if let Value::Scalar { .. } = node.value {
        let status = reader.integer(node, 200, 599)? as u16;
        return Some(Op::Return {
            status,
            value: None,
        });
    }
    let fields = reader.open(node, &RETURN)?;
    let (body, to) = (fields.get("body"), fields.get("to"));
    if let (Some(_), Some(to)) = (body, to) {
        reader.invalid(to.at, "`body` and `to` exclude each other", "leave one out");
        return None;
    }
    let (least, most, unless_said) = if to.is_some() {
        (301, 308, 302)
    } else {
        (200, 599, 200)
    };
    let status = fields
        .get("status")
        .map_or(Some(unless_said), |n| reader.integer(n, least, most))?;
    let value = match body.or(to) {
        Some(node) => Some(reader.template(node)?),
        None => None,
    };
    Some(Op::Return {
        status: status as u16,
        value,
    })
}

/// `{ value: $x }`, `{ value: $x, equals: y }`, `{ value: $x, matches: regex }`, `{ file: path }`; `not: true` turns it round.
fn condition(reader: &mut Reader<'_>, node: &Node) -> Option<Condition> {
    if let Value::Scalar { .. } = node.value {
        return Some(Condition::True(reader.template(node)?));
    }
    let fields = reader.open(node, &CONDITION)?;
    let negated = fields
        .get("not")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    for (name, test) in [
        ("file", FileTest::File),
        ("directory", FileTest::Directory),
        ("exists", FileTest::Exists),
    ] {
        if let Some(node) = fields.get(name) {
            return Some(Condition::File {
                path: reader.template(node)?,
                test,
                negated,
            });
        }
    }
    value_condition(reader, &fields, negated)
}

fn value_condition(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    negated: bool,
) -> Option<Condition> {
    let Some(value) = fields.get("value") else {
        reader.missing(fields.at, "`if`", "value");
        return None;
    };
    let left = reader.template(value)?;
    match (fields.get("equals"), fields.get("matches")) {
        (Some(right), None) => Some(Condition::Equal {
            left,
            right: reader.template(right)?,
            negated,
        }),
        (None, Some(regex)) => Some(Condition::Match {
            value: left,
            pattern: pattern(reader, regex, negated)?,
        }),
        (None, None) if !negated => Some(Condition::True(left)),
        // Neither empty nor 0, turned round.
        (None, None) => Some(Condition::Match {
            value: left,
            pattern: Pattern {
                at: value.at,
                text: "^0?$".into(),
                caseless: false,
                negated: false,
            },
        }),
        (Some(_), Some(second)) => {
            let help = "write two steps, one in the other";
            reader.invalid(second.at, "`equals` and `matches` exclude each other", help);
            None
        }
    }
}
