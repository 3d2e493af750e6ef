//! What a browser proves before it is served.

use ipnet::IpNet;
use seawall_conf::model;
use std::net::SocketAddr;

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
