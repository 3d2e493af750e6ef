//! Conditional requests answered from the store (RFC 9110 §13, RFC 9111 §4.3.2).

use crate::{object::Object, request::Request};
use seawall_http::{Method, Name, date};

/// Whether the request is answered with 304. If-None-Match decides alone where it is present (RFC 9110 §13.2.2); a condition counts
/// only where the answer would be 200 otherwise. If-Match and If-Unmodified-Since are for the origin.
pub fn not_modified(object: &Object, request: &Request<'_>) -> bool {
    let reads = matches!(request.method, Method::Get | Method::Head);
    if !reads || object.status() != 200 {
        return false;
    }
    if request.fields.has(Name::IfNoneMatch) {
        return none_match_fails(object, request);
    }
    let Some(since) = request.fields.get(Name::IfModifiedSince) else {
        return false;
    };
    let modified = object.last_modified().and_then(date::parse);
    // An invalid date is ignored (RFC 9110 §13.1.3).
    matches!((modified, date::parse(since)), (Some(modified), Some(since)) if modified <= since)
}

/// `*`, or one of the tags is ours by weak comparison (RFC 9110 §13.1.2).
fn none_match_fails(object: &Object, request: &Request<'_>) -> bool {
    let etag = object.etag().map(opaque);
    request
        .fields
        .list(Name::IfNoneMatch)
        .any(|member| member == b"*" || Some(opaque(member)) == etag)
}

/// The tag without its weakness, which is all that weak comparison looks at (RFC 9110 §8.8.3.2).
pub(crate) fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}
