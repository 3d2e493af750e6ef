//! What is in the caches, for an operator.

use super::{
    counted,
    key::cache_key,
    purge::{PurgeError, for_routes_of, prefix_of},
};
use crate::{local::Local, plan::Plan};
use seawall_cache::{Explained, KeyBuf, Object, Request};
use std::{rc::Rc, sync::Arc};

/// Slices of one body that are looked for.
pub const SLICES_MAX: u64 = 65_536;
/// Objects that are listed at most.
pub const LIST_MAX: usize = 10_000;

/// A URL at one listener.
pub struct Inspected {
    /// The site.
    pub site: String,
    /// What a GET with the given fields would come to.
    pub explained: Explained,
    /// The parts of the key, as text.
    pub key: Vec<String>,
    /// Whether the disk has any variant.
    pub on_disk: bool,
    /// All variants in memory.
    pub variants: Vec<Arc<Object>>,
    /// Of each how many of its slices are here, where its body is kept in slices: of the first [`SLICES_MAX`].
    pub slices: Vec<u64>,
    /// The moment it was looked at, unix milliseconds.
    pub now_ms: u64,
}

/// Which objects are listed: all that are given must fit.
#[derive(Clone, Debug, Default)]
pub struct CachedQuery {
    /// `host/path` that their URL begins with.
    pub prefix: Option<String>,
    /// A tag of theirs.
    pub tag: Option<String>,
    /// The site that they were stored for.
    pub site: Option<String>,
    /// How many at most, [`LIST_MAX`] in any case.
    pub limit: usize,
}

/// Looks at a URL as a request with these fields would: `Name: value`, each.
pub fn inspect(
    local: &Rc<Local>,
    url: &str,
    fields: &[String],
) -> Result<Vec<Inspected>, PurgeError> {
    let mut lines = String::new();
    for field in fields {
        if field.contains(['\r', '\n']) {
            return Err(PurgeError::NotAUrl);
        }
        lines.push_str(field);
        lines.push_str("\r\n");
    }
    let mut all = Vec::new();
    for_routes_of(local, url, &lines, &mut |cx, proxy, cache| {
        let mut key = KeyBuf::new();
        cache_key(cx, proxy, cache, &mut key);
        let key = key.finish();
        let now_ms = crate::clock::now_ms();
        let request = Request {
            method: cx.tx.head.method,
            fields: counted::fields(cx.tx),
            now_ms,
        };
        let variants = cache.cache.variants(key);
        let count = |object: &Arc<Object>| cache.cache.count_slices(object, SLICES_MAX);
        all.push(Inspected {
            slices: variants.iter().map(count).collect(),
            site: cx.site.name.clone(),
            explained: cache.cache.explain(key, &request, &cache.rules),
            key: key
                .parts()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect(),
            on_disk: cache.cache.is_on_disk(key),
            variants,
            now_ms,
        });
    })?;
    Ok(all)
}

/// Objects in memory, with the name of their cache.
pub fn list(plan: &Plan, wanted: &CachedQuery) -> Result<Vec<(String, Arc<Object>)>, PurgeError> {
    let prefix = wanted.prefix.as_deref().map(prefix_of).transpose()?;
    let fits = |object: &Object| {
        let has_tag = |tag: &String| object.tags().any(|own| own == tag.as_bytes());
        prefix
            .as_ref()
            .is_none_or(|prefix| object.url().starts_with(prefix))
            && wanted.tag.as_ref().is_none_or(has_tag)
            && wanted
                .site
                .as_ref()
                .is_none_or(|site| object.site() == site)
    };
    let mut all = Vec::new();
    for cache in &plan.caches {
        let left = wanted.limit.min(LIST_MAX).saturating_sub(all.len());
        if left > 0 {
            let found = cache.cache.list(left, &fits).into_iter();
            all.extend(found.map(|object| (cache.name.clone(), object)));
        }
    }
    Ok(all)
}
