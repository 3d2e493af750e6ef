//! What a stored answer is worth to a request (RFC 9111 §4, §5.2.1).

use crate::{
    fill::{Fill, FillReader},
    load::Load,
    object::{Hit, Object},
    policy::{Demands, Profile, Rules},
    request::{Request, demand_bits},
    stats::Count,
};

/// What to do with a request.
#[allow(clippy::large_enum_variant)]
pub enum Lookup {
    /// Serve it: it is fresh.
    Hit(Hit),
    /// Serve it, though stale. Who gets a fill renews it in the background: one caller at a time.
    Stale(Hit, Option<Fill>, Staleness),
    /// Stale, or the client insists (then the hit is fresh: `fwd=request`): fetch it, with [`Fill::validators`] if there are any. The hit
    /// is for them and for Cache-Status, not to be served.
    Revalidate(Hit, Fill),
    /// Another request is filling this key: stream from it.
    Join(FillReader),
    /// Fetch it.
    Miss(Fill),
    /// It is on the disk: wait for [`Load::ready`], and look it up again.
    Load(Load),
    /// Go to the origin, store nothing.
    Pass(Pass),
    /// The client wants a stored answer or none: 504.
    OnlyIfCached,
}

/// Why a request goes to the origin by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Neither GET nor HEAD, or a HEAD of what is not stored.
    Method,
    /// The request says `no-store`.
    NoStore,
    /// It has Cookie or Authorization, and what is stored is not for everybody.
    Credentials,
    /// The answer could not be stored lately: nobody waits for another's.
    Unstorable,
    /// Its key was not asked for often enough yet.
    Uses,
    /// The route wants a fresh answer, and somebody fetches one already.
    Bypass,
}

/// Why a stale answer serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// The client takes it (`max-stale`).
    Accepted,
    /// It is being renewed (RFC 5861 §3, nginx's `updating`).
    Renewed,
    /// The origin failed a moment ago (RFC 5861 §4).
    StandsIn,
}

impl Lookup {
    /// What it is counted as.
    pub(crate) fn count(&self) -> Count {
        match self {
            Lookup::Hit(_) => Count::Hit,
            Lookup::Stale(_, None, _) => Count::Stale,
            Lookup::Stale(_, Some(_), _) | Lookup::Revalidate(..) => Count::Revalidation,
            Lookup::Join(_) => Count::Join,
            Lookup::Miss(_) => Count::Miss,
            Lookup::Pass(_) | Lookup::OnlyIfCached => Count::Pass,
            Lookup::Load(_) => Count::Load,
        }
    }
}

/// What the policy makes of a stored answer that cannot be served at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// Serve.
    Fresh,
    /// Serve, and renew in the background.
    StaleWhileRevalidate,
    /// Serve at the client's wish.
    StaleAllowed,
    /// Validate; `reload` where the client insists on it.
    Validate { reload: bool },
    /// Not for a client with credentials.
    Barred,
}

/// What a request asks of the cache: nothing in nginx's profile.
pub(crate) fn demands_of(request: &Request<'_>, rules: &Rules) -> Demands {
    if rules.profile == Profile::Nginx || request.fields.present & demand_bits() == 0 {
        return Demands::default();
    }
    Demands::of_request(&request.fields)
}

/// Appraises an answer that its Vary selects.
pub(crate) fn appraise(
    object: &Object,
    request: &Request<'_>,
    demands: &Demands,
    rules: &Rules,
) -> Worth {
    let credentials = request.fields.present & object.meta.bars & !demand_bits();
    if rules.profile == Profile::Rfc9111 && credentials != 0 {
        return Worth::Barred;
    }
    let decision = &object.meta.decision;
    let now_ms = request.now_ms;
    let too_old = demands
        .max_age_s
        .is_some_and(|max_age_s| object.meta.age_s(now_ms) > max_age_s);
    if demands.no_cache || too_old {
        return Worth::Validate { reload: true };
    }
    let fresh_for_ms = decision.fresh_until_ms.saturating_sub(now_ms);
    if let Some(min_fresh_s) = demands.min_fresh_s
        && fresh_for_ms < min_fresh_s.saturating_mul(1000)
    {
        return Worth::Validate { reload: true };
    }
    if fresh_for_ms > 0 {
        return Worth::Fresh;
    }
    let stale_ms = now_ms.saturating_sub(decision.fresh_until_ms);
    let tolerated = |max_stale_s: u64| stale_ms <= max_stale_s.saturating_mul(1000);
    if !decision.must_revalidate && demands.max_stale_s.is_some_and(tolerated) {
        return Worth::StaleAllowed;
    }
    if now_ms < decision.swr_until_ms {
        return Worth::StaleWhileRevalidate;
    }
    Worth::Validate { reload: false }
}
