//! Conditions of a request, in the order of RFC 9110 §13.2.2.

use super::open::OpenedFile;
use crate::{pipeline::Cx, plan::RoutePlan};
use seawall_conf::model::ModifiedSince;
use seawall_http::{Fields, Name, date, etag};

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is carried out.
    Go,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// Whether a head has any of them, or a range.
pub fn any(fields: &Fields<'_>) -> bool {
    [
        Name::IfMatch,
        Name::IfNoneMatch,
        Name::IfModifiedSince,
        Name::IfUnmodifiedSince,
        Name::Range,
    ]
    .iter()
    .any(|name| fields.has(*name))
}

/// Judges the conditions against a file with this tag.
pub fn judge(cx: &Cx<'_>, route: &RoutePlan, file: &OpenedFile, tag: &[u8]) -> Verdict {
    let fields = cx.tx.fields();
    let rules = &route.rules.files;
    let tag = rules.etag.then_some(tag);
    let unmodified = if fields.has(Name::IfMatch) {
        fields
            .all(Name::IfMatch)
            .any(|line| etag::if_match(line, tag))
    } else {
        // A date that cannot be read is no condition.
        fields
            .get(Name::IfUnmodifiedSince)
            .and_then(date::parse)
            .is_none_or(|since| file.modified_s <= since)
    };
    if !unmodified {
        return Verdict::Failed;
    }
    let unchanged = if fields.has(Name::IfNoneMatch) {
        fields
            .all(Name::IfNoneMatch)
            .any(|line| etag::if_none_match(line, tag))
    } else {
        let since = fields.get(Name::IfModifiedSince).and_then(date::parse);
        since.is_some_and(|since| match rules.if_modified_since {
            ModifiedSince::Off => false,
            ModifiedSince::Exact => file.modified_s == since,
            ModifiedSince::Before => file.modified_s <= since,
        })
    };
    if unchanged {
        Verdict::NotModified
    } else {
        Verdict::Go
    }
}

/// Whether `If-Range`, if there is one, lets ranges be answered (RFC 9110 §13.1.5): a strong tag, or the very date.
pub fn if_range(cx: &Cx<'_>, route: &RoutePlan, file: &OpenedFile, tag: &[u8]) -> bool {
    match cx.tx.fields().get(Name::IfRange) {
        None => true,
        Some(value) if etag::is_etag(value) => {
            route.rules.files.etag && etag::strong_eq(value, tag)
        }
        Some(value) => date::parse(value) == Some(file.modified_s),
    }
}
