//! Limits: what is written once has one table, for all routes that inherit it, all threads, and over reloads.

use super::Plan;
use crate::{
    limit::{ConnectionMetrics, LimitFamily, LimitMetrics},
    template::{Template, UserVariables},
};
use seawall_balance::limit::{
    ConnectionLimit as Counts, Delay, Gcra, LeakyBucket, Limit, LimiterTable,
};
use seawall_conf::model::{
    self, Config, ConnectionLimit, LogLevel, Op, Part, RateLimit, Route, RoutePolicy,
};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use std::{sync::Arc, time::Duration};

/// A limit of a route.
pub struct RateLimitPlan {
    /// Its zone, or its key as written: for logs.
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
    /// Whether it tells those refused of itself: nginx's does not.
    pub tells: bool,
    /// Whether it tells those who pass, too.
    pub fields: bool,
    /// How refusals are logged.
    pub log_level: LogLevel,
    /// Its site's counters.
    pub metrics: LimitMetrics,
}

/// A limit of a route on the requests served at once.
pub struct ConnectionLimitPlan {
    /// Its zone, or its key as written: for logs.
    pub name: Arc<str>,
    /// Its keys.
    pub keys: Arc<Keys<Arc<Counts>>>,
    /// So many at once.
    pub max: u32,
    /// What is counted together.
    pub key: Template,
    /// Answer to those refused.
    pub status: u16,
    /// Only counted and logged.
    pub dry_run: bool,
    /// How refusals are logged.
    pub log_level: LogLevel,
    /// Its site's counters.
    pub metrics: ConnectionMetrics,
}

/// Limits that are asked once a token is verified.
pub struct ProvedLimits {
    /// On rates.
    pub rates: Vec<RateLimitPlan>,
    /// On requests at once.
    pub connections: Vec<ConnectionLimitPlan>,
}

/// Limits as they are asked: at first, and those that know their keys only once a token is verified.
pub type Parted = (
    Vec<RateLimitPlan>,
    Vec<ConnectionLimitPlan>,
    Option<Box<ProvedLimits>>,
);

/// Parts the limits of a route. Where no token is verified a limit by a claim counts nobody, which is warned of.
pub fn parted(
    rates: Vec<RateLimitPlan>,
    connections: Vec<ConnectionLimitPlan>,
    policy: &RoutePolicy,
    errors: &mut Diagnostics,
) -> Parted {
    let (late, rates): (Vec<_>, Vec<_>) = rates.into_iter().partition(|l| l.key.names_claims());
    let (late_connections, connections): (Vec<_>, Vec<_>) =
        connections.into_iter().partition(|l| l.key.names_claims());
    if late.is_empty() && late_connections.is_empty() {
        return (rates, connections, None);
    }
    let mut has_tokens = false;
    super::access::each_auth(&policy.access, &mut |auth| {
        has_tokens |= matches!(auth, model::Auth::Jwt(_));
    });
    let all = policy.rate_limits.iter().map(|limit| limit.at);
    let at = all.chain(policy.connection_limits.iter().map(|limit| limit.at));
    if let Some(at) = at.into_iter().next().filter(|_| !has_tokens) {
        let message = "a limit by a claim counts nobody here: no token is verified";
        errors.push(
            Diagnostic::warning("no-claims", at, message)
                .help("write auth: { jwt: ... } beside it"),
        );
    }
    let proved = ProvedLimits {
        rates: late,
        connections: late_connections,
    };
    (rates, connections, Some(Box::new(proved)))
}

/// The keys of a limit.
pub struct Keys<T = LimiterTable> {
    /// What is known of each.
    pub table: T,
    hasher: ahash::RandomState,
}

impl<T> Keys<T> {
    fn new(table: T) -> Arc<Self> {
        Arc::new(Self {
            table,
            hasher: ahash::RandomState::new(),
        })
    }

