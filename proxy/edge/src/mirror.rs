//! Copies of requests for another pool: sent after the request was built and never waited for, the answer thrown away.
//!
//! A copy is a task of the thread that a drain waits for. So many may be under way at once; what comes beyond that is
//! not copied, and counted: a slow mirror costs the site nothing.

use crate::{
    aside::Aside,
    content,
    local::Local,
    log_error,
    origin::{self, Built, Conditional, FetchError, OutBody},
    pipeline::{self, Cx},
    plan::{ContentPlan, MirrorPlan, MirrorToPlan, PoolPlan, ProxyPlan, RoutePlan, SitePlan},
    spool::Spool,
    tx::OriginScratch,
};
use seawall_conf::model::Timeouts;
use seawall_http::{Framing, Method};
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc};

/// Copies under way at once, for each worker thread.
pub const MIRRORS_MAX: usize = 128;
/// Bytes of a copy's answer that are read, so that its connection can be kept.
const DRAIN_BYTES: usize = 1 << 20;
/// Says to the mirror what it is, before the empty line that ends the head.
const MARK: &[u8] = b"X-Mirror: 1\r\n\r\n";

/// Sends copies of the request in `cx` to other locations of its site (ngx_http_mirror_module). Gives back what was held of
/// the body, which is read whole before where it is copied, too.
pub async fn to_locations(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    mirrors: &MirrorToPlan,
    spool: Option<Spool>,
) -> Result<Option<Spool>, FetchError> {
    let wants_body = mirrors.body && cx.client.body.is_present();
    let spool = if wants_body && !cx.client.body.is_done() {
        Some(content::hold(cx, route, spool).await?)
    } else {
        spool
    };
    for template in &mirrors.uris {
        let mut uri = Vec::new();
        template.render(&cx.scope(), &mut uri);
        let body = spool.as_ref().filter(|_| wants_body).map(Spool::share);
        let aside = Aside::with_args(cx, uri, None);
        to_location(cx, body, mirrors.body).await;
        aside.restore(cx);
    }
    Ok(spool)
}

/// Sends a copy to the location that the request asks for just now.
async fn to_location(cx: &mut Cx<'_>, body: Option<Spool>, with_body: bool) {
    let site: &SitePlan = cx.site;
    let at = site
        .router
        .find(cx.tx.uri(), &mut crate::tx::Captures::default());
    let Some(route) = at.and_then(|at| site.routes.get(at)) else {
        return;
    };
    let Ok(inner) = pipeline::run_program(cx, route) else {
        return;
    };
    let route = inner.unwrap_or(route);
    let ContentPlan::Proxy(proxy) = &route.content else {
        return;
    };
    if let Some(plan) = &proxy.dynamic
        && Box::pin(origin::aim(cx, plan)).await.is_err()
    {
        return;
    }
    let pool = proxy.choose_pool(cx).clone();
    if proxy.fastcgi.is_some() || cx.local.mirrors.get() >= MIRRORS_MAX {
        pool.metrics.mirror_failures.inc();
        return;
    }
    let mut scratch = OriginScratch::default();
    let framing = cx.tx.head.framing;
    if !with_body {
        cx.tx.head.framing = Framing::None;
    }
    let length = body.as_ref().map(Spool::len).filter(|_| !proxy.no_body);
    let built = origin::build(cx, proxy, &Conditional::Client, length, &mut scratch.out);
    cx.tx.head.framing = framing;
    if !matches!(built, Built::Ready) {
        return;
    }
    pool.metrics.mirrored.inc();
    let method = cx.tx.head.method;
    let body = body.filter(|_| !proxy.no_body);
    let (local, timeouts) = (cx.local.clone(), route.timeouts);
    let watch = local.clone();
    let underway = Underway::new(&local);
    tokio::task::spawn_local(crate::thread::watched(&watch, 0, async move {
        send(&local, &pool, method, &timeouts, scratch, body).await;
        drop(underway);
    }));
}

/// Sends a copy of the request in `cx`, if it is one of those that are copied. Requests with a body are not.
pub fn copy(cx: &mut Cx<'_>, route: &RoutePlan, proxy: &ProxyPlan, mirror: &MirrorPlan) {
    let method = cx.tx.head.method;
    let is_plain = !cx.client.body.is_present() && !cx.tx.head.upgrade && proxy.fastcgi.is_none();
    if !is_plain || !mirror.takes(method, cx.local.random()) {
        return;
    }
    let pool = mirror.pool.live().clone();
    if cx.local.mirrors.get() >= MIRRORS_MAX {
        pool.metrics.mirror_failures.inc();
        return;
    }
    let mut scratch = OriginScratch::default();
    let built = origin::build(cx, proxy, &Conditional::Client, None, &mut scratch.out);
    if !matches!(built, Built::Ready) {
        // The request itself is refused for the same reason.
        return;
    }
    let end = scratch.out.len().saturating_sub(2);
    scratch.out.truncate(end);
    scratch.out.extend_from_slice(MARK);
    pool.metrics.mirrored.inc();
    let (local, timeouts) = (cx.local.clone(), route.timeouts);
    let watch = local.clone();
    let underway = Underway::new(&local);
    tokio::task::spawn_local(crate::thread::watched(&watch, 0, async move {
        send(&local, &pool, method, &timeouts, scratch, None).await;
        drop(underway);
    }));
}

async fn send(
    local: &Rc<Local>,
    pool: &Arc<PoolPlan>,
    method: Method,
    timeouts: &Timeouts,
    mut scratch: OriginScratch,
    body: Option<Spool>,
) {
    let timer = local.timers.timer();
    let mut tries = SmallVec::new();
    let body = match &body {
        Some(spool) => OutBody::Kept { spool },
        None => OutBody::None,
    };
    let fetched = origin::fetch(
        local,
        &timer,
        pool,
        method,
        timeouts,
        &mut scratch,
        body,
        &mut tries,
    );
    let mut answer = match fetched.await {
        Ok(answer) => answer,
        Err(e) => {
            pool.metrics.mirror_failures.inc();
            log_error!(
                local.shared,
                Info,
                0,
                "{e} while sending a copy to pool {}",
                pool.name
            );
            return;
        }
    };
    let mut read = 0;
    while let Ok(Some(piece)) = answer.next(&timer, &mut scratch.rb).await {
        read += piece.len();
        if read > DRAIN_BYTES {
            return;
        }
    }
    if answer.is_done() {
        answer.finish(local, &scratch.rb);
    }
}

/// Counts a copy under way, also when its task is dropped.
struct Underway(Rc<Local>);

impl Underway {
    fn new(local: &Rc<Local>) -> Self {
        local.mirrors.set(local.mirrors.get() + 1);
        local.background.set(local.background.get() + 1);
        Self(local.clone())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let less = |n: usize| n.saturating_sub(1);
        self.0.mirrors.set(less(self.0.mirrors.get()));
        self.0.background.set(less(self.0.background.get()));
    }
}
