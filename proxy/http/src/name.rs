//! Known field names as small ids.
//!
//! Whether a head has a `Content-Length` is asked several times a request, mostly with the answer no. An id makes it one bit of a `u128`,
//! and a switch over names a switch over integers. A name that we do not know is [`Name::Other`] and is found by its bytes.
//! The table below is the only list: ids, canonical spellings and the hash table are made from it at compile time.

macro_rules! names {
    ($($id:ident = $text:literal,)*) => {
        /// A field name. Fits seven bits, so that the presence of every known name fits a `u128`.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Name {
            /// A name not in the table.
            Other = 0,
            $(
                #[doc = concat!("`", $text, "`")]
                $id,
            )*
        }

        const TEXTS: &[&str] = &["", $($text,)*];
        const IDS: &[Name] = &[Name::Other, $(Name::$id,)*];
    };
}

names! {
    Host = "Host",
    Connection = "Connection",
    KeepAlive = "Keep-Alive",
    ProxyConnection = "Proxy-Connection",
    Te = "TE",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentRange = "Content-Range",
    ContentLocation = "Content-Location",
    ContentDisposition = "Content-Disposition",
    Accept = "Accept",
    AcceptCharset = "Accept-Charset",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AcceptRanges = "Accept-Ranges",
    Age = "Age",
    Allow = "Allow",
    Authorization = "Authorization",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyAuthenticate = "Proxy-Authenticate",
    WwwAuthenticate = "WWW-Authenticate",
    AuthenticationInfo = "Authentication-Info",
    CacheControl = "Cache-Control",
    CdnCacheControl = "CDN-Cache-Control",
    SurrogateControl = "Surrogate-Control",
    SurrogateKey = "Surrogate-Key",
    SurrogateCapability = "Surrogate-Capability",
    CacheTag = "Cache-Tag",
    CdnTag = "CDN-Tag",
    CacheStatus = "Cache-Status",
    ProxyStatus = "Proxy-Status",
    Cookie = "Cookie",
    SetCookie = "Set-Cookie",
    Date = "Date",
    ETag = "ETag",
    Expect = "Expect",
    Expires = "Expires",
    Forwarded = "Forwarded",
    From = "From",
    IfMatch = "If-Match",
    IfModifiedSince = "If-Modified-Since",
    IfNoneMatch = "If-None-Match",
    IfRange = "If-Range",
    IfUnmodifiedSince = "If-Unmodified-Since",
    LastModified = "Last-Modified",
    Link = "Link",
    Location = "Location",
    MaxForwards = "Max-Forwards",
    Origin = "Origin",
    Pragma = "Pragma",
    Priority = "Priority",
    Range = "Range",
    Referer = "Referer",
    Refresh = "Refresh",
    RetryAfter = "Retry-After",
    Server = "Server",
    ServerTiming = "Server-Timing",
    UserAgent = "User-Agent",
    Vary = "Vary",
    Via = "Via",
    Warning = "Warning",
    XAccelExpires = "X-Accel-Expires",
    XAccelRedirect = "X-Accel-Redirect",
    XAccelBuffering = "X-Accel-Buffering",
    XAccelCharset = "X-Accel-Charset",
    XAccelLimitRate = "X-Accel-Limit-Rate",
    XForwardedFor = "X-Forwarded-For",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedPort = "X-Forwarded-Port",
    XForwardedProto = "X-Forwarded-Proto",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-ID",
    XRequestedWith = "X-Requested-With",
    XPoweredBy = "X-Powered-By",
    XFrameOptions = "X-Frame-Options",
    XContentTypeOptions = "X-Content-Type-Options",
    StrictTransportSecurity = "Strict-Transport-Security",
    ContentSecurityPolicy = "Content-Security-Policy",
    AltSvc = "Alt-Svc",
    NoVarySearch = "No-Vary-Search",
    Traceparent = "Traceparent",
    Tracestate = "Tracestate",
    SecWebSocketKey = "Sec-WebSocket-Key",
    SecWebSocketAccept = "Sec-WebSocket-Accept",
    SecWebSocketVersion = "Sec-WebSocket-Version",
    SecWebSocketProtocol = "Sec-WebSocket-Protocol",
    SecWebSocketExtensions = "Sec-WebSocket-Extensions",
    Http2Settings = "HTTP2-Settings",
    SecFetchSite = "Sec-Fetch-Site",
    SecFetchMode = "Sec-Fetch-Mode",
    SecFetchDest = "Sec-Fetch-Dest",
    SecFetchUser = "Sec-Fetch-User",
    SecChUa = "Sec-CH-UA",
    SecChUaMobile = "Sec-CH-UA-Mobile",
    SecChUaPlatform = "Sec-CH-UA-Platform",
    UpgradeInsecureRequests = "Upgrade-Insecure-Requests",
    Dnt = "DNT",
    EarlyData = "Early-Data",
    AccessControlAllowOrigin = "Access-Control-Allow-Origin",
    AccessControlRequestMethod = "Access-Control-Request-Method",
    AccessControlRequestHeaders = "Access-Control-Request-Headers",
    Status = "Status",
    Proxy = "Proxy",
    Destination = "Destination",
    Depth = "Depth",
    Overwrite = "Overwrite",
    GrpcStatus = "Grpc-Status",
    GrpcMessage = "Grpc-Message",
    GrpcTimeout = "Grpc-Timeout",
    IdempotencyKey = "Idempotency-Key",
}

