//! The steps of a request, run in order. What answers is a value; an internal redirect is a value too.

mod finish;
mod search;

pub use finish::abandoned;
pub use search::{route_of, run_program};

use crate::{
    access, bots, caching,
    client::{Client, ClientError, Pace, Reply},
    content::{self, Outcome},
    detour::{self, Detour, Page},
    limit,
    local::{Local, Pinned},
    log_error, mirror,
    origin::{self, FetchError},
    plan::{ContentPlan, PacePlan, RoutePlan, SitePlan},
    step::Step,
    tail::Ended,
    template::{Scope, Template},
    trace::Trace,
    tx::Tx,
    waf_step::{self, Judged},
};
use finish::finish;
use search::{Start, early_refusal, enter_root, find_route, go_on, plain_route, site_program};
use seawall_http::{Framing, Method};
use std::{borrow::Cow, rc::Rc, sync::Arc};

/// Internal redirects of one request at most (nginx: NGX_HTTP_MAX_URI_CHANGES).
pub const REENTER_MAX: usize = 10;

/// Everything a step may need, borrowed for the time of a request.
pub struct Cx<'a> {
    /// The thread.
    pub local: &'a Rc<Local>,
    /// The client.
    pub client: &'a mut Client,
    /// The request.
    pub tx: &'a mut Tx,
    /// The plan it finishes on.
    pub plan: &'a Pinned,
    /// Its site.
    pub site: &'a SitePlan,
}

impl Cx<'_> {
    /// What templates see.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            tx: self.tx,
            conn: &self.client.info,
            site: Some(self.site),
            clock: &self.local.clock,
            process: &self.local.process,
        }
    }

    /// Answers in one go; an error with its page, if it has one.
    pub async fn reply(
        &mut self,
        route: Option<&RoutePlan>,
        reply: Reply<'_>,
    ) -> Result<(), ClientError> {
        let mut reply = reply;
        let location;
        if reply.status >= 300 && reply.body.is_none() && reply.location.is_none() {
            // nginx closes after these (ngx_http_special_response_handler).
            if !self.site.yaml && matches!(reply.status, 413 | 414 | 500 | 501) {
                self.client.keep_alive = false;
            }
            let site = self.site;
            let rules = route.map_or(&site.rules, |r| &r.rules);
            match detour::error_page(self, rules, route, reply.status) {
                Page::Own => {}
                Page::Elsewhere => {
                    // What the error says in its header, its page says.
                    self.tx.redirected.lines.extend_from_slice(reply.lines);
                    return Ok(());
                }
                Page::Reply(page) => {
                    reply = Reply {
                        lines: reply.lines,
                        ..page
                    };
                }
                Page::Location(status, to) => {
                    location = to;
                    reply = Reply::redirect(status, &location);
                }
            }
        }
        self.client
            .reply(self.local, self.tx, Some(self.site), route, reply)
            .await
    }
}

/// Serves the request in `tx`.
pub async fn run(
    local: &Rc<Local>,
    client: &mut Client,
    tx: &mut Tx,
    plan: &Pinned,
) -> Result<(), ClientError> {
    tx.step = Step::Site;
    if let Some(proof) = local.shared.acme.challenges().http(tx.raw_path()) {
        // Before everything else: no redirect, password or rule of a site may stand between a CA and its proof.
        let reply = Reply {
            body: Some(proof.as_bytes()),
            content_type: b"application/octet-stream",
            ..Reply::error(200)
        };
        return client.reply(local, tx, None, None, reply).await;
    }
    let listener = plan.listener(client.info.listener);
    let site = listener
        .and_then(|l| l.hosts.find(&tx.host))
        .and_then(|at| plan.sites.get(at));
    let Some(site) = site else {
        // A name nobody serves here (RFC 9110 §15.5.20).
        local.shared.metrics.unknown_hosts.inc();
        log_error!(
            local.shared,
            Warn,
            client.info.serial,
            "no site has this name: \"{}\", client: {}",
            tx.host.escape_ascii(),
            client.info.peer_text
        );
        return misdirected(local, client, tx, plan).await;
    };
    if let Some(wanted) = &site.clients
        && client.info.tls
        && !client
            .info
            .clients
            .as_ref()
            .is_some_and(|had| Arc::ptr_eq(had, wanted))
    {
        // The handshake was for another name, whose clients need not show what this one's must (RFC 9110 §15.5.20).
        return misdirected(local, client, tx, plan).await;
    }
    for (regex, groups) in &site.host_groups {
        if let Some(captures) = regex.captures(&tx.host) {
            for (group, slot) in groups {
                if let Some(held) = tx.user.get_mut(*slot) {
                    *held = captures.get(*group).map(|m| m.as_bytes().to_vec());
                }
            }
        }
    }
    if let Some(identity) = &site.identity {
        access::identity::apply(tx, identity);
    }
    let mut cx = Cx {
        local,
        client,
        tx,
        plan,
        site,
    };
    let (route, result) = serve(&mut cx).await;
    cx.tx.completed = result.is_ok();
    finish(&mut cx, route);
    result
}

