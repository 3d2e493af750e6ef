//! What a level says of how a cache is used: `proxy_cache_use_stale`, `proxy_cache_bypass` and their like.

use super::lex::Word;
use super::read::{Reader, is_on};
use super::tree::Directive;
use crate::model::{
    CachePolicy, CacheProfile, CacheQuery, CacheVary, CachedSetCookie, IgnoredCookies,
    NginxCaching, StaleUse, Template,
};
use std::time::Duration;

/// Statuses that `proxy_cache_use_stale` takes.
const STATUSES: [(&str, u16); 7] = [
    ("http_500", 500),
    ("http_502", 502),
    ("http_503", 503),
    ("http_504", 504),
    ("http_403", 403),
    ("http_404", 404),
    ("http_429", 429),
];

/// What holds at a level.
#[derive(Clone)]
pub(crate) struct CachingScope {
    cache: Option<usize>,
    key: Option<Template>,
    valid: Vec<(Vec<u16>, Duration)>,
    bypass: Vec<Template>,
    no_store: Vec<Template>,
    min_uses: u32,
    lock: bool,
    lock_timeout: Duration,
    lock_age: Duration,
    slice: Option<u64>,
    rest: NginxCaching,
}

/// Which arrays a level has begun to fill.
#[derive(Default)]
pub(crate) struct CachingFirsts {
    valid: bool,
    bypass: bool,
    no_store: bool,
}

impl Default for CachingScope {
    fn default() -> Self {
        Self {
            cache: None,
            key: None,
            valid: Vec::new(),
            bypass: Vec::new(),
            no_store: Vec::new(),
            min_uses: 1,
            lock: false,
            lock_timeout: Duration::from_secs(5),
            lock_age: Duration::from_secs(5),
            slice: None,
            rest: NginxCaching {
                convert_head: true,
                ..NginxCaching::default()
            },
        }
    }
}

impl CachingScope {
    /// Takes a directive of this room; others are left alone.
    pub(crate) fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        caches: &[String],
        first: &mut CachingFirsts,
    ) {
        let Some(word) = d.args.first() else { return };
        match d.name() {
            "proxy_cache" => self.name(reader, word, caches),
            "proxy_cache_key" => self.key = Some(reader.template(word)),
            "proxy_cache_valid" => {
                super::scope::start(&mut first.valid, &mut self.valid);
                self.valid.extend(super::cache::valid(reader, d));
            }
            "proxy_cache_bypass" => {
                super::scope::start(&mut first.bypass, &mut self.bypass);
                self.bypass
                    .extend(d.args.iter().map(|w| reader.template(w)));
            }
            "proxy_no_cache" => {
                super::scope::start(&mut first.no_store, &mut self.no_store);
                self.no_store
                    .extend(d.args.iter().map(|w| reader.template(w)));
            }
            "proxy_cache_use_stale" => self.rest.use_stale = use_stale(reader, d),
            "proxy_cache_background_update" => self.rest.background_update = is_on(d),
            "proxy_cache_revalidate" => self.rest.revalidate = is_on(d),
            "proxy_cache_lock" => self.lock = is_on(d),
            "proxy_cache_lock_timeout" => {
                self.lock_timeout = reader.duration(d).unwrap_or(self.lock_timeout);
            }
            "proxy_cache_lock_age" => {
                self.lock_age = reader.duration(d).unwrap_or(self.lock_age);
            }
            "proxy_cache_min_uses" => {
                let uses = reader.number(d).unwrap_or(1);
                self.min_uses = u32::try_from(uses).unwrap_or(u32::MAX);
            }
            "proxy_cache_max_range_offset" => self.rest.max_range_offset = reader.size(d),
            "slice" => self.slice = slice(reader, d),
            "proxy_cache_methods" => self.rest.post = methods(reader, d),
            "proxy_cache_convert_head" => self.rest.convert_head = is_on(d),
            "proxy_ignore_headers" => {
                self.rest.ignore_headers = d.args.iter().map(|w| w.text.clone()).collect();
            }
            _ => {}
        }
    }

    fn name(&mut self, reader: &mut Reader<'_>, word: &Word, caches: &[String]) {
        if word.text == "off" {
            self.cache = None;
        } else if word.text.contains('$') {
            reader.not_yet(word.at, "a cache named by a variable");
        } else if let Some(index) = caches.iter().position(|n| *n == word.text) {
            self.cache = Some(index);
        } else {
            let message = format!("\"proxy_cache\" zone \"{}\" is unknown", word.text);
            reader.error(word.at, message);
        }
    }

    /// The policy at this level.
    pub(crate) fn policy(&self) -> Option<CachePolicy> {
        Some(CachePolicy {
            purgers: Vec::new(),
            cache: self.cache?,
            profile: CacheProfile::Nginx,
            key: self.key.clone(),
            query: CacheQuery::default(),
            vary: CacheVary::default(),
            ignore_cookies: IgnoredCookies::None,
            set_cookie: CachedSetCookie::Pass,
            languages_by_preference: false,
            default_ttl: None,
            force_ttl: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            stale_while_disconnected: None,
            heuristics: false,
            min_uses: self.min_uses,
            bypass: self.bypass.clone(),
            no_store: self.no_store.clone(),
            valid: self.valid.clone(),
            // A slice is asked for by GET, whatever the first client sent.
            slice: self.slice.filter(|_| !self.rest.post),
            nginx: NginxCaching {
                lock: self.lock.then_some((self.lock_timeout, self.lock_age)),
                ..self.rest.clone()
            },
        })
    }
}

fn use_stale(reader: &mut Reader<'_>, d: &Directive) -> Vec<StaleUse> {
    let mut uses = Vec::new();
    for word in &d.args {
        match word.text.as_str() {
            "off" => return Vec::new(),
            "error" => uses.push(StaleUse::Error),
            "timeout" => uses.push(StaleUse::Timeout),
            "invalid_header" => uses.push(StaleUse::InvalidHeader),
            "updating" => uses.push(StaleUse::Updating),
            text => match STATUSES.iter().find(|(word, _)| *word == text) {
                Some((_, status)) => uses.push(StaleUse::Status(*status)),
                None => reader.error(word.at, format!("invalid value \"{text}\"")),
            },
        }
    }
    uses
}

/// ngx_http_slice_module: 0 is none. What is smaller or larger than we cut is cut as near to it as we do.
fn slice(reader: &mut Reader<'_>, d: &Directive) -> Option<u64> {
    let size = reader.size(d).filter(|size| *size > 0)?;
    Some(size.clamp(64 << 10, 32 << 20))
}

/// GET and HEAD are always cached; whether POST is, too.
fn methods(reader: &mut Reader<'_>, d: &Directive) -> bool {
    let mut post = false;
    for word in &d.args {
        match word.text.as_str() {
            "GET" | "HEAD" => {}
            "POST" => post = true,
            text => reader.error(word.at, format!("invalid value \"{text}\"")),
        }
    }
    post
}
