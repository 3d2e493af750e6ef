//! `buffering`: which bodies are held back.

use super::read::{Reader, Shape};
use super::tree::Node;
use crate::model::RequestBuffering;

const BUFFERING: Shape = Shape {
    what: "`buffering`",
    fields: &["request"],
    not_yet: &["response", "memory", "disk"],
};

/// `buffering: { request: true | false }`, or `off` for both.
pub(super) fn request(reader: &mut Reader<'_>, node: &Node) -> Option<RequestBuffering> {
    if node.is_off() {
        return Some(RequestBuffering::Never);
    }
    let fields = reader.open(node, &BUFFERING)?;
    let all = reader.boolean(fields.get("request")?)?;
    Some(if all {
        RequestBuffering::All
    } else {
        RequestBuffering::Never
    })
}
