//! What ngx_http_upstream_module and ngx_http_file_cache do with a response, for those whose nginx.conf we run.
//!
//! `X-Accel-Expires` counts first, then Cache-Control, then Expires, then `proxy_cache_valid`. Age and Date count for nothing, any
//! status may be kept if a header says so, and Authorization and Cookie are the business of `proxy_cache_bypass`.

use super::{
    Reason,
    decision::{Decision, ResponseMeta, Rules, Verdict},
    directives::delta_seconds,
    is_heuristically_cacheable, never_stored,
    rfc9111::{forced, millis, ttl_s},
};
use crate::options::DELTA_SECONDS_MAX;
use seawall_http::{Fields, Name, date};

/// A lifetime, or why there is none.
type Lifetime = Result<(u64, Reason), Reason>;

pub(super) fn judge(response: &ResponseMeta<'_>, rules: &Rules) -> Verdict {
    if let Some(reason) = never_stored(response.status, &response.fields) {
        return Verdict::pass(reason);
    }
    if let Some(ttl) = rules.force_ttl
        && is_heuristically_cacheable(response.status)
    {
        return forced(response, rules, ttl);
    }
    if response.fields.has(Name::SetCookie) {
        return Verdict::pass(Reason::SetCookie);
    }
    match by_header(response).or_else(|| by_rules(response.status, rules)) {
        None => Verdict::pass(Reason::NoFreshness),
        Some(Err(reason)) => Verdict::pass(reason),
        Some(Ok((ttl_ms, reason))) => settle(response, rules, ttl_ms, reason),
    }
}

fn by_header(response: &ResponseMeta<'_>) -> Option<Lifetime> {
    let now_s = response.response_time_ms / 1000;
    let fields = &response.fields;
    if let Some(value) = fields.get(Name::XAccelExpires)
        && let Some(lifetime) = accel_expires(value, now_s)
    {
        return Some(lifetime);
    }
    if let Some(lifetime) = cache_control(fields) {
        return Some(lifetime);
    }
    let expires = fields.get(Name::Expires)?;
    let ttl_s = date::parse(expires).map_or(0, |at_s| at_s.saturating_sub(now_s));
    Some(if ttl_s == 0 {
        Err(Reason::Expired)
    } else {
        Ok((ttl_s.min(DELTA_SECONDS_MAX) * 1000, Reason::Expires))
    })
}

/// Seconds, or `@` and a unix time; 0 is "do not store", what is no number is ignored.
fn accel_expires(value: &[u8], now_s: u64) -> Option<Lifetime> {
    let ttl_s = match value {
        [b'@', at @ ..] => delta_seconds(at)?.saturating_sub(now_s),
        _ => delta_seconds(value)?,
    };
    Some(if ttl_s == 0 {
        Err(Reason::XAccelExpires)
    } else {
        Ok((ttl_s * 1000, Reason::XAccelExpires))
    })
}

/// nginx looks for the words wherever they stand in a line.
fn cache_control(fields: &Fields<'_>) -> Option<Lifetime> {
    let has = |word: &[u8]| {
        fields
            .all(Name::CacheControl)
            .any(|line| find(line, word).is_some())
    };
    for reason in [Reason::NoCache, Reason::NoStore, Reason::Private] {
        if has(reason.as_str().as_bytes()) {
            return Some(Err(reason));
        }
    }
    let ttl_s =
        seconds_after(fields, b"s-maxage=").or_else(|| seconds_after(fields, b"max-age="))?;
    Some(if ttl_s == 0 {
        Err(Reason::Expired)
    } else {
        Ok((ttl_s * 1000, Reason::MaxAge))
    })
}

/// The number that follows a word: nginx reads the digits it finds, none of them is 0.
fn seconds_after(fields: &Fields<'_>, word: &[u8]) -> Option<u64> {
    fields.all(Name::CacheControl).find_map(|line| {
        let after = line.get(find(line, word)? + word.len()..)?;
        let digits = after
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        Some(after.get(..digits).and_then(delta_seconds).unwrap_or(0))
    })
}

fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len())
        .position(|window| window.eq_ignore_ascii_case(word))
}

fn by_rules(status: u16, rules: &Rules) -> Option<Lifetime> {
    let fits = |statuses: &[u16]| statuses.is_empty() || statuses.contains(&status);
    if let Some((_, ttl)) = rules.valid.iter().find(|(statuses, _)| fits(statuses)) {
        return Some(if ttl.is_zero() {
            Err(Reason::Valid)
        } else {
            Ok((millis(*ttl), Reason::Valid))
        });
    }
    let ttl = rules
        .default_ttl
        .filter(|_| is_heuristically_cacheable(status))?;
    Some(Ok((millis(ttl), Reason::DefaultTtl)))
}

fn settle(response: &ResponseMeta<'_>, rules: &Rules, ttl_ms: u64, reason: Reason) -> Verdict {
    let now_ms = response.response_time_ms;
    let fresh_until_ms = now_ms + ttl_ms;
    let grace = |word: &[u8], rule: Option<std::time::Duration>| {
        let said = seconds_after(&response.fields, word).map(|s| s * 1000);
        said.or(rule.map(millis)).unwrap_or(0)
    };
    let decision = Decision {
        store: true,
        born_ms: now_ms,
        fresh_until_ms,
        swr_until_ms: fresh_until_ms
            + grace(b"stale-while-revalidate=", rules.stale_while_revalidate),
        sie_until_ms: fresh_until_ms + grace(b"stale-if-error=", rules.stale_if_error),
        disconnected_until_ms: 0,
        must_revalidate: false,
        shareable: true,
        authorized: true,
        reason,
        ttl_s: ttl_s(fresh_until_ms, now_ms),
    };
    Verdict {
        decision,
        withheld: Vec::new(),
    }
}
