//! `rewrite`: what is asked for in place of what the client asked for.

use super::read::{Fields, Reader, Shape};
use super::tree::Node;
use crate::model::{Matcher, Op, Part, Pattern, ProxyUri, RewriteFlag, Template};
use seawall_diag::Span;

pub(super) const REWRITE: Shape = Shape {
    what: "`rewrite`",
    fields: &["strip", "add", "path", "regex", "query"],
    not_yet: &[],
};
pub(super) const REGEX: Shape = Shape {
    what: "`regex`",
    fields: &["pattern", "to"],
    not_yet: &[],
};
pub(super) const QUERY: Shape = Shape {
    what: "`query`",
    fields: &["set", "remove"],
    not_yet: &[],
};

/// What a `rewrite` comes to.
#[derive(Default)]
pub(crate) struct Rewrite {
    /// What runs first: expressions and arguments.
    pub(crate) program: Vec<Op>,
    /// `strip`, `add` and `path`.
    pub(crate) uri: Option<ProxyUri>,
}

/// Reads `rewrite`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, matcher: &Matcher) -> Option<Rewrite> {
    let fields = reader.open(node, &REWRITE)?;
    let mut rewrite = Rewrite::default();
    let prefix = fields.key("strip").or_else(|| fields.key("add"));
    if let Some(node) = fields.get("regex") {
        if let Some(other) = prefix.or_else(|| fields.key("path")) {
            let help = "leave out `strip`, `add` and `path`, or `regex`";
            reader.invalid(other, "`regex` gives the whole path", help);
        }
        rewrite.program.push(regex(reader, node)?);
    }
    if let Some(node) = fields.get("query") {
        rewrite.program.push(query(reader, node)?);
    }
    if let Some(path) = fields.get("path") {
        if let Some(other) = prefix {
            let help = "leave out `strip` and `add`, or `path`";
            reader.invalid(other, "`path` gives the whole target", help);
        }
        rewrite.uri = Some(ProxyUri::Template(reader.template(path)?));
    } else if prefix.is_some() {
        rewrite.uri = Some(exchange(reader, &fields, matcher)?);
    }
    Some(rewrite)
}

/// `regex: { pattern, to }`: the path is replaced where the pattern matches, with its captures.
fn regex(reader: &mut Reader<'_>, node: &Node) -> Option<Op> {
    let fields = reader.open(node, &REGEX)?;
    let (Some(pattern), Some(to)) = (fields.get("pattern"), fields.get("to")) else {
        let lacks = if fields.get("to").is_some() {
            "pattern"
        } else {
            "to"
        };
        reader.missing(fields.at, "`regex`", lacks);
        return None;
    };
    Some(Op::Rewrite {
        pattern: Pattern {
            at: pattern.at,
            text: reader.string(pattern)?.to_owned(),
            caseless: false,
            negated: false,
        },
        replacement: reader.template(to)?,
        flag: RewriteFlag::Break,
    })
}

/// `query: { set: { name: value }, remove: [name] }`.
fn query(reader: &mut Reader<'_>, node: &Node) -> Option<Op> {
    let fields = reader.open(node, &QUERY)?;
    let mut set = Vec::new();
    if let Some(node) = fields.get("set") {
        for (key, node) in reader.entries(node, "`set`") {
            set.push((key.name.clone(), reader.template(node)?));
        }
    }
    let mut remove = Vec::new();
    if let Some(node) = fields.get("remove") {
        for node in reader.list(node) {
            remove.push(reader.string(node)?.to_owned());
        }
    }
    Some(Op::Query { set, remove })
}

/// `strip` and `add` exchange a prefix.
fn exchange(reader: &mut Reader<'_>, fields: &Fields<'_>, matcher: &Matcher) -> Option<ProxyUri> {
    let mut prefix = |name: &str| match fields.get(name) {
        None => Some(String::new()),
        Some(node) => {
            let text = reader.string(node)?;
            if !text.starts_with('/') {
                let help = "a path begins with `/`";
                reader.invalid(node.at, format!("`{text}` is no path"), help);
                return None;
            }
            Some(text.trim_end_matches('/').to_owned())
        }
    };
    let (strip, add) = (prefix("strip")?, prefix("add")?);
    if let Some(at) = fields.get("strip").map(|n| n.at) {
        let (taken, below) = match matcher {
            Matcher::Segments(path) | Matcher::Exact(path) => {
                let rest = path.strip_prefix(strip.as_str());
                (
                    path.as_str(),
                    rest.is_some_and(|r| r.is_empty() || r.starts_with('/')),
                )
            }
            _ => (
                "what the regular expression matches: use `path` with its captures",
                false,
            ),
        };
        if !below {
            let message = format!("not every path of this route begins with `{strip}`");
            reader.invalid(at, message, format!("the route takes {taken}"));
        }
    }
    Some(match (strip.as_str(), add.as_str()) {
        ("", "") => ProxyUri::AsReceived,
        // The slash goes with the prefix, so that the prefix alone becomes "/" and not nothing.
        (_, "") => ProxyUri::ReplacePrefix {
            prefix: format!("{strip}/"),
            with: "/".into(),
        },
        _ => ProxyUri::ReplacePrefix {
            prefix: strip,
            with: add,
        },
    })
}

/// The same for content that is not proxied: a step of the program.
pub(crate) fn as_op(uri: ProxyUri, at: Span) -> Op {
    let (text, replacement) = match uri {
        ProxyUri::ReplacePrefix { prefix, with } => {
            let (prefix, with) = (prefix.trim_end_matches('/'), with.trim_end_matches('/'));
            let rest = Part::Variable {
                name: "1".into(),
                at,
            };
            let parts = vec![Part::Literal(format!("{with}/")), rest];
            (
                format!("^{}(?:/(.*))?$", regex::escape(prefix)),
                Template { parts },
            )
        }
        ProxyUri::Template(template) => ("^".into(), template),
        ProxyUri::AsReceived => (
            "^".into(),
            Template {
                parts: vec![Part::Variable {
                    name: "uri".into(),
                    at,
                }],
            },
        ),
    };
    let pattern = Pattern {
        at,
        text,
        caseless: false,
        negated: false,
    };
    Op::Rewrite {
        pattern,
        replacement,
        flag: RewriteFlag::Break,
    }
}
