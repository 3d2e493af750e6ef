//! Fills: one request to the origin for everybody who asks for the same.
//!
//! The leader's exchange runs in its own connection's task until the head has come. From there a body that is not whole
//! yet is pumped into the fill by a task of its own, so that neither a slow nor a leaving first client holds up the
//! others, and the leader reads along like everybody else.

use super::{
    along::{Joined, read_along},
    background::{drain, pump_or_spawn},
    counted,
    hit::{self, Told},
    key,
    ledger::{Course, Meter},
    slices, suspicion,
};
use crate::{
    client::{ClientError, Reply},
    content, log_error,
    origin::{self, Answer, Built, Conditional, FetchError, OutBody},
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan, RoutePlan},
    spool::Spool,
    step::Step,
    sticky,
    tx::{Asked, OriginScratch, Tx},
};
use seawall_cache::{
    CacheStatus, Failure, Fill, FillReader, NoVarySearch, Reason, Request, Responded, ResponseMeta,
};
use seawall_http::{Method, Name};
use std::sync::Arc;

/// What leading a fill came to.
pub enum Led {
    /// Fetched.
    Miss,
    /// The origin said that what is stored still holds.
    Revalidated,
    /// The origin failed, and what is stored stood in.
    Stale,
    /// No response.
    Error,
    /// What came is no answer to this client: it goes to the origin by itself.
    Unfit,
}

/// What a fill asks of the origin.
pub struct Errand<'a> {
    /// Why it goes there.
    pub why: Course,
    /// The body of what is asked for by POST.
    pub body: Option<&'a Spool>,
    /// Where the slice begins that is asked for: what is stored is kept in slices then.
    pub part: Option<u64>,
}

/// Fetches for everybody, and serves the client that asked first.
pub async fn lead(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    mut fill: Fill,
    errand: Errand<'_>,
) -> Result<Led, ClientError> {
    let Errand { why, body, part } = errand;
    let mut scratch = std::mem::take(&mut cx.tx.origin);
    cx.tx.step = Step::SelectServer;
    let length = body.map(Spool::len);
    if !build(
        cx,
        proxy,
        &fill,
        slice_at(part, cache),
        length,
        &mut scratch.out,
    ) {
        cx.tx.origin = scratch;
        return cx
            .reply(Some(route), Reply::error(400))
            .await
            .map(|()| Led::Error);
    }
    scratch.asked = Asked {
        upgrade: false,
        ..origin::asked(cx, proxy, &scratch.out)
    };
    scratch.retry.clone_from(&proxy.retry);
    scratch.ignored = proxy.passing.as_ref().map_or(0, |p| p.ignored);
    let pool = proxy.choose_pool(cx);
    scratch.bound = sticky::bind(cx, &pool);
    let mut tries = std::mem::take(&mut cx.tx.tries);
    cx.tx.step = Step::Exchange;
    let asked_ms = crate::clock::now_ms();
    let timer = cx.client.timer.clone();
    // Others may wait for it: it goes on without the client who asked first.
    cx.client.abandons = false;
    let (method, out) = match body {
        Some(spool) => (
            Method::Post,
            OutBody::Held {
                client: cx.client,
                tx: cx.tx,
                spool,
            },
        ),
        None => (
            Method::Get,
            OutBody::Bare {
                client: cx.client,
                tx: cx.tx,
            },
        ),
    };
    let fetched = origin::fetch(
        cx.local,
        &timer,
        &pool,
        method,
        &route.timeouts,
        &mut scratch,
        out,
        &mut tries,
    )
    .await;
    cx.tx.tries = tries;
    cx.client.abandons = route.abandons;
    let answer = match fetched {
        Ok(answer) => answer.metered(Meter::new(&cache.ledger)),
        Err(e) => {
            cx.tx.origin = scratch;
            let stale = failure_of(&e).and_then(|f| fill.failed(f, crate::clock::now_ms()));
            if let Some(stale) = stale {
                cx.tx.cache = "STALE";
                let serial = cx.client.info.serial;
                log_error!(cx.local.shared, Warn, serial, "{e}, served stale");
                return hit::send(cx, route, proxy, cache, &stale, &Told::stale(&stale))
                    .await
                    .map(|()| Led::Stale);
            }
            return content::exchange_error(cx, route, &e)
                .await
                .map(|_| Led::Error);
        }
    };
    if content::diverts(cx, route, &scratch) {
        // Where it leads is answered by itself; what leads there is not stored.
        drop(fill);
        let diverted = Box::pin(content::divert(cx, route, answer, &scratch)).await;
        cx.tx.origin = scratch;
        return diverted.map(|()| Led::Error);
    }
    cx.tx.step = Step::CacheStore;
    std::mem::swap(&mut cx.tx.origin, &mut scratch);
    let refused = !cache.no_store.is_empty() && super::holds(cx, &cache.no_store);
    std::mem::swap(&mut cx.tx.origin, &mut scratch);
    let said = scratch
        .head
        .as_ref()
        .and_then(|head| NoVarySearch::of(&head.fields(scratch.rb.bytes())));
    let asked = AskedFor {
        at_ms: asked_ms,
        refused,
        part,
    };
    let responded = respond(&mut fill, cx.tx, route, cache, &scratch, &asked);
    enter(cache, &responded);
    if let Responded::Store(_) | Responded::Sliced(..) = responded {
        key::learn_search(cx, proxy, cache, said);
    }
    // Set before the head is made, which may repeat it (`$upstream_cache_status`).
    cx.tx.cache = match &responded {
        Responded::NotModified(_) => "REVALIDATED",
        Responded::StaleIfError(_) => "STALE",
        _ if why == Course::Expired => "EXPIRED",
        _ if why == Course::Bypassed => "BYPASS",
        _ => "MISS",
    };
    let led = Leading {
        fill,
        answer,
        why,
        part,
    };
    deliver(cx, route, proxy, cache, led, scratch, responded).await
}

