//! YAML as a tree whose every key and value knows its place.
//!
//! Built from the event stream of serde-saphyr's parser. Aliases are copied, and every copied node counts against
//! [`NODES_MAX`], so that an alias bomb is refused after that many nodes whatever it would have grown to.

use crate::load::LoadOptions;
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as EventSpan};
use std::collections::HashMap;

/// The most values in one file, copies by aliases included.
pub const NODES_MAX: usize = 100_000;

/// The deepest nesting, through aliases included.
pub const DEPTH_MAX: usize = 32;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A scalar; `plain` where it was not quoted.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) at: Span,
    pub(crate) name: String,
}

impl Node {
    /// Nothing: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// `off` or `false`: removes what would be inherited.
    pub(crate) fn is_off(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "off" | "false"))
    }

    /// A scalar's text.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads one document. `None` where the text is no YAML, or is refused by a limit.
pub(crate) fn parse(
    file: FileId,
    sources: &SourceMap,
    options: &LoadOptions,
    found: &mut Diagnostics,
) -> Option<Node> {
    let text = sources.text(file);
    let mut builder = Builder {
        file,
        text,
        options,
        found,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                builder.event(event, &span)?;
            }
            Err(error) => {
                let start = error.marker().byte_offset().unwrap_or(0);
                let at = Span::new(file, start, start);
                let mut d = Diagnostic::error("yaml-syntax", at, error.info());
                d.help = remedy(&error.info()).map(str::to_owned);
                builder.found.push(d);
                return None;
            }
        }
    }
    let empty = Node {
        at: Span::new(file, 0, 0),
        value: Value::Map(Vec::new()),
    };
    Some(builder.root.filter(|n| !n.is_null()).unwrap_or(empty))
}

/// An anchored value with what a copy of it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// A collection under construction.
struct Open {
    at: Span,
    anchor: usize,
    nodes_before: usize,
    /// Levels below this one.
    depth: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    options: &'a LoadOptions,
    found: &'a mut Diagnostics,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    /// Takes one event; `None` ends the reading.
    fn event(&mut self, event: Event<'_>, span: &EventSpan) -> Option<()> {
        let at = self.span(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.found
                        .error("yaml-documents", at, "a second YAML document in one file");
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, at)?;
                self.refuse_tag(at, tag.is_some_and(|t| !t.is_yaml_core_schema()));
                let plain = style == ScalarStyle::Plain;
                let node = Node {
                    at,
                    value: Value::Scalar {
                        text: self.environment(&text, at),
                        plain,
                    },
                };
                self.anchor(anchor, &node, 1, 0);
                self.add(node, 0)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(at, tag.is_some_and(|t| !t.is_yaml_core_schema()));
                self.open(at, anchor, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(at, tag.is_some_and(|t| !t.is_yaml_core_schema()));
                self.open(at, anchor, OpenKind::Map(Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => {
                let Some((nodes, depth)) = self.anchors.get(&id).map(|a| (a.nodes, a.depth)) else {
                    self.found
                        .error("yaml-syntax", at, "an alias inside the value it stands for");
                    return None;
                };
                self.count(nodes, at)?;
                if self.stack.len() + depth > DEPTH_MAX {
                    return self.too_deep(at);
                }
                let mut node = self.anchors.get(&id).map(|a| a.node.clone())?;
                node.at = at;
                self.add(node, depth)?;
            }
            _ => {}
        }
        Some(())
    }

    fn open(&mut self, at: Span, anchor: usize, kind: OpenKind) -> Option<()> {
        let nodes_before = self.nodes;
        self.count(1, at)?;
        if self.stack.len() >= DEPTH_MAX {
            return self.too_deep(at);
        }
        self.stack.push(Open {
            at,
            anchor,
            nodes_before,
            depth: 0,
            kind,
        });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let open = self.stack.pop()?;
        let value = match open.kind {
            OpenKind::List(items) => Value::List(items),
            OpenKind::Map(entries, _) => Value::Map(entries),
        };
        let node = Node { at: open.at, value };
        self.anchor(
            open.anchor,
            &node,
            self.nodes - open.nodes_before,
            open.depth + 1,
        );
        self.add(node, open.depth + 1)
    }

    fn add(&mut self, node: Node, depth: usize) -> Option<()> {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        open.depth = open.depth.max(depth);
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map(entries, key) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.value {
                    Value::Scalar { text, .. } => {
                        *key = Some(Key {
                            at: node.at,
                            name: text,
                        })
                    }
                    _ => {
                        self.found
                            .error("yaml-key", node.at, "a key must be a single value");
                        return None;
                    }
                },
            },
        }
        Some(())
    }

    fn anchor(&mut self, id: usize, node: &Node, nodes: usize, depth: usize) {
        if id != 0 {
            self.anchors.insert(
                id,
                Anchored {
                    node: node.clone(),
                    nodes,
                    depth,
                },
            );
        }
    }

    fn count(&mut self, nodes: usize, at: Span) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= NODES_MAX {
            return Some(());
        }
        let message =
            format!("more than {NODES_MAX} values in one file, copies by aliases included");
        self.found
            .push(Diagnostic::error("yaml-limit", at, message));
        None
    }

    fn too_deep(&mut self, at: Span) -> Option<()> {
        self.found.push(Diagnostic::error(
            "yaml-limit",
            at,
            format!("nested deeper than {DEPTH_MAX} levels"),
        ));
        None
    }

    fn refuse_tag(&mut self, at: Span, custom: bool) {
        if custom {
            self.found
                .error("yaml-tag", at, "YAML tags are not used here");
        }
    }

    fn span(&self, span: &EventSpan) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start);
        // A block scalar's span takes in the line breaks after it.
        let slice = self.text.get(start..end).unwrap_or_default();
        Span::new(self.file, start, start + slice.trim_end().len())
    }

    /// Puts in `${env:NAME}` and `${env:NAME:-default}`, after parsing: a value cannot become structure.
    fn environment(&mut self, text: &str, at: Span) -> String {
        const OPEN: &str = "${env:";
        let mut out = String::new();
        let mut rest = text;
        while let Some(i) = rest.find(OPEN) {
            out.push_str(rest.get(..i).unwrap_or_default());
            let inner = rest.get(i + OPEN.len()..).unwrap_or_default();
            let Some(end) = inner.find('}') else {
                self.found.push(
                    Diagnostic::error("env", at, "`${env:` is not closed")
                        .help("write ${env:NAME}"),
                );
                return text.to_owned();
            };
            let (reference, after) = inner.split_at(end);
            let (name, default) = match reference.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (reference, None),
            };
            match (self.options.env)(name).or(default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => self.found.push(
                    Diagnostic::error("env", at, format!("the environment has no `{name}`"))
                        .help(format!("set it, or write ${{env:{name}:-default}}")),
                ),
            }
            rest = after.get(1..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }
}
/// What to do, of the mistakes that are made most.
fn remedy(said: &str) -> Option<&'static str> {
    let has = |text: &str| said.contains(text);
    if has("tab") {
        Some("indent with spaces: YAML takes no tabs there")
    } else if has("mapping values are not allowed") {
        Some("put the value in quotes, or this word on a line of its own")
    } else {
        None
    }
}
