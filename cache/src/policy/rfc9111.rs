//! What RFC 9111 allows a shared cache, RFC 5861 and RFC 9213 with it.

use super::{
    Reason,
    decision::{Decision, ResponseMeta, Rules, SetCookie, Verdict},
    directives::{Demands, Directives},
    freshness::{self, Lifetime},
    is_heuristically_cacheable, is_understood, never_stored,
};
use crate::request::Request;
use seawall_http::{Method, Name};
use std::time::Duration;

/// The whole of it: may it be stored (§3), how long is it fresh (§4.2), what when it is stale (§4.2.4).
pub(super) fn judge(request: &Request<'_>, response: &ResponseMeta<'_>, rules: &Rules) -> Verdict {
    if request.method != Method::Get && request.method != Method::Head {
        return Verdict::pass(Reason::Method);
    }
    if let Some(reason) = never_stored(response.status, &response.fields) {
        return Verdict::pass(reason);
    }
    if let Some(ttl) = rules.force_ttl
        && is_heuristically_cacheable(response.status)
    {
        return forced(response, rules, ttl);
    }
    let targeted = Directives::targeted(&response.fields);
    let is_targeted = targeted.is_some();
    let directives = targeted.unwrap_or_else(|| Directives::of_response(&response.fields));
    if let Some(reason) = prohibited(request, response, &directives, is_targeted, rules) {
        return Verdict::pass(reason);
    }
    let Some(lifetime) = lifetime(response, &directives, is_targeted, rules) else {
        return Verdict::pass(Reason::NoFreshness);
    };
    settle(response, rules, directives, lifetime, is_targeted)
}

/// What forbids to store a response (§3, §3.5, §5.2).
fn prohibited(
    request: &Request<'_>,
    response: &ResponseMeta<'_>,
    directives: &Directives,
    targeted: bool,
    rules: &Rules,
) -> Option<Reason> {
    if directives.must_understand && !is_understood(response.status) {
        return Some(Reason::MustUnderstand);
    }
    // A status whose requirements are understood and followed may be stored in spite of no-store (§5.2.2.3).
    if directives.no_store && !directives.must_understand {
        return Some(Reason::NoStore);
    }
    if directives.private {
        return Some(Reason::Private);
    }
    if rules.set_cookie == SetCookie::Pass && response.fields.has(Name::SetCookie) {
        return Some(Reason::SetCookie);
    }
    let shareable = is_shareable(directives, targeted);
    if request.fields.has(Name::Authorization) && !shareable && !directives.must_revalidate {
        return Some(Reason::Authorization);
    }
    if request.fields.has(Name::Cookie) && !shareable {
        return Some(Reason::Cookie);
    }
    if request.fields.has(Name::CacheControl) && Demands::of_request(&request.fields).no_store {
        return Some(Reason::RequestNoStore);
    }
    None
}

/// Whether the origin spoke to shared caches.
fn is_shareable(directives: &Directives, targeted: bool) -> bool {
    directives.public
        || directives.s_maxage_s.is_some()
        || (targeted && directives.max_age_s.is_some())
}

/// The first source that speaks: the response, the route, heuristics; or it may be kept to be validated each time.
fn lifetime(
    response: &ResponseMeta<'_>,
    directives: &Directives,
    targeted: bool,
    rules: &Rules,
) -> Option<Lifetime> {
    if directives.no_cache {
        return Some(Lifetime {
            ttl_ms: 0,
            reason: Reason::NoCache,
        });
    }
    if let Some(lifetime) = freshness::explicit(response, directives, targeted) {
        return Some(lifetime);
    }
    if let Some(ttl) = rules.default_ttl
        && is_heuristically_cacheable(response.status)
    {
        return Some(Lifetime {
            ttl_ms: millis(ttl),
            reason: Reason::DefaultTtl,
        });
    }
    // "public" makes any status one that may be kept without a lifetime (§4.2.2).
    if rules.heuristics && (directives.public || is_heuristically_cacheable(response.status)) {
        return freshness::heuristic(response);
    }
    None
}

