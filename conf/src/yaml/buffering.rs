//! `buffering`: which bodies are held back, and how far a response runs ahead of its client.

use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{Pace, RequestBuffering, ResponseBuffering, Template};

pub(super) const BUFFERING: Shape = Shape {
    what: "`buffering`",
    fields: &["request", "response", "memory", "disk"],
    not_yet: &[],
};

pub(super) const PACE: Shape = Shape {
    what: "`pace`",
    fields: &["rate", "after"],
    not_yet: &[],
};

/// What one level says; the rest is the outer level's.
#[derive(Clone, Copy, Default)]
pub(crate) struct BufferingLayer {
    request: Option<RequestBuffering>,
    response: Option<bool>,
    memory: Option<u64>,
    disk: Option<u64>,
}

impl BufferingLayer {
    pub(crate) fn over(self, outer: &Self) -> Self {
        Self {
            request: self.request.or(outer.request),
            response: self.response.or(outer.response),
            memory: self.memory.or(outer.memory),
            disk: self.disk.or(outer.disk),
        }
    }

    pub(crate) fn request(self) -> RequestBuffering {
        self.request.unwrap_or_default()
    }

    pub(crate) fn response(self) -> Option<ResponseBuffering> {
        let built_in = ResponseBuffering::default();
        self.response.unwrap_or(true).then_some(ResponseBuffering {
            memory: self.memory.unwrap_or(built_in.memory),
            disk: self.disk.unwrap_or(built_in.disk),
        })
    }
}

/// `buffering: { request: true | false, response: true | false, memory: 256KiB, disk: 1GiB }`, or `off` for both.
pub(super) fn buffering(reader: &mut Reader<'_>, node: &Node) -> BufferingLayer {
    let mut layer = BufferingLayer::default();
    if node.is_off() {
        layer.request = Some(RequestBuffering::Never);
        layer.response = Some(false);
        return layer;
    }
    let Some(fields) = reader.open(node, &BUFFERING) else {
        return layer;
    };
    if let Some(node) = fields.get("request") {
        layer.request = reader.boolean(node).map(|all| match all {
            true => RequestBuffering::All,
            false => RequestBuffering::Never,
        });
    }
    if let Some(node) = fields.get("response") {
        layer.response = reader.boolean(node);
    }
    if let Some(node) = fields.get("memory") {
        layer.memory = reader.size(node);
    }
    if let Some(node) = fields.get("disk") {
        layer.disk = if node.is_off() {
            Some(0)
        } else {
            reader.size(node)
        };
    }
    layer
}

/// `pace: 100KiB` or `pace: { rate: 100KiB, after: 1MiB }`, bytes a second; `off` for no bound.
pub(super) fn pace(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Pace>> {
    if node.is_off() {
        return Some(None);
    }
    let size = |reader: &mut Reader<'_>, node: &Node| {
        let bytes = reader.size(node)?;
        Some(Template::literal(bytes.to_string()))
    };
    if !matches!(node.value, Value::Map(_)) {
        let rate = size(reader, node);
        return Some(Some(Pace { rate, after: None }));
    }
    let fields = reader.open(node, &PACE)?;
    let Some(rate) = fields.get("rate") else {
        reader.invalid(
            node.at,
            "`pace` needs its `rate`",
            "`pace: { rate: 100KiB }`",
        );
        return None;
    };
    Some(Some(Pace {
        rate: size(reader, rate),
        after: fields.get("after").and_then(|node| size(reader, node)),
    }))
}
