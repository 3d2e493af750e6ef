//! Forward authentication: another service says whether a request may pass, as Authelia, Authentik and oauth2-proxy do,
//! and as nginx's `auth_request` asks.
//!
//! It is asked with GET and the request's own head, without the body. What it says with 2xx lets the request pass, and of
//! that answer the named fields go to the origin. Anything else is the client's answer, be it a redirect to a login or a
//! 401. Whoever cannot be asked lets nobody pass.

use super::{Granted, Proof, challenge::Challenge, request_of};
use crate::{
    aside::Aside,
    client::ClientError,
    content, log_error,
    metrics::AccessResult,
    origin::{self, Answer, Built, Conditional, FetchError, OutBody},
    pipeline::{self, Cx},
    plan::{ContentPlan, ProxyPlan, RoutePlan, SitePlan},
    template::Template,
    tx::OriginScratch,
};
use seawall_conf::model::Timeouts;
use seawall_http::{Framing, Method, Name, encode};
use smallvec::SmallVec;

/// Bytes of a 2xx answer's body that are read so that its connection can be used again; a longer one costs it.
const DRAIN_BYTES: usize = 64 * 1024;

/// A compiled `forward`.
pub struct ForwardPlan {
    /// Whom to ask.
    pub target: Target,
    /// Fields of a 2xx answer that the origin gets.
    pub copy: Vec<Box<[u8]>>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Variables set from the answer, by slot.
    pub set: Vec<(usize, Template)>,
}

/// Whom a forward authentication asks.
pub enum Target {
    /// A pool.
    Pool(Box<ProxyPlan>),
    /// A location of the site.
    Location(Template),
}

/// Asks. `may_answer`: what is said other than 2xx may be the client's answer.
pub(crate) async fn check(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ForwardPlan,
    may_answer: bool,
) -> Result<Proof, ClientError> {
    let mut scratch = OriginScratch::default();
    match &plan.target {
        Target::Pool(proxy) => match ask(cx, proxy, &plan.timeouts, &mut scratch).await {
            Ok(answer) => {
                let status = scratch.head.as_ref().map_or(0, |h| h.status);
                if (200..300).contains(&status) {
                    pass(cx, plan, &scratch);
                    drain(cx, answer, &mut scratch).await;
                    return Ok(Proof::Passed);
                }
                if !may_answer {
                    drain(cx, answer, &mut scratch).await;
                    return Ok(Proof::Refused(challenge(status, &scratch)));
                }
                cx.tx.granted = None;
                cx.site.metrics.access(AccessResult::Refused);
                answer_with(cx, route, answer, scratch).await
            }
            Err(e) => Ok(unavailable(cx, &e, 503)),
        },
        Target::Location(location) => by_location(cx, plan, location, scratch).await,
    }
}

/// Sends the question and receives the head of its answer.
async fn ask(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    timeouts: &Timeouts,
    scratch: &mut OriginScratch,
) -> Result<Answer, FetchError> {
    let framing = std::mem::replace(&mut cx.tx.head.framing, Framing::None);
    let mut out = std::mem::take(&mut scratch.out);
    // Without validators: GET, and none of the client's conditions, which are about another resource.
    let conditional = Conditional::Validators(None, None);
    let built = origin::build(cx, proxy, &conditional, None, &mut out);
    scratch.out = out;
    cx.tx.head.framing = framing;
    if let Built::Ambiguous = built {
        return Err(FetchError::Failed(
            "the request cannot be asked about".into(),
        ));
    }
    let timer = cx.client.timer.clone();
    let pool = proxy.choose_pool(cx).clone();
    origin::fetch(
        cx.local,
        &timer,
        &pool,
        Method::Get,
        timeouts,
        scratch,
        OutBody::Bare {
            client: cx.client,
            tx: cx.tx,
        },
        &mut SmallVec::new(),
    )
    .await
}

/// Keeps what a 2xx answer says of the client.
fn pass(cx: &mut Cx<'_>, plan: &ForwardPlan, scratch: &OriginScratch) {
    let Some(head) = &scratch.head else { return };
    let fields = head.fields(scratch.rb.bytes());
    let mut granted = Granted::default();
    for name in &plan.copy {
        for value in fields.find_all(name) {
            granted.request.push((name.clone(), value.to_vec()));
        }
    }
    for cookie in fields.all(Name::SetCookie) {
        encode::field(&mut granted.response_lines, b"Set-Cookie", cookie);
    }
    cx.tx.grant(granted);
}

