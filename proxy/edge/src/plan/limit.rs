//! Rate limits: what is written once has one table, for all routes that inherit it, all threads, and over reloads.

use super::Plan;
use crate::{
    limit::{LimitFamily, LimitMetrics},
    template::{Template, UserVariables},
};
use seawall_balance::limit::{Delay, Gcra, Limit, LimiterTable};
use seawall_conf::model::{Config, Part, RateLimit};
use seawall_diag::{Diagnostics, Span};
use std::{sync::Arc, time::Duration};

/// A limit of a route.
pub struct RateLimitPlan {
    /// Its key as written, for logs.
    pub name: Arc<str>,
    /// Its keys.
    pub keys: Arc<Keys>,
    /// The rate.
    pub limit: Limit,
    /// In how long a whole burst may pass again.
    pub window: Duration,
    /// What is counted together.
    pub key: Template,
    /// Answer to those refused.
    pub status: u16,
    /// Only counted and logged.
    pub dry_run: bool,
    /// Its site's counters.
    pub metrics: LimitMetrics,
}

/// The keys of a limit.
pub struct Keys {
    /// What is known of each.
    pub table: LimiterTable,
    hasher: ahash::RandomState,
}

impl Keys {
    /// A key's hash, under a secret of this process: nobody can choose keys that collide.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// The tables of a plan.
#[derive(Default)]
pub struct LimitTables(Vec<Known>);

struct Known {
    at: Span,
    /// Key, rate and size, and which of several that say the same.
    shape: (String, usize),
    keys: Arc<Keys>,
}

impl LimitTables {
    /// The tables of every limit; those of the same shape are carried over with all they know.
    pub(super) fn of(config: &Config, previous: Option<&Plan>) -> Self {
        let mut all: Vec<Known> = Vec::new();
        let routes = config
            .sites
            .iter()
            .flat_map(|s| s.routes.iter().chain(s.fallback.as_deref()));
        for limit in routes.flat_map(|r| &r.policy.rate_limits) {
            if all.iter().any(|k| k.at == limit.at) {
                continue;
            }
            let text = shape(limit);
            let nth = all.iter().filter(|k| k.shape.0 == text).count();
            let shape = (text, nth);
            let known = previous.and_then(|p| p.limits.0.iter().find(|k| k.shape == shape));
            let keys = known.map_or_else(
                || {
                    Arc::new(Keys {
                        table: LimiterTable::new(limit.keys),
                        hasher: ahash::RandomState::new(),
                    })
                },
                |known| known.keys.clone(),
            );
            all.push(Known {
                at: limit.at,
                shape,
                keys,
            });
        }
        Self(all)
    }

    /// Compiles a route's limits.
    pub(super) fn compile(
        &self,
        limits: &[RateLimit],
        site: &str,
        family: &LimitFamily,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Vec<RateLimitPlan> {
        let mut plans = Vec::new();
        for limit in limits {
            let Some(known) = self.0.iter().find(|k| k.at == limit.at) else {
                continue;
            };
            let delay = limit.delay.map_or(Delay::Never, Delay::After);
            let gcra = Gcra::new(limit.rate, limit.per, limit.burst, delay);
            plans.push(RateLimitPlan {
                name: Arc::from(key_text(limit)),
                keys: known.keys.clone(),
                limit: Limit::Gcra(gcra),
                window: gcra.window(),
                key: Template::compile(&limit.key, user, errors),
                status: limit.status,
                dry_run: limit.dry_run,
                metrics: family.site(site),
            });
        }
        plans
    }
}

fn key_text(limit: &RateLimit) -> String {
    let part = |p: &Part| match p {
        Part::Literal(text) => text.clone(),
        Part::Variable { name, .. } => format!("${name}"),
    };
    limit.key.parts.iter().map(part).collect()
}

/// What a table's entries mean depends on the rate alone; the burst may change over a reload.
fn shape(limit: &RateLimit) -> String {
    let per_ns = limit.per.as_nanos();
    format!("{} {}/{per_ns} {}", key_text(limit), limit.rate, limit.keys)
}
