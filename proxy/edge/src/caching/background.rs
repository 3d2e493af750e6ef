//! What goes on without a client: fills that outlive theirs, and renewals behind clients' backs.

use super::{
    fill::{AskedFor, build, enter, failure_of, respond},
    holds,
    ledger::Meter,
};
use crate::{
    content,
    local::Local,
    log_error,
    origin::{self, Answer, OutBody},
    pipeline::Cx,
    plan::{CacheUse, ContentPlan, ProxyPlan, RoutePlan},
    sticky,
    timer::Timer,
    tx::{OriginScratch, Tx},
};
use bytes::Bytes;
use seawall_cache::{Fill, Responded};
use seawall_http::Method;
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc};

/// Fills that outlive their clients and renewals, at most, on one thread: beyond them what is stale is not renewed behind clients' backs.
const BACKGROUND_MAX: usize = 512;

/// Puts what has been read already into the fill; if that is not all, a task of its own fetches the rest.
pub async fn pump_or_spawn(
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

/// Reads a body that is not passed on, so that the connection can be kept.
pub async fn drain(local: &Local, timer: &Timer, mut answer: Answer, scratch: &mut OriginScratch) {
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
        cache.ledger.refused_renewal();
        return fill.abort();
    }
    let refused = !cache.no_store.is_empty() && holds(cx, &cache.no_store);
    let mut scratch = OriginScratch::default();
    if !build(cx, proxy, &fill, None, None, &mut scratch.out) {
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
                let answer = answer.metered(Meter::new(&cache.ledger));
                let asked = AskedFor {
                    at_ms: asked_ms,
                    refused,
                    part: None,
                };
                let responded = respond(&mut fill, &copy, &route, cache, &scratch, &asked);
                enter(cache, &responded);
                match responded {
                    Responded::Store(_) => {
                        pump_or_spawn(&local, &route, answer, &mut scratch, fill).await
                    }
                    Responded::NotModified(_) => drain(&local, &timer, answer, &mut scratch).await,
                    // Of a body in slices the head is enough.
                    Responded::Sliced(..) | Responded::Pass(_) | Responded::StaleIfError(_) => {
                        drop(answer)
                    }
                }
            }
        }
        drop(guard);
    }));
}
