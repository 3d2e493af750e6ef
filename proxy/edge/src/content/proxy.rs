//! A pool answers.

use super::{
    Outcome,
    ahead::{self, Ahead},
    hold,
    splice::{self, Spliced},
};
use crate::{
    caching::{self, Told},
    client::{ClientError, Length, Pace, Reply, remove_lines},
    log::privacy,
    log_error,
    origin::{self, Answer, Built, Conditional, FetchError, OutBody},
    pipeline::Cx,
    plan::{ProxyPlan, RoutePlan},
    spool::Spool,
    step::Step,
    sticky,
    timer::Timer,
    tx::OriginScratch,
};
use seawall_http::{Framing, Method, Name, encode};
use std::{future::poll_fn, ops::Range, pin::pin, sync::Arc, task::Poll};

/// Passes the request on and the response back.
pub async fn proxy(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    spool: Option<Spool>,
) -> Result<Outcome, ClientError> {
    proxy_told(cx, route, proxy, spool, None).await
}

/// As [`proxy`], and says what the cache had to do with it.
pub async fn proxy_told(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    spool: Option<Spool>,
    told: Option<&Told>,
) -> Result<Outcome, ClientError> {
    let mut scratch = std::mem::take(&mut cx.tx.origin);
    let result = exchange(cx, route, proxy, spool, &mut scratch, told).await;
    cx.tx.origin = scratch;
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(FetchError::Client(e)) if !matches!(e, ClientError::Body(_) | ClientError::Timeout) => {
            Err(e)
        }
        Err(e) => exchange_error(cx, route, &e).await,
    }
}

/// Says to the client that there is no response, if nothing was said yet.
pub async fn exchange_error(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    error: &FetchError,
) -> Result<Outcome, ClientError> {
    let (serial, local) = (cx.client.info.serial, cx.local);
    log_error!(
        local.shared,
        Error,
        serial,
        "{error}, client: {}, server: {}, request: \"{} {}\"",
        cx.client.info.peer_text,
        cx.site.name,
        String::from_utf8_lossy(cx.tx.method_text()),
        privacy::shown(cx.tx.request_uri(), cx.site.yaml)
    );
    if cx.tx.sent > 0 {
        // The head is out: the only honest end is a broken connection.
        cx.client.keep_alive = false;
        return Err(match error {
            FetchError::Client(ClientError::Timeout) => ClientError::Timeout,
            _ => ClientError::Truncated,
        });
    }
    if !cx.client.body.is_done() {
        cx.client.keep_alive = false;
    }
    let reply = Reply {
        retry_after_s: error.retry_after_s(),
        ..Reply::error(error.status())
    };
    cx.reply(Some(route), reply).await.map(|()| Outcome::Done)
}