/// Reads what is left of a small answer, so that its connection can be used again.
async fn drain(cx: &Cx<'_>, mut answer: Answer, scratch: &mut OriginScratch) {
    let timer = cx.client.timer.clone();
    let mut read = 0;
    while read <= DRAIN_BYTES {
        match answer.next(&timer, &mut scratch.rb).await {
            Ok(Some(range)) => read += range.len(),
            Ok(None) => return answer.finish(cx.local, &scratch.rb),
            Err(_) => return,
        }
    }
}

/// Gives the client the answer as it is.
async fn answer_with(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    answer: Answer,
    mut scratch: OriginScratch,
) -> Result<Proof, ClientError> {
    match content::pass_through(cx, route, false, answer, &mut scratch, None).await {
        Ok(()) => Ok(Proof::Answered),
        Err(FetchError::Client(e)) => Err(e),
        Err(e) => content::exchange_error(cx, route, &e)
            .await
            .map(|_| Proof::Answered),
    }
}

fn challenge(status: u16, scratch: &OriginScratch) -> Challenge {
    match status {
        401 => {
            let mut lines = Vec::new();
            if let Some(head) = &scratch.head {
                for value in head.fields(scratch.rb.bytes()).all(Name::WwwAuthenticate) {
                    encode::field(&mut lines, b"WWW-Authenticate", value);
                }
            }
            Challenge::Lines(401, lines)
        }
        500.. => Challenge::Unavailable(503),
        _ => Challenge::Forbidden,
    }
}

fn unavailable(cx: &Cx<'_>, error: &dyn std::fmt::Display, status: u16) -> Proof {
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "auth request failed: {error}, {}",
        request_of(cx)
    );
    Proof::Refused(Challenge::Unavailable(status))
}

/// Asks a location of the same site (ngx_http_auth_request_module).
async fn by_location(
    cx: &mut Cx<'_>,
    plan: &ForwardPlan,
    location: &Template,
    mut scratch: OriginScratch,
) -> Result<Proof, ClientError> {
    let mut uri = Vec::new();
    location.render(&cx.scope(), &mut uri);
    let aside = Aside::lay(cx, uri);
    let asked = ask_location(cx, &mut scratch).await;
    aside.restore(cx);
    let (status, answer) = match asked {
        Ok(asked) => asked,
        Err(e) => return Ok(unavailable(cx, &e, 500)),
    };
    set_variables(cx, plan, &mut scratch);
    if let Some(answer) = answer {
        drain(cx, answer, &mut scratch).await;
    }
    Ok(match status {
        200..300 => Proof::Passed,
        401 => Proof::Refused(challenge(401, &scratch)),
        403 => Proof::Refused(Challenge::Forbidden),
        other => unavailable(cx, &format_args!("unexpected status: {other}"), 500),
    })
}

async fn ask_location(
    cx: &mut Cx<'_>,
    scratch: &mut OriginScratch,
) -> Result<(u16, Option<Answer>), FetchError> {
    let failed = |text: &str| FetchError::Failed(text.into());
    let site: &SitePlan = cx.site;
    let at = site
        .router
        .find(cx.tx.uri(), &mut crate::tx::Captures::default());
    let route = at.and_then(|at| site.routes.get(at));
    let route = route.ok_or_else(|| failed("no location has this URI"))?;
    let route = match pipeline::run_program(cx, route) {
        Ok(inner) => inner.unwrap_or(route),
        Err(status) => return Ok((status, None)),
    };
    match &route.content {
        ContentPlan::Proxy(proxy) => {
            if let Some(plan) = &proxy.dynamic {
                let aimed = Box::pin(origin::aim(cx, plan)).await;
                aimed.map_err(|(_, why)| FetchError::Failed(why))?;
            }
            let answer = ask(cx, proxy, &route.timeouts, scratch).await?;
            Ok((scratch.head.as_ref().map_or(0, |h| h.status), Some(answer)))
        }
        ContentPlan::Fixed(fixed) => Ok((fixed.status, None)),
        ContentPlan::Redirect { status, .. } => Ok((*status, None)),
        _ => Err(failed("the location asks no origin")),
    }
}

/// `auth_request_set`: whatever the answer's status.
fn set_variables(cx: &mut Cx<'_>, plan: &ForwardPlan, scratch: &mut OriginScratch) {
    if plan.set.is_empty() {
        return;
    }
    std::mem::swap(&mut cx.tx.origin, scratch);
    for (slot, template) in &plan.set {
        let mut value = Vec::new();
        template.render(&cx.scope(), &mut value);
        if let Some(held) = cx.tx.user.get_mut(*slot) {
            *held = Some(value);
        }
    }
    std::mem::swap(&mut cx.tx.origin, scratch);
}
