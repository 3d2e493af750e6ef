//! What answers that do not come from a fill tell the cache: unsafe methods invalidate (RFC 9111 §4.4), HEAD updates (§4.3.5), and an
//! answer to POST may be one to GET (RFC 9110 §9.3.3).

use super::{cache_key, counted, key, purge};
use crate::{
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan},
    tx::OriginScratch,
};
use seawall_cache::{Fill, Lookup, Profile, Reason, Request, ResponseMeta, decide};
use seawall_http::{Fields, Method, Name};

/// Takes note of an answer before it is sent: a client that has seen it must not get what it replaced. A fill is for an answer to POST
/// that GET may be given.
pub fn learn(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    scratch: &OriginScratch,
    asked_ms: u64,
) -> Option<Fill> {
    let head = scratch.head.as_ref()?;
    let response = ResponseMeta {
        status: head.status,
        fields: head.fields(scratch.rb.bytes()),
        request_time_ms: asked_ms,
        response_time_ms: crate::clock::now_ms(),
    };
    match cx.tx.head.method {
        Method::Head if cache.rules.profile == Profile::Rfc9111 => {
            freshen(cx, proxy, cache, &response);
            None
        }
        method if method.is_safe() || !(200..400).contains(&response.status) => None,
        method => {
            invalidate(cx, proxy, cache, &response.fields);
            if method != Method::Post || cache.rules.profile == Profile::Nginx {
                return None;
            }
            keep(cx, proxy, cache, &response)
        }
    }
}

fn with_key<R>(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    then: impl FnOnce(&Cx<'_>, seawall_cache::KeyRef<'_>) -> R,
) -> R {
    let mut key = cx.local.take_key();
    cache_key(cx, proxy, cache, &mut key);
    let result = then(cx, key.finish());
    cx.local.give_key(key);
    result
}

/// As if a GET had asked.
fn as_get<'a>(cx: &'a Cx<'_>) -> Request<'a> {
    Request {
        method: Method::Get,
        fields: counted::fields(cx.tx),
        now_ms: cx.tx.now_ms,
    }
}

fn freshen(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, response: &ResponseMeta<'_>) {
    with_key(cx, proxy, cache, |cx, key| {
        cache
            .cache
            .freshen(key, &as_get(cx), &cache.rules, response);
    });
}

fn invalidate(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, response: &Fields<'_>) {
    with_key(cx, proxy, cache, |_, key| cache.cache.invalidate(key));
    for name in [Name::Location, Name::ContentLocation] {
        if let Some(reference) = response.get(name)
            && let Some(url) = same_origin(cx, reference)
        {
            // A URL that no cached route serves has nothing to be dropped.
            let _ = purge::invalidate(cx.local, &url);
        }
    }
}

/// A reference as an absolute URL, if it is one of the same origin (RFC 9111 §4.4: or anybody could drop what is another's).
fn same_origin(cx: &Cx<'_>, reference: &[u8]) -> Option<String> {
    let reference = std::str::from_utf8(reference).ok()?;
    let host = std::str::from_utf8(cx.tx.head.host.of(cx.tx.rb.bytes())).ok()?;
    let scheme = if cx.client.info.tls { "https" } else { "http" };
    let origin = format!("{scheme}://{host}");
    let reference = reference.split('#').next().unwrap_or_default();
    if host.is_empty() || reference.bytes().any(|b| b <= b' ' || b == 127) {
        return None;
    }
    if reference.starts_with("//") {
        return absolute(&format!("{scheme}:{reference}"), &origin);
    }
    if reference.starts_with('/') {
        return Some(origin + reference);
    }
    let before_path = reference.find('/').unwrap_or(reference.len());
    if reference.get(..before_path)?.contains(':') {
        return absolute(reference, &origin);
    }
    let path = std::str::from_utf8(cx.tx.raw_path()).ok()?;
    if reference.is_empty() {
        return Some(origin + path);
    }
    let directory = path.rfind('/').and_then(|at| path.get(..=at))?;
    Some(format!("{origin}{directory}{reference}"))
}

fn absolute(url: &str, origin: &str) -> Option<String> {
    let (start, rest) = url.split_at_checked(origin.len())?;
    let ends = rest.is_empty() || rest.starts_with(['/', '?']);
    (ends && start.eq_ignore_ascii_case(origin)).then(|| url.to_owned())
}

/// A fill for an answer to POST that names itself as what GET would get, and says how long.
fn keep(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    response: &ResponseMeta<'_>,
) -> Option<Fill> {
    let location = response.fields.get(Name::ContentLocation)?;
    let own = cx.tx.request_uri();
    let own = std::str::from_utf8(own).ok()?;
    let is_own = same_origin(cx, location)
        .zip(same_origin(cx, own.as_bytes()))
        .is_some_and(|(location, own)| location == own);
    if response.status != 200 || !is_own {
        return None;
    }
    let decision = decide(&as_get(cx), response, &cache.rules);
    let is_explicit = matches!(
        decision.reason,
        Reason::MaxAge | Reason::SMaxage | Reason::Expires | Reason::Targeted
    );
    if !decision.store || !is_explicit {
        return None;
    }
    let found = with_key(cx, proxy, cache, |cx, key| {
        cache.cache.reload(key, &as_get(cx), &cache.rules)
    });
    match found {
        Lookup::Miss(mut fill) => {
            fill.locate(&cache.site, &key::location(cx.tx));
            Some(fill)
        }
        _ => None,
    }
}
