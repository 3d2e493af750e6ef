//! Bodies that are kept in slices, on their way to a client: each slice is taken from the cache, read along with whoever fetches it, or
//! fetched; a client who wants a part costs the slices that it lies in.

use super::{
    background::pump_or_spawn,
    hit::{Told, field_lines, moment},
    ledger::Meter,
    ranges,
};
use crate::{
    client::{ClientError, Length},
    content::{
        self,
        ranges::{Ranges, Span},
    },
    log_error,
    origin::{self, Answer, Built, Conditional, FetchError, OutBody},
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan, RoutePlan},
    sticky,
    tx::{Asked, Interims, OriginScratch},
};
use seawall_cache::{
    CacheStatus, Cutter, Fill, FillChunk, FillReader, FillStart, Hit, NotASlice, Object, Request,
    ResponseMeta, Rules, Slice, Sliced,
};
use seawall_http::{Fields, Method};
use std::sync::Arc;

/// Slices that are looked for before it is said whether the answer was a hit.
const LOOKED_AT_MAX: u64 = 64;
/// Times that a slice is begun anew where its fetching broke off, or the disk lost it.
const TRIES_MAX: usize = 3;

/// Where the first slice begins that is asked for though nobody wants a part (nginx: `slice`).
pub fn first(cx: &Cx<'_>, cache: &CacheUse) -> Option<u64> {
    if !cache.slices_all {
        return None;
    }
    Some(ranges::first_slice(cx, cache.rules.slice_bytes).unwrap_or(0))
}

/// What a client wants of a body that is kept in slices.
fn wanted(cx: &Cx<'_>, object: &Object) -> Ranges {
    ranges::wanted(
        cx,
        object.status(),
        &object.fields(),
        object.content_length(),
    )
}

/// What is said of an answer from slices: a hit where all that is wanted is here, else that a part had to be fetched (RFC 9211 §2.2).
pub fn look(cx: &Cx<'_>, cache: &CacheUse, hit: &Hit) -> Told {
    let Some(sliced) = hit.object.sliced() else {
        return Told::hit(hit);
    };
    let is_here = |span: &Span| {
        let (from, to) = (sliced.slice_at(span.0), sliced.slice_at(span.1.max(1) - 1));
        to - from < LOOKED_AT_MAX && (from..=to).all(|n| cache.cache.has_slice(&hit.object, n))
    };
    let all_here = cx.tx.is_head()
        || match wanted(cx, &hit.object) {
            Ranges::Whole => is_here(&(0, sliced.length())),
            Ranges::Parts(spans) => spans.iter().all(is_here),
            Ranges::Unsatisfiable => true,
        };
    if all_here {
        return Told::hit(hit);
    }
    Told(CacheStatus {
        fwd: Some("partial"),
        ttl_s: Some(hit.ttl_s),
        stored: true,
        ..CacheStatus::default()
    })
}

/// Sends a stored answer whose body is in slices.
pub async fn send(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
) -> Result<(), ClientError> {
    let object = &hit.object;
    let spans = match wanted(cx, object) {
        Ranges::Unsatisfiable => {
            return Box::pin(ranges::refuse(cx, route, object.content_length())).await;
        }
        Ranges::Parts(spans) => Some(spans),
        Ranges::Whole => None,
    };
    let Some(mut slices) = Slices::of(route, proxy, cache, object) else {
        return Err(ClientError::Truncated);
    };
    let first = spans.as_ref().and_then(|spans| spans.first());
    let first = first.map_or(0, |span| span.0);
    if !cx.tx.is_head() && object.content_length() > 0 {
        // Before the head: what fails now can still be said.
        match slices.prepare(cx, first).await {
            Ok(()) => {}
            Err(Gone::Changed) => {
                let told = Told::forwarded("miss");
                let told = cache.reports.then_some(&told);
                let passed = Box::pin(content::proxy_told(cx, route, proxy, None, told)).await;
                return passed.map(|_| ());
            }
            Err(Gone::Failed(error)) => {
                return content::exchange_error(cx, route, &error).await.map(|_| ());
            }
        }
    }
    if let Some(spans) = spans {
        let mut body = ranges::Body::Sliced(slices);
        return ranges::send(cx, route, cache, hit, told, &spans, &mut body).await;
    }
    head(cx, route, cache, hit, told);
    if !cx.tx.is_head() {
        slices.send(cx, (0, object.content_length())).await?;
    }
    cx.client.last(cx.tx, b"").await
}

fn head(cx: &mut Cx<'_>, route: &RoutePlan, cache: &CacheUse, hit: &Hit, told: &Told) {
    cx.tx.lines.clear();
    cx.tx
        .lines
        .extend_from_slice(field_lines(hit.object.head()));
    origin::adjust(cx, route);
    moment(cache, hit, told, &mut cx.tx.lines);
    let (local, site, status) = (cx.local, cx.site, hit.object.status());
    cx.client.head(
        local,
        cx.tx,
        Some(site),
        Some(route),
        status,
        Length::Stated,
    );
}

