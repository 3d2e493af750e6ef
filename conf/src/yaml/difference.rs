//! What two configurations differ in, in their own terms: `sites[shop.test].routes[/api].cache`, not line 41.
//!
//! Files are joined with what they include, and the things of a list are told apart by what an operator calls them (a
//! site by its host, a route by its path, a server by its address), so that one more site at the top is one change.

use super::include::load_tree;
use super::mask::{MASK, is_secret};
use super::tree::{Node, Value};
use crate::load::{LoadError, LoadOptions};
use seawall_diag::{Diagnostics, SourceMap, Span};
use std::path::{Path, PathBuf};

/// The longest value that is told.
const VALUE_CHARS_MAX: usize = 160;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
    /// The things of a list are the same ones in another order.
    Reordered,
}

impl ChangeKind {
    /// In the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
            ChangeKind::Reordered => "reordered",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// What it is.
    pub path: String,
    /// What it was, secrets masked.
    pub from: Option<String>,
    /// What it is now, secrets masked.
    pub to: Option<String>,
    /// The file and line of the new value, or of the old one where it is gone.
    pub at: (PathBuf, u32),
}

impl Change {
    /// `{ kind, path, from, to, file, line }`
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": self.kind.as_str(), "path": self.path, "from": self.from, "to": self.to,
            "file": self.at.0, "line": self.at.1,
        })
    }
}

/// A text with the name it has, for [`difference`].
pub struct Named<'a> {
    /// Its path: includes start from its directory.
    pub name: &'a Path,
    /// What it says.
    pub text: &'a str,
}

/// Everything that `new` says otherwise than `old`.
///
/// # Errors
/// One of them is no YAML.
pub fn difference(
    old: &Named<'_>,
    new: &Named<'_>,
    options: &LoadOptions,
) -> Result<Vec<Change>, LoadError> {
    let (old_sources, old) = tree(old, options)?;
    let (new_sources, new) = tree(new, options)?;
    let mut compare = Compare {
        old: &old_sources,
        new: &new_sources,
        path: Vec::new(),
        changes: Vec::new(),
    };
    compare.nodes(&old, &new);
    Ok(compare.changes)
}

fn tree(named: &Named<'_>, options: &LoadOptions) -> Result<(SourceMap, Node), LoadError> {
    // Values of the environment are compared as they are written: they may be secrets.
    let options = LoadOptions {
        env: std::sync::Arc::new(|name| Some(format!("${{env:{name}}}"))),
        ..options.clone()
    };
    let mut sources = SourceMap::default();
    let file = sources.add(named.name, named.text.to_owned());
    let mut diagnostics = Diagnostics::default();
    let root = load_tree(
        &mut sources,
        file,
        &options,
        &mut diagnostics,
        &mut Vec::new(),
    );
    match root {
        Some(root) => Ok((sources, root)),
        None => Err(LoadError {
            sources,
            diagnostics,
        }),
    }
}

struct Compare<'a> {
    old: &'a SourceMap,
    new: &'a SourceMap,
    path: Vec<String>,
    changes: Vec<Change>,
}

