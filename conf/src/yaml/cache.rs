//! `cache` of a level: how a route uses one.

use super::document::networks;
use super::read::{Reader, Shape};
use super::rooms::Names;
use super::tree::{Node, Value};
use crate::model::{
    AccessRule, CachePolicy, CacheProfile, CacheQuery, CacheVary, CachedSetCookie, IgnoredCookies,
    KeptParameters, NginxCaching, Template, Who,
};
use seawall_diag::Span;
use std::time::Duration;

pub(super) const CACHE: Shape = Shape {
    what: "`cache`",
    fields: &[
        "name",
        "key",
        "query",
        "vary",
        "ignore_cookies",
        "set_cookie",
        "languages",
        "heuristics",
        "default_ttl",
        "force_ttl",
        "stale_while_revalidate",
        "stale_if_error",
        "stale_while_disconnected",
        "bypass",
        "no_store",
        "min_uses",
        "purge",
        "slice",
    ],
    not_yet: &["methods"],
};
pub(super) const QUERY: Shape = Shape {
    what: "`query`",
    fields: &["only", "without", "sorted"],
    not_yet: &[],
};
pub(super) const VARY: Shape = Shape {
    what: "`vary`",
    fields: &["cookies", "headers", "device", "country"],
    not_yet: &[],
};
const SET_COOKIE: [(&str, CachedSetCookie); 3] = [
    ("pass", CachedSetCookie::Pass),
    ("strip", CachedSetCookie::Strip),
    ("store", CachedSetCookie::Store),
];
const LANGUAGES: [(&str, bool); 2] = [("as_sent", false), ("by_preference", true)];

/// How long a stale answer stands in for an origin that cannot be reached, unless something else is said.
const DISCONNECTED: Duration = Duration::from_secs(24 * 3600);
/// The most names that a list of parameters, cookies or headers may have: each request is held against them.
const NAMES_MAX: usize = 64;

/// Bytes of a slice, unless something else is said, and what may be said.
const SLICE_BYTES: u64 = 1 << 20;
const SLICES: std::ops::RangeInclusive<u64> = 64 << 10..=32 << 20;

/// A setting that `off` removes.
type Removable = Option<Option<Duration>>;

/// What one level says.
#[derive(Clone, Default)]
pub(crate) struct CacheLayer {
    at: Span,
    off: bool,
    name: Option<usize>,
    key: Option<Template>,
    query: Option<CacheQuery>,
    vary: Option<CacheVary>,
    ignore_cookies: Option<IgnoredCookies>,
    set_cookie: Option<CachedSetCookie>,
    languages: Option<bool>,
    heuristics: Option<bool>,
    default_ttl: Removable,
    force_ttl: Removable,
    stale_while_revalidate: Removable,
    stale_if_error: Removable,
    stale_while_disconnected: Removable,
    bypass: Option<Vec<Template>>,
    no_store: Option<Vec<Template>>,
    min_uses: Option<u32>,
    purgers: Option<Vec<AccessRule>>,
    slice: Option<Option<u64>>,
}

