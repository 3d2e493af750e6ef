//! Secrets that stand in the file itself are `***` to whoever reads it over the API, and come back from there unchanged.
//!
//! What is a secret is told by its name: the key of an ACME account, and the values of header fields that carry
//! credentials. `${env:NAME}` is no secret, only its value is.

use super::tree::{Node, Value, parse};
use crate::load::LoadOptions;
use seawall_diag::{Diagnostics, SourceMap, Span};
use std::sync::Arc;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Fields of requests that carry credentials.
const CREDENTIAL_FIELDS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "x-auth-token",
];

/// Whether the value at a path must not be shown.
pub(super) fn is_secret(path: &[String], text: &str) -> bool {
    let is_from_environment =
        text.starts_with("${env:") && text.ends_with('}') && !text.contains(":-");
    if is_from_environment || text.is_empty() {
        return false;
    }
    let mut up = path.iter().rev().filter(|p| !p.starts_with('['));
    let (Some(last), before) = (up.next(), up.next()) else {
        return false;
    };
    let last = last.to_ascii_lowercase();
    let is_account = last == "key" && before.is_some_and(|b| b == "eab");
    is_account
        || CREDENTIAL_FIELDS.contains(&last.as_str())
        || ["password", "secret", "token"].contains(&last.as_str())
}

/// The text with every secret masked. What is no YAML is given back empty: nobody can tell what it holds.
pub fn masked(text: &str) -> String {
    let mut out = text.to_owned();
    let Some(mut secrets) = secrets(text) else {
        return String::new();
    };
    secrets.sort_by_key(|(_, at)| std::cmp::Reverse(at.start));
    for (_, at) in secrets {
        let range = at.start as usize..at.end as usize;
        if out.get(range.clone()).is_some() {
            out.replace_range(range, "'***'");
        }
    }
    out
}

/// The text with every `***` that stands for a secret replaced by what `old` has in its place.
pub fn unmasked(text: &str, old: &str) -> String {
    let mut out = text.to_owned();
    let (Some(mut now), Some(before)) = (secrets(text), secrets(old)) else {
        return out;
    };
    now.sort_by_key(|(_, at)| std::cmp::Reverse(at.start));
    for (path, at) in now {
        let range = at.start as usize..at.end as usize;
        let held = out.get(range.clone()).unwrap_or_default();
        if held.trim_matches(['\'', '"']) != MASK {
            continue;
        }
        let Some((_, was)) = before.iter().find(|(p, _)| *p == path) else {
            continue;
        };
        if let Some(secret) = old.get(was.start as usize..was.end as usize) {
            out.replace_range(range, secret);
        }
    }
    out
}

fn secrets(text: &str) -> Option<Vec<(Vec<String>, Span)>> {
    let mut sources = SourceMap::default();
    let file = sources.add("", text.to_owned());
    let options = LoadOptions {
        env: Arc::new(|name| Some(format!("${{env:{name}}}"))),
        ..LoadOptions::default()
    };
    let root = parse(file, &sources, &options, &mut Diagnostics::default())?;
    let mut all = Vec::new();
    walk(text, &root, &mut Vec::new(), &mut all);
    // An alias stands where the text is not: what it stands for is masked at its anchor.
    all.retain(|(_, at)| {
        text.get(at.start as usize..at.end as usize)
            .is_some_and(|t| !t.starts_with('*'))
    });
    Some(all)
}

fn walk(text: &str, node: &Node, path: &mut Vec<String>, all: &mut Vec<(Vec<String>, Span)>) {
    match &node.value {
        Value::Scalar { .. } => {
            // As it is written: a default in `${env:}` is part of it.
            let held = text.get(node.at.start as usize..node.at.end as usize);
            if is_secret(path, held.unwrap_or_default().trim_matches(['\'', '"'])) {
                all.push((path.clone(), node.at));
            }
        }
        Value::List(items) => {
            for (number, item) in items.iter().enumerate() {
                path.push(format!("[{number}]"));
                walk(text, item, path, all);
                path.pop();
            }
        }
        Value::Map(entries) => {
            for (key, node) in entries {
                path.push(key.name.clone());
                walk(text, node, path, all);
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "acme: { eab: { key_id: a, key: s3cret } }\ndefaults:\n  headers: { request: { set: { Authorization: \"Bearer x\", X-A: b } } }\n  auth: { basic: users }\nx: { key: k }\ny: { password: \"${env:P}\" }\n";

    #[test]
    fn secrets_are_masked_and_come_back() {
        let shown = masked(TEXT);
        assert!(
            !shown.contains("s3cret") && !shown.contains("Bearer"),
            "{shown}"
        );
        assert!(
            shown.contains("X-A: b") && shown.contains("key: k") && shown.contains("${env:P}"),
            "{shown}"
        );
        assert_eq!(unmasked(&shown, TEXT), TEXT);
        let edited = format!("# new\n{}", shown.replace("key_id: a", "key_id: b"));
        assert!(unmasked(&edited, TEXT).contains("key_id: b, key: s3cret"));
    }

    #[test]
    fn what_is_no_yaml_is_not_shown() {
        assert_eq!(masked("key: [secret"), "");
    }

    #[test]
    fn a_secret_with_a_default_in_the_text_is_one() {
        assert!(masked("a: { password: \"${env:P:-hunter2}\" }").contains(MASK));
    }
}
