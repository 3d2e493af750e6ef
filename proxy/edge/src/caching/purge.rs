//! Purges, by an operator's word and by the method PURGE.

use super::key::{cache_key, location};
use crate::{
    client::{Client, ClientError, Reply},
    content::Outcome,
    local::Local,
    pipeline::Cx,
    plan::{CacheUse, ContentPlan, Plan, ProxyPlan, RoutePlan},
    tx::Tx,
};
use seawall_cache::{Durable, KeyBuf, Manner, Scope};
use seawall_http::{Method, Name, parse_request, uri};
use std::rc::Rc;

/// What an operator wants purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeTarget {
    /// One URL with all that was stored for it: `https://host/path?query`.
    Url(String),
    /// All URLs that begin like this, on any scheme: `host/path` or `https://host/path`.
    Prefix(String),
    /// All that has this tag, in every cache.
    Tag(String),
    /// All of a site, by its first name.
    Site(String),
    /// Everything, in every cache.
    All,
}

/// Why something could not be purged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// It is not an absolute http or https URL.
    #[error("not an absolute URL: give http://host/path or https://host/path")]
    NotAUrl,
    /// It is no host and path.
    #[error("not a prefix of URLs: give host/path or https://host/path")]
    NotAPrefix,
    /// No site serves its host.
    #[error("no site serves this host")]
    NoSite,
    /// There is no site of that name.
    #[error("there is no site of this name: give the first of its hosts")]
    UnknownSite,
    /// A tag that no origin can send.
    #[error("a tag is neither empty nor longer than {TAG_BYTES_MAX} bytes")]
    BadTag,
    /// The worker threads are ending.
    #[error("the daemon is stopping")]
    Stopping,
    /// Its route has no cache.
    #[error("the route of this URL has no cache")]
    NoCache,
    /// It holds, but only until the daemon ends.
    #[error(
        "purged, but the cache's journal could not be written: it would come back after a restart; see the error log"
    )]
    NotDurable,
}

impl PurgeError {
    /// Whether it is the daemon's failure, not a mistake of whoever asked.
    pub fn is_failure(&self) -> bool {
        matches!(self, PurgeError::Stopping | PurgeError::NotDurable)
    }
}

/// The longest tag that is taken.
const TAG_BYTES_MAX: usize = 1024;

/// What a purge came to on the thread that routed it; it is acknowledged once it is durable.
pub struct UrlPurged {
    /// Whether anything was stored under the URL's own key.
    pub removed: bool,
    /// One for each cache.
    pub durable: Vec<Durable>,
}

/// Purges what needs no routing. Blocks until it is on the disk.
pub fn purge_everywhere(
    plan: &Plan,
    target: &PurgeTarget,
    manner: Manner,
) -> Result<(), PurgeError> {
    let prefix;
    let scope = match target {
        PurgeTarget::Prefix(text) => {
            prefix = prefix_of(text)?;
            Scope::Prefix(&prefix)
        }
        PurgeTarget::Tag(tag) => {
            let tag = tag.trim().as_bytes();
            if tag.is_empty() || tag.len() > TAG_BYTES_MAX {
                return Err(PurgeError::BadTag);
            }
            Scope::Tag(tag)
        }
        PurgeTarget::Site(name) => {
            let known = plan.sites.iter().any(|site| site.name == *name);
            if !known {
                return Err(PurgeError::UnknownSite);
            }
            Scope::Site(name.as_bytes())
        }
        PurgeTarget::All => Scope::All,
        PurgeTarget::Url(_) => return Err(PurgeError::NotAUrl),
    };
    let now_ms = crate::clock::now_ms();
    let durable: Vec<Durable> = plan
        .caches
        .iter()
        .map(|cache| cache.cache.purge_scope(scope, manner, now_ms))
        .collect();
    // All are waited for, whatever the first says.
    let written = durable
        .into_iter()
        .map(Durable::wait_blocking)
        .filter(|written| !written)
        .count()
        == 0;
    written.then_some(()).ok_or(PurgeError::NotDurable)
}

/// `host/path` in the form that objects are labelled with.
pub(super) fn prefix_of(text: &str) -> Result<Vec<u8>, PurgeError> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host =
        uri::split_host_port(authority.as_bytes()).map_or(authority.as_bytes(), |(name, _)| name);
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.is_empty() {
        return Err(PurgeError::NotAPrefix);
    }
    let mut prefix = host.to_ascii_lowercase();
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut normal = Vec::new();
    let path = if path.is_empty() { "/" } else { path };
    uri::normalize(path.as_bytes(), true, &mut normal).map_err(|_| PurgeError::NotAPrefix)?;
    prefix.append(&mut normal);
    prefix.extend_from_slice(query.as_bytes());
    Ok(prefix)
}

/// Purges a URL: routed as a request for it would be, so that the key is the very one; what was stored for the URL under keys with more parts
/// goes by its URL.
///
/// Host names of the URL are looked for at every listener of its scheme, whatever port they have.
pub fn purge(local: &Rc<Local>, url: &str, manner: Manner) -> Result<UrlPurged, PurgeError> {
    let mut purged = UrlPurged {
        removed: false,
        durable: Vec::new(),
    };
    let mut purge = |url: &str| {
        for_routes_of(local, url, "", &mut |cx, proxy, cache| {
            purged.removed |= purge_request(cx, proxy, cache, manner, &mut purged.durable);
        })
    };
    purge(url)?;
    // Clients need not say the port, and one in front of us may not: it is part of the key, and of no use to whoever purges.
    if let Some(portless) = without_port(url) {
        purge(&portless)?;
    }
    Ok(purged)
}