/// Sends an answer that came as a whole and is to be kept in slices; they are cut as it goes by.
pub async fn pass_whole(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
    mut answer: Answer,
    scratch: &mut OriginScratch,
) -> Result<(), ClientError> {
    head(cx, route, cache, hit, told);
    let mut cutter = Cutter::new(&cache.cache, &hit.object);
    let timer = cx.client.timer.clone();
    loop {
        match answer.next(&timer, &mut scratch.rb).await {
            Ok(Some(range)) => {
                let data = scratch.rb.bytes().get(range).unwrap_or_default();
                if let Some(cutter) = &mut cutter {
                    cutter.push(data);
                }
                cx.client.send(cx.tx, data).await?;
            }
            Ok(None) => {
                answer.finish(cx.local, &scratch.rb);
                return cx.client.last(cx.tx, b"").await;
            }
            Err(e) => {
                let serial = cx.client.info.serial;
                log_error!(
                    cx.local.shared,
                    Error,
                    serial,
                    "{e} while filling the cache"
                );
                cx.client.keep_alive = false;
                return Err(ClientError::Truncated);
            }
        }
    }
}

/// Why a slice does not come.
enum Gone {
    /// What is stored of the head does not hold any more.
    Changed,
    /// The origin failed.
    Failed(FetchError),
}

/// A slice at hand.
enum Opened {
    Here(Hit),
    /// Being fetched, read as far as that offset of the body.
    Coming(FillReader, u64),
}

/// Reads a body slice by slice.
pub struct Slices<'a> {
    route: &'a Arc<RoutePlan>,
    proxy: &'a ProxyPlan,
    cache: &'a CacheUse,
    object: &'a Arc<Object>,
    sliced: Sliced,
    open: Option<(u64, Opened)>,
}

