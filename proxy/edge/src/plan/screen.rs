//! What stands before a route: decisions of a CrowdSec server, bad agents, a challenge for some or for all.

use super::{ChallengePlan, Environment, PoolPlan, lists::Lists};
use crate::{
    bots::{AgentsPlan, RemedyMetrics},
    crowdsec::{Bouncer, Decisions, State},
    metrics::Metrics,
};
use seawall_conf::model::{self, Config, RoutePolicy};
use seawall_diag::Diagnostics;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What stands before a route.
pub struct ScreenPlan {
    /// How browsers prove that they are one.
    pub challenge: ChallengePlan,
    /// Whether everybody is asked for a proof.
    pub for_all: bool,
    /// Bad agents.
    pub agents: Option<AgentsPlan>,
    /// Decisions, and their counters.
    pub bouncer: Option<(Arc<Bouncer>, RemedyMetrics)>,
}

impl ScreenPlan {
    /// Compiles what a route says; `None` where nothing stands before it.
    pub fn compile(
        policy: &RoutePolicy,
        bouncer: Option<&Arc<Bouncer>>,
        (metrics, site): (&Metrics, &str),
        errors: &mut Diagnostics,
    ) -> Option<Box<Self>> {
        let agents = policy.bad_agents.as_deref();
        let agents =
            agents.and_then(|from| AgentsPlan::compile(from, metrics.screen.agents(site), errors));
        let bouncer = bouncer.filter(|_| policy.crowdsec);
        let challenge = policy.challenge.as_deref();
        if agents.is_none() && bouncer.is_none() && challenge.is_none() {
            return None;
        }
        Some(Box::new(Self {
            for_all: challenge.is_some(),
            challenge: match challenge {
                Some(from) => ChallengePlan::compile(from),
                None => ChallengePlan::compile(&model::Challenge::default()),
            },
            agents,
            bouncer: bouncer.map(|b| (b.clone(), metrics.screen.remedies(site))),
        }))
    }
}

/// The server whose decisions are carried out; what the plan before knew of the same one is carried over.
pub fn bouncer(
    config: &Config,
    pools: &[Arc<PoolPlan>],
    lists: &Lists,
    previous: Option<&super::Plan>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<Arc<Bouncer>> {
    let from = config.crowdsec.as_ref()?;
    let Some(pool) = pools.get(from.pool) else {
        errors.error("unknown-pool", from.at, "this pool does not exist");
        return None;
    };
    let (path, at) = &from.key;
    let key = match (env.read)(path).map(String::from_utf8) {
        Ok(Ok(text)) => text.trim().to_owned(),
        Ok(Err(_)) => String::new(),
        Err(e) => {
            let message = format!("cannot read \"{}\": {e}", path.display());
            errors.error("unreadable", *at, message);
            return None;
        }
    };
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!("\"{}\" holds no key", path.display());
        let finding = seawall_diag::Diagnostic::error("bad-key", *at, message);
        errors.push(finding.help("it is what `cscli bouncers add NAME` prints"));
        return None;
    }
    let made_of = format!(
        "{} {} {} {:?} {:x?}",
        from.authority,
        from.path,
        from.decisions,
        from.scenarios,
        Sha256::digest(&key)
    );
    let known = previous.and_then(|p| p.bouncer.as_ref());
    let known = known.filter(|b| b.state.made_of == made_of);
    let state = known.map_or_else(
        || {
            let held = Decisions::new(from.decisions, from.scenarios.clone());
            Arc::new(State::new(made_of, held))
        },
        |known| known.state.clone(),
    );
    let place = (from.authority.as_str(), from.path.as_str());
    Some(Arc::new(Bouncer::new(
        state,
        pool.clone(),
        place,
        &key,
        from.interval,
        lists.places.clone(),
    )))
}