/// What the leader has in hand once the head has come.
struct Leading {
    fill: Fill,
    answer: Answer,
    why: Course,
    part: Option<u64>,
}

/// Serves the client that asked first, by what became of the answer.
async fn deliver(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    led: Leading,
    mut scratch: OriginScratch,
    responded: Responded,
) -> Result<Led, ClientError> {
    let Leading {
        fill,
        answer,
        why,
        part,
    } = led;
    match responded {
        Responded::Store(decision) => {
            let reader = reader(cx, cache, &fill);
            pump_or_spawn(cx.local, route, answer, &mut scratch, fill).await;
            cx.tx.origin = scratch;
            let told = Told(CacheStatus {
                fwd: Some(why.fwd()),
                ttl_s: Some(decision.ttl_s),
                stored: true,
                detail: Some(decision.reason.as_str()),
                ..CacheStatus::default()
            });
            match read_along(cx, route, cache, reader, told).await? {
                Joined::Served => Ok(Led::Miss),
                Joined::Elsewhere(_) | Joined::Pass | Joined::Aborted => {
                    Err(ClientError::Truncated)
                }
            }
        }
        Responded::Sliced(decision, hit, slice) => {
            let told = Told(CacheStatus {
                fwd: Some(why.fwd()),
                ttl_s: Some(decision.ttl_s),
                stored: true,
                detail: Some(decision.reason.as_str()),
                ..CacheStatus::default()
            });
            match slice {
                Some(slice) => {
                    pump_or_spawn(cx.local, route, answer, &mut scratch, *slice).await;
                }
                None if part.is_none() && !cx.tx.fields().has(Name::Range) => {
                    let sent =
                        slices::pass_whole(cx, route, cache, &hit, &told, answer, &mut scratch)
                            .await;
                    cx.tx.origin = scratch;
                    return sent.map(|()| Led::Miss);
                }
                None => drop(answer),
            }
            cx.tx.origin = scratch;
            hit::send(cx, route, proxy, cache, &hit, &told)
                .await
                .map(|()| Led::Miss)
        }
        // A part that is not the one this client wants.
        Responded::Pass(_)
            if part.is_some() && scratch.head.as_ref().is_some_and(|h| h.status == 206) =>
        {
            drop(answer);
            cx.tx.origin = scratch;
            Ok(Led::Unfit)
        }
        // Nobody asked for a 304 here: it has no body that could answer the client.
        Responded::Pass(decision) if decision.reason == Reason::Unsolicited304 => {
            drop(answer);
            cx.tx.origin = scratch;
            cx.local.shared.metrics.bad_responses.inc();
            let error = FetchError::Invalid("unsolicited 304");
            content::exchange_error(cx, route, &error)
                .await
                .map(|_| Led::Error)
        }
        Responded::Pass(decision) => {
            let told = Told(CacheStatus {
                fwd: Some(why.fwd()),
                detail: Some(decision.reason.as_str()),
                ..CacheStatus::default()
            });
            let told = cache.reports.then_some(&told);
            let sent =
                content::pass_through(cx, route, proxy.pass_trailers, answer, &mut scratch, told)
                    .await;
            cx.tx.origin = scratch;
            match sent {
                Ok(()) => Ok(Led::Miss),
                Err(FetchError::Client(e)) => Err(e),
                Err(e) => content::exchange_error(cx, route, &e)
                    .await
                    .map(|_| Led::Error),
            }
        }
        Responded::NotModified(hit) => {
            let timer = cx.client.timer.clone();
            drain(cx.local, &timer, answer, &mut scratch).await;
            cx.tx.origin = scratch;
            let told = Told(CacheStatus {
                hit: true,
                ttl_s: Some(hit.ttl_s),
                fwd_status: Some(304),
                detail: Some("revalidated"),
                ..CacheStatus::default()
            });
            hit::send(cx, route, proxy, cache, &hit, &told)
                .await
                .map(|()| Led::Revalidated)
        }
        Responded::StaleIfError(hit) => {
            drop(answer);
            cx.tx.origin = scratch;
            hit::send(cx, route, proxy, cache, &hit, &Told::stale(&hit))
                .await
                .map(|()| Led::Stale)
        }
    }
}

/// The first and the last byte of the slice that begins somewhere.
fn slice_at(first: Option<u64>, cache: &CacheUse) -> Option<(u64, u64)> {
    first.map(|first| (first, first.saturating_add(cache.rules.slice_bytes) - 1))
}

