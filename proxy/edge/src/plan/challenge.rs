//! What a browser proves before it is served.

use super::Environment;
use crate::bots::KeyRing;
use ipnet::IpNet;
use seawall_conf::model;
use seawall_diag::{Diagnostic, Diagnostics};
use std::{net::SocketAddr, sync::Arc};

/// A compiled `challenge`.
pub struct ChallengePlan {
    /// Leading zero bits.
    pub difficulty: u8,
    /// Seconds that a proof holds.
    pub lifetime_s: u64,
    /// Networks that need none.
    pub unless: Vec<IpNet>,
    /// Crawlers that need none.
    pub bots: Vec<BotPlan>,
    /// Name servers that verify them.
    pub resolver: Vec<SocketAddr>,
}

/// A crawler.
pub struct BotPlan {
    /// What its User-Agent has in it, in any case.
    agent: String,
    /// Its operator's domains.
    pub domains: Vec<String>,
}

/// The keys of a configuration's challenges, kept in the state directory. Where they cannot be kept a warning says so, and
/// they live as long as the process.
pub fn keys(
    config: &model::Config,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<Arc<KeyRing>> {
    let mut at = config.crowdsec.as_ref().map(|crowdsec| crowdsec.at);
    super::named::each_route(config, &mut |route| {
        if route.policy.challenge.is_some() || route.policy.bad_agents.is_some() {
            at = at.or(Some(route.at));
        }
    });
    let at = at?;
    if env.dry_run {
        return Some(Arc::new(KeyRing::of_process()));
    }
    let directory = config.process.state.join("challenge");
    let ring = KeyRing::kept(directory.clone()).unwrap_or_else(|e| {
        let message = format!("the key of challenges cannot be kept: {e}");
        let help = format!(
            "make {} writable: until then proofs end with the process",
            directory.display()
        );
        errors.push(Diagnostic::warning("challenge-key", at, message).help(help));
        KeyRing::of_process()
    });
    Some(Arc::new(ring))
}

impl ChallengePlan {
    /// Compiles it.
    pub fn compile(from: &model::Challenge) -> Self {
        let bots = from.bots.iter().map(|bot| BotPlan {
            agent: bot.agent.clone(),
            domains: bot.domains.clone(),
        });
        Self {
            difficulty: from.difficulty,
            lifetime_s: from.lifetime.as_secs().max(1),
            unless: from.unless.clone(),
            bots: bots.collect(),
            resolver: from.resolver.clone(),
        }
    }

    /// The crawler that a User-Agent says it is.
    pub fn bot(&self, agent: &[u8]) -> Option<&BotPlan> {
        self.bots.iter().find(|bot| {
            let name = bot.agent.as_bytes();
            !name.is_empty()
                && agent
                    .windows(name.len())
                    .any(|part| part.eq_ignore_ascii_case(name))
        })
    }
}
