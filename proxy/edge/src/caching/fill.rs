//! Fills: one request to the origin for everybody who asks for the same.
//!
//! The leader's exchange runs in its own connection's task until the head has come. From there a body that is not whole
//! yet is pumped into the fill by a task of its own, so that neither a slow nor a leaving first client holds up the
//! others, and the leader reads along like everybody else.

use super::{
    counted,
    hit::{self, Told},
    key, ranges, suspicion,
};
use crate::{
    client::{ClientError, Length, Reply, remove_lines},
    content::{
        self,
        ranges::{Ranges, Span},
    },
    local::Local,
    log_error,
    origin::{self, Answer, Built, Conditional, FetchError, OutBody},
    pipeline::Cx,
    plan::{CacheUse, ContentPlan, ProxyPlan, RoutePlan},
    step::Step,
    sticky,
    timer::Timer,
    tx::{Asked, OriginScratch, Tx},
};
use bytes::Bytes;
use seawall_cache::{
    CacheStatus, Failure, Fill, FillChunk, FillHead, FillReader, FillStart, NoVarySearch, Request,
    Responded, ResponseMeta,
};
use seawall_http::{Method, Name};
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc};

/// Fills that outlive their clients and renewals, at most, on one thread: beyond them what is stale is not renewed behind clients' backs.
const BACKGROUND_MAX: usize = 512;

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
}

