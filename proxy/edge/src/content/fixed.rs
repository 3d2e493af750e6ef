//! Fixed answers and redirects.

use super::Outcome;
use crate::{
    client::{ClientError, Length},
    pipeline::Cx,
    plan::{FixedPlan, RoutePlan},
};

/// Sends a fixed answer. One without variables is copied from the plan, nothing is rendered.
pub async fn fixed(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &FixedPlan,
) -> Result<Outcome, ClientError> {
    let mut rendered = Vec::new();
    let body: &[u8] = match plan.body.as_literal() {
        Some(b"") if plan.status >= 300 && plan.lines.is_empty() => {
            return cx
                .reply(Some(route), crate::client::Reply::error(plan.status))
                .await
                .map(|()| Outcome::Done);
        }
        Some(body) => body,
        None => {
            plan.body.render(&cx.scope(), &mut rendered);
            &rendered
        }
    };
    cx.tx.lines.clear();
    cx.tx.lines.extend_from_slice(&plan.lines);
    cx.client.head(
        cx.local,
        cx.tx,
        Some(cx.site),
        Some(route),
        plan.status,
        Length::Known(body.len() as u64),
    );
    cx.client.last(cx.tx, body).await.map(|()| Outcome::Done)
}

/// A location as a client needs it: a path is completed with scheme, host and port (nginx: `absolute_redirect`,
/// `port_in_redirect`, `server_name_in_redirect`); YAML leaves it a path (RFC 9110 §10.2.2).
pub fn absolute_location(cx: &Cx<'_>, route: Option<&RoutePlan>, location: &[u8]) -> Vec<u8> {
    let style = route.map_or(&cx.site.rules, |r| &r.rules).locations;
    if location.first() != Some(&b'/') || cx.site.yaml || !style.absolute {
        return location.to_vec();
    }
    let tls = cx.client.info.tls;
    let mut out: Vec<u8> = if tls {
        b"https://".to_vec()
    } else {
        b"http://".to_vec()
    };
    match cx.tx.host.as_slice() {
        host if !host.is_empty() && !style.server_name => out.extend_from_slice(host),
        _ => out.extend_from_slice(cx.site.name.as_bytes()),
    }
    if let Some(local) = cx.client.info.local.filter(|_| style.port)
        && local.port() != if tls { 443 } else { 80 }
    {
        out.extend_from_slice(format!(":{}", local.port()).as_bytes());
    }
    out.extend_from_slice(location);
    out
}
