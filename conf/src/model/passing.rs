//! What of a request is changed on its way to an origin, and of the response on its way back (ngx_http_proxy_module).

use super::{DynamicOrigin, Pattern, Retry, Template};

/// What is asked in place of what the client asked.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// The origin, where the request names it.
    pub dynamic: Option<Box<DynamicOrigin>>,
    /// The method (nginx: `proxy_method`).
    pub method: Option<Template>,
    /// The body (nginx: `proxy_set_body`).
    pub body: Option<Template>,
    /// None of the client's fields (nginx: `proxy_pass_request_headers off`).
    pub no_fields: bool,
    /// Not the client's body (nginx: `proxy_pass_request_body off`).
    pub no_body: bool,
    /// Retries in place of the pool's (nginx: `proxy_next_upstream`).
    pub retry: Option<Box<Retry>>,
}

/// What becomes of a response's fields.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// Not passed on (nginx: `proxy_hide_header`).
    pub hide: Vec<String>,
    /// Passed on though they are not by default (nginx: `proxy_pass_header`).
    pub pass: Vec<String>,
    /// Not heeded here (nginx: `proxy_ignore_headers`).
    pub ignore: Vec<String>,
    /// `Location` and `Refresh`; the first that fits counts (nginx: `proxy_redirect`).
    pub redirects: Vec<Replace>,
    /// `Domain` of cookies (nginx: `proxy_cookie_domain`).
    pub cookie_domains: Vec<Replace>,
    /// `Path` of cookies (nginx: `proxy_cookie_path`).
    pub cookie_paths: Vec<Replace>,
    /// Their flags (nginx: `proxy_cookie_flags`).
    pub cookie_flags: Vec<CookieFlags>,
}

/// A value replaced.
#[derive(Clone, Debug)]
pub struct Replace {
    /// What is replaced.
    pub from: Fit,
    /// What stands in its place.
    pub to: Template,
}

/// What a value is compared with.
#[derive(Clone, Debug)]
pub enum Fit {
    /// This text: where a prefix is meant its beginning, else all of it.
    Text(Template),
    /// A regular expression.
    Regex(Pattern),
}

/// Flags of the cookies of a name.
#[derive(Clone, Debug)]
pub struct CookieFlags {
    /// The name.
    pub name: Fit,
    /// `secure`, `nosecure`, `httponly`, `nohttponly`, `samesite=...` or `nosamesite`, or what says one of them.
    pub flags: Vec<Template>,
}

/// Bounds on the speed of responses (nginx: `limit_rate`). Values are sizes; what is none, or 0, is no bound.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Bytes a second.
    pub rate: Option<Template>,
    /// Bytes before the bound begins.
    pub after: Option<Template>,
}

/// Copies of requests for locations of the same site (ngx_http_mirror_module).
#[derive(Clone, Debug)]
pub struct MirrorTo {
    /// Their URIs.
    pub uris: Vec<Template>,
    /// Whether the body is copied, for which it is read before.
    pub body: bool,
}