/// Answers 421: no site of this connection has the name that was asked for.
async fn misdirected(
    local: &Rc<Local>,
    client: &mut Client,
    tx: &mut Tx,
    plan: &Pinned,
) -> Result<(), ClientError> {
    let sent = client.reply(local, tx, None, None, Reply::error(421)).await;
    if local.shared.tail.is_watched() {
        let ended = Ended {
            site: None,
            route: None,
            reached: Step::Site,
            refused: None,
        };
        crate::tail::tell(local, &client.info, tx, plan, &ended);
    }
    sent
}

async fn serve<'p>(cx: &mut Cx<'p>) -> (Option<&'p RoutePlan>, Result<(), ClientError>) {
    if let Some(status) = early_refusal(cx.tx) {
        return (None, cx.reply(None, Reply::error(status)).await);
    }
    if let Some(port) = cx.site.https_port.filter(|_| !cx.client.info.tls) {
        return (None, to_https(cx, port).await);
    }
    let table = cx.site.redirects.as_ref();
    let mut redirect = table.and_then(|t| t.find(cx.tx.uri(), cx.tx.args()));
    let mut reentered = None;
    let mut start = Start::Site;
    for _ in 0..=REENTER_MAX {
        let found = match start {
            _ if redirect.is_some() => Ok(()),
            Start::Site => site_program(cx).map_err(|r| (r, None)),
            _ => Ok(()),
        };
        let result = match found.and_then(|()| match &redirect {
            Some(_) => Ok(plain_route(cx)),
            None => find_route(cx, start),
        }) {
            Ok(route) if let Some((to, status)) = redirect.take() => {
                reentered = route.map(|r| &**r);
                redirected(cx, reentered, to.as_bytes(), status).await
            }
            Ok(Some(route)) => {
                reentered = Some(&**route);
                answer(cx, route).await
            }
            Ok(None) => {
                reentered = None;
                let sent = cx.reply(None, Reply::error(404)).await;
                sent.map(|()| Outcome::Done)
            }
            Err((answer, route)) => {
                reentered = route;
                returned(cx, answer, route).await
            }
        };
        start = match result {
            Ok(Outcome::Done) => match cx.tx.redirected.next.take() {
                None => return (reentered, Ok(())),
                Some(next) => go_on(cx, *next),
            },
            Ok(Outcome::Reenter(path)) => go_on(cx, Detour::Path(path, None)),
            Err(e) => return (reentered, Err(e)),
        };
    }
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "rewrite or internal redirection cycle"
    );
    // Not through the error pages: they may be the cycle.
    cx.tx.redirected.reset();
    let sent = cx
        .client
        .reply(cx.local, cx.tx, Some(cx.site), reentered, Reply::error(500))
        .await;
    (reentered, sent)
}

/// Answers with an entry of the site's map of redirects, to those who may see what stands there.
async fn redirected(
    cx: &mut Cx<'_>,
    route: Option<&RoutePlan>,
    to: &[u8],
    status: u16,
) -> Result<Outcome, ClientError> {
    if let Some(refused) = guarded(cx, route).await? {
        return Ok(refused);
    }
    let location = content::absolute_location(cx, None, to);
    let reply = Reply::redirect(status, &location);
    cx.reply(None, reply).await.map(|()| Outcome::Done)
}

/// Answers with what a program came to. nginx's answers in its rewrite phase, before access is asked for; from YAML it is
/// for those alone who may pass.
async fn returned(
    cx: &mut Cx<'_>,
    answer: Returned<'_>,
    route: Option<&RoutePlan>,
) -> Result<Outcome, ClientError> {
    if cx.site.yaml
        && let Some(refused) = guarded(cx, route).await?
    {
        return Ok(refused);
    }
    answer.send(cx, route).await.map(|()| Outcome::Done)
}

/// Asks a route's access rules alone. An outcome: the request was refused, and is answered.
async fn guarded(
    cx: &mut Cx<'_>,
    route: Option<&RoutePlan>,
) -> Result<Option<Outcome>, ClientError> {
    if let Some((route, screen)) = route.and_then(|r| Some((r, r.screen.as_ref()?)))
        && let Some(outcome) = bots::banned(cx, route, screen).await?
    {
        return Ok(Some(outcome));
    }
    let Some((route, guard)) = route.and_then(|r| Some((r, r.guard.as_ref()?))) else {
        return Ok(None);
    };
    cx.tx.step = Step::Access;
    if let Some(identity) = &route.identity {
        access::identity::apply(cx.tx, identity);
    }
    Box::pin(access::guard(cx, route, guard)).await
}