/// Builds the request of a fill: for the whole, on the condition that it is another than what is stored, or for a part. With a length, which
/// only what is asked for by POST has, it is the client's own method.
pub fn build(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    fill: &Fill,
    part: Option<(u64, u64)>,
    length: Option<u64>,
    out: &mut Vec<u8>,
) -> bool {
    let (etag, modified) = fill.validators().unwrap_or_default();
    let conditional = match part {
        Some((first, last)) => Conditional::Part(first, last),
        None => Conditional::Validators(etag, modified),
    };
    matches!(
        origin::build(cx, proxy, &conditional, length, out),
        Built::Ready
    )
}

/// What became of an origin, if not a response.
pub fn failure_of(error: &FetchError) -> Option<Failure> {
    match error {
        FetchError::Client(_) | FetchError::TooLarge => None,
        FetchError::TimedOut | FetchError::ConnectTimedOut => Some(Failure::TimedOut),
        FetchError::Invalid(_) => Some(Failure::Invalid),
        _ => Some(Failure::Unreached),
    }
}

/// Reads a fill for the client that caused it.
fn reader(cx: &Cx<'_>, cache: &CacheUse, fill: &Fill) -> FillReader {
    let request = Request {
        method: Method::Get,
        fields: counted::fields(cx.tx),
        now_ms: cx.tx.now_ms,
    };
    fill.reader(&request, &cache.rules)
}

/// Fills with an answer that has come already, and sends it to who caused it.
pub async fn keep(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    answer: Answer,
    scratch: &mut OriginScratch,
    mut fill: Fill,
    asked_ms: u64,
) -> Result<(), FetchError> {
    let asked = AskedFor {
        at_ms: asked_ms,
        refused: false,
        part: None,
    };
    let responded = respond(&mut fill, cx.tx, route, cache, scratch, &asked);
    enter(cache, &responded);
    let Responded::Store(decision) = responded else {
        return content::pass_through(cx, route, false, answer, scratch, None).await;
    };
    let reader = reader(cx, cache, &fill);
    pump_or_spawn(cx.local, route, answer, scratch, fill).await;
    let told = Told(CacheStatus {
        fwd: Some("method"),
        ttl_s: Some(decision.ttl_s),
        stored: true,
        detail: Some(decision.reason.as_str()),
        ..CacheStatus::default()
    });
    match read_along(cx, route, cache, reader, told).await {
        Ok(Joined::Served) => Ok(()),
        Ok(Joined::Elsewhere(_) | Joined::Pass | Joined::Aborted) => {
            Err(ClientError::Truncated.into())
        }
        Err(e) => Err(e.into()),
    }
}

/// Enters what an answer came to.
pub fn enter(cache: &CacheUse, responded: &Responded) {
    if let Responded::Store(decision)
    | Responded::Pass(decision)
    | Responded::Sliced(decision, ..) = responded
    {
        cache.ledger.decided(decision);
    }
}

/// What was asked of the origin.
pub struct AskedFor {
    /// When, unix milliseconds.
    pub at_ms: u64,
    /// Whether the route forbids to store the answer.
    pub refused: bool,
    /// Where the part begins that was asked for.
    pub part: Option<u64>,
}

/// Shows the origin's head to the fill.
pub fn respond(
    fill: &mut Fill,
    tx: &Tx,
    route: &RoutePlan,
    cache: &CacheUse,
    scratch: &OriginScratch,
    asked: &AskedFor,
) -> Responded {
    let now_ms = crate::clock::now_ms();
    let request = Request {
        method: Method::Get,
        fields: counted::fields(tx),
        now_ms,
    };
    match &scratch.head {
        Some(head) => {
            let meta = ResponseMeta {
                status: head.status,
                fields: head.fields(scratch.rb.bytes()),
                request_time_ms: asked.at_ms,
                response_time_ms: now_ms,
            };
            if asked.refused && head.status != 304 {
                return fill.refuse(Reason::NoStore, now_ms, true);
            }
            let part = asked.part.filter(|_| head.status == 206);
            let mut whole = meta;
            if part.is_some() {
                whole.status = 200;
            }
            if let Some((reason, lasting)) = suspicion::of(tx, route, cache, &request, &whole) {
                return fill.refuse(reason, now_ms, lasting);
            }
            match part {
                Some(first) => fill.respond_part(&request, &cache.rules, meta, first),
                None => fill.respond(&request, &cache.rules, meta),
            }
        }
        None => unreachable_response(fill, &request, cache, now_ms),
    }
}

/// An exchange that succeeded has a head; should it not, nothing is stored.
fn unreachable_response(
    fill: &mut Fill,
    request: &Request<'_>,
    cache: &CacheUse,
    now_ms: u64,
) -> Responded {
    let fields = seawall_http::Fields {
        fields: &[],
        buf: &[],
        present: 0,
    };
    let meta = ResponseMeta {
        status: 502,
        fields,
        request_time_ms: now_ms,
        response_time_ms: now_ms,
    };
    fill.respond(request, &cache.rules, meta)
}
