//! Answers that the policy would store, and that are not stored because somebody may have provoked them to be.

use crate::{
    content::type_of,
    plan::{CacheUse, RoutePlan},
    tx::Tx,
};
use seawall_cache::{Profile, Reason, Request, ResponseMeta, decide};
use seawall_http::Name;

/// A head of that length is one that many origins refuse: what they say to it is no answer for others (cache-poisoned denial of service).
const HEAD_BYTES_MAX: usize = 4096;

/// Why an answer is not stored; whether that says something of the answers to others, too.
pub fn of(
    tx: &Tx,
    route: &RoutePlan,
    cache: &CacheUse,
    request: &Request<'_>,
    response: &ResponseMeta<'_>,
) -> Option<(Reason, bool)> {
    if cache.rules.profile == Profile::Nginx {
        return None;
    }
    let is_error = response.status >= 400 && !matches!(response.status, 404 | 410);
    if is_error && tx.head.len > HEAD_BYTES_MAX {
        return Some((Reason::Oversize, false));
    }
    // A page where the path promises a picture or a script: somebody put an ending behind the path of a page (cache deception).
    if is_page_in_disguise(tx, route, response) {
        let decision = decide(request, response, &cache.rules);
        // What the origin itself called cacheable is its own business.
        if matches!(
            decision.reason,
            Reason::DefaultTtl | Reason::ForceTtl | Reason::Heuristic
        ) {
            return Some((Reason::ContentType, true));
        }
    }
    None
}

fn is_page_in_disguise(tx: &Tx, route: &RoutePlan, response: &ResponseMeta<'_>) -> bool {
    let is_page = |kind: &[u8]| {
        kind.get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
    };
    let said = response.fields.get(Name::ContentType);
    let promised = type_of(route, tx.uri());
    said.is_some_and(is_page) && *promised != *route.types.default && !is_page(promised)
}
