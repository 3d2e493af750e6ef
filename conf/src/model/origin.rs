//! What is said of the way to an origin: what is passed on beside the request itself, how bodies are held back, which
//! protocol is spoken.

use super::{CertificateFiles, ProxyVersion, Template};
use seawall_diag::Span;
use std::path::PathBuf;

/// What is passed on besides request and response (RFC 9110 §7.6, §7.8, §15.2, §6.5).
///
/// From YAML all of it is; nginx passes an upgrade only where `proxy_set_header` names it, interim responses where
/// `early_hints` says so and trailers with `proxy_pass_trailers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassOn {
    /// The client's `Connection: upgrade` and `Upgrade`.
    pub upgrade: bool,
    /// `TE: trailers`, and the trailers of a request.
    pub request_trailers: bool,
    /// Trailers of a response, to clients that said `TE: trailers`.
    pub trailers: bool,
    /// Interim responses (1xx but 101).
    pub interim: Interim,
}

/// Which interim responses a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interim {
    /// None.
    Never,
    /// All.
    Always,
    /// 103 alone, when one of these is neither empty nor `0` (nginx: `early_hints`).
    When(Vec<Template>),
}

impl PassOn {
    /// Everything: the profile of YAML.
    pub fn everything() -> Self {
        Self {
            upgrade: true,
            request_trailers: true,
            trailers: true,
            interim: Interim::Always,
        }
    }

    /// Nothing that is not asked for: nginx's profile.
    pub fn nothing() -> Self {
        Self {
            upgrade: false,
            request_trailers: false,
            trailers: false,
            interim: Interim::Never,
        }
    }
}

/// What is spoken on the connections to a pool's servers, below or beside HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// HTTP/2: over TLS by ALPN, in plain by prior knowledge (RFC 9113 §3.3). Otherwise HTTP/1.
    pub http2: bool,
    /// The PROXY protocol before all else; such a connection serves one client's request and is not kept.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// TLS to an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolTls {
    /// The name to ask for and to verify; the server's name when absent (nginx: `proxy_ssl_name`).
    pub sni: Option<String>,
    /// Whether the name is left out of the handshake (nginx without `proxy_ssl_server_name`).
    pub nameless: bool,
    /// PEM of the CAs trusted; the system's when absent.
    pub ca: Option<(PathBuf, Span)>,
    /// Whether the certificate is verified: true from YAML, false from nginx.conf (`proxy_ssl_verify off`).
    pub verify: bool,
    /// PEM of revocation lists for the CAs (nginx: `proxy_ssl_crl`).
    pub crl: Option<(PathBuf, Span)>,
    /// The certificate shown to the origin, where it asks for one.
    pub identity: Option<CertificateFiles>,
}

/// An origin that a request names (nginx's `proxy_pass` with variables before the path).
#[derive(Clone, Debug)]
pub struct DynamicOrigin {
    /// Its URL: scheme, authority and maybe a URI.
    pub url: Template,
    /// How it is reached in plain; `None` where the scheme is always https.
    pub plain: Option<Reach>,
    /// How it is reached over TLS; `None` where the scheme is always http.
    pub tls: Option<Reach>,
}

/// Pools that a request may name.
#[derive(Clone, Debug)]
pub struct Reach {
    /// What a server that is no pool's is asked with: a pool without servers (index into [`Config::pools`](super::Config)).
    pub pool: usize,
    /// Pools by name.
    pub names: Vec<(String, usize)>,
}

/// Which request bodies are read whole before an origin is asked: it is then not held by a slow client, and what is
/// idempotent can be asked of another server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestBuffering {
    /// Those that say that they are at most 64 KiB (the default of YAML); others go on as they come.
    #[default]
    Small,
    /// All: 64 KiB in memory, then a file without a name (nginx's default, `proxy_request_buffering on`).
    All,
    /// None.
    Never,
}

/// Bodies of requests kept in files that have names (nginx: `client_body_in_file_only`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFiles {
    /// Where they are made.
    pub directory: PathBuf,
    /// Whether they stay when the request is over.
    pub stay: bool,
}

/// How far a response is read ahead of a client that takes it more slowly than its origin gives it. What lies between is
/// in memory first, then in a file without a name; with both full the origin waits for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseBuffering {
    /// Bytes in memory (default 256 KiB; nginx: `proxy_buffers`, here at least 64 KiB).
    pub memory: u64,
    /// Bytes in the file (default none; nginx: `proxy_max_temp_file_size`, 1 GiB).
    pub disk: u64,
}

impl Default for ResponseBuffering {
    fn default() -> Self {
        Self {
            memory: 256 << 10,
            disk: 0,
        }
    }
}
