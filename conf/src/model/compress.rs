//! Compression of responses, as configured.

use super::Pattern;

/// What is compressed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// The codings offered; their order decides among those that a client likes equally. Empty: nothing is compressed.
    pub codings: Vec<Coding>,
    /// Media types, in lower case: `text/html`, `text/*`, `*+json`, or `*` for all.
    pub types: Vec<String>,
    /// Bytes below which a body of known length is left as it is (default 256; nginx 20).
    pub min_length: u64,
    /// 1 (fast) to 9 (small); `None`: gzip 5, br 4, zstd 3 (nginx: gzip 1).
    pub level: Option<u8>,
    /// Whether gzip from an origin is decoded for a client that does not take it (nginx: `gunzip`).
    pub decode: bool,
    /// nginx's own conditions; `None` from YAML.
    pub nginx: Option<NginxGzip>,
}

/// A content coding that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Coding {
    Zstd,
    Br,
    Gzip,
}

/// Conditions of ngx_http_gzip_filter_module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NginxGzip {
    /// Whether `Vary: Accept-Encoding` is said (`gzip_vary`).
    pub vary: bool,
    /// Whether HTTP/1.0 clients get gzip (`gzip_http_version 1.0`).
    pub http10: bool,
    /// Which answers to proxies (requests with `Via`) are compressed (`gzip_proxied`).
    pub proxied: GzipProxied,
    /// Clients (by `User-Agent`) that get none (`gzip_disable`).
    pub disable: Vec<Pattern>,
}

/// Words of `gzip_proxied`, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GzipProxied(pub u16);

impl GzipProxied {
    /// The words and their bits; `off` is the empty set.
    pub const WORDS: [(&'static str, u16); 8] = [
        ("expired", 1),
        ("no-cache", 2),
        ("no-store", 4),
        ("private", 8),
        ("no_last_modified", 16),
        ("no_etag", 32),
        ("auth", 64),
        ("any", 128),
    ];

    /// Whether a word is in the set.
    pub fn has(self, word: &str) -> bool {
        Self::WORDS
            .iter()
            .any(|(w, bit)| *w == word && self.0 & bit != 0)
    }
}

impl Compress {
    /// Bytes below which compressing costs more than it saves, unless said otherwise.
    pub const MIN_LENGTH: u64 = 256;

    /// Types that shrink, unless said otherwise. `text/*` holds `text/event-stream`: its events are flushed one by one.
    pub const TYPES: &[&str] = &[
        "text/*",
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/json",
        "application/xml",
        "application/wasm",
        "application/manifest+json",
        "application/vnd.ms-fontobject",
        "font/ttf",
        "font/otf",
        "image/svg+xml",
        "image/bmp",
        "image/x-icon",
        "*+json",
        "*+xml",
    ];
}
