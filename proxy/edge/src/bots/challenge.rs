//! A challenge before a site: a browser spends some work and carries the proof in a cookie; crawlers that are known pass
//! when the names of their addresses lead back to them. No third party is asked, and nothing is kept of who passed.
//!
//! Who can show neither gets 403: with a page that does the work where a page was asked for, without one elsewhere. The page
//! needs a script, but no puzzle of a person.

use super::{page, proof};
use crate::{
    client::{ClientError, Reply},
    content::Outcome,
    log_error,
    pipeline::Cx,
    plan::{ChallengePlan, RoutePlan},
    template,
    tx::Tx,
};
use seawall_http::{Method, Name};
use std::net::IpAddr;

/// The cookie that carries a proof.
pub const COOKIE: &str = "__seawall_challenge";

/// What became of a request at a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeResult {
    /// It carries a proof.
    Proved,
    /// Its address belongs to the crawler that it says it is.
    Bot,
    /// It was given the page.
    Asked,
    /// It was refused.
    Refused,
}

/// The labels of [`ChallengeResult`], in its order.
pub const CHALLENGE_RESULTS: [&str; 4] = ["proved", "bot", "asked", "refused"];

/// Lets a request pass, or answers it.
pub(super) async fn challenge(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ChallengePlan,
    client: IpAddr,
) -> Result<Option<Outcome>, ClientError> {
    if plan.unless.iter().any(|network| network.contains(&client)) {
        return Ok(None);
    }
    let Some(keys) = cx.plan.challenge_keys.as_ref().map(|ring| ring.keys()) else {
        // Not compiled without keys.
        return refuse(cx, route).await.map(Some);
    };
    let now_s = cx.tx.now_ms / 1000;
    let network = network_of(client);
    let carried = template::cookie(cx.tx, COOKIE.as_bytes()).unwrap_or_default();
    let accepted = std::iter::once(&keys.current).chain(&keys.before);
    let bound = bound_to(cx.tx, &network);
    if proof::holds(accepted, carried, &bound, plan.difficulty, now_s) {
        cx.site.metrics.challenged(ChallengeResult::Proved);
        return Ok(None);
    }
    if is_genuine(cx, plan, client).await {
        cx.site.metrics.challenged(ChallengeResult::Bot);
        return Ok(None);
    }
    if !wants_page(cx) {
        return refuse(cx, route).await.map(Some);
    }
    let bound = bound_to(cx.tx, &network);
    let until_s = now_s + plan.lifetime_s;
    let puzzle = proof::puzzle(&keys.current, &bound, plan.difficulty, until_s);
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    let page = page::render(&puzzle, plan, &cx.tx.id);
    cx.site.metrics.challenged(ChallengeResult::Asked);
    let reply = Reply {
        body: Some(page.as_bytes()),
        content_type: b"text/html; charset=utf-8",
        lines: page::fields(),
        ..Reply::error(403)
    };
    cx.reply(Some(route), reply).await?;
    Ok(Some(Outcome::Done))
}

/// What a proof is for: a site, a network, a browser.
fn bound_to<'t>(tx: &'t Tx, network: &'t [u8; 8]) -> [&'t [u8]; 3] {
    let agent = tx.fields().get(Name::UserAgent).unwrap_or_default();
    [&tx.host, network, agent]
}

/// Whether a client is the known crawler that it says it is.
pub(super) async fn is_genuine(cx: &Cx<'_>, plan: &ChallengePlan, client: IpAddr) -> bool {
    let agent = cx.tx.fields().get(Name::UserAgent).unwrap_or_default();
    let Some(bot) = plan.bot(agent) else {
        return false;
    };
    let genuine = &cx.local.shared.genuine;
    genuine.is(client, &bot.domains, &plan.resolver).await
}

async fn refuse(cx: &mut Cx<'_>, route: &RoutePlan) -> Result<Outcome, ClientError> {
    cx.site.metrics.challenged(ChallengeResult::Refused);
    log_error!(
        cx.local.shared,
        Info,
        cx.client.info.serial,
        "challenge not passed, {}",
        crate::access::request_of(cx)
    );
    let reply = Reply {
        note: "This site asks browsers for a proof first: open one of its pages.",
        lines: b"Cache-Control: no-store\r\n",
        ..Reply::error(403)
    };
    cx.reply(Some(route), reply).await?;
    Ok(Outcome::Done)
}

/// Whether a person in front of a browser asks for a page.
fn wants_page(cx: &Cx<'_>) -> bool {
    let reads = matches!(cx.tx.head.method, Method::Get | Method::Head);
    let fields = cx.tx.fields();
    reads
        && fields
            .all(Name::Accept)
            .any(|accept| memchr::memmem::find(accept, b"text/html").is_some())
}

/// What a proof is bound to of an address: clients keep their network for longer than their address.
fn network_of(client: IpAddr) -> [u8; 8] {
    let mut network = [0; 8];
    match client {
        IpAddr::V4(v4) => network[..3].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => network[..7].copy_from_slice(&v6.octets()[..7]),
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_neighbours_share() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("192.0.2.1"), network("192.0.2.255"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:ff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:100::1"));
    }
}