    /// A key's hash, under a secret of this process: nobody can choose keys that collide.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// The tables of a plan.
#[derive(Default)]
pub struct LimitTables {
    rates: Vec<Known<LimiterTable>>,
    connections: Vec<Known<Arc<Counts>>>,
}

struct Known<T> {
    at: Span,
    /// Key, rate and size, and which of several that say the same.
    shape: (String, usize),
    keys: Arc<Keys<T>>,
}

/// Notes what is written at a place, once; what the plan before knew under the same shape is carried over.
fn know<T>(
    all: &mut Vec<Known<T>>,
    previous: Option<&Vec<Known<T>>>,
    at: Span,
    text: String,
    table: impl FnOnce() -> T,
) {
    if all.iter().any(|k| k.at == at) {
        return;
    }
    let nth = all.iter().filter(|k| k.shape.0 == text).count();
    let shape = (text, nth);
    let known = previous.and_then(|p| p.iter().find(|k| k.shape == shape));
    let keys = known.map_or_else(|| Keys::new(table()), |known| known.keys.clone());
    all.push(Known { at, shape, keys });
}

impl LimitTables {
    /// The tables of every limit; those of the same shape are carried over with all they know.
    pub(super) fn of(config: &Config, previous: Option<&Plan>) -> Self {
        let (mut rates, mut connections) = (Vec::new(), Vec::new());
        let routes = config
            .sites
            .iter()
            .flat_map(|s| s.routes.iter().chain(s.fallback.as_deref()));
        let mut all = Vec::new();
        routes.for_each(|r| policies(r, &mut all));
        for policy in all {
            for limit in &policy.rate_limits {
                let known = previous.map(|p| &p.limits.rates);
                know(&mut rates, known, limit.at, rate_shape(limit), || {
                    LimiterTable::new(limit.keys)
                });
            }
            for limit in &policy.connection_limits {
                let known = previous.map(|p| &p.limits.connections);
                let shape = connection_shape(limit);
                know(&mut connections, known, limit.at, shape, || {
                    Counts::new(limit.keys)
                });
            }
        }
        Self { rates, connections }
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
            let Some(known) = self.rates.iter().find(|k| k.at == limit.at) else {
                continue;
            };
            let delay = limit.delay.map_or(Delay::Never, Delay::After);
            let (kind, window) = if limit.leaky {
                let a_minute = limit.per.as_secs() == 60;
                let leaky = LeakyBucket::new(limit.rate, a_minute, limit.burst, delay);
                (Limit::Leaky(leaky), leaky.window())
            } else {
                let gcra = Gcra::new(limit.rate, limit.per, limit.burst, delay);
                (Limit::Gcra(gcra), gcra.window())
            };
            plans.push(RateLimitPlan {
                name: name(limit.zone.as_deref(), &limit.key),
                keys: known.keys.clone(),
                limit: kind,
                window,
                tells: !limit.leaky,
                fields: limit.fields,
                log_level: limit.log_level,
                key: Template::compile(&limit.key, user, errors),
                status: limit.status,
                dry_run: limit.dry_run,
                metrics: family.site(site),
            });
        }
        plans
    }

    /// Compiles a route's limits on requests at once.
    pub(super) fn compile_connections(
        &self,
        limits: &[ConnectionLimit],
        site: &str,
        family: &LimitFamily,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Vec<ConnectionLimitPlan> {
        let mut plans = Vec::new();
        for limit in limits {
            let Some(known) = self.connections.iter().find(|k| k.at == limit.at) else {
                continue;
            };
            plans.push(ConnectionLimitPlan {
                name: name(limit.zone.as_deref(), &limit.key),
                keys: known.keys.clone(),
                max: limit.max,
                key: Template::compile(&limit.key, user, errors),
                status: limit.status,
                dry_run: limit.dry_run,
                log_level: limit.log_level,
                metrics: family.connections(site),
            });
        }
        plans
    }
}

/// The policies of a route: its own, and those of the `if`s in it.
fn policies<'r>(route: &'r Route, all: &mut Vec<&'r RoutePolicy>) {
    all.push(&route.policy);
    policies_within(&route.program, all);
}

fn policies_within<'r>(program: &'r [Op], all: &mut Vec<&'r RoutePolicy>) {
    for op in program {
        if let Op::If { then, route, .. } = op {
            policies_within(then, all);
            if let Some(route) = route {
                policies(route, all);
            }
        }
    }
}

fn name(zone: Option<&str>, key: &model::Template) -> Arc<str> {
    Arc::from(zone.map_or_else(
        || format!("\"{}\"", key_text(key)),
        |zone| format!("zone \"{zone}\""),
    ))
}

fn key_text(key: &model::Template) -> String {
    let part = |p: &Part| match p {
        Part::Literal(text) => text.clone(),
        Part::Variable { name, .. } => format!("${name}"),
    };
    key.parts.iter().map(part).collect()
}

/// What a table's entries mean depends on the rate alone; the burst may change over a reload.
fn rate_shape(limit: &RateLimit) -> String {
    let per_ns = limit.per.as_nanos();
    let kind = if limit.leaky { "leaky" } else { "gcra" };
    let key = key_text(&limit.key);
    format!("{kind} {key} {}/{per_ns} {}", limit.rate, limit.keys)
}

/// Those that are served stay counted over a reload, whatever the limit is then.
fn connection_shape(limit: &ConnectionLimit) -> String {
    format!("{} {}", key_text(&limit.key), limit.keys)
}