async fn exchange(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    plan: &ProxyPlan,
    spool: Option<Spool>,
    scratch: &mut OriginScratch,
    told: Option<&Told>,
) -> Result<(), FetchError> {
    cx.tx.step = Step::SelectServer;
    let spool = if hold::is_wanted(cx, route, plan) {
        // Boxed: most requests have no body.
        Some(Box::pin(hold::hold(cx, route, spool)).await?)
    } else {
        spool
    };
    let (spool, own) = own_body(cx, plan, spool)?;
    let whole = spool
        .as_ref()
        .filter(|_| own || cx.client.body.is_done())
        .map(Spool::len);
    let mut out = std::mem::take(&mut scratch.out);
    let built = origin::build(cx, plan, &Conditional::Client, whole, &mut out);
    scratch.out = out;
    if let Built::Ambiguous = built {
        let reply = cx.reply(Some(route), Reply::error(400)).await;
        return reply.map_err(FetchError::Client);
    }
    scratch.asked = origin::asked(cx, plan, &scratch.out);
    scratch.retry.clone_from(&plan.retry);
    scratch.ignored = plan.passing.as_ref().map_or(0, |p| p.ignored);
    let pool = plan.choose_pool(cx);
    scratch.asked.splices = splice::may(cx, &pool);
    scratch.bound = sticky::bind(cx, &pool);
    let method = match plan.method {
        None => cx.tx.head.method,
        Some(_) => method_of(&scratch.out),
    };
    let chunked = cx.tx.head.framing == Framing::Chunked;
    let limit = route.body_limit;
    let mut tries = std::mem::take(&mut cx.tx.tries);
    cx.tx.step = Step::Exchange;
    let timer = cx.client.timer.clone();
    let body = match (&spool, whole) {
        _ if !own && (plan.no_body || !cx.client.body.is_present()) => OutBody::Bare {
            client: cx.client,
            tx: cx.tx,
        },
        (Some(spool), Some(_)) => OutBody::Held {
            client: cx.client,
            tx: cx.tx,
            spool,
        },
        _ => OutBody::Client {
            client: cx.client,
            tx: cx.tx,
            spool,
            chunked,
            limit,
        },
    };
    let asked_ms = crate::clock::now_ms();
    let answer = origin::fetch(
        cx.local,
        &timer,
        &pool,
        method,
        &route.timeouts,
        scratch,
        body,
        &mut tries,
    )
    .await;
    cx.tx.tries = tries;
    let mut answer = answer?;
    if let Some(cache) = &route.cache {
        answer = answer.metered(caching::Meter::new(&cache.ledger));
    }
    if scratch.head.as_ref().is_some_and(|h| h.status == 101) {
        return Box::pin(switch(cx, route, answer, scratch)).await;
    }
    let kept = route
        .cache
        .as_ref()
        .and_then(|cache| caching::learn(cx, plan, cache, scratch, asked_ms));
    if super::diverts(cx, route, scratch) {
        let diverted = Box::pin(super::divert(cx, route, answer, scratch)).await;
        return diverted.map_err(FetchError::Client);
    }
    if let (Some(cache), Some(fill)) = (&route.cache, kept) {
        return Box::pin(caching::keep(
            cx, route, cache, answer, scratch, fill, asked_ms,
        ))
        .await;
    }
    pass_through(cx, route, plan.pass_trailers, answer, scratch, told).await
}

/// The body of the configuration in place of the client's, which is read before and thrown away; true if there is one.
fn own_body(
    cx: &mut Cx<'_>,
    plan: &ProxyPlan,
    held: Option<Spool>,
) -> Result<(Option<Spool>, bool), FetchError> {
    let Some(body) = &plan.body else {
        return Ok((held.filter(|_| !plan.no_body), false));
    };
    let (mut bytes, mut spool) = (Vec::new(), Spool::new());
    body.render(&cx.scope(), &mut bytes);
    spool
        .push(&bytes)
        .map_err(|e| FetchError::Failed(e.to_string()))?;
    Ok((Some(spool), true))
}

/// The method of a request as it was built.
fn method_of(request: &[u8]) -> Method {
    let text = request.split(|b| *b == b' ').next();
    Method::lookup(text.unwrap_or_default())
}

/// Answers 101 and carries bytes both ways until both ends are done.
async fn switch(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    answer: Answer,
    scratch: &mut OriginScratch,
) -> Result<(), FetchError> {
    cx.tx.step = Step::Deliver;
    cx.tx.lines.clear();
    if let Some(head) = &scratch.head {
        let fields = head.fields(scratch.rb.bytes());
        origin::pass_lines(fields, !cx.site.yaml, &mut cx.tx.lines);
        origin::push_upgrade(fields, &mut cx.tx.lines);
    }
    let switched = cx.client.switch(cx.local, cx.tx, cx.site, route).await;
    switched?;
    let idle = (route.timeouts.tunnel_idle, route.timeouts.between_bytes);
    let ended = origin::tunnel(cx.local, cx.client, cx.tx, answer, &scratch.rb, idle).await;
    let (serial, moved) = (cx.client.info.serial, &ended.moved);
    cx.tx.body_read += moved.up;
    cx.tx.body_sent += moved.down;
    cx.tx.sent += moved.down;
    log_error!(
        cx.local.shared,
        Info,
        serial,
        "tunnel {}, {} bytes from the client, {} to it, client: {}",
        ended.why,
        moved.up,
        moved.down,
        cx.client.info.peer_text
    );
    Ok(())
}

/// What an origin says to us about its response.
const SPEAKS: u128 = 1 << Name::XAccelLimitRate as u8 | 1 << Name::XAccelCharset as u8;

