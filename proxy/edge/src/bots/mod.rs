//! A challenge before a site: a browser spends some work and carries the proof in a cookie; crawlers that are known pass
//! when the names of their addresses lead back to them. No third party is asked, and nothing is kept of who passed.
//!
//! Who can show neither gets 403: with a page that does the work where a page was asked for, without one elsewhere. The page
//! needs a script, but no puzzle of a person.
//!
//! Limits: [`genuine::KNOWN_MAX`], [`genuine::LOOKUPS_MAX`], [`proof::COOKIE_BYTES_MAX`].

pub mod genuine;
mod page;
pub mod proof;

use crate::{
    client::{ClientError, Reply},
    content::Outcome,
    log_error,
    pipeline::Cx,
    plan::{ChallengePlan, RoutePlan},
    template,
};
use genuine::Genuine;
use proof::Key;
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

/// What challenges share: the key of their proofs, which is this process', and the crawlers that were looked up.
pub struct Challenges {
    key: Key,
    genuine: Genuine,
}

impl Challenges {
    /// `None` when the system has no randomness.
    pub fn new() -> Option<Self> {
        Some(Self {
            key: Key::random()?,
            genuine: Genuine::default(),
        })
    }
}

/// Lets a request pass, or answers it.
pub async fn challenge(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &ChallengePlan,
) -> Result<Option<Outcome>, ClientError> {
    let Some(client) = cx.tx.client.map(|client| client.to_canonical()) else {
        // A socket in the file system: who may open it needs no proof.
        return Ok(None);
    };
    if plan.unless.iter().any(|network| network.contains(&client)) {
        return Ok(None);
    }
    let now_s = cx.tx.now_ms / 1000;
    let agent = cx.tx.fields().get(Name::UserAgent).unwrap_or_default();
    let network = network_of(client);
    let bound: [&[u8]; 3] = [&cx.tx.host, &network, agent];
    let key = &cx.local.shared.challenges.key;
    let carried = template::cookie(cx.tx, COOKIE.as_bytes()).unwrap_or_default();
    if proof::holds(key, carried, &bound, plan.difficulty, now_s) {
        cx.site.metrics.challenged(ChallengeResult::Proved);
        return Ok(None);
    }
    if let Some(bot) = plan.bot(agent) {
        let shared = cx.local.shared.clone();
        let genuine = &shared.challenges.genuine;
        if genuine.is(client, &bot.domains, &plan.resolver).await {
            cx.site.metrics.challenged(ChallengeResult::Bot);
            return Ok(None);
        }
    }
    if !wants_page(cx) {
        return refuse(cx, route).await.map(Some);
    }
    let agent = cx.tx.fields().get(Name::UserAgent).unwrap_or_default();
    let bound: [&[u8]; 3] = [&cx.tx.host, &network, agent];
    let until_s = now_s + plan.lifetime_s;
    let puzzle = proof::puzzle(
        &cx.local.shared.challenges.key,
        &bound,
        plan.difficulty,
        until_s,
    );
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