impl Compare<'_> {
    fn nodes(&mut self, old: &Node, new: &Node) {
        match (&old.value, &new.value) {
            (Value::Map(a), Value::Map(b)) => {
                for (key, was) in a {
                    let now = b.iter().find(|(k, _)| k.name == key.name);
                    self.within(&key.name, was, now.map(|(_, n)| n));
                }
                for (key, now) in b
                    .iter()
                    .filter(|(k, _)| !a.iter().any(|(l, _)| l.name == k.name))
                {
                    self.enter(&key.name);
                    self.changed(ChangeKind::Added, None, Some(now));
                    self.path.pop();
                }
            }
            (Value::List(a), Value::List(b)) => self.lists(a, new, b),
            // A list of one may be written as its value.
            (Value::List(a), _) if a.len() == 1 => self.lists(a, new, std::slice::from_ref(new)),
            (_, Value::List(b)) if b.len() == 1 => self.lists(std::slice::from_ref(old), new, b),
            (Value::Scalar { text: a, .. }, Value::Scalar { text: b, .. }) if a == b => {}
            _ => self.changed(ChangeKind::Changed, Some(old), Some(new)),
        }
    }

    fn within(&mut self, name: &str, was: &Node, now: Option<&Node>) {
        self.enter(name);
        match now {
            Some(now) => self.nodes(was, now),
            None => self.changed(ChangeKind::Removed, Some(was), None),
        }
        self.path.pop();
    }

    fn lists(&mut self, a: &[Node], new: &Node, b: &[Node]) {
        let (names_a, names_b) = (names(a), names(b));
        for (name, was) in names_a.iter().zip(a) {
            let at = names_b.iter().position(|n| n == name);
            self.within(&format!("[{name}]"), was, at.and_then(|at| b.get(at)));
        }
        for (name, now) in names_b.iter().zip(b).filter(|(n, _)| !names_a.contains(n)) {
            self.enter(&format!("[{name}]"));
            self.changed(ChangeKind::Added, None, Some(now));
            self.path.pop();
        }
        let kept = |all: &[String], others: &[String]| -> Vec<String> {
            all.iter().filter(|n| others.contains(n)).cloned().collect()
        };
        let (before, after) = (kept(&names_a, &names_b), kept(&names_b, &names_a));
        if before != after {
            let change = Change {
                kind: ChangeKind::Reordered,
                path: self.path_text(),
                from: Some(shortened(&before.join(", "))),
                to: Some(shortened(&after.join(", "))),
                at: place(self.new, new.at),
            };
            self.changes.push(change);
        }
    }

    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for part in &self.path {
            if !text.is_empty() && !part.starts_with('[') {
                text.push('.');
            }
            text.push_str(part);
        }
        text
    }

    fn changed(&mut self, kind: ChangeKind, from: Option<&Node>, to: Option<&Node>) {
        let at = match (to, from) {
            (Some(to), _) => place(self.new, to.at),
            (None, Some(from)) => place(self.old, from.at),
            (None, None) => return,
        };
        let mut path: Vec<String> = self.path.clone();
        let mut told = |node: &Node| shortened(&flow(node, &mut path));
        let (from, to) = (from.map(&mut told), to.map(&mut told));
        self.changes.push(Change {
            kind,
            path: self.path_text(),
            from,
            to,
            at,
        });
    }
}

fn place(sources: &SourceMap, at: Span) -> (PathBuf, u32) {
    (
        sources.name(at.file).to_path_buf(),
        sources.line_column(at).0,
    )
}

/// What the things of a list are called: unique, by number where nothing tells them apart.
fn names(items: &[Node]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let name = called(item).filter(|n| !names.contains(n));
        names.push(name.unwrap_or_else(|| number.to_string()));
    }
    names
}

/// Fields that name a thing, the first that is there; of a DNS record the type belongs to it, of a route its conditions.
const NAMING: &[&str] = &[
    "host", "path", "exact", "regex", "name", "address", "https", "http", "listen", "basic",
    "forward",
];

fn called(item: &Node) -> Option<String> {
    match &item.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        Value::List(_) => None,
        Value::Map(entries) => {
            let field = |name: &str| entries.iter().find(|(k, _)| k.name == name);
            let (_, named) = NAMING.iter().find_map(|name| field(name))?;
            let mut path = Vec::new();
            let mut name = flow(named, &mut path);
            for also in ["type", "when"] {
                if let Some((_, node)) = field(also) {
                    name.push(' ');
                    name.push_str(&flow(node, &mut path));
                }
            }
            Some(
                name.trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned(),
            )
        }
    }
}

/// A value in one line.
fn flow(node: &Node, path: &mut Vec<String>) -> String {
    match &node.value {
        Value::Scalar { text, .. } if is_secret(path, text) => MASK.to_owned(),
        Value::Scalar { text, .. } => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|n| flow(n, path)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let mut all = Vec::with_capacity(entries.len());
            for (key, node) in entries {
                path.push(key.name.clone());
                all.push(format!("{}: {}", key.name, flow(node, path)));
                path.pop();
            }
            format!("{{ {} }}", all.join(", "))
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
