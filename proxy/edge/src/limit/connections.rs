//! How many requests of a key are served at once (ngx_http_limit_conn_module).
//!
//! A request holds its places from here until it is logged; over HTTP/2 each stream is a request of its own.

use crate::{
    client::{ClientError, Reply},
    content::Outcome,
    pipeline::Cx,
    plan::{ConnectionLimitPlan, RoutePlan},
};

/// Takes a place in every limit of the route. An outcome: the request was refused, and is answered.
pub async fn connections(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
) -> Result<Option<Outcome>, ClientError> {
    if std::mem::replace(&mut cx.tx.held_once, true) {
        return Ok(None);
    }
    entered(cx, route, &route.connection_limits).await
}

/// Takes a place in each of these limits.
pub(super) async fn entered(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    limits: &[ConnectionLimitPlan],
) -> Result<Option<Outcome>, ClientError> {
    match refusal(cx, limits) {
        None => Ok(None),
        // Boxed: a request that is served has no room for this.
        Some(status) => Box::pin(cx.reply(Some(route), Reply::error(status)))
            .await
            .map(|()| Some(Outcome::Done)),
    }
}

fn refusal(cx: &mut Cx<'_>, limits: &[ConnectionLimitPlan]) -> Option<u16> {
    let mut key = std::mem::take(&mut cx.tx.scratch);
    let mut refused = None;
    for limit in limits {
        key.clear();
        limit.key.render(&cx.scope(), &mut key);
        if key.is_empty() {
            continue;
        }
        match limit.keys.table.enter(limit.keys.hash(&key), limit.max) {
            Some(place) => {
                cx.tx.held.push(place);
                if cx.tx.places_status.is_empty() {
                    cx.tx.places_status = "PASSED";
                }
            }
            None => {
                note(cx, limit);
                if limit.dry_run {
                    cx.tx.places_status = "REJECTED_DRY_RUN";
                    limit.metrics.dry_run.inc();
                    continue;
                }
                limit.metrics.refused.inc();
                cx.tx.places_status = "REJECTED";
                // A refusal holds no place in the others.
                cx.tx.held.clear();
                refused = Some(limit.status);
                break;
            }
        }
    }
    cx.tx.scratch = key;
    refused
}

/// In nginx's words.
fn note(cx: &Cx<'_>, limit: &ConnectionLimitPlan) {
    let errors = &cx.local.shared.errors;
    if errors.enabled(limit.log_level) {
        let dry = if limit.dry_run { ", dry run," } else { "" };
        let who = crate::access::request_of(cx);
        let name = &limit.name;
        errors.line(
            limit.log_level,
            cx.client.info.serial,
            format_args!("limiting connections{dry} by {name}, {who}"),
        );
    }
}
