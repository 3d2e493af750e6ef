//! Caches and how a route uses one.

use crate::template::{Template, UserVariables};
use seawall_conf::model::{self, CacheProfile};
use seawall_diag::Diagnostics;
use std::sync::Arc;

/// A cache.
pub struct CachePlan {
    /// Its name.
    pub name: String,
    /// Bytes of memory; another size makes another cache.
    pub memory: u64,
    /// The cache itself.
    pub cache: Arc<seawall_cache::Cache>,
}

/// How a route uses a cache.
pub struct CacheUse {
    /// The cache.
    pub cache: Arc<seawall_cache::Cache>,
    /// Its rules.
    pub rules: seawall_cache::Rules,
    /// What the key is made of.
    pub key: KeyPlan,
    /// Whether `Cache-Status` is sent (RFC 9211); nginx sends nothing unasked.
    pub reports: bool,
}

/// What a key is made of.
pub enum KeyPlan {
    /// Scheme, host and the target as forwarded.
    Forwarded,
    /// A template.
    Template(Template),
}

impl CachePlan {
    /// The cache of a configuration, carried over where name and size are the same.
    pub fn compile(from: &model::Cache, previous: Option<&super::Plan>) -> Arc<Self> {
        let carried = previous
            .and_then(|p| {
                p.caches
                    .iter()
                    .find(|c| c.name == from.name && c.memory == from.memory)
            })
            .cloned();
        carried.unwrap_or_else(|| {
            let options = seawall_cache::Options {
                memory_bytes: from.memory,
                ..Default::default()
            };
            Arc::new(Self {
                name: from.name.clone(),
                memory: from.memory,
                cache: seawall_cache::Cache::new(options),
            })
        })
    }
}

impl CacheUse {
    /// A route's use of a cache.
    pub fn compile(
        from: &model::CachePolicy,
        caches: &[Arc<CachePlan>],
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let cache = caches.get(from.cache)?.cache.clone();
        let profile = match from.profile {
            CacheProfile::Rfc9111 => seawall_cache::Profile::Rfc9111,
            CacheProfile::Nginx => seawall_cache::Profile::Nginx,
        };
        let key = match &from.key {
            None => KeyPlan::Forwarded,
            Some(template) => KeyPlan::Template(Template::compile(template, user, errors)),
        };
        let rules = seawall_cache::Rules {
            profile,
            default_ttl: from.default_ttl,
            force_ttl: from.force_ttl,
            stale_while_revalidate: from.stale_while_revalidate,
            stale_if_error: from.stale_if_error,
            valid: from.valid.clone(),
            heuristics: from.heuristics,
        };
        Some(Self {
            cache,
            rules,
            key,
            reports: from.profile == CacheProfile::Rfc9111,
        })
    }
}
