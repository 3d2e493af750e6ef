//! Who may pass: networks, passwords, a service that is asked, tokens.
//!
//! The step stands before the WAF and before the cache, so that nothing stored is told to somebody who may not ask for
//! it. What a check proves (a user's name, claims) goes to the origin as fields; the client's own fields of those names
//! never do, on any route of the configuration.
//!
//! Passwords are hashed by threads of their own behind a bounded queue ([`passwords`]); the rest is done where the
//! request is. Whatever cannot be decided is refused: 503 where somebody else failed, 403 or 401 where the client did.
//!
//! Limits: [`passwords::QUEUE`], [`passwords::KNOWN_MAX`], [`basic::CREDENTIALS_BYTES_MAX`], [`jwt::TOKEN_BYTES_MAX`],
//! [`jwt::VERIFIED_MAX`], [`jwks::KEYS_MAX`], [`jwks::DOCUMENT_BYTES_MAX`].

pub mod basic;
mod challenge;
pub mod cors;
pub mod forward;
mod granted;
pub mod htpasswd;
pub mod identity;
pub mod jwks;
pub mod jwt;
mod md5crypt;
pub mod passwords;
mod rules;

pub use granted::Granted;
pub use passwords::Passwords;
use rules::Decision;
pub use rules::Rules;

use crate::{
    client::{ClientError, Reply},
    content::Outcome,
    log::privacy,
    log_error,
    metrics::AccessResult,
    pipeline::Cx,
    plan::{
        RoutePlan,
        access::{AuthPlan, GuardPlan},
    },
    template::request_line,
};
use challenge::Challenge;
use seawall_http::Name;
use std::fmt::Write;

/// What one check came to.
pub(crate) enum Proof {
    /// It holds.
    Passed,
    /// It does not; this is how to prove it.
    Refused(Challenge),
    /// The client was answered already.
    Answered,
}

/// Lets a request pass, or answers it.
pub async fn guard(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &GuardPlan,
) -> Result<Option<Outcome>, ClientError> {
    let (rules, auth, any) = plan.holding_for(cx.tx);
    let decision = rules.decide(cx.tx.client);
    let allowed = decision.as_ref().map(|decision| decision.allow);
    if let Some(decision) = decision.filter(|d| !d.allow && (!any || auth.is_empty())) {
        return forbidden(cx, route, decision).await.map(Some);
    }
    // A preflight carries no credentials and asks nothing of the origin (the Fetch standard, §3.2.2).
    if let Some(cors) = &plan.cors
        && cors.is_preflight(cx.tx)
    {
        cx.site.metrics.access(AccessResult::Preflight);
        return cors::answer_preflight(cx, route, cors).await.map(Some);
    }
    if auth.is_empty() || (any && allowed == Some(true)) {
        return Ok(None);
    }
    Box::pin(authenticate(cx, route, auth, any, allowed)).await
}

async fn forbidden(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    decision: Decision<'_>,
) -> Result<Outcome, ClientError> {
    cx.site.metrics.access(AccessResult::Denied);
    let (shared, serial) = (&cx.local.shared, cx.client.info.serial);
    let status = match &decision.list {
        // nginx's words, for the filters that watch for them.
        None => {
            let who = request_of(cx);
            log_error!(shared, Error, serial, "access forbidden by rule, {who}");
            403
        }
        Some((list, listed, denied)) => {
            denied.inc();
            let (name, who) = (&list.name, request_of(cx));
            log_error!(
                shared,
                Error,
                serial,
                "access forbidden by list \"{name}\" ({listed}), {who}"
            );
            list.status
        }
    };
    cx.reply(Some(route), Reply::error(status))
        .await
        .map(|()| Outcome::Done)
}

/// Asks for proofs in order: all of them, or one where `any`.
async fn authenticate(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    auth: &[AuthPlan],
    any: bool,
    allowed: Option<bool>,
) -> Result<Option<Outcome>, ClientError> {
    // A request that was sent on within proves itself anew.
    cx.tx.granted = None;
    let mut challenges: Vec<Challenge> = Vec::new();
    for way in auth {
        let proof = match way {
            AuthPlan::Basic(basic) => basic::check(cx, basic).await,
            AuthPlan::Forward(forward) => {
                // Only the last way may answer in its own words: before it there is another chance.
                forward::check(cx, route, forward, !any || auth.len() == 1).await?
            }
            AuthPlan::Jwt(jwt) => jwt::check(cx, jwt),
        };
        match proof {
            Proof::Answered => return Ok(Some(Outcome::Done)),
            Proof::Passed if any => {
                cx.site.metrics.access(AccessResult::Authorized);
                return Ok(None);
            }
            Proof::Passed => {}
            Proof::Refused(challenge) => {
                challenges.push(challenge);
                if !any {
                    break;
                }
            }
        }
    }
    if challenges.is_empty() {
        cx.site.metrics.access(AccessResult::Authorized);
        return Ok(None);
    }
    // What was proved on the way does not count any more.
    cx.tx.granted = None;
    let reply = challenge::refuse(cx, route, &challenges, any && allowed == Some(false)).await;
    reply.map(|()| Some(Outcome::Done))
}

/// A request as nginx describes it at the end of a line of the error log (ngx_http_log_error_handler): fail2ban's filters read it.
pub(crate) fn request_of(cx: &Cx<'_>) -> String {
    let mut line = Vec::new();
    request_line(cx.tx, &mut line);
    if cx.site.yaml {
        privacy::scrub(&mut line);
    }
    let fields = cx.tx.fields();
    let host = fields.get(Name::Host).unwrap_or(&cx.tx.host);
    let mut text = format!(
        "client: {}, server: {}, request: \"{}\", host: \"{}\"",
        cx.tx.client_text(&cx.client.info),
        cx.site.name,
        line.escape_ascii(),
        host.escape_ascii()
    );
    if let Some(referrer) = fields.get(Name::Referer) {
        // Writing to memory does not fail.
        let mut referrer = referrer.to_vec();
        if cx.site.yaml {
            privacy::scrub(&mut referrer);
        }
        let _ = write!(text, ", referrer: \"{}\"", referrer.escape_ascii());
    }
    text
}

/// An error of the kernel as nginx writes it: `2: No such file or directory`.
pub(crate) fn kernel_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let words = text.split(" (os error").next().unwrap_or_default();
            format!("{number}: {words}")
        }
        None => text,
    }
}
