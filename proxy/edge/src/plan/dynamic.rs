//! Origins that requests name.

use super::{
    PoolPlan,
    pool::{Member, PoolPlans},
};
use crate::template::{Template, UserVariables};
use parking_lot::Mutex;
use seawall_conf::model::{self, Address};
use seawall_diag::{Diagnostics, Span};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Origins remembered of one route; the one that is asked for anew first makes room.
pub const ORIGINS_MAX: usize = 1024;

/// An origin that a request names.
pub struct DynamicPlan {
    /// Its URL.
    pub url: Template,
    /// How it is reached in plain.
    pub plain: Option<ReachPlan>,
    /// How it is reached over TLS.
    pub tls: Option<ReachPlan>,
}

/// Pools that a request may name, and those made for others.
pub struct ReachPlan {
    /// What a pool is made of.
    base: Arc<PoolPlan>,
    names: Vec<(String, Arc<PoolPlan>)>,
    made: Mutex<HashMap<Box<str>, Made>>,
}

struct Made {
    pool: Arc<PoolPlan>,
    until: Instant,
}

impl DynamicPlan {
    /// Compiles it.
    pub fn compile(
        from: &model::DynamicOrigin,
        pools: &PoolPlans,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Self {
        let reach = |reach: &model::Reach| {
            let named =
                |(name, at): &(String, usize)| Some((name.clone(), pools.get(*at)?.clone()));
            Some(ReachPlan {
                base: pools.get(reach.pool)?.clone(),
                names: reach.names.iter().filter_map(named).collect(),
                made: Mutex::default(),
            })
        };
        Self {
            url: Template::compile(&from.url, user, errors),
            plain: from.plain.as_ref().and_then(reach),
            tls: from.tls.as_ref().and_then(reach),
        }
    }
}

impl ReachPlan {
    /// The pool of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<PoolPlan>> {
        let is = |(n, _): &&(String, Arc<PoolPlan>)| n.eq_ignore_ascii_case(name);
        self.names.iter().find(is).map(|(_, pool)| pool)
    }

    /// Who is asked for names.
    pub fn resolver(&self) -> &[SocketAddr] {
        self.base.resolver()
    }

    /// The pool made for an authority, unless it is too old.
    pub fn made(&self, authority: &str) -> Option<Arc<PoolPlan>> {
        let made = self.made.lock();
        let known = made.get(authority)?;
        (known.until > Instant::now()).then(|| known.pool.clone())
    }

    /// Makes a pool of these addresses for an authority, good for so long. What is known of the servers is carried over.
    pub fn make(
        &self,
        authority: &str,
        addresses: Vec<Address>,
        name: Option<&str>,
        good_for: Duration,
    ) -> Arc<PoolPlan> {
        let members = addresses.into_iter().map(|a| member(a, name)).collect();
        let mut made = self.made.lock();
        let before = made.get(authority).map_or(&self.base, |m| &m.pool);
        let pool = before.with_members(members);
        if made.len() >= ORIGINS_MAX && !made.contains_key(authority) {
            let first = made.iter().min_by_key(|(_, m)| m.until);
            if let Some(name) = first.map(|(name, _)| name.clone()) {
                made.remove(&name);
            }
        }
        let until = Instant::now() + good_for;
        let entry = Made {
            pool: pool.clone(),
            until,
        };
        made.insert(authority.into(), entry);
        pool
    }
}

fn member(address: Address, name: Option<&str>) -> Member {
    Member {
        server: model::Server {
            at: Span::default(),
            address,
            weight: 1,
            backup: false,
            down: false,
            // As nginx has it where a name is resolved while it runs.
            max_fails: Some(1),
            fail_timeout: Some(Duration::from_secs(10)),
            drain: false,
            max_conns: 0,
            slow_start: Duration::ZERO,
            id: None,
        },
        name: name.map(str::to_owned),
        own: None,
    }
}
