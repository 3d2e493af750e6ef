//! A lookup that is more than a fresh hit: who serves, who waits, who fetches.

use crate::{
    cache::{Cache, standing},
    fill::{Claim, Fill, FillReader, Terms, shared::Shared},
    key::KeyRef,
    lookup::{Lookup, Pass, Staleness, Worth, appraise, demands_of},
    object::{Hit, Object},
    policy::{Demands, Profile, Rules, UseStale},
    request::{Class, Request},
};
use seawall_http::Method;
use std::sync::Arc;

/// Decides what becomes of a request for which `found` is stored.
#[cold]
pub(crate) fn seek(
    cache: &Arc<Cache>,
    key: KeyRef<'_>,
    request: &Request<'_>,
    rules: &Rules,
    found: Option<Arc<Object>>,
) -> Lookup {
    let demands = demands_of(request, rules);
    let seeker = Seeker {
        cache,
        key,
        request,
        rules,
        demands,
    };
    if demands.no_store {
        return Lookup::Pass(Pass::NoStore);
    }
    match found {
        Some(object) => seeker.use_stored(object),
        None => match cache.bring_up(key, request) {
            Some(load) => Lookup::Load(load),
            None => seeker.fetch(None),
        },
    }
}

/// A fill whatever is stored; `None` where there can be none.
pub(crate) fn reload(
    cache: &Arc<Cache>,
    key: KeyRef<'_>,
    request: &Request<'_>,
    rules: &Rules,
) -> Option<Fill> {
    if request.method != Method::Get && !rules.fills_for_head {
        return None;
    }
    let seeker = Seeker {
        cache,
        key,
        request,
        rules,
        demands: Demands::default(),
    };
    let class = seeker.class_of_miss();
    let mut place = cache.fills.lock(key);
    match place.claim(cache, key, class, seeker.terms()) {
        Claim::Running(_) => None,
        Claim::Leader(shared) => Some(seeker.lead(shared, None)),
    }
}

struct Seeker<'a> {
    cache: &'a Arc<Cache>,
    key: KeyRef<'a>,
    request: &'a Request<'a>,
    rules: &'a Rules,
    demands: Demands,
}

