//! The cache around an exchange: a hit is answered from memory, a miss is fetched once for everybody who asks.

mod along;
mod background;
mod counted;
mod filed;
mod fill;
mod hit;
mod inspect;
mod key;
mod paged;
mod purge;
mod ranges;
mod side_effects;
mod slices;
mod suspicion;

pub use hit::Told;
pub use inspect::{CachedQuery, Inspected, LIST_MAX, inspect, list};
pub use key::cache_key;
pub use purge::{PurgeError, PurgeTarget, UrlPurged, by_method, purge, purge_everywhere};
pub use side_effects::learn;

use crate::{
    client::{ClientError, Reply},
    content::{self, Outcome},
    metrics::CACHE_RESULTS,
    origin::{Answer, FetchError},
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan, RoutePlan},
    spool::Spool,
    step::Step,
    template::Template,
    tx::OriginScratch,
};
use along::Joined;
use fill::Led;
use seawall_cache::{Lookup, Request};
use seawall_http::Name;
use std::sync::Arc;

/// Times that a request waits for the disk at most: what came up may be gone again before it is looked up.
const LOADS_MAX: usize = 3;

/// What became of a request, for `$upstream_cache_status` and the counters.
#[derive(Clone, Copy)]
enum Result {
    Hit,
    Stale,
    Revalidated,
    Miss,
    Join,
    Pass,
    Error,
}

fn note(cx: &mut Cx<'_>, result: Result) {
    if let Some(counter) = cx.site.metrics.cache.get(result as usize) {
        counter.inc();
    }
    cx.tx.cache = match result {
        Result::Hit | Result::Join => "HIT",
        Result::Stale => "STALE",
        Result::Revalidated => "REVALIDATED",
        // It had been there: nginx tells the two apart.
        Result::Miss if matches!(cx.tx.cache, "EXPIRED" | "BYPASS") => cx.tx.cache,
        Result::Miss => "MISS",
        Result::Pass | Result::Error => "",
    };
}

// The order of `Result` is the order of the metric's labels.
const _: () = assert!(CACHE_RESULTS.len() == Result::Error as usize + 1);

/// Serves a proxied request through a cache.
pub async fn serve(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    spool: Option<Spool>,
) -> std::result::Result<Outcome, ClientError> {
    // Where the origin is told who asks, its answer is for nobody else.
    if cx.tx.granted.as_ref().is_some_and(|g| g.names_somebody()) {
        return Box::pin(pass(cx, route, proxy, cache, spool, "bypass")).await;
    }
    // A body may change the answer, and no key knows it.
    if cx.client.body.is_present() {
        return Box::pin(pass(cx, route, proxy, cache, spool, "request")).await;
    }
    counted::prepare(cx.tx, cache);
    // A fill whose leader went away is looked up once more: somebody may lead again, or the answer be there.
    for again in [true, false] {
        let mut found = look_up(cx, proxy, cache);
        for _ in 0..LOADS_MAX {
            let Lookup::Load(load) = found else { break };
            load.ready().await;
            found = look_up(cx, proxy, cache);
        }
        match found {
            Lookup::Join(reader) if ranges::is_far(cx, cache) => {
                return match Box::pin(along::join_far(cx, route, reader)).await {
                    Some(hit) => join_slices(cx, route, proxy, cache, hit).await,
                    None => Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await,
                };
            }
            Lookup::Miss(fill) if ranges::is_far(cx, cache) => {
                let slice_bytes = cache.rules.slice_bytes;
                let first = ranges::first_slice(cx, slice_bytes).filter(|_| slice_bytes > 0);
                return match first {
                    Some(first) => {
                        lead_miss(cx, route, proxy, cache, spool, fill, Some(first)).await
                    }
                    None => Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await,
                };
            }
            Lookup::Join(reader) => match Box::pin(join(cx, route, cache, reader)).await? {
                Joined::Served => {
                    note(cx, Result::Join);
                    return Ok(Outcome::Done);
                }
                Joined::Elsewhere(hit) => return join_slices(cx, route, proxy, cache, hit).await,
                Joined::Aborted if again => {}
                Joined::Aborted | Joined::Pass => {
                    return Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await;
                }
            },
            found => return answer(cx, route, proxy, cache, spool, found).await,
        }
    }
    Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await
}

async fn join(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    reader: seawall_cache::FillReader,
) -> std::result::Result<Joined, ClientError> {
    cx.tx.cache = "HIT";
    along::join(cx, route, cache, reader).await
}

fn look_up(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse) -> Lookup {
    cx.tx.step = Step::CacheLookup;
    let mut key = cx.local.take_key();
    cache_key(cx, proxy, cache, &mut key);
    let bypass = !cache.bypass.is_empty() && holds(cx, &cache.bypass);
    if bypass {
        cx.tx.cache = "BYPASS";
    }
    let request = Request {
        method: cx.tx.head.method,
        fields: counted::fields(cx.tx),
        now_ms: cx.tx.now_ms,
    };
    let found = if bypass {
        cache.cache.reload(key.finish(), &request, &cache.rules)
    } else {
        cache.cache.lookup(key.finish(), &request, &cache.rules)
    };
    cx.local.give_key(key);
    found
}

