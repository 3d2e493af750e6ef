//! `limits.http2`.

use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::Http2Limits;

pub(super) const HTTP2: Shape = Shape {
    what: "`http2`",
    fields: &[
        "streams",
        "resets",
        "settings",
        "pings",
        "empty_data",
        "idle_frames",
    ],
    not_yet: &[],
};

/// Reads the limits of HTTP/2 connections.
pub(crate) fn limits(reader: &mut Reader<'_>, node: &Node) -> Http2Limits {
    let mut limits = Http2Limits::default();
    let Some(fields) = reader.open(node, &HTTP2) else {
        return limits;
    };
    for (name, most, limit) in [
        ("streams", 10_000, &mut limits.streams),
        ("resets", 100_000, &mut limits.resets),
        ("settings", 100_000, &mut limits.settings),
        ("pings", 100_000, &mut limits.pings),
        ("empty_data", 100_000, &mut limits.empty_data),
        ("idle_frames", 1_000_000, &mut limits.idle_frames),
    ] {
        if let Some(n) = fields.get(name).and_then(|n| reader.integer(n, 1, most)) {
            *limit = n as u32;
        }
    }
    limits
}