const _: () = assert!(
    TEXTS.len() <= 128,
    "ids must fit the bits of a u128, and bit 0 is Other's"
);

/// Slots of the hash table: at most half of them are taken, so that a probe is short.
const SLOTS: usize = 512;

/// A hash of the length and three letters, blind to ASCII case. `name` is not empty.
#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let len = name.len();
    let first = (name[0] | 0x20) as usize;
    let middle = (name[len / 2] | 0x20) as usize;
    let last = (name[len - 1] | 0x20) as usize;
    (len.wrapping_mul(31)
        ^ first.wrapping_mul(67)
        ^ middle.wrapping_mul(5)
        ^ last.wrapping_mul(131))
        % SLOTS
}

/// What a slot holds: an id and the length of its name, so that a name of another length costs no look at the texts.
/// 0 is an empty slot.
const fn build() -> [u16; SLOTS] {
    let mut table = [0u16; SLOTS];
    let mut id = 1;
    while id < TEXTS.len() {
        let mut slot = slot_of(TEXTS[id].as_bytes());
        while table[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = (TEXTS[id].len() as u16) << 8 | id as u16;
        id += 1;
    }
    table
}

static TABLE: [u16; SLOTS] = build();

/// No known name is longer; a whole number of words.
const LONGEST: usize = 32;

/// A name in lower case with zeros behind it: half a cache line, and all that a comparison needs. A letter has bit 6, which
/// says where the case bit may be folded, so that the comparison is exact; a zero matches whatever follows the name.
#[repr(align(32))]
struct Lower([u8; LONGEST]);

const fn lower() -> [Lower; TEXTS.len()] {
    let mut all = [const { Lower([0; LONGEST]) }; TEXTS.len()];
    let mut id = 0;
    while id < TEXTS.len() {
        let text = TEXTS[id].as_bytes();
        let mut at = 0;
        while at < text.len() {
            // Nothing but letters has bit 6 in a known name: no `_`, no backtick.
            assert!(text[at].is_ascii_alphanumeric() || text[at] == b'-');
            all[id].0[at] = text[at].to_ascii_lowercase();
            at += 1;
        }
        id += 1;
    }
    all
}

static LOWER: [Lower; TEXTS.len()] = lower();

impl Lower {
    /// Whether `name` starts with the text in any case; a few vector instructions.
    #[inline]
    fn starts(&self, name: &[u8; LONGEST]) -> bool {
        let mut differs = 0;
        let mut at = 0;
        while at < LONGEST {
            let lower = self.0[at];
            let care = if lower == 0 { 0 } else { 0xff };
            differs |= ((name[at] | (lower & 0x40) >> 1) ^ lower) & care;
            at += 1;
        }
        differs == 0
    }
}

impl Name {
    /// No known name is longer.
    pub(crate) const LONGEST: usize = LONGEST;

    /// The id of `name`, whatever its case; [`Name::Other`] when it is not in the table.
    #[inline]
    pub fn lookup(name: &[u8]) -> Name {
        if name.is_empty() || name.len() > LONGEST {
            return Name::Other;
        }
        let mut padded = [0; LONGEST];
        padded[..name.len()].copy_from_slice(name);
        Name::lookup_in(&padded, name)
    }

    /// As [`Name::lookup`] of the first `len` bytes of `buf`, without a copy when there are enough bytes behind them.
    #[inline]
    pub(crate) fn lookup_prefix(buf: &[u8], len: usize) -> Name {
        match (buf.first_chunk::<LONGEST>(), buf.get(..len)) {
            (Some(window), Some(name)) if (1..=LONGEST).contains(&len) => {
                Name::lookup_in(window, name)
            }
            (None, Some(name)) => Name::lookup(name),
            _ => Name::Other,
        }
    }

    /// `window` starts with `name`, which is not empty.
    #[inline]
    fn lookup_in(window: &[u8; LONGEST], name: &[u8]) -> Name {
        let mut slot = slot_of(name);
        loop {
            let entry = TABLE[slot] as usize;
            // The table is at most half full, so an empty slot ends the loop.
            if entry == 0 {
                return Name::Other;
            }
            let id = entry & 0xff;
            if entry >> 8 == name.len() && LOWER[id].starts(window) {
                return IDS[id];
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The canonical spelling, `Content-Length`; empty for [`Name::Other`].
    #[inline]
    pub fn as_bytes(self) -> &'static [u8] {
        TEXTS[self as usize].as_bytes()
    }

    /// As [`Name::as_bytes`], as a string.
    #[inline]
    pub fn as_str(self) -> &'static str {
        TEXTS[self as usize]
    }

    /// This name's bit in a presence set; 0 for [`Name::Other`], which is never known to be present.
    #[inline]
    pub fn bit(self) -> u128 {
        (1u128 << (self as u8)) & !1
    }

    /// Every known name, without [`Name::Other`].
    pub fn all() -> &'static [Name] {
        &IDS[1..]
    }

    /// Whether the field concerns one connection only and is never forwarded (RFC 9110 §7.6.1), even when `Connection` does not list it.
    ///
    /// `Trailer`, `TE` and `Upgrade` are among them: whoever forwards their meaning writes them anew.
    pub fn is_hop_by_hop(self) -> bool {
        const HOP: u128 = (1 << Name::Connection as u8)
            | (1 << Name::KeepAlive as u8)
            | (1 << Name::ProxyConnection as u8)
            | (1 << Name::ProxyAuthenticate as u8)
            | (1 << Name::ProxyAuthorization as u8)
            | (1 << Name::Te as u8)
            | (1 << Name::Trailer as u8)
            | (1 << Name::TransferEncoding as u8)
            | (1 << Name::Upgrade as u8)
            | (1 << Name::Http2Settings as u8);
        self.bit() & HOP != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for &name in Name::all() {
            let text = name.as_str();
            assert_eq!(Name::lookup(text.as_bytes()), name);
            assert_eq!(Name::lookup(text.to_ascii_lowercase().as_bytes()), name);
            assert_eq!(Name::lookup(text.to_ascii_uppercase().as_bytes()), name);
            let line = format!("{text}: and enough behind it to fill a window");
            assert_eq!(Name::lookup_prefix(line.as_bytes(), text.len()), name);
            assert_eq!(
                Name::lookup_prefix(line.as_bytes(), text.len() + 1),
                Name::Other
            );
            assert_eq!(Name::lookup_prefix(text.as_bytes(), text.len()), name);
            assert_eq!(
                Name::lookup_prefix(text.as_bytes(), text.len() + 1),
                Name::Other
            );
        }
    }

    #[test]
    fn near_misses_are_other() {
        for text in [
            "",
            "Hos",
            "Hostt",
            "Content-Lengtj",
            "Content_Length",
            "X-Forwarded-Fo\r",
        ] {
            assert_eq!(Name::lookup(text.as_bytes()), Name::Other, "{text}");
        }
        assert_eq!(Name::lookup(b"Host\0"), Name::Other);
        // A control byte that differs from a letter's neighbour in the case bit only.
        assert_eq!(Name::lookup(b"Content\rLength"), Name::Other);
    }

    #[test]
    fn bits_are_distinct_and_other_has_none() {
        assert_eq!(Name::Other.bit(), 0);
        let all = Name::all().iter().fold(0u128, |set, name| {
            assert_eq!(set & name.bit(), 0);
            set | name.bit()
        });
        assert_eq!(all.count_ones() as usize, Name::all().len());
    }

    #[test]
    fn probes_are_short() {
        let longest = TABLE.split(|&id| id == 0).map(<[u16]>::len).max();
        assert!(longest <= Some(8), "{longest:?}");
    }

    #[test]
    fn connection_fields_are_hop_by_hop_and_others_are_not() {
        assert!(Name::TransferEncoding.is_hop_by_hop() && Name::Te.is_hop_by_hop());
        assert!(!Name::ContentLength.is_hop_by_hop() && !Name::Other.is_hop_by_hop());
    }
}
