//! The cache around an exchange: a hit is answered from memory, a miss is fetched once for everybody who asks.

mod along;
mod background;
mod counted;
mod filed;
mod fill;
mod hit;
mod inspect;
mod key;
mod ledger;
mod paged;
mod purge;
mod ranges;
mod side_effects;
mod slices;
mod suspicion;

pub use hit::Told;
pub use inspect::{CachedQuery, Inspected, LIST_MAX, inspect, list};
pub use key::cache_key;
pub use ledger::{Account, Course, Ledger, Ledgers, Meter};
pub use purge::{PurgeError, PurgeTarget, UrlPurged, by_method, purge, purge_everywhere};
pub use side_effects::learn;

use crate::{
    client::{ClientError, Reply},
    content::{self, Outcome},
    origin::{Answer, FetchError},
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan, RoutePlan},
    spool::Spool,
    step::Step,
    template::Template,
    tx::OriginScratch,
};
use along::Joined;
use fill::{Errand, Led};
use seawall_cache::{Lookup, Request};
use seawall_http::Name;
use std::sync::Arc;

/// Times that a request waits for the disk at most: what came up may be gone again before it is looked up.
const LOADS_MAX: usize = 3;

/// Enters what became of a request, for `$upstream_cache_status` and the books.
fn note(cx: &mut Cx<'_>, cache: &CacheUse, course: Course) {
    cache.ledger.count(course);
    cx.tx.course = Some(course);
    cx.tx.cache = match course.result() {
        "hit" | "join" => "HIT",
        "stale" => "STALE",
        "revalidated" => "REVALIDATED",
        // nginx tells apart what had been there, and says nothing of methods that it never caches.
        "expired" => "EXPIRED",
        "bypass" => "BYPASS",
        "miss" => "MISS",
        "pass" if course != Course::Method => "MISS",
        _ => "",
    };
}

/// Enters how much of a body a request got out of the cache, once it has ended.
pub fn enter_bytes(cx: &Cx<'_>, cache: &CacheUse) {
    if cx.tx.course.is_some_and(Course::is_from_cache) {
        cache.ledger.served(cx.tx.body_sent);
    }
}

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
        return Box::pin(pass(cx, route, proxy, cache, spool, Course::Identity)).await;
    }
    let mut spool = spool;
    if counted::is_post(cx.tx, cache) {
        match Box::pin(content::hold(cx, route, spool)).await {
            Ok(held) if cx.client.body.is_done() && held.in_memory().is_some() => {
                spool = Some(held);
            }
            // A key that names the body would know nothing of this one.
            Ok(held) => {
                return Box::pin(pass(cx, route, proxy, cache, Some(held), Course::Body)).await;
            }
            Err(e) => return content::exchange_error(cx, route, &e).await,
        }
    } else if cx.client.body.is_present() {
        // A body may change the answer, and no key knows it.
        return Box::pin(pass(cx, route, proxy, cache, spool, Course::Body)).await;
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
                    None => Box::pin(pass(cx, route, proxy, cache, spool, Course::FarRange)).await,
                };
            }
            Lookup::Miss(fill) if ranges::is_far(cx, cache) => {
                let slice_bytes = cache.rules.slice_bytes;
                let first = ranges::first_slice(cx, slice_bytes).filter(|_| slice_bytes > 0);
                return match first {
                    Some(first) => {
                        lead_miss(cx, route, proxy, cache, spool, fill, Some(first)).await
                    }
                    None => Box::pin(pass(cx, route, proxy, cache, spool, Course::FarRange)).await,
                };
            }
            Lookup::Join(reader) => match Box::pin(join(cx, route, cache, reader)).await {
                Ok(Joined::Served) => {
                    note(cx, cache, Course::Collapsed);
                    return Ok(Outcome::Done);
                }
                Ok(Joined::Elsewhere(hit)) => {
                    return join_slices(cx, route, proxy, cache, hit).await;
                }
                Ok(Joined::Aborted) if again => {}
                Ok(Joined::Aborted | Joined::Pass) => {
                    return Box::pin(pass(cx, route, proxy, cache, spool, Course::Alone)).await;
                }
                Err(left) => {
                    note(cx, cache, Course::Collapsed);
                    return Err(left);
                }
            },
            found => return answer(cx, route, proxy, cache, spool, found).await,
        }
    }
    Box::pin(pass(cx, route, proxy, cache, spool, Course::Alone)).await
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
        method: counted::method(cx.tx, cache),
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
            let course = if told.0.hit {
                Course::Fresh
            } else {
                Course::Partial
            };
            note(cx, cache, course);
            hit::send(cx, route, proxy, cache, &hit, &told)
                .await
                .map(|()| Outcome::Done)
        }
        Lookup::Hit(hit) => {
            note(cx, cache, Course::Fresh);
            hit::send(cx, route, proxy, cache, &hit, &Told::hit(&hit))
                .await
                .map(|()| Outcome::Done)
        }
        // Its body is this client's: nobody renews behind its back.
        Lookup::Stale(_, Some(fill), _) if counted::is_post(cx.tx, cache) => {
            Box::pin(lead(
                cx,
                route,
                proxy,
                cache,
                spool,
                fill,
                Course::Expired,
                None,
            ))
            .await
        }
        Lookup::Stale(hit, renew, staleness) => {
            note(cx, cache, Course::stale(staleness));
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
            let why = if hit.ttl_s > 0 {
                Course::Insisted
            } else {
                Course::Expired
            };
            Box::pin(lead(cx, route, proxy, cache, spool, fill, why, None)).await
        }
        Lookup::Join(_) | Lookup::Load(_) => {
            Box::pin(pass(cx, route, proxy, cache, spool, Course::Alone)).await
        }
        Lookup::Pass(why) => {
            let has_authorization = counted::fields(cx.tx).has(Name::Authorization);
            let why = Course::passing(why, has_authorization);
            Box::pin(pass(cx, route, proxy, cache, spool, why)).await
        }
        Lookup::OnlyIfCached => {
            note(cx, cache, Course::OnlyIfCached);
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
    why: Course,
) -> std::result::Result<Outcome, ClientError> {
    // nginx says so whatever came of it then.
    let why = match why {
        Course::Method => why,
        _ if cx.tx.cache == "BYPASS" => Course::Bypassed,
        _ => why,
    };
    note(cx, cache, why);
    let mut told = Told::forwarded(why.fwd());
    told.0.detail = why.detail();
    let status = cache.reports.then_some(&told);
    content::proxy_told(cx, route, proxy, spool, status).await
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
        Course::Bypassed
    } else {
        Course::Absent
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
    note(cx, cache, Course::Collapsed);
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
    why: Course,
    part: Option<u64>,
) -> std::result::Result<Outcome, ClientError> {
    let body = spool.as_ref().filter(|_| counted::is_post(cx.tx, cache));
    let errand = Errand { why, body, part };
    let led = fill::lead(cx, route, proxy, cache, fill, errand).await;
    let course = match &led {
        Ok(Led::Miss) | Err(_) => why,
        Ok(Led::Revalidated) => Course::Revalidated,
        Ok(Led::Stale) => Course::StaleOnError,
        Ok(Led::Error) => Course::Failed,
        Ok(Led::Unfit) => {
            return Box::pin(pass(cx, route, proxy, cache, spool, Course::FarRange)).await;
        }
    };
    note(cx, cache, course);
    led.map(|_| Outcome::Done)
}