impl CacheLayer {
    /// What is inherited where this level says nothing.
    pub(crate) fn over(self, outer: &CacheLayer) -> CacheLayer {
        CacheLayer {
            at: self.at,
            off: self.off,
            name: self.name.or(outer.name),
            key: self.key.or_else(|| outer.key.clone()),
            query: self.query.or_else(|| outer.query.clone()),
            vary: self.vary.or_else(|| outer.vary.clone()),
            ignore_cookies: self.ignore_cookies.or_else(|| outer.ignore_cookies.clone()),
            set_cookie: self.set_cookie.or(outer.set_cookie),
            languages: self.languages.or(outer.languages),
            heuristics: self.heuristics.or(outer.heuristics),
            default_ttl: self.default_ttl.or(outer.default_ttl),
            force_ttl: self.force_ttl.or(outer.force_ttl),
            stale_while_revalidate: self.stale_while_revalidate.or(outer.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(outer.stale_if_error),
            stale_while_disconnected: self
                .stale_while_disconnected
                .or(outer.stale_while_disconnected),
            bypass: self.bypass.or_else(|| outer.bypass.clone()),
            no_store: self.no_store.or_else(|| outer.no_store.clone()),
            min_uses: self.min_uses.or(outer.min_uses),
            purgers: self.purgers.or_else(|| outer.purgers.clone()),
            slice: self.slice.or(outer.slice),
        }
    }

    /// The policy, unless the cache is off. A cache that nobody names is the only one, or the one called `default`.
    pub(crate) fn policy(&self, reader: &mut Reader<'_>, names: &Names<'_>) -> Option<CachePolicy> {
        if self.off {
            return None;
        }
        let only = (names.caches.len() == 1).then_some(0);
        let cache = self
            .name
            .or(only)
            .or_else(|| names.caches.iter().position(|n| *n == "default"));
        let Some(cache) = cache else {
            let help = "define one: `caches: { default: { memory: 256MiB } }`";
            reader.invalid(
                self.at,
                "no cache is named here, and there is no `default` one",
                help,
            );
            return None;
        };
        Some(CachePolicy {
            cache,
            profile: CacheProfile::Rfc9111,
            key: self.key.clone(),
            query: self.query.clone().unwrap_or_default(),
            vary: self.vary.clone().unwrap_or_default(),
            ignore_cookies: self.ignore_cookies.clone().unwrap_or_default(),
            set_cookie: self.set_cookie.unwrap_or_default(),
            languages_by_preference: self.languages.unwrap_or(false),
            default_ttl: self.default_ttl.flatten(),
            force_ttl: self.force_ttl.flatten(),
            stale_while_revalidate: self.stale_while_revalidate.flatten(),
            stale_if_error: self.stale_if_error.flatten(),
            stale_while_disconnected: self.stale_while_disconnected.unwrap_or(Some(DISCONNECTED)),
            heuristics: self.heuristics.unwrap_or(false),
            min_uses: self.min_uses.unwrap_or(1),
            bypass: self.bypass.clone().unwrap_or_default(),
            no_store: self.no_store.clone().unwrap_or_default(),
            valid: Vec::new(),
            purgers: self.purgers.clone().unwrap_or_default(),
            slice: self.slice.unwrap_or(Some(SLICE_BYTES)),
            nginx: NginxCaching::default(),
        })
    }
}

/// Reads `cache`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, names: &Names<'_>) -> Option<CacheLayer> {
    let mut cache = CacheLayer {
        at: node.at,
        ..CacheLayer::default()
    };
    if node.is_off() {
        cache.off = true;
        return Some(cache);
    }
    if let Value::Scalar { .. } = node.value {
        let name = reader.string(node)?;
        if !matches!(name, "true" | "on") {
            cache.name = Some(reader.resolve(node.at, name, "cache", &names.caches)?);
        }
        return Some(cache);
    }
    let fields = reader.open(node, &CACHE)?;
    if let Some(node) = fields.get("name") {
        let name = reader.string(node)?;
        cache.name = Some(reader.resolve(node.at, name, "cache", &names.caches)?);
    }
    cache.key = fields.get("key").and_then(|n| reader.template(n));
    cache.query = fields.get("query").and_then(|n| query(reader, n));
    cache.vary = fields.get("vary").and_then(|n| vary(reader, n));
    cache.ignore_cookies = fields
        .get("ignore_cookies")
        .and_then(|n| ignored(reader, n));
    cache.set_cookie = fields
        .get("set_cookie")
        .and_then(|n| reader.choice(n, &SET_COOKIE, &[]));
    cache.languages = fields
        .get("languages")
        .and_then(|n| reader.choice(n, &LANGUAGES, &[]));
    cache.heuristics = fields.get("heuristics").and_then(|n| reader.boolean(n));
    cache.bypass = fields.get("bypass").map(|n| conditions(reader, n));
    cache.no_store = fields.get("no_store").map(|n| conditions(reader, n));
    cache.min_uses = fields
        .get("min_uses")
        .and_then(|n| reader.integer(n, 1, u64::from(u16::MAX)))
        .map(|n| n as u32);
    if let Some(node) = fields.get("purge") {
        cache.purgers = Some(purgers(reader, node));
    }
    cache.slice = fields.get("slice").and_then(|n| slice(reader, n));
    let mut duration = |name: &str| {
        let node = fields.get(name)?;
        if node.is_off() {
            Some(None)
        } else {
            reader.duration(node).map(Some)
        }
    };
    cache.default_ttl = duration("default_ttl");
    cache.force_ttl = duration("force_ttl");
    cache.stale_while_revalidate = duration("stale_while_revalidate");
    cache.stale_if_error = duration("stale_if_error");
    cache.stale_while_disconnected = duration("stale_while_disconnected");
    Some(cache)
}

