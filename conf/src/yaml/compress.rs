//! `compress`: a list of codings, or an object.

use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Coding, Compress};

pub(super) const COMPRESS: Shape = Shape {
    what: "`compress`",
    fields: &["encodings", "types", "min_length", "level", "decode"],
    not_yet: &[],
};
const CODINGS: [(&str, Coding); 3] = [
    ("zstd", Coding::Zstd),
    ("br", Coding::Br),
    ("gzip", Coding::Gzip),
];

/// What one level says.
#[derive(Clone, Default)]
pub(crate) struct CompressLayer {
    off: bool,
    codings: Option<Vec<Coding>>,
    types: Option<Vec<String>>,
    min_length: Option<u64>,
    level: Option<u8>,
    decode: Option<bool>,
}

impl CompressLayer {
    pub(crate) fn over(self, outer: &CompressLayer) -> CompressLayer {
        CompressLayer {
            off: self.off,
            codings: self.codings.or_else(|| outer.codings.clone()),
            types: self.types.or_else(|| outer.types.clone()),
            min_length: self.min_length.or(outer.min_length),
            level: self.level.or(outer.level),
            decode: self.decode.or(outer.decode),
        }
    }

    /// What holds once everything is merged.
    pub(crate) fn policy(&self) -> Option<Compress> {
        if self.off {
            return None;
        }
        Some(Compress {
            codings: self
                .codings
                .clone()
                .unwrap_or_else(|| CODINGS.iter().map(|(_, c)| *c).collect()),
            types: self
                .types
                .clone()
                .unwrap_or_else(|| Compress::TYPES.iter().map(|t| (*t).to_owned()).collect()),
            min_length: self.min_length.unwrap_or(Compress::MIN_LENGTH),
            level: self.level,
            decode: self.decode.unwrap_or(false),
            nginx: None,
        })
    }
}

/// Reads `compress`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> CompressLayer {
    let mut layer = CompressLayer::default();
    if node.is_off() {
        layer.off = true;
        return layer;
    }
    if node.scalar().is_some_and(|t| matches!(t, "true" | "on")) {
        return layer;
    }
    if !matches!(node.value, Value::Map(_)) {
        layer.codings = codings(reader, node);
        return layer;
    }
    let Some(fields) = reader.open(node, &COMPRESS) else {
        return layer;
    };
    layer.codings = fields.get("encodings").and_then(|n| codings(reader, n));
    layer.types = fields.get("types").and_then(|n| types(reader, n));
    layer.min_length = fields.get("min_length").and_then(|n| reader.size(n));
    layer.level = fields
        .get("level")
        .and_then(|n| reader.integer(n, 1, 9))
        .map(|n| n as u8);
    layer.decode = fields.get("decode").and_then(|n| reader.boolean(n));
    layer
}

fn codings(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Coding>> {
    let mut all: Vec<Coding> = Vec::new();
    for node in reader.list(node) {
        let coding = reader.choice(node, &CODINGS, &[])?;
        if all.contains(&coding) {
            reader.invalid(
                node.at,
                "a coding stands twice",
                "their order is the order of preference",
            );
            return None;
        }
        all.push(coding);
    }
    Some(all)
}

fn types(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        let text = reader.string(node)?;
        if text != "*" && !text.contains('/') && !text.starts_with("*+") {
            reader.invalid(
                node.at,
                format!("`{text}` is no media type"),
                "write text/html, text/*, *+json or *",
            );
            return None;
        }
        all.push(text.to_ascii_lowercase());
    }
    Some(all)
}
