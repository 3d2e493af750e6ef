//! Routes with several pools: shares of the requests, and copies of them.

use super::PoolPlan;
use crate::template::{Template, UserVariables};
use seawall_conf::model;
use seawall_diag::Diagnostics;
use seawall_http::Method;
use std::sync::Arc;

/// Shares of pools.
pub struct SplitPlan {
    /// The pools, in the order written.
    pub targets: Vec<SplitTarget>,
    /// What decides; at random where it is absent or empty.
    pub by: Option<Template>,
}

/// One of them.
pub struct SplitTarget {
    /// The pool.
    pub pool: Arc<PoolPlan>,
    /// Where its share ends, of 2^32.
    end: u64,
}

/// Copies of requests.
pub struct MirrorPlan {
    /// Who gets them.
    pub pool: Arc<PoolPlan>,
    /// How many of the requests, of 2^32.
    share: u64,
    /// Of which methods, as bits.
    methods: u32,
}

impl SplitPlan {
    /// Compiles a split.
    pub fn compile(
        from: &model::Split,
        pools: &[Arc<PoolPlan>],
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Self {
        let sum: u64 = from
            .targets
            .iter()
            .map(|(_, share)| u64::from(*share))
            .sum();
        let mut so_far = 0;
        let mut targets = Vec::new();
        for (pool, share) in &from.targets {
            so_far += u64::from(*share);
            if let Some(pool) = pools.get(*pool) {
                targets.push(SplitTarget {
                    pool: pool.clone(),
                    end: (so_far << 32) / sum.max(1),
                });
            }
        }
        Self {
            targets,
            by: from.by.as_ref().map(|t| Template::compile(t, user, errors)),
        }
    }

    /// Whose share a number lies in. A share that grows takes from its neighbours only: who was in it stays.
    pub fn place(&self, point: u64) -> usize {
        let point = point >> 32;
        let place = self.targets.iter().position(|t| point < t.end);
        place.unwrap_or_default()
    }
}

impl MirrorPlan {
    /// Compiles a mirror.
    pub fn compile(from: &model::Mirror, pools: &[Arc<PoolPlan>]) -> Option<Self> {
        let methods = from.methods.iter();
        Some(Self {
            pool: pools.get(from.pool)?.clone(),
            share: (u64::from(from.share.min(10_000)) << 32) / 10_000,
            methods: methods.fold(0, |bits, m| bits | bit(Method::lookup(m.as_bytes()))),
        })
    }

    /// Whether a request is copied.
    pub fn takes(&self, method: Method, random: u64) -> bool {
        self.methods & bit(method) != 0 && random >> 32 < self.share
    }
}

fn bit(method: Method) -> u32 {
    1u32.checked_shl(method as u32).unwrap_or(0)
}