/// A URL that has a port, without it.
fn without_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    Some(format!("{scheme}://{host}{path}"))
}

/// Drops what a response to an unsafe method may have changed (RFC 9111 §4.4).
pub fn invalidate(local: &Rc<Local>, url: &str) -> Result<(), PurgeError> {
    for_routes_of(local, url, "", &mut |cx, proxy, cache| {
        let mut key = KeyBuf::new();
        cache_key(cx, proxy, cache, &mut key);
        cache.cache.invalidate(key.finish());
    })
}

/// Routes a URL as a request for it with these header lines would be, at every listener of its scheme, and hands over each route that has a
/// cache.
pub fn for_routes_of(
    local: &Rc<Local>,
    url: &str,
    lines: &str,
    each: &mut dyn FnMut(&mut Cx<'_>, &ProxyPlan, &CacheUse),
) -> Result<(), PurgeError> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(PurgeError::NotAUrl),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    route_head(
        local,
        tls,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"),
        each,
    )
}

fn route_head(
    local: &Rc<Local>,
    tls: bool,
    text: &str,
    each: &mut dyn FnMut(&mut Cx<'_>, &ProxyPlan, &CacheUse),
) -> Result<(), PurgeError> {
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
    let (mut any_site, mut any_cache) = (false, false);
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
            each(&mut cx, proxy, cache);
        }
        tx.forget_route();
    }
    match (any_site, any_cache) {
        (false, _) => Err(PurgeError::NoSite),
        (true, false) => Err(PurgeError::NoCache),
        (true, true) => Ok(()),
    }
}

/// Purges what a request asks for. True if its own key had anything.
fn purge_request(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    manner: Manner,
    durable: &mut Vec<Durable>,
) -> bool {
    let mut key = KeyBuf::new();
    cache_key(cx, proxy, cache, &mut key);
    let now_ms = crate::clock::now_ms();
    let key = key.finish();
    let url = location(cx.tx);
    match manner {
        Manner::Hard => {
            let removed = cache.cache.purge(key);
            durable.push(cache.cache.purge_scope(Scope::Url(&url), manner, now_ms));
            removed
        }
        Manner::Soft => {
            let removed = cache.cache.contains(key);
            durable.push(
                cache
                    .cache
                    .purge_scope(Scope::Key(key.bytes), manner, now_ms),
            );
            durable.push(cache.cache.purge_scope(Scope::Url(&url), manner, now_ms));
            removed
        }
    }
}

/// The method PURGE, where the route's `purge` names who may use it: of the URL that is asked for, or of the tags in `Surrogate-Key`,
/// `Cache-Tag` and `CDN-Tag` of the request; soft with `Soft-Purge: 1`. `None`: the method is the origin's.
pub async fn by_method(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    proxy: &ProxyPlan,
    cache: &CacheUse,
) -> Result<Option<Outcome>, ClientError> {
    if cx.tx.head.method != Method::Purge || cache.purgers.is_empty() {
        return Ok(None);
    }
    if cache.purgers.judge(cx.tx.client) != Some(true) {
        return cx
            .reply(Some(route), Reply::error(403))
            .await
            .map(|()| Some(Outcome::Done));
    }
    let manner = match cx.tx.fields().find(b"soft-purge") {
        Some(b"1") => Manner::Soft,
        _ => Manner::Hard,
    };
    let now_ms = crate::clock::now_ms();
    let mut durable = Vec::new();
    let fields = cx.tx.fields();
    let by_tag = [Name::SurrogateKey, Name::CacheTag, Name::CdnTag]
        .iter()
        .any(|name| fields.has(*name));
    let body: &[u8] = if by_tag {
        let Some(tags) = seawall_cache::request_tags(&fields) else {
            return cx
                .reply(Some(route), Reply::error(400))
                .await
                .map(|()| Some(Outcome::Done));
        };
        for tag in &tags {
            durable.push(cache.cache.purge_scope(Scope::Tag(tag), manner, now_ms));
        }
        b"{\"purged\":\"tags\"}\n"
    } else if purge_request(cx, proxy, cache, manner, &mut durable) {
        b"{\"purged\":\"url\",\"removed\":true}\n"
    } else {
        b"{\"purged\":\"url\",\"removed\":false}\n"
    };
    let mut written = true;
    for one in durable {
        written &= one.wait().await;
    }
    let reply = match written {
        true => Reply {
            body: Some(body),
            content_type: b"application/json",
            ..Reply::error(200)
        },
        false => Reply::error(500),
    };
    cx.reply(Some(route), reply)
        .await
        .map(|()| Some(Outcome::Done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_out_of_a_url_that_has_one() {
        let without = |url: &str| without_port(url);
        assert_eq!(without("http://a:80/x:1").as_deref(), Some("http://a/x:1"));
        assert_eq!(
            without("https://[::1]:8443").as_deref(),
            Some("https://[::1]")
        );
        for url in ["http://a/x:1", "https://[::1]/", "a:80"] {
            assert_eq!(without(url), None, "{url}");
        }
    }

    #[test]
    fn prefixes_are_brought_into_the_form_of_labels() {
        let prefix = |text: &str| prefix_of(text).map(|p| String::from_utf8(p).unwrap()).ok();
        for text in ["https://Shop.test:8443/a/%62/./c", "shop.test./a/b//c"] {
            assert_eq!(prefix(text).as_deref(), Some("shop.test/a/b/c"), "{text}");
        }
        assert_eq!(prefix("shop.test").as_deref(), Some("shop.test/"));
        assert_eq!(prefix("shop.test/a?b=").as_deref(), Some("shop.test/a?b="));
        assert_eq!(prefix("/a"), None);
        assert_eq!(prefix("shop.test/../a"), None);
    }
}
