//! Looking at a cache without changing anything.

use crate::{
    cache::Cache,
    key::KeyRef,
    lookup::{Worth, appraise, demands_of},
    object::Object,
    policy::Rules,
    purge::Verdict,
    request::{Class, Request},
};
use seawall_http::Method;
use std::sync::Arc;

/// What a lookup would come to, and why: two stable tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `hit`, `stale`, `revalidate`, `load` (from the disk), `miss`, `pass` or `only-if-cached`.
    pub answer: &'static str,
    /// What decides.
    pub why: &'static str,
}

impl Cache {
    /// What a request would get now.
    pub fn explain(&self, key: KeyRef<'_>, request: &Request<'_>, rules: &Rules) -> Explained {
        let say = |answer, why| Explained { answer, why };
        if request.method != Method::Get && request.method != Method::Head {
            return say("pass", "method");
        }
        let demands = demands_of(request, rules);
        if demands.no_store {
            return say("pass", "request-no-store");
        }
        let found = self.store.find(key, &request.fields);
        let verdict = found.as_ref().map(|object| self.look_at_purges(object));
        let is_there = |object: &Arc<Object>| {
            verdict != Some(Verdict::Gone)
                && self.is_in_use(object, request.now_ms)
                && object.filed().is_none_or(|filed| filed.is_here())
        };
        let Some(object) = found.filter(is_there) else {
            return self.explain_absence(key, request, rules, demands.only_if_cached);
        };
        match appraise(&object, request, &demands, rules) {
            Worth::Barred => say("pass", "credentials"),
            Worth::Validate { .. } if demands.only_if_cached => say("only-if-cached", "stale"),
            Worth::Validate { reload: true } => say("revalidate", "request"),
            Worth::Validate { reload: false } => say("revalidate", "stale"),
            _ if matches!(verdict, Some(Verdict::Stale(_))) => say("stale", "soft-purge"),
            Worth::Fresh => say("hit", "fresh"),
            Worth::StaleAllowed => say("stale", "max-stale"),
            Worth::StaleWhileRevalidate => say("stale", "stale-while-revalidate"),
        }
    }

    fn explain_absence(
        &self,
        key: KeyRef<'_>,
        request: &Request<'_>,
        rules: &Rules,
        only_if_cached: bool,
    ) -> Explained {
        let say = |answer, why| Explained { answer, why };
        let disk = self.disk.as_ref();
        if disk.is_some_and(|disk| disk.has(key, request, self.options().inactive)) {
            return say("load", "disk");
        }
        if only_if_cached {
            return say("only-if-cached", "absent");
        }
        let hash = Class::of(request, rules).mix(key.hash);
        if self.unstorable.contains(hash, request.now_ms) {
            return say("pass", "lately-not-storable");
        }
        match self.variants(key).is_empty() {
            true => say("miss", "absent"),
            false => say("miss", "vary"),
        }
    }

    fn look_at_purges(&self, object: &Object) -> Verdict {
        let key = object.key.as_ref().bytes;
        self.purges
            .verdict(&object.meta.labels, key, object.judged())
    }

    /// All variants of a key that are in memory and not purged.
    pub fn variants(&self, key: KeyRef<'_>) -> Vec<Arc<Object>> {
        let mut all = self.store.variants(key);
        all.retain(|object| self.look_at_purges(object) != Verdict::Gone);
        all
    }

    /// Objects in memory that are `wanted` and not purged, in no order, as many as `count_max`.
    pub fn list(&self, count_max: usize, wanted: &dyn Fn(&Object) -> bool) -> Vec<Arc<Object>> {
        let mut all = Vec::new();
        self.store.visit(&mut |object| {
            if wanted(object) && self.look_at_purges(object) != Verdict::Gone {
                all.push(object.clone());
            }
            all.len() < count_max
        });
        all
    }

    /// Whether the disk has any variant of a key.
    pub fn is_on_disk(&self, key: KeyRef<'_>) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.contains(key))
    }
}

impl Object {
    /// The fields that it was selected by, and what the request had in them, `None` for nothing.
    pub fn selected_by(&self) -> Vec<(String, Option<String>)> {
        self.meta.vary.describe()
    }

    /// Whether its body is on the disk alone.
    pub fn is_in_file(&self) -> bool {
        self.filed().is_some()
    }

    /// Whether the disk has it, or was asked to take it.
    pub fn is_for_disk(&self) -> bool {
        self.is_offered()
    }

    /// Seconds since it was made (RFC 9111 §4.2.3).
    pub fn age_s(&self, now_ms: u64) -> u64 {
        self.meta.age_s(now_ms)
    }
}
