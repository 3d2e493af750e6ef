//! Active checks.

use crate::model::HealthCheck;
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::{Node, Value};
use std::time::Duration;

const HEALTH: Shape = Shape {
    what: "a health check",
    fields: &["path", "host", "interval", "timeout", "fall", "rise"],
    not_yet: &["port", "status", "body", "method", "tcp", "grpc"],
};

pub(super) fn health(reader: &mut Reader<'_>, node: &Node) -> Option<HealthCheck> {
    let mut check = HealthCheck {
        path: "/".into(),
        host: None,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        fall: 2,
        rise: 2,
    };
    let path = |reader: &mut Reader<'_>, node: &Node| {
        let text = reader.string(node)?;
        let fits = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            reader.invalid(
                node.at,
                format!("`{text}` is no path"),
                "write health: { path: /ready }",
            );
        }
        fits.then(|| text.to_owned())
    };
    if let Value::Scalar { .. } = node.value {
        check.path = path(reader, node)?;
        return Some(check);
    }
    let fields = reader.open(node, &HEALTH)?;
    if let Some(node) = fields.get("path") {
        check.path = path(reader, node)?;
    }
    check.host = fields
        .get("host")
        .and_then(|n| reader.string(n))
        .map(str::to_owned);
    if let Some(interval) = fields
        .get("interval")
        .and_then(|n| Some((n, reader.duration(n)?)))
    {
        let (node, interval) = interval;
        if interval < Duration::from_millis(10) {
            reader.invalid(node.at, "checks at least 10ms apart", "write interval: 2s");
        }
        check.interval = interval;
    }
    check.timeout = fields
        .get("timeout")
        .and_then(|n| reader.duration(n))
        .unwrap_or(check.timeout);
    check.fall = fields
        .get("fall")
        .and_then(|n| reader.integer(n, 1, 1000))
        .map_or(2, |n| n as u32);
    check.rise = fields
        .get("rise")
        .and_then(|n| reader.integer(n, 1, 1000))
        .map_or(2, |n| n as u32);
    Some(check)
}