impl Seeker<'_> {
    fn use_stored(&self, object: Arc<Object>) -> Lookup {
        match self.appraise(&object) {
            Worth::Barred => Lookup::Pass(Pass::Credentials),
            Worth::Fresh => {
                self.cache.note_hit(&object);
                Lookup::Hit(self.hit(object))
            }
            Worth::StaleAllowed => Lookup::Stale(self.hit(object), None, Staleness::Accepted),
            Worth::StaleWhileRevalidate => self.use_while_updating(object),
            Worth::Validate { reload } => {
                if !reload && self.stands_in(&object) {
                    // The origin failed a moment ago: the stale answer goes on standing in (RFC 5861 §4).
                    return Lookup::Stale(self.hit(object), None, Staleness::StandsIn);
                }
                if !reload && self.rules.use_stale.updating {
                    return self.use_while_updating(object);
                }
                self.fetch(Some(object))
            }
        }
    }

    /// Whether there is a failure that it may stand in for.
    fn might_stand_in(&self, object: &Object) -> bool {
        let decision = &object.meta.decision;
        let until_ms = decision.sie_until_ms.max(decision.disconnected_until_ms);
        self.request.now_ms < until_ms || self.rules.use_stale != UseStale::default()
    }

    /// Whether it stood in for a failure a moment ago, and still may.
    fn stands_in(&self, object: &Object) -> bool {
        let hash = self.class_of_renewal(object).mix(self.key.hash);
        self.rules.profile == Profile::Rfc9111
            && self.might_stand_in(object)
            && (self.cache.unstorable).contains(standing(hash), self.request.now_ms)
    }

    /// It may be served while it is renewed. nginx lets the first client wait, unless it renews in the background.
    fn use_while_updating(&self, object: Arc<Object>) -> Lookup {
        if self.rules.profile == Profile::Rfc9111 || self.rules.background_update {
            return self.renew_behind(object);
        }
        match self.fetch(Some(object.clone())) {
            Lookup::Join(_) => Lookup::Stale(self.hit(object), None, Staleness::Renewed),
            found => found,
        }
    }

    /// Stale-while-revalidate: whoever is first claims the renewal.
    fn renew_behind(&self, object: Arc<Object>) -> Lookup {
        let class = self.class_of_renewal(&object);
        // The renewal is a GET, for which a HEAD does not stand.
        if self.is_head_alone() || self.is_unstorable(class) {
            return Lookup::Stale(self.hit(object), None, Staleness::Renewed);
        }
        let mut place = self.cache.fills.lock(self.key);
        if let Some(newer) = self.newer_than(Some(&object)) {
            return Lookup::Hit(self.hit(newer));
        }
        match place.claim(self.cache, self.key, class, self.terms()) {
            Claim::Running(_) => Lookup::Stale(self.hit(object), None, Staleness::Renewed),
            Claim::Leader(shared) => {
                let fill = self.lead(shared, Some(object.clone()));
                Lookup::Stale(self.hit(object), Some(fill), Staleness::Renewed)
            }
        }
    }

    /// Whether it is a HEAD that stands for no GET.
    fn is_head_alone(&self) -> bool {
        self.request.method == Method::Head && !self.rules.fills_for_head
    }

    /// Leads a fill or joins one.
    fn fetch(&self, stale: Option<Arc<Object>>) -> Lookup {
        if self.demands.only_if_cached {
            return Lookup::OnlyIfCached;
        }
        if self.is_head_alone() {
            return Lookup::Pass(Pass::Method);
        }
        let class = match &stale {
            Some(object) => self.class_of_renewal(object),
            None => self.class_of_miss(),
        };
        // Who goes past the cache has nothing that could stand in for the origin.
        let has_stand_in = stale.as_ref().is_some_and(|o| self.might_stand_in(o));
        if !has_stand_in && self.is_unstorable(class) {
            return Lookup::Pass(Pass::Unstorable);
        }
        if stale.is_none() && !self.is_asked_for_enough() {
            return Lookup::Pass(Pass::Uses);
        }
        let mut place = self.cache.fills.lock(self.key);
        if let Some(newer) = self.newer_than(stale.as_ref()) {
            return Lookup::Hit(self.hit(newer));
        }
        match place.claim(self.cache, self.key, class, self.terms()) {
            Claim::Running(shared) => {
                Lookup::Join(FillReader::new(shared, self.request, self.rules))
            }
            Claim::Leader(shared) => {
                let fill = self.lead(shared, stale.clone());
                match stale {
                    Some(object) => Lookup::Revalidate(self.hit(object), fill),
                    None => Lookup::Miss(fill),
                }
            }
        }
    }

    /// Counts the request; false while the key was asked for too seldom to be stored.
    fn is_asked_for_enough(&self) -> bool {
        self.rules.min_uses < 2 || self.cache.uses.count(self.key.hash) >= self.rules.min_uses
    }

    fn terms(&self) -> Terms {
        let now_ms = self.request.now_ms;
        let age_ms = self.rules.fill_age.map(|age| age.as_millis() as u64);
        Terms {
            now_ms,
            not_before_ms: age_ms.map_or(0, |age_ms| now_ms.saturating_sub(age_ms)),
        }
    }

    fn lead(&self, shared: Arc<Shared>, stale: Option<Arc<Object>>) -> Fill {
        Fill::new(self.cache.clone(), shared, stale, self.rules)
    }

    /// A usable object that was stored since we looked. Called under the lock of the fills, which a commit takes: or a request that
    /// looked just before a commit would fetch again just after it.
    fn newer_than(&self, seen: Option<&Arc<Object>>) -> Option<Arc<Object>> {
        let object = self.cache.store.find(self.key, &self.request.fields)?;
        let object = self.cache.unpurged(object)?;
        let object = self.cache.at_hand(object)?;
        let is_new = seen.is_none_or(|seen| !Arc::ptr_eq(seen, &object));
        (is_new && self.appraise(&object) == Worth::Fresh).then_some(object)
    }

    fn appraise(&self, object: &Object) -> Worth {
        appraise(object, self.request, &self.demands, self.rules)
    }

    /// Clients of all kinds who may have an object wait for the same renewal of it.
    fn class_of_renewal(&self, object: &Object) -> Class {
        let variant = object.meta.vary.hash_of(&self.request.fields);
        Class {
            variant,
            scope: self.rules.scope,
            ..Class::default()
        }
    }

    /// The kind of client, and of variant as far as a stored answer tells what there is to vary on.
    fn class_of_miss(&self) -> Class {
        let sample = self.cache.store.sample(self.key);
        let variant = sample.map_or(0, |object| object.meta.vary.hash_of(&self.request.fields));
        Class {
            variant,
            ..Class::of(self.request, self.rules)
        }
    }

    fn is_unstorable(&self, class: Class) -> bool {
        let hash = class.mix(self.key.hash);
        self.cache.unstorable.contains(hash, self.request.now_ms)
    }

    fn hit(&self, object: Arc<Object>) -> Hit {
        Hit::new(object, self.request.now_ms)
    }
}