/// Heeds what an origin says of the speed and the charset of its response (ngx_http_upstream_module).
fn heed(cx: &mut Cx<'_>, fields: seawall_http::Fields<'_>) {
    let text = |name| std::str::from_utf8(fields.get(name).unwrap_or_default()).ok();
    if let Some(rate) = text(Name::XAccelLimitRate).and_then(|text| text.parse().ok()) {
        let after = cx.client.pace.map_or(0, |pace| pace.after);
        cx.client.pace = (rate > 0).then_some(Pace { rate, after });
    }
    if let Some(charset) = fields.get(Name::XAccelCharset).filter(|c| !c.is_empty())
        && let Some(kind) = fields.get(Name::ContentType)
    {
        let kind = kind.split(|b| *b == b';').next().unwrap_or_default();
        remove_lines(&mut cx.tx.lines, b"content-type");
        let kind = [kind, b"; charset=", charset].concat();
        encode::field(&mut cx.tx.lines, b"Content-Type", &kind);
    }
}

/// What speaks to a proxy is not for the client, though it is not heeded.
fn hide_ignored(lines: &mut Vec<u8>, ignored: u128, pass: &[Box<[u8]>]) {
    const OURS: [(Name, &[u8]); 5] = [
        (Name::XAccelExpires, b"x-accel-expires"),
        (Name::XAccelRedirect, b"x-accel-redirect"),
        (Name::XAccelBuffering, b"x-accel-buffering"),
        (Name::XAccelLimitRate, b"x-accel-limit-rate"),
        (Name::XAccelCharset, b"x-accel-charset"),
    ];
    for (id, name) in OURS {
        if ignored & id.bit() != 0 && !pass.iter().any(|p| **p == *name) {
            remove_lines(lines, name);
        }
    }
}

/// Composes the client's head from the origin's.
fn begin(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    trailers: bool,
    answer: &Answer,
    scratch: &mut OriginScratch,
    told: Option<&Told>,
) {
    let Some(head) = &scratch.head else { return };
    cx.tx.step = Step::Filters;
    cx.tx.lines.clear();
    origin::pass_lines(
        head.fields(scratch.rb.bytes()),
        !cx.site.yaml,
        &mut cx.tx.lines,
    );
    if trailers {
        origin::push_trailer_names(head.fields(scratch.rb.bytes()), &mut cx.tx.lines);
    }
    if let Some(plan) = &cx.tx.fastcgi {
        for name in &plan.hide {
            remove_lines(&mut cx.tx.lines, name);
        }
    }
    let fields = head.fields(scratch.rb.bytes());
    if fields.present & SPEAKS != 0 {
        heed(cx, fields);
    }
    if let Some(rules) = origin::rules(route) {
        origin::pass_more(rules, fields, &mut cx.tx.lines);
        if rules.ignored != 0 {
            hide_ignored(&mut cx.tx.lines, rules.ignored, &rules.pass);
        }
        origin::adjust(cx, route);
    }
    if let Some(told) = told {
        // Tags are between the origin and the cache.
        for name in [Name::SurrogateKey, Name::CacheTag, Name::CdnTag] {
            if head.fields(scratch.rb.bytes()).has(name) {
                remove_lines(&mut cx.tx.lines, name.as_bytes());
            }
        }
        told.line(&mut cx.tx.lines);
    }
    let (pool, server) = answer.server();
    sticky::settle(cx, pool, server, scratch);
    let length = match head.framing {
        Framing::Length(n) => Length::Known(n),
        Framing::Chunked | Framing::UntilClose => Length::Unknown,
        // The answer to HEAD and a 304 may say a length that no body follows (RFC 9110 §8.6).
        Framing::None if cx.tx.is_head() || head.status == 304 => {
            let said = head
                .fields(scratch.rb.bytes())
                .get(seawall_http::Name::ContentLength);
            Length::Said(said.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()))
        }
        Framing::None => Length::Known(0),
    };
    let status = head.status;
    // Templates of the head may speak of what the origin sent.
    std::mem::swap(&mut cx.tx.origin, scratch);
    cx.client
        .head(cx.local, cx.tx, Some(cx.site), Some(route), status, length);
    std::mem::swap(&mut cx.tx.origin, scratch);
}