async fn to_https(cx: &mut Cx<'_>, port: u16) -> Result<(), ClientError> {
    let mut location = b"https://".to_vec();
    match cx.tx.host.as_slice() {
        b"" => location.extend_from_slice(cx.site.name.as_bytes()),
        host => location.extend_from_slice(host),
    }
    if port != 443 {
        location.extend_from_slice(format!(":{port}").as_bytes());
    }
    location.extend_from_slice(cx.tx.request_uri());
    cx.reply(None, Reply::redirect(308, &location)).await
}

/// An answer that a program came to.
struct Returned<'p> {
    status: u16,
    value: Option<Cow<'p, [u8]>>,
}

impl Returned<'_> {
    async fn send(self, cx: &mut Cx<'_>, route: Option<&RoutePlan>) -> Result<(), ClientError> {
        match (self.status, self.value) {
            // nginx's 444: the connection is closed without a word.
            (444, _) => {
                cx.client.keep_alive = false;
                Err(ClientError::Dropped)
            }
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                let location = content::absolute_location(cx, route, &location);
                cx.reply(route, Reply::redirect(self.status, &location))
                    .await
            }
            (status, Some(body)) => {
                let kind = route.map_or(&b"text/plain"[..], |r| content::type_of(r, cx.tx.uri()));
                let reply = Reply {
                    body: Some(&body),
                    content_type: kind,
                    ..Reply::error(status)
                };
                cx.reply(route, reply).await
            }
            (status, None) => cx.reply(route, Reply::error(status)).await,
        }
    }
}

/// What a route says of its connection and its id.
fn enter(cx: &mut Cx<'_>, route: &RoutePlan) {
    enter_root(cx, &route.rules);
    cx.client.timeout = route.timeouts.client;
    cx.client.abandons = route.abandons;
    cx.client.pace = route.pace.as_ref().and_then(|pace| pace_of(cx, pace));
    cx.client.body.limit(route.body_limit);
    cx.client.idle = route.timeouts.keepalive;
    if cx.client.info.requests >= route.keepalive_requests || route.timeouts.keepalive.is_zero() {
        cx.client.keep_alive = false;
    }
    if let Some(sample) = cx.plan.traces.filter(|_| !cx.tx.trace.is_set) {
        let local = cx.local;
        cx.tx.trace = Trace::of(&cx.tx.fields(), sample, || local.random());
    }
    if route.wants_id {
        let local = cx.local;
        cx.tx.ensure_id(|| local.random_id());
    }
}

/// The bound on the speed of a response, where its templates say one.
fn pace_of(cx: &Cx<'_>, pace: &PacePlan) -> Option<Pace> {
    let size = |template: &Template| {
        let mut text = Vec::new();
        template.render(&cx.scope(), &mut text);
        seawall_conf::size(std::str::from_utf8(&text).ok()?).ok()
    };
    let rate = size(&pace.rate).filter(|rate| *rate > 0)?;
    let after = pace.after.as_ref().and_then(size).unwrap_or(0);
    Some(Pace { rate, after })
}

