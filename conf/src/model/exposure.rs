//! What is told across the edge: whom a request came from, which origins a browser may share a response with, and the
//! header fields that make a browser careful.

use std::time::Duration;

/// What an origin is told of the way a request took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`, and `X-Request-Id`.
    pub x: bool,
    /// `Forwarded` (RFC 7239).
    pub rfc7239: bool,
    /// `X-Real-IP`.
    pub real_ip: bool,
    /// The name in `Via` of requests (RFC 9110 §7.6.3).
    pub via: Option<String>,
    /// Whether what a client claims of itself is removed unless it is a trusted proxy. False from nginx.conf, where
    /// only `proxy_set_header` says what is sent.
    pub guarded: bool,
}

impl Forwarding {
    /// What YAML says of itself.
    pub fn built_in() -> Self {
        Self {
            x: true,
            rfc7239: false,
            real_ip: false,
            via: Some("seawall".into()),
            guarded: true,
        }
    }

    /// nginx's: nothing but what `proxy_set_header` says.
    pub fn none() -> Self {
        Self {
            x: false,
            rfc7239: false,
            real_ip: false,
            via: None,
            guarded: false,
        }
    }
}

/// Cross-origin resource sharing (the Fetch standard, §3.2).
#[derive(Clone, Debug)]
pub struct Cors {
    /// Origins, whole (`https://app.test`) or with a first label left open (`https://*.app.test`); empty: any.
    pub origins: Vec<String>,
    /// Methods a preflight allows.
    pub methods: Vec<String>,
    /// Fields a preflight allows; empty: what was asked for.
    pub headers: Vec<String>,
    /// Response fields a script may read.
    pub expose: Vec<String>,
    /// Whether cookies and passwords may go along; never with any origin.
    pub credentials: bool,
    /// How long a preflight may be remembered.
    pub max_age: Duration,
}

/// Strict-Transport-Security (RFC 6797).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// How long.
    pub max_age: Duration,
    /// Whether names below are meant, too.
    pub include_subdomains: bool,
    /// Whether the browsers' own list may have it.
    pub preload: bool,
}

/// Response fields that an origin forgot (`security_headers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecurityHeaders {
    /// None.
    #[default]
    Off,
    /// What breaks hardly any site.
    Basic,
    /// What a site must be written for.
    Strict,
}

impl SecurityHeaders {
    /// The fields, which are set where a response has none of that name.
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        const BASIC: &[(&str, &str)] = &[
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            (
                "Permissions-Policy",
                "interest-cohort=(), browsing-topics=()",
            ),
        ];
        const STRICT: &[(&str, &str)] = &[
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            (
                "Content-Security-Policy",
                "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
            ),
            ("Referrer-Policy", "no-referrer"),
            (
                "Permissions-Policy",
                "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
            ),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ];
        match self {
            SecurityHeaders::Off => &[],
            SecurityHeaders::Basic => BASIC,
            SecurityHeaders::Strict => STRICT,
        }
    }
}

/// Where a client's address is taken from when a trusted proxy brings the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Whose word counts.
    pub trusted: Vec<ipnet::IpNet>,
    /// Whether clients of unix sockets are trusted (nginx: `set_real_ip_from unix:`).
    pub trusts_unix: bool,
    /// The field.
    pub header: IdentityHeader,
    /// Whether trusted addresses at the end of a list are passed over (nginx: `real_ip_recursive`).
    pub recursive: bool,
}

/// The field a client's address is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// `X-Forwarded-For`: a list, the last is the nearest.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): its `for=`.
    Forwarded,
    /// Another field with one address, or a list of them.
    Named(String),
}

impl IdentityHeader {
    /// The field of a name.
    pub fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("x-forwarded-for") {
            Self::XForwardedFor
        } else if name.eq_ignore_ascii_case("forwarded") {
            Self::Forwarded
        } else {
            Self::Named(name.to_owned())
        }
    }
}
