//! Typed reading of the tree: every reader reports what is wrong and goes on.

use super::tree::{Key, Node, Value};
use crate::address::UNIX_PATH_MAX;
use crate::load::Environment;
use crate::model::{Address, Template};
use crate::quantity;
use crate::suggest::hint;
use crate::template::{self, Dollar};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap, Span};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an object may hold.
pub(crate) struct Shape {
    /// Its name in messages, with an article: "a pool".
    pub(crate) what: &'static str,
    /// Fields that work.
    pub(crate) fields: &'static [&'static str],
    /// Fields whose room is not built.
    pub(crate) not_yet: &'static [&'static str],
}

pub(super) const SECRET: Shape = Shape {
    what: "a secret",
    fields: &["file", "credential"],
    not_yet: &[],
};

/// Where systemd puts the credentials of the packaged unit.
const CREDENTIALS: &str = "/run/credentials/seawall.service";

/// An object being read.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'t> {
    /// Where it stands.
    pub(crate) at: Span,
    entries: &'t [(Key, Node)],
}

impl<'t> Fields<'t> {
    /// A field with a value.
    pub(crate) fn get(&self, name: &str) -> Option<&'t Node> {
        self.entries
            .iter()
            .find(|(k, _)| k.name == name)
            .map(|(_, n)| n)
            .filter(|n| !n.is_null())
    }

    /// Whether every name in it is one of this shape's. Where one is not, nothing more is said of what is missing: it is
    /// most likely the one that is written wrong.
    pub(crate) fn are_known(&self, shape: &Shape) -> bool {
        let known = |name: &str| shape.fields.contains(&name) || shape.not_yet.contains(&name);
        self.entries.iter().all(|(key, _)| known(&key.name))
    }

    /// Where a field's name stands.
    pub(crate) fn key(&self, name: &str) -> Option<Span> {
        self.entries
            .iter()
            .find(|(k, _)| k.name == name)
            .map(|(k, _)| k.at)
    }
}

/// The sources being read and what was found in them.
pub(crate) struct Reader<'a> {
    pub(crate) sources: &'a SourceMap,
    pub(crate) found: &'a mut Diagnostics,
    /// The environment.
    pub(crate) env: &'a Environment,
}