/// Turns a lifetime into times.
fn settle(
    response: &ResponseMeta<'_>,
    rules: &Rules,
    directives: Directives,
    lifetime: Lifetime,
    targeted: bool,
) -> Verdict {
    let seconds = |value: Option<u64>| value.map(|s| s * 1000);
    let swr_ms =
        seconds(directives.stale_while_revalidate_s).or(rules.stale_while_revalidate.map(millis));
    let sie_ms = seconds(directives.stale_if_error_s).or(rules.stale_if_error.map(millis));
    // s-maxage forbids stale answers as proxy-revalidate does (§5.2.2.10), unless the origin itself said how stale they may be.
    let silent_on_stale =
        directives.stale_while_revalidate_s.is_none() && directives.stale_if_error_s.is_none();
    let must_revalidate = directives.must_revalidate
        || directives.no_cache
        || (directives.s_maxage_s.is_some() && silent_on_stale);
    let grace = |allowed: Option<u64>| {
        if must_revalidate {
            0
        } else {
            allowed.unwrap_or(0)
        }
    };

    let now_ms = response.response_time_ms;
    let born_ms = now_ms.saturating_sub(freshness::initial_age_ms(response));
    let fresh_until_ms = born_ms + lifetime.ttl_ms;
    let (swr_until_ms, sie_until_ms) = (
        fresh_until_ms + grace(swr_ms),
        fresh_until_ms + grace(sie_ms),
    );
    let disconnected_until_ms = fresh_until_ms + grace(rules.stale_while_disconnected.map(millis));
    let usable = fresh_until_ms.max(swr_until_ms).max(sie_until_ms) > now_ms
        || freshness::has_validator(&response.fields);
    if !usable {
        return Verdict::pass(Reason::Expired);
    }
    let shareable = is_shareable(&directives, targeted);
    let decision = Decision {
        store: true,
        born_ms,
        fresh_until_ms,
        swr_until_ms,
        sie_until_ms,
        disconnected_until_ms,
        must_revalidate,
        shareable,
        authorized: shareable || directives.must_revalidate,
        reason: lifetime.reason,
        ttl_s: ttl_s(fresh_until_ms, now_ms),
    };
    let mut withheld = directives.withheld;
    if rules.set_cookie == SetCookie::Strip {
        withheld.push(Name::SetCookie.as_bytes().into());
    }
    Verdict { decision, withheld }
}

/// The operator's word against the origin's: a lifetime from now, for everybody.
pub(super) fn forced(response: &ResponseMeta<'_>, rules: &Rules, ttl: Duration) -> Verdict {
    let now_ms = response.response_time_ms;
    let fresh_until_ms = now_ms + millis(ttl);
    let decision = Decision {
        store: true,
        born_ms: now_ms,
        fresh_until_ms,
        swr_until_ms: fresh_until_ms + rules.stale_while_revalidate.map_or(0, millis),
        sie_until_ms: fresh_until_ms + rules.stale_if_error.map_or(0, millis),
        disconnected_until_ms: fresh_until_ms + rules.stale_while_disconnected.map_or(0, millis),
        must_revalidate: false,
        shareable: true,
        authorized: true,
        reason: Reason::ForceTtl,
        ttl_s: ttl_s(fresh_until_ms, now_ms),
    };
    // One client's cookie is nobody else's.
    Verdict {
        decision,
        withheld: vec![Name::SetCookie.as_bytes().into()],
    }
}

/// A century is as good as for ever, and sums of such times do not overflow.
pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_secs().min(crate::options::DELTA_SECONDS_MAX) * 1000
        + u64::from(duration.subsec_millis())
}

/// Seconds from now until then, rounded towards zero.
pub(super) fn ttl_s(until_ms: u64, now_ms: u64) -> i64 {
    let signed = |ms: u64| i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    if until_ms >= now_ms {
        signed(until_ms - now_ms)
    } else {
        -signed(now_ms - until_ms)
    }
}
