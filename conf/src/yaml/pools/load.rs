//! What is done under load: a queue for a full pool, a second request beside a slow one.

use crate::model::{Hedge, Queue};
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::{Node, Value};
use std::time::Duration;

pub(in crate::yaml) const QUEUE: Shape = Shape {
    what: "`queue`",
    fields: &["size", "timeout"],
    not_yet: &[],
};
pub(in crate::yaml) const HEDGE: Shape = Shape {
    what: "`hedge`",
    fields: &["after", "at_least", "budget"],
    not_yet: &[],
};

/// No queue.
pub(super) const QUEUE_DEFAULT: Queue = Queue {
    size: 0,
    timeout: Duration::from_secs(60),
};

/// Requests that wait for a pool at most.
const QUEUE_SIZE_MAX: u64 = 65_536;

pub(super) fn queue(reader: &mut Reader<'_>, node: &Node) -> Queue {
    let mut queue = Queue {
        size: 100,
        ..QUEUE_DEFAULT
    };
    let size = |reader: &mut Reader<'_>, node: &Node| {
        let size = reader.integer(node, 0, QUEUE_SIZE_MAX);
        size.map_or(0, |n| n as u32)
    };
    if let Value::Scalar { .. } = node.value {
        queue.size = size(reader, node);
        return queue;
    }
    let Some(fields) = reader.open(node, &QUEUE) else {
        return QUEUE_DEFAULT;
    };
    if let Some(node) = fields.get("size") {
        queue.size = size(reader, node);
    }
    if let Some(timeout) = fields.get("timeout").and_then(|n| reader.duration(n)) {
        queue.timeout = timeout;
    }
    queue
}

pub(super) fn hedge(reader: &mut Reader<'_>, node: &Node) -> Option<Hedge> {
    let mut hedge = Hedge {
        after: None,
        at_least: Duration::from_millis(1),
        budget_percent: 5,
    };
    let after = |reader: &mut Reader<'_>, node: &Node| match node.scalar() {
        Some("p95") => None,
        _ => reader.duration(node),
    };
    if let Value::Scalar { .. } = node.value {
        hedge.after = after(reader, node);
        return Some(hedge);
    }
    let fields = reader.open(node, &HEDGE)?;
    hedge.after = fields.get("after").and_then(|n| after(reader, n));
    if let Some(least) = fields.get("at_least").and_then(|n| reader.duration(n)) {
        hedge.at_least = least;
    }
    if let Some(percent) = fields.get("budget").and_then(|n| reader.percent(n)) {
        hedge.budget_percent = percent;
    }
    Some(hedge)
}