impl<'a> Slices<'a> {
    fn of(
        route: &'a Arc<RoutePlan>,
        proxy: &'a ProxyPlan,
        cache: &'a CacheUse,
        object: &'a Arc<Object>,
    ) -> Option<Slices<'a>> {
        Some(Slices {
            route,
            proxy,
            cache,
            object,
            sliced: object.sliced()?,
            open: None,
        })
    }

    /// Has the slice at hand that an offset lies in.
    async fn prepare(&mut self, cx: &mut Cx<'_>, offset: u64) -> Result<(), Gone> {
        let n = self.sliced.slice_at(offset);
        let opened = self.open_slice(cx, n).await?;
        self.open = Some((n, opened));
        Ok(())
    }

    async fn open_slice(&self, cx: &mut Cx<'_>, n: u64) -> Result<Opened, Gone> {
        let begins = self.sliced.span(n).0;
        for _ in 0..TRIES_MAX {
            let now_ms = crate::clock::now_ms();
            let reader = match self.cache.cache.slice(self.object, n, now_ms) {
                None => return Err(Gone::Changed),
                Some(Slice::Here(slice)) if slice.is_lost() => continue,
                Some(Slice::Here(slice)) => return Ok(Opened::Here(slice)),
                Some(Slice::Load(load)) => {
                    load.ready().await;
                    continue;
                }
                Some(Slice::Lead(fill)) => Box::pin(self.fetch(cx, fill, n)).await?,
                Some(Slice::Join(reader)) => reader,
            };
            let mut reader = reader;
            let timer = cx.client.timer.clone();
            timer.set(self.route.timeouts.first_byte);
            match timer.guard(reader.head()).await {
                Ok(FillStart::Head(_)) => return Ok(Opened::Coming(reader, begins)),
                Err(_) => return Err(Gone::Failed(FetchError::TimedOut)),
                Ok(_) => {}
            }
        }
        let why = "the fetching of a part broke off again and again";
        Err(Gone::Failed(FetchError::Failed(why.to_owned())))
    }

    /// Asks the origin for a slice, for all who want it.
    async fn fetch(&self, cx: &mut Cx<'_>, mut fill: Fill, n: u64) -> Result<FillReader, Gone> {
        let mut scratch = std::mem::take(&mut cx.tx.origin);
        let fetched = self.ask(cx, n, &mut scratch).await;
        let taken = match fetched {
            Ok((answer, asked_ms)) => match self.take(&mut fill, &scratch, n, asked_ms) {
                Ok(()) => {
                    let reader = fill.reader(&whole_request(), &Rules::default());
                    pump_or_spawn(cx.local, self.route, answer, &mut scratch, fill).await;
                    Ok(reader)
                }
                Err(e) => {
                    let serial = cx.client.info.serial;
                    log_error!(cx.local.shared, Warn, serial, "{e}");
                    drop(answer);
                    Err(match e {
                        NotASlice::Failed => Gone::Failed(FetchError::Failed(e.to_string())),
                        _ => {
                            self.cache.cache.give_up_slices(self.object);
                            Gone::Changed
                        }
                    })
                }
            },
            Err(e) => Err(Gone::Failed(e)),
        };
        cx.tx.origin = scratch;
        taken
    }

    async fn ask(
        &self,
        cx: &mut Cx<'_>,
        n: u64,
        scratch: &mut OriginScratch,
    ) -> Result<(Answer, u64), FetchError> {
        let (from, to) = self.sliced.span(n);
        let part = Conditional::Part(from, to.saturating_sub(1));
        let built = origin::build(cx, self.proxy, &part, None, &mut scratch.out);
        if !matches!(built, Built::Ready) {
            return Err(FetchError::Invalid("a request that would be ambiguous"));
        }
        scratch.asked = Asked {
            upgrade: false,
            interim: Interims::Never,
            splices: false,
        };
        scratch.retry.clone_from(&self.proxy.retry);
        scratch.ignored = self.proxy.passing.as_ref().map_or(0, |p| p.ignored);
        let pool = self.proxy.choose_pool(cx);
        scratch.bound = sticky::bind(cx, &pool);
        let mut tries = std::mem::take(&mut cx.tx.tries);
        let asked_ms = crate::clock::now_ms();
        // A timer of its own: the client's runs while it is sent the slice before.
        let timer = cx.local.timers.timer();
        let fetched = origin::fetch(
            cx.local,
            &timer,
            &pool,
            Method::Get,
            &self.route.timeouts,
            scratch,
            OutBody::None,
            &mut tries,
        )
        .await;
        cx.tx.tries = tries;
        fetched.map(|answer| (answer.metered(Meter::new(&self.cache.ledger)), asked_ms))
    }

    fn take(
        &self,
        fill: &mut Fill,
        scratch: &OriginScratch,
        n: u64,
        asked_ms: u64,
    ) -> Result<(), NotASlice> {
        let head = scratch.head.as_ref().ok_or(NotASlice::Failed)?;
        if content::leads(scratch) {
            return Err(NotASlice::Changed);
        }
        let meta = ResponseMeta {
            status: head.status,
            fields: head.fields(scratch.rb.bytes()),
            request_time_ms: asked_ms,
            response_time_ms: crate::clock::now_ms(),
        };
        fill.respond_slice(self.object, n, &meta)
    }

    /// Sends a part of the body.
    pub async fn send(&mut self, cx: &mut Cx<'_>, span: Span) -> Result<(), ClientError> {
        let mut at = span.0;
        let mut tries = 0;
        while at < span.1 {
            let n = self.sliced.slice_at(at);
            let opened = match self.open.take() {
                Some((open, opened)) if open == n => opened,
                _ => match self.open_slice(cx, n).await {
                    Ok(opened) => opened,
                    Err(gone) => return Err(broken(cx, &gone)),
                },
            };
            let (from, to) = self.sliced.span(n);
            match opened {
                Opened::Here(slice) => {
                    let wanted = (at, span.1);
                    ranges::stored(cx, self.cache, &slice, from, wanted).await?;
                    at = to;
                    // Another part may lie in it, too.
                    self.open = Some((n, Opened::Here(slice)));
                }
                Opened::Coming(mut reader, mut read) => {
                    let end = to.min(span.1);
                    let before = at;
                    at = self.follow(cx, &mut reader, &mut read, at, end).await?;
                    tries = if at > before { 0 } else { tries + 1 };
                    if tries >= TRIES_MAX {
                        let why = FetchError::Failed("a part broke off".to_owned());
                        return Err(broken(cx, &Gone::Failed(why)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends what comes of a slice between two offsets; how far it came.
    async fn follow(
        &self,
        cx: &mut Cx<'_>,
        reader: &mut FillReader,
        read: &mut u64,
        mut at: u64,
        end: u64,
    ) -> Result<u64, ClientError> {
        let timer = cx.client.timer.clone();
        while at < end {
            timer.set(self.route.timeouts.between_bytes);
            match timer.guard(reader.chunk()).await {
                Ok(FillChunk::Data(data)) => {
                    let piece = ranges::overlap(&data, *read, (at, end));
                    *read += data.len() as u64;
                    if !piece.is_empty() {
                        cx.client.send(cx.tx, piece).await?;
                        at += piece.len() as u64;
                    }
                }
                // It broke off: another may fetch it, from where we are.
                Ok(FillChunk::End | FillChunk::Aborted) | Err(_) => break,
            }
        }
        Ok(at)
    }
}

/// Slices are asked for as a whole, by nobody in particular.
fn whole_request() -> Request<'static> {
    Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms: crate::clock::now_ms(),
    }
}

/// The head is out: the only honest end is a broken connection.
fn broken(cx: &mut Cx<'_>, gone: &Gone) -> ClientError {
    let serial = cx.client.info.serial;
    match gone {
        Gone::Changed => log_error!(
            cx.local.shared,
            Error,
            serial,
            "the body changed at the origin while it was sent in slices"
        ),
        Gone::Failed(e) => log_error!(cx.local.shared, Error, serial, "{e} while sending slices"),
    }
    cx.client.keep_alive = false;
    ClientError::Truncated
}