impl Reader<'_> {
    /// Opens an object and reports fields that are unknown, not built, empty or written twice.
    pub(crate) fn open<'t>(&mut self, node: &'t Node, shape: &Shape) -> Option<Fields<'t>> {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, &format!("{} is a mapping", shape.what));
            return None;
        };
        self.duplicates(entries);
        for (key, value) in entries {
            let name = key.name.as_str();
            if shape.not_yet.contains(&name) {
                // Saying that something is off asks for nothing that is not there.
                if !value.is_off() {
                    self.not_yet(key.at, &format!("`{name}`"));
                }
            } else if !shape.fields.contains(&name) {
                let all: Vec<&str> = shape.fields.iter().chain(shape.not_yet).copied().collect();
                let mut d = Diagnostic::error(
                    "unknown-field",
                    key.at,
                    format!("{} has no field `{name}`", shape.what),
                );
                d.help = hint(name, &all);
                self.found.push(d);
            } else if value.is_null() {
                let message = format!("`{name}` has no value and counts as not written");
                self.found
                    .push(Diagnostic::warning("empty-field", key.at, message));
            }
        }
        Some(Fields {
            at: node.at,
            entries,
        })
    }

    /// The entries of a mapping from names to values.
    pub(crate) fn entries<'t>(&mut self, node: &'t Node, what: &str) -> &'t [(Key, Node)] {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, &format!("{what} is a mapping"));
            return &[];
        };
        self.duplicates(entries);
        entries
    }

    fn duplicates(&mut self, entries: &[(Key, Node)]) {
        let mut seen: std::collections::HashMap<&str, Span> = std::collections::HashMap::new();
        for (key, _) in entries {
            if let Some(first) = seen.insert(key.name.as_str(), key.at) {
                self.found.push(
                    Diagnostic::error(
                        "duplicate",
                        key.at,
                        format!("`{}` is written twice", key.name),
                    )
                    .related(first, "first written here"),
                );
            }
        }
    }

    /// A list, or the one value it would hold.
    pub(crate) fn list<'t>(&self, node: &'t Node) -> &'t [Node] {
        match &node.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(node),
        }
    }

    pub(crate) fn not_yet(&mut self, at: Span, what: &str) {
        self.found.push(Diagnostic::error(
            "not-yet",
            at,
            format!("{what} is not built yet"),
        ));
    }

    pub(crate) fn invalid(
        &mut self,
        at: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found
            .push(Diagnostic::error("invalid-value", at, message).help(help));
    }

    pub(crate) fn missing(&mut self, at: Span, what: &str, field: &str) {
        self.found
            .error("missing-field", at, format!("{what} needs `{field}`"));
    }

    pub(crate) fn wrong_kind(&mut self, node: &Node, expected: &str) {
        let message = format!("{expected}, but this is {}", node.kind());
        self.found.error("wrong-type", node.at, message);
    }

    /// Any single value, as text.
    pub(crate) fn string<'t>(&mut self, node: &'t Node) -> Option<&'t str> {
        let text = node.scalar();
        if text.is_none() {
            self.wrong_kind(node, "a single value is expected");
        }
        text
    }

    /// A whole number between two bounds, both included.
    pub(crate) fn integer(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        let text = self.string(node)?;
        let number = text.parse().ok().filter(|n| (min..=max).contains(n));
        if number.is_none() {
            self.invalid(
                node.at,
                format!("`{text}` is no number that fits here"),
                format!("write a whole number from {min} to {max}"),
            );
        }
        number
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match self.string(node)? {
            "true" | "on" | "yes" => Some(true),
            "false" | "off" | "no" => Some(false),
            text => {
                self.invalid(
                    node.at,
                    format!("`{text}` is neither true nor false"),
                    "write true or false",
                );
                None
            }
        }
    }

    fn quantity<T>(
        &mut self,
        node: &Node,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.string(node)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(help) => {
                self.invalid(node.at, format!("`{text}` cannot be read"), help);
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.quantity(node, |t| quantity::duration(t, false))
    }

    pub(crate) fn size(&mut self, node: &Node) -> Option<u64> {
        self.quantity(node, quantity::size)
    }

    pub(crate) fn percent(&mut self, node: &Node) -> Option<u8> {
        self.quantity(node, quantity::percent)
    }

    /// One of some words; `not_yet` are words that will be.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        words: &[(&str, T)],
        not_yet: &[&str],
    ) -> Option<T> {
        let text = self.string(node)?;
        if let Some((_, value)) = words.iter().find(|(w, _)| *w == text) {
            return Some(*value);
        }
        if not_yet.contains(&text) {
            self.not_yet(node.at, &format!("`{text}`"));
            return None;
        }
        let all: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        let mut d = Diagnostic::error(
            "invalid-value",
            node.at,
            format!("`{text}` is not known here"),
        );
        d.help = hint(text, &all);
        self.found.push(d);
        None
    }

    /// A text with variables.
    pub(crate) fn template(&mut self, node: &Node) -> Option<Template> {
        let text = self.string(node)?;
        self.template_text(text, node.at)
    }

    pub(crate) fn template_text(&mut self, text: &str, at: Span) -> Option<Template> {
        let slice = self
            .sources
            .text(at.file)
            .get(at.start as usize..at.end as usize)
            .unwrap_or_default();
        // Within quotes the text begins one byte later; where escapes make it differ the whole value is pointed at.
        let inner = slice
            .strip_prefix(['"', '\''])
            .and_then(|s| s.strip_suffix(['"', '\'']));
        let (at, exact) = if slice == text {
            (at, true)
        } else if inner == Some(text) {
            (
                Span {
                    start: at.start + 1,
                    ..at
                },
                true,
            )
        } else {
            (at, false)
        };
        match template::parse(text, at, exact, Dollar::Literal) {
            Ok(template) => Some(template),
            Err(message) => {
                self.found.error("invalid-value", at, message);
                None
            }
        }
    }

    /// A path, made absolute from the directory of the file it is written in.
    pub(crate) fn path(&mut self, node: &Node) -> Option<PathBuf> {
        let text = self.string(node)?;
        if text.is_empty() || text.contains('\0') {
            self.invalid(
                node.at,
                "the path is empty",
                "write a path, relative to this file's directory or absolute",
            );
            return None;
        }
        Some(self.absolute(node.at, text))
    }

    /// The file that holds a secret: a path, `{ file: PATH }`, or `{ credential: NAME }` for what systemd hands to the unit
    /// (systemd.exec(5), "Credentials").
    pub(crate) fn secret_file(&mut self, node: &Node) -> Option<(PathBuf, Span)> {
        if matches!(node.value, Value::Scalar { .. }) {
            return Some((self.path(node)?, node.at));
        }
        let fields = self.open(node, &SECRET)?;
        match (fields.get("file"), fields.get("credential")) {
            (Some(file), None) => Some((self.path(file)?, file.at)),
            (None, Some(name)) => Some((self.credential(name)?, name.at)),
            _ => {
                let help = "write { file: PATH } or { credential: NAME }";
                self.invalid(fields.at, "a secret is in one place", help);
                None
            }
        }
    }

    fn credential(&mut self, node: &Node) -> Option<PathBuf> {
        let name = self.string(node)?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(good) {
            let message = format!("`{name}` is no credential's name");
            let help = "letters, digits, `-`, `_` and `.`: as in LoadCredential=NAME:PATH";
            self.invalid(node.at, message, help);
            return None;
        }
        // Outside of the unit (`seawall check` by hand) nobody says where it is: then where the packaged unit has it.
        let directory = (self.env)("CREDENTIALS_DIRECTORY").filter(|d| d.starts_with('/'));
        let directory = directory.unwrap_or_else(|| CREDENTIALS.to_owned());
        Some(Path::new(&directory).join(name))
    }

    pub(crate) fn absolute(&self, at: Span, text: &str) -> PathBuf {
        directory(self.sources.name(at.file)).join(text.strip_prefix("./").unwrap_or(text))
    }

    /// An address whose unix socket, like every path, starts from the directory of the file it is written in.
    pub(crate) fn located(&mut self, at: Span, address: Address) -> Option<Address> {
        let Address::Unix(path) = &address else {
            return Some(address);
        };
        let path = self.absolute(at, &path.to_string_lossy());
        if path.as_os_str().len() > UNIX_PATH_MAX {
            let message = format!("`{}` is longer than {UNIX_PATH_MAX} bytes", path.display());
            self.invalid(
                at,
                message,
                "the kernel takes no longer path of a unix socket",
            );
            return None;
        }
        Some(Address::Unix(path))
    }

    /// Resolves a name among some; reports an unknown one.
    pub(crate) fn resolve(
        &mut self,
        at: Span,
        name: &str,
        what: &str,
        names: &[&str],
    ) -> Option<usize> {
        let index = names.iter().position(|n| *n == name);
        if index.is_none() {
            let mut d =
                Diagnostic::error("unknown-name", at, format!("there is no {what} `{name}`"));
            d.help = hint(name, names)
                .or_else(|| names.is_empty().then(|| format!("no {what} is defined")));
            self.found.push(d);
        }
        index
    }
}

/// The absolute directory of a file.
pub(crate) fn directory(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    if parent.is_absolute() {
        return parent.to_path_buf();
    }
    std::env::current_dir()
        .unwrap_or_else(|_| PathBuf::from("/"))
        .join(parent)
}