/// From the route to the answer: limits, the WAF, then the content or the cache before it.
async fn answer(cx: &mut Cx<'_>, route: &Arc<RoutePlan>) -> Result<Outcome, ClientError> {
    cx.tx.step = Step::Limit;
    enter(cx, route);
    if let (Framing::Length(n), Some(limit)) = (cx.tx.head.framing, route.body_limit)
        && n > limit
    {
        log_error!(
            cx.local.shared,
            Error,
            cx.client.info.serial,
            "client intended to send too large body: {n} bytes"
        );
        cx.client.keep_alive = false;
        return cx
            .reply(Some(route), Reply::error(413))
            .await
            .map(|()| Outcome::Done);
    }
    if let Some(identity) = &route.identity {
        access::identity::apply(cx.tx, identity);
    }
    if !route.rate_limits.is_empty()
        && let Some(outcome) = Box::pin(limit::rate(cx, route)).await?
    {
        return Ok(outcome);
    }
    if !route.connection_limits.is_empty()
        && let Some(outcome) = limit::connections(cx, route).await?
    {
        return Ok(outcome);
    }
    if let Some(screen) = &route.screen
        && let Some(outcome) = bots::screen(cx, route, screen).await?
    {
        return Ok(outcome);
    }
    if let Some(guard) = &route.guard {
        cx.tx.step = Step::Access;
        if let Some(outcome) = access::guard(cx, route, guard).await? {
            return Ok(outcome);
        }
        if let Some(limits) = &route.proved_limits
            && let Some(outcome) = Box::pin(limit::proved(cx, route, limits)).await?
        {
            return Ok(outcome);
        }
    }
    if cx.tx.head.method == Method::Purge
        && let (ContentPlan::Proxy(proxy), Some(cache)) = (&route.content, &route.cache)
        && let Some(outcome) = Box::pin(caching::by_method(cx, route, proxy, cache)).await?
    {
        return Ok(outcome);
    }
    if let ContentPlan::Proxy(proxy) = &route.content
        && origin::is_loop(cx.tx, &proxy.forwarding)
    {
        return loop_found(cx, route).await;
    }
    if let Some(tries) = &route.rules.tries {
        cx.tx.step = Step::TryFiles;
        if Box::pin(content::tries(cx, route, tries)).await? {
            return Ok(Outcome::Done);
        }
    }
    let mut spool = None;
    if let Some(waf) = &route.waf {
        cx.tx.step = Step::WafRequest;
        // Boxed, as what follows: a request holds only the state of the path it takes.
        match Box::pin(waf_step::judge(cx, route, waf)).await {
            Ok(Judged::Pass(spooled)) => spool = spooled,
            // A body that is not HTTP, or stands still, is answered as it is where an origin is asked.
            Err(e @ (ClientError::Body(_) | ClientError::Timeout)) => {
                return content::exchange_error(cx, route, &FetchError::Client(e)).await;
            }
            Err(e) => return Err(e),
            Ok(Judged::Refused(status)) => {
                let local = cx.local;
                cx.tx.ensure_id(|| local.random_id());
                return cx
                    .reply(Some(route), Reply::error(status))
                    .await
                    .map(|()| Outcome::Done);
            }
        }
    }
    if let ContentPlan::Proxy(proxy) = &route.content
        && let Some(plan) = &proxy.fastcgi
    {
        cx.tx.step = Step::TryFiles;
        if let Some(outcome) = Box::pin(content::fastcgi(cx, route, plan, &mut spool)).await? {
            return Ok(outcome);
        }
    }
    if let ContentPlan::Proxy(proxy) = &route.content
        && let Some(mirror) = &proxy.mirror
    {
        mirror::copy(cx, route, proxy, mirror);
    }
    if let Some(mirrors) = &route.mirrors {
        match Box::pin(mirror::to_locations(cx, route, mirrors, spool)).await {
            Ok(held) => spool = held,
            Err(e) => return content::exchange_error(cx, route, &e).await,
        }
    }
    if let ContentPlan::Proxy(proxy) = &route.content
        && let Some(plan) = &proxy.dynamic
        && let Err((status, why)) = Box::pin(origin::aim(cx, plan)).await
    {
        let who = access::request_of(cx);
        log_error!(
            cx.local.shared,
            Error,
            cx.client.info.serial,
            "{why}, {who}"
        );
        let reply = Reply::error(status);
        return cx.reply(Some(route), reply).await.map(|()| Outcome::Done);
    }
    match (&route.content, &route.cache) {
        // A switch to another protocol is no response that could be stored, and none that could stand in.
        (ContentPlan::Proxy(proxy), Some(cache)) if !cx.tx.head.upgrade => {
            let served = caching::serve(cx, route, proxy, cache, spool).await;
            caching::enter_bytes(cx, cache);
            served
        }
        (ContentPlan::Proxy(proxy), _) => Box::pin(content::proxy(cx, route, proxy, spool)).await,
        (ContentPlan::Fixed(fixed), _) => content::fixed(cx, route, fixed).await,
        (ContentPlan::Redirect { status, location }, _) => {
            let mut to = Vec::new();
            location.render(&cx.scope(), &mut to);
            let to = content::absolute_location(cx, Some(route), &to);
            cx.reply(Some(route), Reply::redirect(*status, &to))
                .await
                .map(|()| Outcome::Done)
        }
        (ContentPlan::Doh, _) => Box::pin(content::doh(cx, route)).await,
        (ContentPlan::Static { root, index }, _) => {
            if let Some(kept) = content::kept(cx, route, root) {
                return cx
                    .client
                    .last(cx.tx, kept.content())
                    .await
                    .map(|()| Outcome::Done);
            }
            Box::pin(content::files(cx, route, root, index)).await
        }
    }
}

async fn loop_found(cx: &mut Cx<'_>, route: &RoutePlan) -> Result<Outcome, ClientError> {
    cx.local.shared.metrics.loops.inc();
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "the request has passed here too often, client: {}, server: {}",
        cx.client.info.peer_text,
        cx.site.name
    );
    cx.reply(Some(route), Reply::error(508))
        .await
        .map(|()| Outcome::Done)
}
