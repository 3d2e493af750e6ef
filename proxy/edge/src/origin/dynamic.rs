//! The origin that a request names (ngx_http_proxy_module: `proxy_pass` with variables).
//!
//! What the URL comes to is looked for among the pools by name; an address is asked as it is, and a name by the `resolver`
//! of the configuration, as long as its time to live allows.

use crate::{
    discovery::Resolver,
    pipeline::Cx,
    plan::{
        PoolPlan,
        dynamic::{DynamicPlan, ReachPlan},
    },
};
use seawall_conf::{host_port, model::Address};
use std::{sync::Arc, time::Duration};

/// Addresses hold until they are pushed out by others.
const FOREVER: Duration = Duration::from_secs(86_400);

/// The origin that a request has named.
pub struct Target {
    /// Its pool.
    pub pool: Arc<PoolPlan>,
    /// `$proxy_host`
    pub host: Arc<str>,
    /// `$proxy_port`
    pub port: u16,
    /// What is requested; as received if `None`.
    pub uri: Option<Vec<u8>>,
}

/// Why there is none: the status to answer, and what the log says.
pub type NoTarget = (u16, String);

/// Finds the origin that the request in `cx` names, and keeps it with the request.
pub async fn aim(cx: &mut Cx<'_>, plan: &DynamicPlan) -> Result<(), NoTarget> {
    cx.tx.target = None;
    let mut url = Vec::new();
    plan.url.render(&cx.scope(), &mut url);
    let url = String::from_utf8(url).map_err(|_| (500, "invalid URL".to_owned()))?;
    let (reach, rest, port) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (&plan.plain, rest, 80),
        (_, Some(rest)) => (&plan.tls, rest, 443),
        _ => return Err((500, format!("invalid URL prefix in \"{url}\""))),
    };
    let Some(reach) = reach else {
        return Err((500, format!("invalid URL prefix in \"{url}\"")));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, uri) = match rest.strip_prefix("unix:") {
        None => rest.split_at(end),
        Some(path) => {
            let end = path.find(':').map_or(rest.len(), |at| at + 5);
            let (authority, uri) = rest.split_at(end);
            (authority, uri.strip_prefix(':').unwrap_or(uri))
        }
    };
    let uri = match uri.as_bytes().first() {
        None => None,
        Some(b'?') => Some(format!("/{uri}").into_bytes()),
        Some(_) => Some(uri.as_bytes().to_vec()),
    };
    let (pool, port) = reached(reach, authority, port).await?;
    cx.tx.target = Some(Box::new(Target {
        pool,
        host: authority.into(),
        port,
        uri,
    }));
    Ok(())
}

async fn reached(
    reach: &ReachPlan,
    authority: &str,
    port: u16,
) -> Result<(Arc<PoolPlan>, u16), NoTarget> {
    if authority.is_empty() {
        return Err((500, "no host in upstream".into()));
    }
    if let Some(pool) = reach.named(authority) {
        return Ok((pool.live().clone(), port));
    }
    let address = match authority.strip_prefix("unix:") {
        Some(path) => Address::Unix(path.into()),
        None => host_port(authority, Some(port)).map_err(|e| (500, e))?,
    };
    let at = match &address {
        Address::Ip(address) => address.port(),
        Address::Name(_, port) => *port,
        Address::Unix(_) => port,
    };
    if let Some(pool) = reach.made(authority) {
        return Ok((pool, at));
    }
    let Address::Name(name, port) = &address else {
        return Ok((reach.make(authority, vec![address], None, FOREVER), at));
    };
    if reach.resolver().is_empty() {
        return Err((502, format!("no resolver defined to resolve {name}")));
    }
    let resolver = Resolver::new(reach.resolver());
    let (mut found, good_for) = resolver
        .addresses(name)
        .await
        .map_err(|e| (502, format!("{name} could not be resolved ({e})")))?;
    found.sort_unstable();
    let addresses = found.into_iter().map(|ip| Address::Ip((ip, *port).into()));
    let pool = reach.make(authority, addresses.collect(), Some(name), good_for);
    Ok((pool, at))
}
