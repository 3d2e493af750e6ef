//! Why an answer is stored, or is not: the one list that Cache-Status, the counters and the disk take their words from.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $token:literal,)*) => {
        /// Why an answer is stored, or is not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// Its token: a word of `Cache-Status` and a label of the metrics, the same for ever.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $token,)*
                }
            }
        }
    };
}

reasons! {
    /// `max-age` of Cache-Control.
    MaxAge = "max-age",
    /// `s-maxage` of Cache-Control.
    SMaxage = "s-maxage",
    /// A field for us alone: CDN-Cache-Control (RFC 9213).
    Targeted = "targeted",
    /// Expires.
    Expires = "expires",
    /// X-Accel-Expires; not stored where it says 0.
    XAccelExpires = "x-accel-expires",
    /// nginx's `proxy_cache_valid`; not stored where that says 0.
    Valid = "valid",
    /// The route's lifetime, where the origin is silent.
    DefaultTtl = "default-ttl",
    /// The route's lifetime, whatever the origin says.
    ForceTtl = "force-ttl",
    /// A tenth of the time since Last-Modified (RFC 9111 §4.2.2).
    Heuristic = "heuristic",
    /// `no-cache`: stored to be validated each time; under nginx's rules not stored.
    NoCache = "no-cache",
    /// Stored by an earlier process, for a reason that is not known any more.
    Stored = "stored",
    /// `no-store` of the origin, or of the route.
    NoStore = "no-store",
    /// `private`.
    Private = "private",
    /// `must-understand`, with a status that is not.
    MustUnderstand = "must-understand",
    /// Nobody says how long it is fresh.
    NoFreshness = "no-freshness",
    /// It was stale when it came, and cannot be validated.
    Expired = "expired",
    /// A status that no answer has.
    Status = "status",
    /// A part, or a confirmation, that nobody asked for.
    Partial = "partial",
    /// `Vary: *`.
    VaryStar = "vary-star",
    /// It varies on more than there is room for.
    Vary = "vary",
    /// Set-Cookie: it is meant for one client.
    SetCookie = "set-cookie",
    /// The request had Authorization, and the answer does not say that it is for all.
    Authorization = "authorization",
    /// The request had a cookie, and the answer does not say that it is for all.
    Cookie = "cookie",
    /// The request's own `no-store`.
    RequestNoStore = "request-no-store",
    /// Neither GET nor HEAD.
    Method = "method",
    /// More tags, or longer ones, than are kept.
    Tags = "tags",
    /// Larger than what is kept as a whole, and not to be had in slices.
    TooLarge = "too-large",
    /// A part that is not the one that was asked for.
    Range = "range",
    /// A 304 to a request without conditions of ours.
    Unsolicited304 = "unsolicited-304",
    /// A 304 that describes something else than what is stored.
    Unmatched304 = "unmatched-304",
    /// An error in answer to a request so large that it may have been made for it.
    Oversize = "oversize",
    /// A page where the path promises something else.
    ContentType = "content-type",
}

impl Reason {
    /// The reason that a token stands for.
    pub(crate) fn of(token: &[u8]) -> Option<Reason> {
        let all = Reason::ALL.iter();
        all.copied().find(|r| r.as_str().as_bytes() == token)
    }

    /// Its place in [`Reason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, token: &&str) -> bool {
        self.as_str() == *token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_reason_has_a_place_and_a_word_of_its_own() {
        let mut words = HashSet::new();
        for (n, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), n);
            assert!(words.insert(reason.as_str()), "{reason} stands twice");
            assert_eq!(Reason::of(reason.as_str().as_bytes()), Some(*reason));
        }
        assert_eq!(Reason::of(b"because"), None);
    }
}
