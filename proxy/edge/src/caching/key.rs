//! Keys: byte for byte what is asked of the origin, in length-prefixed parts.

use super::counted;
use crate::{
    origin,
    pipeline::Cx,
    plan::{CacheUse, KeyPlan, ProxyPlan},
    tx::Tx,
};
use seawall_cache::{KeyBuf, NoVarySearch};
use seawall_http::{Method, uri};

/// Builds the key of the request into `key`. Where only some of the query counts, GET and HEAD go on with that alone.
pub fn cache_key(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, key: &mut KeyBuf) {
    let Some(plan) = &cache.query else {
        return parts(cx, proxy, cache, key);
    };
    let Some(args) = counted::query(plan, cx.tx.args()) else {
        return parts(cx, proxy, cache, key);
    };
    let sent = cx.tx.args_buf.replace(args);
    parts(cx, proxy, cache, key);
    if !matches!(cx.tx.head.method, Method::Get | Method::Head) {
        cx.tx.args_buf = sent;
    }
}

/// The key with the query as the origin said that it counts (No-Vary-Search); the request itself keeps it whole.
fn parts(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, key: &mut KeyBuf) {
    if !cache.cache.knows_searches() || !cache.reports || cx.tx.args().is_empty() {
        return all_parts(cx, proxy, cache, key);
    }
    path_key(cx, proxy, cache, key);
    let Some(said) = cache.cache.search_of(key.finish()) else {
        return all_parts(cx, proxy, cache, key);
    };
    let counted = said.counted(cx.tx.args());
    let sent = cx.tx.args_buf.replace(counted);
    all_parts(cx, proxy, cache, key);
    cx.tx.args_buf = sent;
}

/// The key of the path alone.
fn path_key(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, key: &mut KeyBuf) {
    let sent = cx.tx.args_buf.replace(Vec::new());
    all_parts(cx, proxy, cache, key);
    cx.tx.args_buf = sent;
}

/// Takes note of what a stored answer says of the queries of its path.
pub fn learn_search(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    said: Option<NoVarySearch>,
) {
    let forgets = said.is_none() && !cache.cache.knows_searches();
    if forgets || !cache.reports || cx.tx.args().is_empty() {
        return;
    }
    let mut key = cx.local.take_key();
    path_key(cx, proxy, cache, &mut key);
    cache.cache.learn_search(key.finish(), said);
    cx.local.give_key(key);
}

fn all_parts(cx: &mut Cx<'_>, proxy: &ProxyPlan, cache: &CacheUse, key: &mut KeyBuf) {
    key.clear();
    let mut part = std::mem::take(&mut cx.tx.scratch);
    part.clear();
    match &cache.key {
        KeyPlan::Template(template) => {
            origin::name_origin(cx.tx, proxy);
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
                host(cx, &mut part);
                key.part(&part);
                part.clear();
            }
            origin::name_origin(cx.tx, proxy);
            key.part(cx.tx.proxy_host.as_bytes());
            origin::push_target(cx, proxy, &mut part);
            key.part(&part);
        }
    }
    besides(cx, cache, key, &mut part);
    cx.tx.scratch = part;
}

/// The host as it is forwarded, with its port: an origin may repeat it in links and redirects.
fn host(cx: &Cx<'_>, part: &mut Vec<u8>) {
    let sent = cx.tx.head.host.of(cx.tx.rb.bytes());
    if sent.len() == cx.tx.host.len() {
        return part.extend_from_slice(&cx.tx.host);
    }
    part.extend(sent.iter().map(u8::to_ascii_lowercase));
}

/// What the route takes into the key besides the target.
fn besides(cx: &Cx<'_>, cache: &CacheUse, key: &mut KeyBuf, part: &mut Vec<u8>) {
    let fields = cx.tx.fields();
    for name in &cache.key_cookies {
        part.clear();
        let is_there = counted::push_cookie(&fields, name, part);
        key.part(if is_there { part } else { b"-" });
    }
    for name in &cache.key_headers {
        part.clear();
        for value in fields.find_all(name) {
            part.push(b'=');
            part.extend_from_slice(value);
        }
        key.part(part);
    }
    if let Some(device) = cx.tx.device {
        key.part(device.as_bytes());
    }
    if let Some(country) = &cx.tx.country {
        key.part(country);
    }
}

/// What a stored answer can be purged by beside its key: `host/path?query` as the client asked for it, whatever rewriting came after, with
/// the path in its normal form.
pub fn location(tx: &Tx) -> Vec<u8> {
    let mut path = Vec::new();
    if uri::normalize(tx.raw_path(), true, &mut path).is_err() {
        path.clear();
        path.push(b'/');
    }
    let mut location = Vec::with_capacity(tx.host.len() + tx.request_uri().len() + 1);
    location.extend_from_slice(&tx.host);
    location.append(&mut path);
    if let Some(at) = memchr::memchr(b'?', tx.request_uri()) {
        location.extend_from_slice(tx.request_uri().get(at..).unwrap_or_default());
    }
    location
}
