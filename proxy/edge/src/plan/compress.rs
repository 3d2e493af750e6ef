//! Compression of a route, compiled.

use super::pattern;
use crate::filter::default_level;
use regex::bytes::Regex;
use seawall_conf::model::{self, GzipProxied};
use seawall_diag::Diagnostics;
use seawall_http::Coding;
use smallvec::SmallVec;

/// What a route compresses.
pub struct CompressPlan {
    /// Offered, in order of preference.
    pub codings: SmallVec<[Coding; 3]>,
    /// Shortest body of known length.
    pub min_length: u64,
    /// Whether gzip is decoded for clients that do not take it.
    pub decode: bool,
    /// nginx's conditions.
    pub nginx: Option<NginxPlan>,
    /// Responses compressed at once, over all routes.
    pub encoders_max: usize,
    level: Option<u8>,
    types: Vec<TypePattern>,
}

/// nginx's conditions, compiled.
pub struct NginxPlan {
    /// Whether `Vary` is said.
    pub vary: bool,
    /// Whether HTTP/1.0 gets gzip.
    pub http10: bool,
    /// Which answers to proxies are compressed.
    pub proxied: GzipProxied,
    /// Clients that get none.
    pub disable: Vec<Regex>,
}

enum TypePattern {
    Any,
    Exact(Box<[u8]>),
    /// `text/`
    Below(Box<[u8]>),
    /// `+json`
    Suffix(Box<[u8]>),
}

impl CompressPlan {
    /// Compiles it.
    pub fn compile(
        from: &model::Compress,
        encoders_max: usize,
        errors: &mut Diagnostics,
    ) -> Box<Self> {
        let codings = from.codings.iter().map(|c| match c {
            model::Coding::Zstd => Coding::Zstd,
            model::Coding::Br => Coding::Br,
            model::Coding::Gzip => Coding::Gzip,
        });
        let nginx = from.nginx.as_ref().map(|n| NginxPlan {
            vary: n.vary,
            http10: n.http10,
            proxied: n.proxied,
            disable: n
                .disable
                .iter()
                .filter_map(|p| pattern::compile(p, errors))
                .collect(),
        });
        Box::new(Self {
            codings: codings.collect(),
            min_length: from.min_length,
            decode: from.decode,
            nginx,
            encoders_max,
            level: from.level,
            types: from.types.iter().map(|t| TypePattern::read(t)).collect(),
        })
    }

    /// The level of a coding.
    pub fn level(&self, coding: Coding) -> u8 {
        self.level.unwrap_or_else(|| default_level(coding))
    }

    /// Whether bodies of a `Content-Type` are compressed.
    pub fn takes_type(&self, content_type: &[u8]) -> bool {
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        let kind = seawall_http::trim(content_type.get(..end).unwrap_or_default());
        self.types.iter().any(|t| t.matches(kind))
    }
}

impl TypePattern {
    fn read(text: &str) -> Self {
        let bytes = |t: &str| t.as_bytes().into();
        if text == "*" || text == "*/*" {
            return Self::Any;
        }
        if let Some(suffix) = text.strip_prefix('*') {
            return Self::Suffix(bytes(suffix));
        }
        match text.strip_suffix('*') {
            Some(below) => Self::Below(bytes(below)),
            None => Self::Exact(bytes(text)),
        }
    }

    fn matches(&self, kind: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => kind.eq_ignore_ascii_case(exact),
            Self::Below(below) => kind
                .get(..below.len())
                .is_some_and(|k| k.eq_ignore_ascii_case(below)),
            Self::Suffix(suffix) => kind
                .len()
                .checked_sub(suffix.len())
                .and_then(|at| kind.get(at..))
                .is_some_and(|k| k.eq_ignore_ascii_case(suffix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_whole_by_family_or_by_suffix() {
        let of = |types: &[&str]| {
            CompressPlan::compile(
                &model::Compress {
                    codings: vec![model::Coding::Gzip],
                    types: types.iter().map(|t| (*t).to_owned()).collect(),
                    min_length: 0,
                    level: None,
                    decode: false,
                    nginx: None,
                },
                1,
                &mut Diagnostics::default(),
            )
        };
        let plan = of(&["text/*", "image/svg+xml", "*+json"]);
        for yes in [
            "text/html; charset=utf-8",
            "TEXT/CSS",
            "image/svg+xml",
            "application/ld+json",
        ] {
            assert!(plan.takes_type(yes.as_bytes()), "{yes}");
        }
        for no in [
            "image/png",
            "text",
            "application/json",
            "",
            "image/svg+xml2",
        ] {
            assert!(!plan.takes_type(no.as_bytes()), "{no}");
        }
        assert!(of(&["*"]).takes_type(b"anything"));
    }
}
