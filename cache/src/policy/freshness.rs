//! Ages and lifetimes (RFC 9111 §4.2).

use super::{
    Reason,
    decision::ResponseMeta,
    directives::{Directives, delta_seconds},
};
use crate::options::{DELTA_SECONDS_MAX, HEURISTIC_MAX};
use seawall_http::{Fields, Name, date};

/// The Date of a response, or the time it arrived (RFC 9110 §6.6.1), unix seconds.
fn date_s(response: &ResponseMeta<'_>) -> u64 {
    response
        .fields
        .get(Name::Date)
        .and_then(date::parse)
        .unwrap_or(response.response_time_ms / 1000)
}

/// The corrected initial age (RFC 9111 §4.2.3), milliseconds.
pub(super) fn initial_age_ms(response: &ResponseMeta<'_>) -> u64 {
    // Date has whole seconds: compare whole seconds, or every answer would seem up to a second old.
    let apparent_age_ms = (response.response_time_ms / 1000)
        .saturating_sub(date_s(response))
        .min(DELTA_SECONDS_MAX)
        * 1000;
    let age_ms = age_s(&response.fields) * 1000;
    let response_delay_ms = response
        .response_time_ms
        .saturating_sub(response.request_time_ms);
    apparent_age_ms.max(age_ms + response_delay_ms)
}

/// The first member of Age; what is no number is no age (RFC 9111 §5.1).
pub(crate) fn age_s(fields: &Fields<'_>) -> u64 {
    fields
        .list(Name::Age)
        .next()
        .and_then(delta_seconds)
        .unwrap_or(0)
}

/// A lifetime and where it comes from.
pub(super) struct Lifetime {
    pub ttl_ms: u64,
    pub reason: Reason,
}

/// What the response itself says (RFC 9111 §4.2.1). `targeted` tells that the directives replace Cache-Control and Expires (RFC 9213 §2.2).
pub(super) fn explicit(
    response: &ResponseMeta<'_>,
    directives: &Directives,
    targeted: bool,
) -> Option<Lifetime> {
    let seconds = |ttl_s: u64, reason| {
        Some(Lifetime {
            ttl_ms: ttl_s * 1000,
            reason,
        })
    };
    if let Some(s_maxage_s) = directives.s_maxage_s {
        return seconds(
            s_maxage_s,
            if targeted {
                Reason::Targeted
            } else {
                Reason::SMaxage
            },
        );
    }
    if let Some(max_age_s) = directives.max_age_s {
        return seconds(
            max_age_s,
            if targeted {
                Reason::Targeted
            } else {
                Reason::MaxAge
            },
        );
    }
    if targeted {
        return None;
    }
    let expires = response.fields.get(Name::Expires)?;
    // An invalid date, "0" above all, has passed (RFC 9111 §5.3).
    let ttl_s = date::parse(expires).map_or(0, |at_s| at_s.saturating_sub(date_s(response)));
    seconds(ttl_s.min(DELTA_SECONDS_MAX), Reason::Expires)
}

/// A tenth of the time since the last modification (RFC 9111 §4.2.2).
pub(super) fn heuristic(response: &ResponseMeta<'_>) -> Option<Lifetime> {
    let modified_s = response
        .fields
        .get(Name::LastModified)
        .and_then(date::parse)?;
    let ttl_s = (date_s(response).saturating_sub(modified_s) / 10).min(HEURISTIC_MAX.as_secs());
    Some(Lifetime {
        ttl_ms: ttl_s * 1000,
        reason: Reason::Heuristic,
    })
}

/// Whether there is something to validate with (RFC 9110 §8.8).
pub(super) fn has_validator(fields: &Fields<'_>) -> bool {
    fields.has(Name::ETag) || fields.has(Name::LastModified)
}
