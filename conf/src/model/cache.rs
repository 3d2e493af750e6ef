//! How a route uses a cache.

use super::{AccessRule, Template};
use seawall_diag::Span;
use std::time::Duration;

/// How a route uses a cache.
#[derive(Clone, Debug)]
pub struct CachePolicy {
    /// Index into [`Config::caches`](super::Config::caches).
    pub cache: usize,
    /// Which rules: `nginx` from nginx.conf, `rfc9111` from YAML.
    pub profile: CacheProfile,
    /// The key (nginx: `proxy_cache_key`); `None`: scheme, host and the forwarded target.
    pub key: Option<Template>,
    /// What of the query counts, in the key and for the origin.
    pub query: CacheQuery,
    /// What of a request goes into the key besides.
    pub vary: CacheVary,
    /// Cookies that count for nothing, and that the origin is not sent.
    pub ignore_cookies: IgnoredCookies,
    /// What becomes of answers with Set-Cookie.
    pub set_cookie: CachedSetCookie,
    /// Whether the origin answers in the language that a client weighs most (RFC 9110 §12.5.4).
    pub languages_by_preference: bool,
    /// Where the origin is silent.
    pub default_ttl: Option<Duration>,
    /// Whatever the origin says.
    pub force_ttl: Option<Duration>,
    /// Where the origin is silent (RFC 5861).
    pub stale_while_revalidate: Option<Duration>,
    /// Where the origin is silent (RFC 5861).
    pub stale_if_error: Option<Duration>,
    /// While the origin cannot be reached (RFC 9111 §4.2.4).
    pub stale_while_disconnected: Option<Duration>,
    /// Whether a tenth of the time since Last-Modified is a lifetime where the origin is silent (RFC 9111 §4.2.2).
    pub heuristics: bool,
    /// How often a key is asked for before it is stored (nginx: `proxy_cache_min_uses`).
    pub min_uses: u32,
    /// Where one of these is neither empty nor `0`, the answer is not taken from the cache (nginx: `proxy_cache_bypass`).
    pub bypass: Vec<Template>,
    /// Where one of these is neither empty nor `0`, the answer is not stored (nginx: `proxy_no_cache`).
    pub no_store: Vec<Template>,
    /// nginx's `proxy_cache_valid`: statuses (empty: `any`) and lifetime.
    pub valid: Vec<(Vec<u16>, Duration)>,
    /// Who may use the method PURGE here: the first rule that takes the client decides. Empty: nobody, the method is the origin's.
    pub purgers: Vec<AccessRule>,
    /// Bytes of the slices that large bodies are kept in; `None`: in none.
    pub slice: Option<u64>,
    /// What only nginx.conf says.
    pub nginx: NginxCaching,
}

/// Which rules a cache follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheProfile {
    /// RFC 9111.
    Rfc9111,
    /// ngx_http_proxy_module: a request's Cache-Control is ignored, X-Accel-Expires counts.
    Nginx,
}

/// What of a query counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheQuery {
    /// Which parameters.
    pub keep: KeptParameters,
    /// Whether they are put in the order of their names; those of one name stay in theirs.
    pub sorted: bool,
}

/// Which parameters of a query count. Names are compared as they are written; `*` at the end stands for any rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeptParameters {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

/// What of a request goes into the key besides its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheVary {
    /// Cookies by name. They are forwarded, and do not make a request somebody's.
    pub cookies: Vec<String>,
    /// Header fields by name.
    pub headers: Vec<String>,
    /// Whether a phone, a tablet and anything else get different answers; the origin is told which in `X-Device`.
    pub device: bool,
    /// Where it was asked that each country gets an answer of its own; the origin is told which in `X-Country`.
    pub country: Option<Span>,
}

/// Cookies that count for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IgnoredCookies {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These; `*` at the end stands for any rest.
    Named(Vec<String>),
}

/// What becomes of answers with Set-Cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachedSetCookie {
    /// They are not stored.
    #[default]
    Pass,
    /// They are stored without the field.
    Strip,
    /// They are stored with it.
    Store,
}

/// What only nginx.conf says of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NginxCaching {
    /// `proxy_cache_use_stale`: its words.
    pub use_stale: Vec<StaleUse>,
    /// `proxy_cache_background_update`.
    pub background_update: bool,
    /// `proxy_cache_revalidate`.
    pub revalidate: bool,
    /// `proxy_cache_lock_timeout` and `proxy_cache_lock_age`, where `proxy_cache_lock` is on.
    pub lock: Option<(Duration, Duration)>,
    /// `proxy_cache_max_range_offset`: a range that begins behind it is asked of the origin alone.
    pub max_range_offset: Option<u64>,
    /// Whether answers to POST are stored, too (`proxy_cache_methods`).
    pub post: bool,
    /// Whether HEAD asks the origin by GET, and stores what comes (`proxy_cache_convert_head`).
    pub convert_head: bool,
    /// `proxy_ignore_headers`.
    pub ignore_headers: Vec<String>,
}

/// A word of `proxy_cache_use_stale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleUse {
    /// `error`.
    Error,
    /// `timeout`.
    Timeout,
    /// `invalid_header`.
    InvalidHeader,
    /// `updating`.
    Updating,
    /// `http_500` and its like.
    Status(u16),
}
