//! What the policy is given and what it says.

use super::Reason;
use seawall_http::Fields;
use std::time::Duration;

/// Which rules a cache follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// RFC 9111.
    #[default]
    Rfc9111,
    /// ngx_http_proxy_module: a request's Cache-Control is ignored, X-Accel-Expires counts first, and the lifetime starts when
    /// the answer arrives.
    Nginx,
}

/// What becomes of answers with Set-Cookie: they are meant for one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    /// They are not stored.
    #[default]
    Pass,
    /// They are stored without the field, and nobody gets it.
    Strip,
    /// They are stored with it (RFC 9111 §7.3 leaves it to the origin to say `private`).
    Store,
}

/// Why there is no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke off.
    Unreached,
    /// It took too long.
    TimedOut,
    /// What came is not HTTP.
    Invalid,
    /// An answer of the origin with this status.
    Status(u16),
}

/// nginx's `proxy_cache_use_stale`: when a stale answer serves, however stale it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseStale {
    /// `error`.
    pub unreached: bool,
    /// `timeout`.
    pub timed_out: bool,
    /// `invalid_header`.
    pub invalid: bool,
    /// `updating`: while somebody renews it.
    pub updating: bool,
    /// `http_500` and its like; 0 is none.
    pub statuses: [u16; 7],
}

impl UseStale {
    /// Whether a stale answer serves in place of that.
    pub fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::Unreached => self.unreached,
            Failure::TimedOut => self.timed_out,
            Failure::Invalid => self.invalid,
            Failure::Status(status) => self.statuses.contains(&status),
        }
    }
}

/// A route's rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which rules.
    pub profile: Profile,
    /// Lifetime where the origin is silent, for statuses that may be kept without a word (RFC 9110 §15.1).
    pub default_ttl: Option<Duration>,
    /// Lifetime whatever the origin says, for the same statuses. It also stores answers with Set-Cookie, without that field.
    pub force_ttl: Option<Duration>,
    /// How long a stale answer is served while it is renewed, where the origin is silent (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// How long a stale answer stands in for a failure, where the origin is silent (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
    /// How long a stale answer stands in while the origin cannot be reached, where nobody forbade it (RFC 9111 §4.2.4).
    pub stale_while_disconnected: Option<Duration>,
    /// What becomes of answers with Set-Cookie.
    pub set_cookie: SetCookie,
    /// Whether the origin is known to answer in the language that a client weighs most, if it has it (RFC 9110 §12.5.4): then its answer
    /// in that language is one to every client who prefers it.
    pub languages_by_preference: bool,
    /// Response fields that the decision is made without, by [`Name::bit`](seawall_http::Name::bit) (nginx: `proxy_ignore_headers`).
    pub ignored: u128,
    /// nginx's `proxy_cache_use_stale`.
    pub use_stale: UseStale,
    /// Whether what is stale is renewed behind the client's back (nginx: `proxy_cache_background_update`; always so in RFC 9111).
    pub background_update: bool,
    /// Whether what is stale is validated rather than fetched anew (nginx: `proxy_cache_revalidate`; always so in RFC 9111).
    pub revalidate: bool,
    /// How long a fill may take before another request is let through to fill (nginx: `proxy_cache_lock_age`).
    pub fill_age: Option<Duration>,
    /// Whether a HEAD of what is not stored leads a fill (nginx: `proxy_cache_convert_head`); else it passes.
    pub fills_for_head: bool,
    /// How often a key is asked for before its answer is stored; 0 and 1: at once (nginx: `proxy_cache_min_uses`).
    pub min_uses: u32,
    /// nginx's `proxy_cache_valid`: statuses (empty: any) and lifetime; the first that fits counts.
    pub valid: Vec<(Vec<u16>, Duration)>,
    /// Whether a tenth of the time since Last-Modified is a lifetime (RFC 9111 §4.2.2), a day at most.
    pub heuristics: bool,
    /// Which rules these are, where one key is used under several (nginx.conf): what one of them does not store another may.
    pub scope: u64,
    /// Bytes of a slice; 0: large bodies are not kept in slices.
    pub slice_bytes: u64,
}

/// The head of a response, with the two times its age is reckoned from (RFC 9111 §4.2.3).
#[derive(Clone, Copy, Debug)]
pub struct ResponseMeta<'a> {
    /// Status.
    pub status: u16,
    /// Fields.
    pub fields: Fields<'a>,
    /// When the request was sent, unix milliseconds.
    pub request_time_ms: u64,
    /// When the head arrived, unix milliseconds.
    pub response_time_ms: u64,
}

/// What becomes of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it is stored.
    pub store: bool,
    /// When its age was 0, unix milliseconds.
    pub born_ms: u64,
    /// Until when it is fresh, unix milliseconds. In the past for what must be validated each time.
    pub fresh_until_ms: u64,
    /// Until when it may be served while it is renewed (RFC 5861 §3).
    pub swr_until_ms: u64,
    /// Until when it may stand in for a failure (RFC 5861 §4).
    pub sie_until_ms: u64,
    /// Until when it may stand in while the origin cannot be reached (RFC 9111 §4.2.4).
    pub disconnected_until_ms: u64,
    /// Whether it may never be served stale (RFC 9111 §4.2.4).
    pub must_revalidate: bool,
    /// Whether the origin said that everybody may have it: such an answer also serves requests with cookies.
    pub shareable: bool,
    /// Whether it also serves requests with Authorization (RFC 9111 §3.5).
    pub authorized: bool,
    /// Why.
    pub reason: Reason,
    /// Seconds of freshness left when it arrived; negative when it was stale then.
    pub ttl_s: i64,
}

impl Decision {
    /// Not stored, and why.
    pub(crate) fn pass(reason: Reason) -> Decision {
        Decision {
            store: false,
            born_ms: 0,
            fresh_until_ms: 0,
            swr_until_ms: 0,
            sie_until_ms: 0,
            disconnected_until_ms: 0,
            must_revalidate: false,
            shareable: false,
            authorized: false,
            reason,
            ttl_s: 0,
        }
    }
}

/// A decision and what the store leaves out of the head.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub decision: Decision,
    /// Names of fields that must not be stored.
    pub withheld: Vec<Box<[u8]>>,
}

impl Verdict {
    pub fn pass(reason: Reason) -> Verdict {
        Verdict {
            decision: Decision::pass(reason),
            withheld: Vec::new(),
        }
    }
}
