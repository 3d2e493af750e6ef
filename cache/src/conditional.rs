//! Conditional requests answered from the store (RFC 9110 §13, RFC 9111 §4.3.2).

use crate::{object::Object, request::Request};
use seawall_http::{Method, Name, date, etag};

/// Whether the request is answered with 304. If-None-Match decides alone where it is present (RFC 9110 §13.2.2); a condition counts
/// only where the answer would be 200 otherwise. If-Match and If-Unmodified-Since are for the origin.
pub fn not_modified(object: &Object, request: &Request<'_>) -> bool {
    let reads = matches!(request.method, Method::Get | Method::Head);
    if !reads || object.status() != 200 {
        return false;
    }
    if request.fields.has(Name::IfNoneMatch) {
        let mut lines = request.fields.all(Name::IfNoneMatch);
        return lines.any(|line| etag::if_none_match(line, object.etag()));
    }
    let Some(since) = request.fields.get(Name::IfModifiedSince) else {
        return false;
    };
    // Without Last-Modified the Date says since when it has been so (RFC 9111 §4.3.2).
    let since_when = object.last_modified().or(object.fields().get(Name::Date));
    let modified = since_when.and_then(date::parse);
    // An invalid date is ignored (RFC 9110 §13.1.3).
    matches!((modified, date::parse(since)), (Some(modified), Some(since)) if modified <= since)
}
