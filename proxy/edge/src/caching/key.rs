//! Keys: byte for byte what is asked of the origin, in length-prefixed parts.

use crate::{
    client::Client,
    local::Local,
    origin,
    pipeline::Cx,
    plan::{CacheUse, ContentPlan, KeyPlan, ProxyPlan},
    tx::Tx,
};
use seawall_cache::KeyBuf;
use seawall_http::parse_request;
use std::rc::Rc;

/// Builds the key of the request into `key`.
pub fn cache_key(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, key: &mut KeyBuf) {
    key.clear();
    let mut part = std::mem::take(&mut cx.tx.scratch);
    part.clear();
    match &cache.key {
        KeyPlan::Template(template) => {
            cx.tx.proxy_host = proxy.proxy_host.clone();
            cx.tx.proxy_port = proxy.proxy_port;
            template.render(&cx.scope(), &mut part);
            key.part(&part);
        }
        KeyPlan::Forwarded => {
            key.part(if cx.client.info.tls {
                b"https"
            } else {
                b"http"
            });
            // nginx's default key has no host of the client (ngx_http_proxy_module, `proxy_cache_key`).
            if cx.site.yaml {
                key.part(&cx.tx.host);
            }
            key.part(proxy.proxy_host.as_bytes());
            origin::push_target(cx, proxy, &mut part);
            key.part(&part);
        }
    }
    cx.tx.scratch = part;
}

/// Why a URL could not be purged.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// It is not an absolute http or https URL.
    #[error("not an absolute URL: give http://host/path or https://host/path")]
    NotAUrl,
    /// No site serves its host.
    #[error("no site serves this host")]
    NoSite,
    /// The worker threads are ending.
    #[error("the daemon is stopping")]
    Stopping,
    /// Its route has no cache.
    #[error("the route of this URL has no cache")]
    NoCache,
}

/// Purges a URL: routed as a request for it would be, so that the key is the very one. True if something was dropped.
///
/// Host names of the URL are looked for at every listener of its scheme, whatever port they have.
pub fn purge(local: &Rc<Local>, url: &str) -> Result<bool, PurgeError> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(PurgeError::NotAUrl),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let plan = local.plan();
    let mut tx = Tx::default();
    tx.rb.reserve(text.len());
    tx.rb
        .free()
        .get_mut(..text.len())
        .ok_or(PurgeError::NotAUrl)?
        .copy_from_slice(text.as_bytes());
    tx.rb.filled(text.len());
    {
        let Tx { rb, head, .. } = &mut tx;
        if !matches!(
            parse_request(rb.bytes(), plan.policy, &plan.head_limits, head),
            Ok(true)
        ) {
            return Err(PurgeError::NotAUrl);
        }
    }
    let (mut any_site, mut any_cache, mut dropped) = (false, false, false);
    for listener in plan.listeners.iter().filter(|l| l.tls == tls) {
        let mut client = Client::nobody(local, listener.id, tls).map_err(|_| PurgeError::NoSite)?;
        client.prepare(local, &mut tx, &plan);
        let Some(site) = listener
            .hosts
            .find(&tx.host)
            .and_then(|at| plan.sites.get(at))
        else {
            continue;
        };
        any_site = true;
        let mut cx = Cx {
            local,
            client: &mut client,
            tx: &mut tx,
            plan: &plan,
            site,
        };
        if let Some(route) = crate::pipeline::route_of(&mut cx)
            && let (ContentPlan::Proxy(proxy), Some(cache)) = (&route.content, &route.cache)
        {
            any_cache = true;
            let mut key = KeyBuf::new();
            cache_key(&mut cx, proxy, cache, &mut key);
            dropped |= cache.cache.purge(key.finish());
        }
        tx.forget_route();
    }
    match (any_site, any_cache) {
        (false, _) => Err(PurgeError::NoSite),
        (true, false) => Err(PurgeError::NoCache),
        (true, true) => Ok(dropped),
    }
}