/// `slice`: a size, or `off`.
fn slice(reader: &mut Reader<'_>, node: &Node) -> Option<Option<u64>> {
    if node.is_off() {
        return Some(None);
    }
    let size = reader.size(node)?;
    if !SLICES.contains(&size) {
        reader.invalid(
            node.at,
            "a slice has 64 KiB to 32 MiB",
            "1MiB is what it is unless something else is said",
        );
        return None;
    }
    Some(Some(size))
}

/// `purge: [networks]`, or `off`.
fn purgers(reader: &mut Reader<'_>, node: &Node) -> Vec<AccessRule> {
    if node.is_off() {
        return Vec::new();
    }
    let rule = |net| AccessRule {
        who: Who::Net(net),
        allow: true,
    };
    networks(reader, node).into_iter().map(rule).collect()
}

/// `sorted`, `none`, or a map.
fn query(reader: &mut Reader<'_>, node: &Node) -> Option<CacheQuery> {
    if let Value::Scalar { .. } = node.value {
        let sorted = CacheQuery {
            keep: KeptParameters::All,
            sorted: true,
        };
        let none = CacheQuery {
            keep: KeptParameters::None,
            sorted: false,
        };
        let words = [("as_sent", 0), ("sorted", 1), ("none", 2)];
        return match reader.choice(node, &words, &[])? {
            1 => Some(sorted),
            2 => Some(none),
            _ => Some(CacheQuery::default()),
        };
    }
    let fields = reader.open(node, &QUERY)?;
    let keep = match (fields.get("only"), fields.get("without")) {
        (Some(_), Some(without)) => {
            reader.invalid(
                without.at,
                "`only` and `without` stand beside each other",
                "say which parameters count, or which do not",
            );
            return None;
        }
        (Some(only), None) => KeptParameters::Only(list(reader, only)?),
        (None, Some(without)) => KeptParameters::Without(list(reader, without)?),
        (None, None) => KeptParameters::All,
    };
    let sorted = fields.get("sorted").and_then(|n| reader.boolean(n));
    Some(CacheQuery {
        keep,
        sorted: sorted.unwrap_or(false),
    })
}

fn vary(reader: &mut Reader<'_>, node: &Node) -> Option<CacheVary> {
    let fields = reader.open(node, &VARY)?;
    let mut names = |field: &str| fields.get(field).and_then(|n| list(reader, n));
    let (cookies, headers) = (names("cookies"), names("headers"));
    let device = fields.get("device").and_then(|n| reader.boolean(n));
    let country = fields
        .get("country")
        .and_then(|n| reader.boolean(n)?.then_some(n.at));
    Some(CacheVary {
        cookies: cookies.unwrap_or_default(),
        headers: headers.unwrap_or_default(),
        device: device.unwrap_or(false),
        country,
    })
}

/// `all`, or names.
fn ignored(reader: &mut Reader<'_>, node: &Node) -> Option<IgnoredCookies> {
    if node.is_off() {
        return Some(IgnoredCookies::None);
    }
    if node.scalar() == Some("all") {
        return Some(IgnoredCookies::All);
    }
    list(reader, node).map(IgnoredCookies::Named)
}

/// Names of parameters, cookies or headers.
fn list(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let nodes = reader.list(node);
    if nodes.len() > NAMES_MAX {
        reader.invalid(
            node.at,
            format!("more than {NAMES_MAX} names"),
            "a `*` at the end of one stands for many",
        );
        return None;
    }
    let mut names = Vec::new();
    for node in nodes {
        let name = reader.string(node)?;
        if name.is_empty() || name.contains(['=', '&', ';', ' ', ',']) {
            reader.invalid(
                node.at,
                format!("`{name}` is no name"),
                "write it as it stands before the `=`",
            );
            return None;
        }
        names.push(name.to_owned());
    }
    Some(names)
}

fn conditions(reader: &mut Reader<'_>, node: &Node) -> Vec<Template> {
    let nodes = reader.list(node);
    nodes.iter().filter_map(|n| reader.template(n)).collect()
}
