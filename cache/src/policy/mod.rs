//! The policy: from a request, a response and two times to a decision, and nothing else goes in.
//!
//! It runs once a response, never on a hit: what comes out are absolute times that a lookup compares with its clock. Every decision
//! has a reason, a stable token for Cache-Status, log and metrics.

mod decision;
mod directives;
mod freshness;
mod nginx;
mod reason;
mod rfc9111;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use decision::Verdict;
pub use decision::{Decision, Failure, Profile, ResponseMeta, Rules, SetCookie, UseStale};
pub(crate) use directives::Demands;
pub(crate) use freshness::age_s;
pub use reason::Reason;

use crate::request::Request;
use seawall_http::{Fields, Name};

/// Decides on one response. What follows from the response alone is in the decision, what the store has to leave out beside it.
pub(crate) fn judge(request: &Request<'_>, response: &ResponseMeta<'_>, rules: &Rules) -> Verdict {
    let response = &heeded(response, rules);
    match rules.profile {
        Profile::Rfc9111 => rfc9111::judge(request, response, rules),
        Profile::Nginx => nginx::judge(response, rules),
    }
}

/// A response without the fields that the rules ignore: what is not marked as present is not found.
pub(crate) fn heeded<'a>(response: &ResponseMeta<'a>, rules: &Rules) -> ResponseMeta<'a> {
    let mut heeded = *response;
    heeded.fields.present &= !rules.ignored;
    heeded
}

/// The decision on one response: pure, and the same whoever asks.
pub fn decide(request: &Request<'_>, response: &ResponseMeta<'_>, rules: &Rules) -> Decision {
    judge(request, response, rules).decision
}

/// Answers whose body is not the whole, or that answer a question which only one client asked, are never stored (RFC 9111 §3).
fn never_stored(status: u16, fields: &Fields<'_>) -> Option<Reason> {
    match status {
        0..200 | 600.. => Some(Reason::Status),
        // Content-Range has no meaning with any other status (RFC 9110 §14.4).
        206 | 304 | 416 => Some(Reason::Partial),
        _ if fields.list(Name::Vary).any(|member| member == b"*") => Some(Reason::VaryStar),
        _ => None,
    }
}

/// Statuses that may be kept without a word from the origin (RFC 9110 §15.1), 206 left out.
fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Statuses whose caching requirements are known here (RFC 9111 §5.2.2.3).
fn is_understood(status: u16) -> bool {
    is_heuristically_cacheable(status)
        || matches!(status, 302 | 303 | 307 | 400..=403 | 406 | 409 | 411..=413 | 415 | 421 | 429 | 451 | 500 | 502..=504)
}