/// Whether one of the templates is neither empty nor `0` (ngx_http_test_predicates).
fn holds(cx: &Cx<'_>, conditions: &[Template]) -> bool {
    let mut value = Vec::new();
    conditions.iter().any(|condition| {
        value.clear();
        condition.render(&cx.scope(), &mut value);
        !matches!(value.as_slice(), b"" | b"0")
    })
}

async fn answer(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    spool: Option<Spool>,
    found: Lookup,
) -> std::result::Result<Outcome, ClientError> {
    match found {
        Lookup::Hit(hit) if hit.object.sliced().is_some() => {
            let told = slices::look(cx, cache, &hit);
            note(
                cx,
                if told.0.hit {
                    Result::Hit
                } else {
                    Result::Miss
                },
            );
            hit::send(cx, route, proxy, cache, &hit, &told)
                .await
                .map(|()| Outcome::Done)
        }
        Lookup::Hit(hit) => {
            note(cx, Result::Hit);
            hit::send(cx, route, proxy, cache, &hit, &Told::hit(&hit))
                .await
                .map(|()| Outcome::Done)
        }
        Lookup::Stale(hit, renew) => {
            note(cx, Result::Stale);
            match renew {
                Some(fill) => background::renew_in_background(cx, route, proxy, cache, fill),
                // Under nginx.conf a stale answer that nobody renews for this request is renewed for another.
                None if !cache.reports => cx.tx.cache = "UPDATING",
                None => {}
            }
            hit::send(cx, route, proxy, cache, &hit, &Told::stale(&hit))
                .await
                .map(|()| Outcome::Done)
        }
        Lookup::Miss(fill) => lead_miss(cx, route, proxy, cache, spool, fill, None).await,
        // What is fresh and validated all the same is so at the client's wish (RFC 9211 §2.2).
        Lookup::Revalidate(hit, fill) => {
            let why = if hit.ttl_s > 0 { "request" } else { "stale" };
            Box::pin(lead(cx, route, proxy, cache, spool, fill, why, None)).await
        }
        Lookup::Join(_) | Lookup::Load(_) => {
            Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await
        }
        Lookup::Pass(why) => Box::pin(pass(cx, route, proxy, cache, spool, why)).await,
        Lookup::OnlyIfCached => {
            note(cx, Result::Error);
            cx.reply(Some(route), Reply::error(504))
                .await
                .map(|()| Outcome::Done)
        }
    }
}

/// Goes to the origin without the cache.
async fn pass(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    spool: Option<Spool>,
    why: &'static str,
) -> std::result::Result<Outcome, ClientError> {
    let bypass = cx.tx.cache == "BYPASS";
    note(cx, Result::Pass);
    // nginx says BYPASS only where the configuration asked for it, and nothing of methods that it never caches.
    cx.tx.cache = match why {
        "method" => "",
        _ if bypass => "BYPASS",
        _ => "MISS",
    };
    let mut told = Told::forwarded(why);
    if why == "request" {
        told.0.detail = Some(objection(cx));
    }
    let status = cache.reports.then_some(&told);
    content::proxy_told(cx, route, proxy, spool, status).await
}

/// What of a request kept it from the cache.
fn objection(cx: &Cx<'_>) -> &'static str {
    let fields = counted::fields(cx.tx);
    if cx.client.body.is_present() {
        "body"
    } else if fields.has(Name::Authorization) {
        "authorization"
    } else if fields.has(Name::Cookie) {
        "cookie"
    } else {
        "no-store"
    }
}

/// Serves what a fill outside of a lookup gets: an answer to POST that is one to GET.
pub async fn keep(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    answer: Answer,
    scratch: &mut OriginScratch,
    fill: seawall_cache::Fill,
    asked_ms: u64,
) -> std::result::Result<(), FetchError> {
    fill::keep(cx, route, cache, answer, scratch, fill, asked_ms).await
}

/// Fetches what nothing is stored of: the whole, or the slice that begins somewhere.
async fn lead_miss(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    spool: Option<Spool>,
    mut fill: seawall_cache::Fill,
    part: Option<u64>,
) -> std::result::Result<Outcome, ClientError> {
    let why = if cx.tx.cache == "BYPASS" {
        "bypass"
    } else {
        "miss"
    };
    let part = part.or_else(|| slices::first(cx, cache));
    fill.locate(&cache.site, &key::location(cx.tx));
    Box::pin(lead(cx, route, proxy, cache, spool, fill, why, part)).await
}

/// Serves what another client's fill brought the head of.
async fn join_slices(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    hit: seawall_cache::Hit,
) -> std::result::Result<Outcome, ClientError> {
    note(cx, Result::Join);
    hit::send(cx, route, proxy, cache, &hit, &along::told())
        .await
        .map(|()| Outcome::Done)
}

#[allow(clippy::too_many_arguments)]
async fn lead(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    spool: Option<Spool>,
    fill: seawall_cache::Fill,
    why: &'static str,
    part: Option<u64>,
) -> std::result::Result<Outcome, ClientError> {
    match fill::lead(cx, route, proxy, cache, fill, why, part).await? {
        Led::Miss => note(cx, Result::Miss),
        Led::Revalidated => note(cx, Result::Revalidated),
        Led::Stale => note(cx, Result::Stale),
        Led::Error => note(cx, Result::Error),
        Led::Unfit => return Box::pin(pass(cx, route, proxy, cache, spool, "miss")).await,
    }
    Ok(Outcome::Done)
}