/// Fetches for everybody, and serves the client that asked first.
pub async fn lead(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    mut fill: Fill,
    why: &'static str,
) -> Result<Led, ClientError> {
    let mut scratch = std::mem::take(&mut cx.tx.origin);
    cx.tx.step = Step::SelectServer;
    if !build(cx, proxy, &fill, &mut scratch.out) {
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
    let fetched = origin::fetch(
        cx.local,
        &timer,
        &pool,
        Method::Get,
        &route.timeouts,
        &mut scratch,
        OutBody::Bare {
            client: cx.client,
            tx: cx.tx,
        },
        &mut tries,
    )
    .await;
    cx.tx.tries = tries;
    cx.client.abandons = route.abandons;
    let answer = match fetched {
        Ok(answer) => answer,
        Err(e) => {
            cx.tx.origin = scratch;
            let stale = failure_of(&e).and_then(|f| fill.failed(f, crate::clock::now_ms()));
            if let Some(stale) = stale {
                cx.tx.cache = "STALE";
                let serial = cx.client.info.serial;
                log_error!(cx.local.shared, Warn, serial, "{e}, served stale");
                return hit::send(cx, route, cache, &stale, &Told::stale(&stale))
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
    let responded = respond(&mut fill, cx.tx, route, cache, &scratch, asked_ms, refused);
    if let Responded::Store(decision) | Responded::Pass(decision) = &responded {
        let metrics = &cx.local.shared.metrics;
        metrics.cache_decision(&cx.site.name, decision.store, decision.reason);
    }
    if let Responded::Store(_) = responded {
        key::learn_search(cx, proxy, cache, said);
    }
    // Set before the head is made, which may repeat it (`$upstream_cache_status`).
    cx.tx.cache = match &responded {
        Responded::NotModified(_) => "REVALIDATED",
        Responded::StaleIfError(_) => "STALE",
        Responded::Store(_) | Responded::Pass(_) if why == "stale" => "EXPIRED",
        Responded::Store(_) | Responded::Pass(_) if why == "bypass" => "BYPASS",
        Responded::Store(_) | Responded::Pass(_) => "MISS",
    };
    match responded {
        Responded::Store(decision) => {
            let reader = reader(cx, cache, &fill);
            pump_or_spawn(cx.local, route, answer, &mut scratch, fill).await;
            cx.tx.origin = scratch;
            let told = Told(CacheStatus {
                fwd: Some(why),
                ttl_s: Some(decision.ttl_s),
                stored: true,
                detail: Some(decision.reason),
                ..CacheStatus::default()
            });
            match read_along(cx, route, cache, reader, told).await? {
                Joined::Served => Ok(Led::Miss),
                Joined::Pass | Joined::Aborted => Err(ClientError::Truncated),
            }
        }
        // Nobody asked for a 304 here: it has no body that could answer the client.
        Responded::Pass(decision) if decision.reason == "unsolicited-304" => {
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
                fwd: Some(why),
                detail: Some(decision.reason),
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
            drain(cx.local, &timer, answer, &mut scratch).await;
            cx.tx.origin = scratch;
            let told = Told(CacheStatus {
                hit: true,
                ttl_s: Some(hit.ttl_s),
                fwd_status: Some(304),
                detail: Some("revalidated"),
                ..CacheStatus::default()
            });
            hit::send(cx, route, cache, &hit, &told)
                .await
                .map(|()| Led::Revalidated)
        }
        Responded::StaleIfError(hit) => {
            drop(answer);
            cx.tx.origin = scratch;
            hit::send(cx, route, cache, &hit, &Told::stale(&hit))
                .await
                .map(|()| Led::Stale)
        }
    }
}

fn build(cx: &mut Cx<'_>, proxy: &ProxyPlan, fill: &Fill, out: &mut Vec<u8>) -> bool {
    let (etag, modified) = fill.validators().unwrap_or_default();
    matches!(
        origin::build(
            cx,
            proxy,
            &Conditional::Validators(etag, modified),
            None,
            out
        ),
        Built::Ready
    )
}

/// What became of an origin, if not a response.
fn failure_of(error: &FetchError) -> Option<Failure> {
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
    let responded = respond(&mut fill, cx.tx, route, cache, scratch, asked_ms, false);
    let Responded::Store(decision) = responded else {
        return content::pass_through(cx, route, false, answer, scratch, None).await;
    };
    let reader = reader(cx, cache, &fill);
    pump_or_spawn(cx.local, route, answer, scratch, fill).await;
    let told = Told(CacheStatus {
        fwd: Some("method"),
        ttl_s: Some(decision.ttl_s),
        stored: true,
        detail: Some(decision.reason),
        ..CacheStatus::default()
    });
    match read_along(cx, route, cache, reader, told).await {
        Ok(Joined::Served) => Ok(()),
        Ok(Joined::Pass | Joined::Aborted) => Err(ClientError::Truncated.into()),
        Err(e) => Err(e.into()),
    }
}

fn respond(
    fill: &mut Fill,
    tx: &Tx,
    route: &RoutePlan,
    cache: &CacheUse,
    scratch: &OriginScratch,
    asked_ms: u64,
    refused: bool,
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
                request_time_ms: asked_ms,
                response_time_ms: now_ms,
            };
            if refused && head.status != 304 {
                return fill.refuse("no-store", now_ms, true);
            }
            if let Some((reason, lasting)) = suspicion::of(tx, route, cache, &request, &meta) {
                return fill.refuse(reason, now_ms, lasting);
            }
            fill.respond(&request, &cache.rules, meta)
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

/// Puts what has been read already into the fill; if that is not all, a task of its own fetches the rest.
async fn pump_or_spawn(
    local: &Rc<Local>,
    route: &Arc<RoutePlan>,
    mut answer: Answer,
    scratch: &mut OriginScratch,
    mut fill: Fill,
) {
    match answer.take_buffered(&mut scratch.rb, &mut |data| {
        // Over a limit the fill goes on for its readers and is not stored; there is nothing to do about it here.
        let _ = fill.push(Bytes::copy_from_slice(data));
    }) {
        Ok(true) => {
            answer.finish(local, &scratch.rb);
            fill.finish();
        }
        Ok(false) => {
            let rb = std::mem::take(&mut scratch.rb);
            let (local, route) = (local.clone(), route.clone());
            let watch = local.clone();
            tokio::task::spawn_local(crate::thread::watched(&watch, 0, async move {
                let guard = Background::new(&local);
                pump(&local, &route, answer, rb, fill).await;
                drop(guard);
            }));
        }
        Err(e) => {
            log_error!(local.shared, Error, 0, "{e} while filling the cache");
            fill.abort();
        }
    }
}

async fn pump(
    local: &Rc<Local>,
    route: &Arc<RoutePlan>,
    mut answer: Answer,
    mut rb: crate::io::ReadBuffer,
    mut fill: Fill,
) {
    let timer = local.timers.timer();
    let mut stored = true;
    loop {
        match answer.next(&timer, &mut rb).await {
            Ok(Some(range)) => {
                let data = rb.bytes().get(range).unwrap_or_default();
                if fill.push(Bytes::copy_from_slice(data)).is_err() {
                    stored = false;
                }
                // What is not stored has only its readers: without any there is nothing to fetch for.
                if !stored {
                    if !fill.has_readers() {
                        return fill.abort();
                    }
                    timer.set(route.timeouts.client);
                    if timer.guard(fill.room()).await.is_err() {
                        return fill.abort();
                    }
                }
            }
            Ok(None) => {
                answer.finish(local, &rb);
                fill.finish();
                return;
            }
            Err(e) => {
                log_error!(local.shared, Error, 0, "{e} while filling the cache");
                return fill.abort();
            }
        }
    }
}

/// Counts a task that outlives its client, so that a drain waits for it.
struct Background(Rc<Local>);

impl Background {
    fn new(local: &Rc<Local>) -> Self {
        local.background.set(local.background.get() + 1);
        Self(local.clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0
            .background
            .set(self.0.background.get().saturating_sub(1));
    }
}

/// What reading along came to.
pub enum Joined {
    /// The client was served.
    Served,
    /// What is fetched is not for this client, or not to be waited for: go to the origin yourself.
    Pass,
    /// The fetching ended before a head came.
    Aborted,
}

/// Reads along with another client's fill.
pub async fn join(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    reader: FillReader,
) -> Result<Joined, ClientError> {
    let told = Told(CacheStatus {
        fwd: Some("miss"),
        collapsed: true,
        ..CacheStatus::default()
    });
    read_along(cx, route, cache, reader, told).await
}

async fn read_along(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    mut reader: FillReader,
    told: Told,
) -> Result<Joined, ClientError> {
    let timer = cx.client.timer.clone();
    // A fill that takes longer than an origin may is no reason to wait longer; nginx.conf may say how long (proxy_cache_lock_timeout).
    let first_byte = route.timeouts.first_byte;
    timer.set(cache.lock_timeout.map_or(first_byte, |t| t.min(first_byte)));
    let head = match timer.guard(reader.head()).await {
        Ok(FillStart::Head(head)) => head,
        Ok(FillStart::Aborted) => return Ok(Joined::Aborted),
        Ok(FillStart::Pass) | Err(_) => return Ok(Joined::Pass),
    };
    cx.tx.lines.clear();
    cx.tx.lines.extend_from_slice(hit::field_lines(head.head()));
    origin::adjust(cx, route);
    if cache.reports {
        seawall_http::encode::field(
            &mut cx.tx.lines,
            b"Age",
            itoa::Buffer::new().format(head.age_s()).as_bytes(),
        );
        told.line(&mut cx.tx.lines);
    }
    let mut length = if head.content_length().is_some() {
        Length::Stated
    } else {
        Length::Unknown
    };
    let part = part_of(cx, &head);
    if let (Some(span), Some(whole)) = (part, head.content_length()) {
        remove_lines(&mut cx.tx.lines, b"content-length");
        let line = ranges::content_range(span, whole);
        cx.tx.lines.extend_from_slice(line.as_bytes());
        length = Length::Known(span.1 - span.0);
    }
    let status = if part.is_some() { 206 } else { head.status() };
    cx.client
        .head(cx.local, cx.tx, Some(cx.site), Some(route), status, length);
    let mut held: Option<Bytes> = None;
    let mut at = 0;
    loop {
        // Without readers' pace there is the origin's: between two pieces at most its own timeout.
        timer.set(route.timeouts.between_bytes + route.timeouts.client);
        match timer.guard(reader.chunk()).await {
            Ok(FillChunk::Data(mut data)) => {
                if let Some(span) = part {
                    let piece = Bytes::copy_from_slice(ranges::overlap(&data, at, span));
                    at += data.len() as u64;
                    data = piece;
                    if at >= span.1 {
                        // The rest is for others.
                        if let Some(before) = held {
                            cx.client.send(cx.tx, &before).await?;
                        }
                        cx.client.last(cx.tx, &data).await?;
                        return Ok(Joined::Served);
                    }
                    if data.is_empty() {
                        continue;
                    }
                }
                if let Some(before) = held.replace(data) {
                    cx.client.send(cx.tx, &before).await?;
                }
            }
            Ok(FillChunk::End) => {
                cx.client
                    .last(cx.tx, held.as_deref().unwrap_or_default())
                    .await?;
                return Ok(Joined::Served);
            }
            Ok(FillChunk::Aborted) | Err(_) => {
                if let Some(before) = held {
                    cx.client.send(cx.tx, &before).await?;
                }
                cx.client.keep_alive = false;
                return Err(ClientError::Truncated);
            }
        }
    }
}

/// The one part that a client wants of an answer that is on its way. Several, and none, are answered with the whole.
fn part_of(cx: &Cx<'_>, head: &FillHead) -> Option<Span> {
    if !cx.tx.fields().has(Name::Range) {
        return None;
    }
    match ranges::wanted(cx, head.status(), &head.fields(), head.content_length()?) {
        Ranges::Parts(spans) if spans.len() == 1 => spans.first().copied(),
        _ => None,
    }
}

/// Reads a body that is not passed on, so that the connection can be kept.
async fn drain(local: &Local, timer: &Timer, mut answer: Answer, scratch: &mut OriginScratch) {
    while let Ok(Some(_)) = answer.next(timer, &mut scratch.rb).await {}
    if answer.is_done() {
        answer.finish(local, &scratch.rb);
    }
}

/// Renews a stale object while its client is served: exactly one of these runs at a time for an object.
pub fn renew_in_background(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    mut fill: Fill,
) {
    if cx.local.background.get() >= BACKGROUND_MAX {
        // The next client who finds it stale tries again.
        return fill.abort();
    }
    let refused = !cache.no_store.is_empty() && super::holds(cx, &cache.no_store);
    let mut scratch = OriginScratch::default();
    if !build(cx, proxy, &fill, &mut scratch.out) {
        return;
    }
    scratch.retry.clone_from(&proxy.retry);
    scratch.ignored = proxy.passing.as_ref().map_or(0, |p| p.ignored);
    let pool = proxy.choose_pool(cx).clone();
    scratch.bound = sticky::bind(cx, &pool);
    // The request's fields are needed when the answer comes, for its Vary; the client's buffers are not theirs.
    let mut copy = Tx::default();
    let bytes = cx.tx.rb.bytes().get(..cx.tx.head.len).unwrap_or_default();
    copy.rb.reserve(bytes.len());
    if let Some(free) = copy.rb.free().get_mut(..bytes.len()) {
        free.copy_from_slice(bytes);
    }
    copy.rb.filled(bytes.len());
    copy.head.fields = cx.tx.head.fields.clone();
    copy.head.present = cx.tx.head.present;
    copy.head.len = cx.tx.head.len;
    copy.in_key = cx.tx.in_key;
    copy.uri_buf.extend_from_slice(cx.tx.uri());
    copy.uri_in_buf = true;
    copy.now_ms = cx.tx.now_ms;
    let (local, route) = (cx.local.clone(), route.clone());
    let watch = local.clone();
    tokio::task::spawn_local(crate::thread::watched(&watch, 0, async move {
        let guard = Background::new(&local);
        let (ContentPlan::Proxy(_), Some(cache)) = (&route.content, &route.cache) else {
            return;
        };
        let timer = local.timers.timer();
        let mut tries = SmallVec::new();
        let asked_ms = crate::clock::now_ms();
        let body = OutBody::None;
        let fetched = origin::fetch(
            &local,
            &timer,
            &pool,
            Method::Get,
            &route.timeouts,
            &mut scratch,
            body,
            &mut tries,
        )
        .await;
        match fetched {
            Err(e) => {
                log_error!(
                    local.shared,
                    Warn,
                    0,
                    "{e} while renewing the cache in the background"
                );
                if let Some(failure) = failure_of(&e) {
                    drop(fill.failed(failure, crate::clock::now_ms()));
                }
            }
            // What leads elsewhere is not stored: the next client in the foreground is led there.
            Ok(answer) if content::leads(&scratch) => drop(answer),
            Ok(answer) => {
                match respond(&mut fill, &copy, &route, cache, &scratch, asked_ms, refused) {
                    Responded::Store(_) => {
                        pump_or_spawn(&local, &route, answer, &mut scratch, fill).await
                    }
                    Responded::NotModified(_) => drain(&local, &timer, answer, &mut scratch).await,
                    Responded::Pass(_) | Responded::StaleIfError(_) => drop(answer),
                }
            }
        }
        drop(guard);
    }));
}