/// Sends the body of a response as it comes, through the filters.
async fn stream_body(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    mut answer: Answer,
    trailers: bool,
    scratch: &mut OriginScratch,
) -> Result<(), FetchError> {
    cx.tx.step = Step::Deliver;
    let timer = cx.client.timer.clone();
    let mut left = None;
    if splice::is_worth(cx, &answer, scratch) {
        match Box::pin(splice::splice(cx, &mut answer, scratch)).await? {
            Spliced::Not => {}
            Spliced::Whole => {
                answer.finish(cx.local, &scratch.rb);
                return Ok(cx.client.last(cx.tx, b"").await?);
            }
            Spliced::Left(bytes) => left = Some(bytes),
        }
    }
    loop {
        // A head that has no body behind it yet leaves at once: whoever waits for it may have to speak next.
        let at_once = cx.tx.filters.is_empty()
            && !answer.is_uploading()
            && (cx.tx.sent > 0 || answer.is_at_hand(&scratch.rb));
        let copied = left.take();
        let piece = if copied.is_some() {
            Some(0..0)
        } else if at_once {
            let next = answer.next(&timer, &mut scratch.rb);
            cx.client.unless_left(cx.tx, next).await??
        } else {
            Box::pin(next_or_flush(cx, &mut answer, &timer, scratch)).await?
        };
        let Some(range) = piece else { break };
        let last = answer.is_done();
        let read = scratch.rb.bytes().get(range).unwrap_or_default();
        let data = copied.as_deref().unwrap_or(read);
        if last {
            cx.tx.trailers.clear();
            if trailers {
                cx.tx.trailers.extend_from_slice(answer.trailers());
            }
            // The connection is free before the client has taken the last bytes: the next request can have it.
            answer.finish(cx.local, &scratch.rb);
            cx.client.last(cx.tx, data).await?;
            return Ok(());
        }
        let ahead = {
            let local = cx.local;
            let mut sending = pin!(cx.client.send(cx.tx, data));
            let sent = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
            match sent {
                Poll::Ready(sent) => {
                    sent?;
                    continue;
                }
                Poll::Pending => match ahead::wanted(route, &answer, scratch) {
                    None => {
                        sending.await?;
                        continue;
                    }
                    Some(bounds) => {
                        let mut ahead =
                            Box::new(Ahead::begin(local, answer, &scratch.rb, bounds, trailers));
                        Box::pin(ahead.while_sending(local, sending)).await?;
                        ahead
                    }
                },
            }
        };
        match Box::pin(ahead.drain(cx)).await? {
            None => return Ok(()),
            Some((rest, rb)) => (answer, scratch.rb) = (rest, rb),
        }
    }
    let lines = if trailers { answer.trailers() } else { b"" };
    cx.client.last_with_trailers(cx.tx, b"", lines).await?;
    answer.finish(cx.local, &scratch.rb);
    Ok(())
}

/// The next piece; while it is waited for, the client gets what the filters hold back, so that a page that is made
/// slowly is seen as it is made.
async fn next_or_flush(
    cx: &mut Cx<'_>,
    answer: &mut Answer,
    timer: &Timer,
    scratch: &mut OriginScratch,
) -> Result<Option<Range<usize>>, FetchError> {
    if answer.is_uploading() {
        if cx.tx.sent == 0 {
            cx.client.send(cx.tx, b"").await?;
        }
        return answer
            .next_both_ways(cx.client, cx.tx, &mut scratch.rb)
            .await;
    }
    let between_bytes = answer.between_bytes();
    let mut next = pin!(answer.next(timer, &mut scratch.rb));
    let at_once = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
    if let Poll::Ready(piece) = at_once {
        return piece;
    }
    if !cx.tx.filters.is_empty() {
        cx.client.flush(cx.tx).await?;
    } else if cx.tx.sent == 0 {
        cx.client.send(cx.tx, b"").await?;
    }
    timer.set(between_bytes);
    cx.client.unless_left(cx.tx, next).await?
}

/// Sends an origin's response to the client as it comes.
pub async fn pass_through(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    pass_trailers: bool,
    answer: Answer,
    scratch: &mut OriginScratch,
    told: Option<&Told>,
) -> Result<(), FetchError> {
    let trailers = pass_trailers && cx.tx.takes_trailers();
    begin(cx, route, trailers, &answer, scratch, told);
    stream_body(cx, route, answer, trailers, scratch).await
}
