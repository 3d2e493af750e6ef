//! What stands before a site beside its rules: the decisions of a CrowdSec server, bad agents, and a challenge for those whom
//! one of these names, or for all.
//!
//! Most requests are looked at without waiting and without an allocation: what is decided is in memory, all patterns are one
//! automaton.
//!
//! Limits: [`genuine::KNOWN_MAX`], [`genuine::LOOKUPS_MAX`], [`proof::COOKIE_BYTES_MAX`].

mod agents;
mod challenge;
pub mod genuine;
mod keys;
mod metrics;
mod page;
pub mod proof;

pub use agents::AgentsPlan;
pub use challenge::{CHALLENGE_RESULTS, COOKIE, ChallengeResult};
pub use keys::{KeyRing, renew_forever};
pub use metrics::{RemedyMetrics, ScreenFamily};

use crate::{
    access::request_of,
    client::{ClientError, Reply},
    content::Outcome,
    crowdsec::Remedy,
    log_error,
    pipeline::Cx,
    plan::{RoutePlan, ScreenPlan},
};
use seawall_conf::model::AgentAction;
use seawall_http::Name;
use std::net::IpAddr;

/// What a look at a request came to.
enum Seen<'p> {
    /// Nothing stands before it.
    Passes,
    /// It is asked for a proof.
    Asked,
    /// Its client is banned, and why.
    Banned(String),
    /// Its agent is a bad one: the name it has in the list, and whether it is asked for a proof anyway.
    BadAgent(&'p str, bool),
}

/// Lets a request pass, or answers it.
pub async fn screen(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ScreenPlan,
) -> Result<Option<Outcome>, ClientError> {
    let Some(client) = cx.tx.client.map(|client| client.to_canonical()) else {
        // A socket in the file system: who may open it needs no proof.
        return Ok(None);
    };
    match look(cx, plan, client) {
        Seen::Passes => Ok(None),
        // Boxed: a request that passes has no room for this.
        seen => Box::pin(answer(cx, route, plan, client, seen)).await,
    }
}

/// Whether a client is banned: what is answered before the rest of a route is looked at asks this alone.
pub async fn banned(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ScreenPlan,
) -> Result<Option<Outcome>, ClientError> {
    let Some(client) = cx.tx.client.map(|client| client.to_canonical()) else {
        return Ok(None);
    };
    match decided(cx, plan, client) {
        Seen::Banned(why) => Box::pin(answer(cx, route, plan, client, Seen::Banned(why))).await,
        _ => Ok(None),
    }
}

fn decided<'p>(cx: &Cx<'_>, plan: &'p ScreenPlan, client: IpAddr) -> Seen<'p> {
    let Some((bouncer, metrics)) = &plan.bouncer else {
        return Seen::Passes;
    };
    match bouncer.decide(client, cx.tx.now_ms / 1000) {
        None => Seen::Passes,
        Some((Remedy::Captcha, _)) => {
            metrics.captcha.inc();
            Seen::Asked
        }
        Some((Remedy::Ban, why)) => {
            metrics.banned.inc();
            Seen::Banned(why)
        }
    }
}

fn look<'p>(cx: &Cx<'_>, plan: &'p ScreenPlan, client: IpAddr) -> Seen<'p> {
    let decided = decided(cx, plan, client);
    if matches!(decided, Seen::Banned(_)) {
        return decided;
    }
    let asked = plan.for_all || matches!(decided, Seen::Asked);
    if let Some(agents) = &plan.agents {
        let agent = cx.tx.fields().get(Name::UserAgent).unwrap_or_default();
        if let Some(name) = agents.find(agent) {
            return Seen::BadAgent(name, asked);
        }
    }
    if asked { Seen::Asked } else { Seen::Passes }
}

async fn answer(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ScreenPlan,
    client: IpAddr,
    seen: Seen<'_>,
) -> Result<Option<Outcome>, ClientError> {
    let (shared, serial) = (cx.local.shared.clone(), cx.client.info.serial);
    match seen {
        Seen::Passes => Ok(None),
        Seen::Asked => challenge::challenge(cx, route, &plan.challenge, client).await,
        Seen::Banned(why) => {
            let who = request_of(cx);
            log_error!(shared, Error, serial, "banned by CrowdSec, {why}, {who}");
            refuse(cx, route, 403).await
        }
        Seen::BadAgent(name, asked) => {
            let Some(agents) = &plan.agents else {
                return Ok(None);
            };
            let is_log = agents.action == AgentAction::Log;
            if !is_log && challenge::is_genuine(cx, &plan.challenge, client).await {
                agents.metrics.verified.inc();
                return Ok(None);
            }
            let who = request_of(cx);
            log_error!(shared, Error, serial, "bad agent, {name:?}, {who}");
            match agents.action {
                AgentAction::Deny => {
                    agents.metrics.denied.inc();
                    refuse(cx, route, agents.status).await
                }
                AgentAction::Challenge => {
                    agents.metrics.challenged.inc();
                    challenge::challenge(cx, route, &plan.challenge, client).await
                }
                AgentAction::Log => {
                    agents.metrics.logged.inc();
                    // What else stands before it stands there still.
                    if asked {
                        challenge::challenge(cx, route, &plan.challenge, client).await
                    } else {
                        Ok(None)
                    }
                }
            }
        }
    }
}

async fn refuse(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    status: u16,
) -> Result<Option<Outcome>, ClientError> {
    let reply = Reply {
        lines: b"Cache-Control: no-store\r\n",
        ..Reply::error(status)
    };
    cx.reply(Some(route), reply).await?;
    Ok(Some(Outcome::Done))
}
