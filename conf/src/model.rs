//! The validated configuration: what both syntaxes lower to and what a `Plan` is compiled from.
//!
//! No `Option` where a default exists, every reference resolved to an index, every string that may hold variables
//! parsed into a [`Template`]. What can still fail when the plan is compiled (a regular expression, a certificate,
//! a rule file, a zone file) carries the [`Span`] it was written at.

mod cache;
mod compress;
mod fastcgi;
mod origin;
mod passing;
mod pool;

pub use cache::*;
pub use compress::{Coding, Compress, GzipProxied, NginxGzip};
pub use fastcgi::{FastCgi, FastCgiParam, FindScripts};
pub use origin::*;
pub use passing::{Asking, CookieFlags, Fit, MirrorTo, Pace, Passing, Replace};
pub use pool::*;

mod http2;

pub use http2::Http2Limits;
mod access;
mod acme;
mod computed;
mod dns;
mod dnssec;
mod exposure;

pub use access::*;
pub use acme::*;
pub use computed::*;
pub use dns::*;
pub use dnssec::*;
pub use exposure::*;
mod limit;
mod log;
mod stream;

pub use limit::{ConnectionLimit, RateLimit};
pub use log::*;

pub use stream::{ProxyProtocol, ProxyVersion, Stream, StreamTimeouts, StreamTo};
mod content;
mod program;
mod screen;
mod secrets;
mod template;
mod waf;

pub use content::*;
pub use program::*;
pub use screen::*;
pub use template::{Part, Template};
pub use waf::*;

use ipnet::IpNet;
use seawall_diag::{SourceMap, Span};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// One whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The texts it was read from.
    pub sources: SourceMap,
    /// Which syntax it was written in: decides on the strictness of heads, the cache's profile and default pages.
    pub syntax: Syntax,
    /// Every file that was read, for watching.
    pub files: Vec<PathBuf>,
    /// What concerns the processes.
    pub process: Process,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// The admin API, if wanted.
    pub admin: Vec<AdminListener>,
    /// Who may use the admin API over TCP, and for what.
    pub admin_tokens: Option<(PathBuf, Span)>,
    /// A read-only `/metrics` apart from admin.
    pub metrics: Option<SocketAddr>,
    /// Whose `X-Forwarded-*` and `Forwarded` count.
    pub trusted_proxies: Vec<IpNet>,
    /// MaxMind databases of places, absolute; what an earlier one knows counts.
    pub geo: Vec<(PathBuf, Span)>,
    /// Named lists of clients.
    pub lists: Vec<List>,
    /// The CrowdSec server whose decisions are carried out.
    pub crowdsec: Option<CrowdSec>,
    /// The CA that issues for public names, if one is named.
    pub acme: Option<Acme>,
    /// Log files.
    pub log: Log,
    /// The DNS server, if wanted.
    pub dns: Option<Dns>,
    /// Named caches.
    pub caches: Vec<Cache>,
    /// Named rule sets.
    pub wafs: Vec<Waf>,
    /// Named pools, and one for every address written in place of a name.
    pub pools: Vec<Pool>,
    /// Virtual hosts in the order written.
    pub sites: Vec<Site>,
    /// What is carried as it is.
    pub streams: Vec<Stream>,
    /// Limits on what clients send.
    pub limits: Limits,
    /// Where a trusted proxy names the client, for every site.
    pub identity_header: IdentityHeader,
    /// Variables computed from others.
    pub computed: Vec<Computed>,
}

/// The syntax a configuration was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Our own.
    Yaml,
    /// nginx.conf.
    Nginx,
}

/// What concerns the processes.
#[derive(Clone, Debug)]
pub struct Process {
    /// Worker threads; 0 means one a core (nginx: `worker_processes`).
    pub threads: usize,
    /// The user the worker drops to when started as root.
    pub user: Option<String>,
    /// The pid file, written once the sockets are bound.
    pub pid: Option<PathBuf>,
    /// Whether to go to the background.
    pub daemon: bool,
    /// Where certificates, revisions and the internal CA are kept.
    pub state: PathBuf,
    /// How long connections may go on after a stop or for an old worker after an upgrade.
    pub drain: Duration,
}

/// Limits on what a client may send; each has a default here and is enforced in `seawall-http` or `seawall-edge`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head (default 64 KiB).
    pub head_bytes: usize,
    /// Header fields of a request (default 128).
    pub head_fields: usize,
    /// Time from a request's first byte to the end of its head (default 10 s; nginx's client_header_timeout 60 s).
    pub head_timeout: Duration,
    /// Connections at once over all listeners (default 65,536).
    pub connections: usize,
    /// Responses being compressed at once (default 256, each at most about 2 MiB); past it they are sent as they are.
    pub encoders: usize,
    /// What one HTTP/2 connection may ask for.
    pub http2: Http2Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            head_fields: 128,
            head_timeout: Duration::from_secs(10),
            connections: 65_536,
            encoders: 256,
            http2: Http2Limits::default(),
        }
    }
}

/// An address to listen on or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A name (to be resolved, in the background) and port.
    Name(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// Where clients connect.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it was written.
    pub at: Span,
    /// The address; a bare port is written out as both `0.0.0.0` and `[::]`.
    pub address: Address,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Whether HTTP/2 is spoken: by ALPN over TLS, else by prior knowledge (default on; from nginx.conf off).
    pub http2: bool,
    /// A header before each connection says who it is from.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// A named listener serves only sites that ask for it.
    pub name: Option<String>,
    /// The site (index into [`Config::sites`]) for unknown names: nginx's `default_server`. `None`: 421.
    pub default_site: Option<usize>,
}

/// Where the admin API listens.
#[derive(Clone, Debug)]
pub struct AdminListener {
    /// Where it was written.
    pub at: Span,
    /// A unix socket (all verbs, by peer uid) or a TCP address (GET only without tokens).
    pub address: Address,
}

/// A cache.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Where it was written.
    pub at: Span,
    /// Its name (nginx: `keys_zone`).
    pub name: String,
    /// Bytes of the memory tier.
    pub memory: u64,
    /// The tier on disk.
    pub disk: Option<CacheDisk>,
    /// What nobody asked for that long is not served any more (nginx: 10 minutes unless said otherwise).
    pub inactive: Option<Duration>,
}

/// Where a cache keeps what does not fit its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheDisk {
    /// The directory, absolute. No two caches have the same.
    pub path: PathBuf,
    /// Bytes of its files.
    pub size: u64,
    /// Bytes that are left free for others; 0 for no matter.
    pub min_free: u64,
}

/// A virtual host.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where it was written.
    pub at: Span,
    /// Its names. The first is the primary one.
    pub names: Vec<HostName>,
    /// The listeners it is reached through (indexes into [`Config::listeners`]).
    pub listeners: Vec<usize>,
    /// Its certificates.
    pub tls: SiteTls,
    /// The authorities (PEM) of which clients must show a certificate.
    pub clients: Option<(PathBuf, Span)>,
    /// Whether plain HTTP is answered with 308 to HTTPS.
    pub redirect_to_https: bool,
    /// How a route is found.
    pub routing: Routing,
    /// Runs before a route is looked for (nginx: directives of the rewrite module in `server`).
    pub program: Vec<Op>,
    /// Exact paths that are redirected before a route is looked for.
    pub redirects: Option<RedirectMap>,
    /// What concerns content where no route is found.
    pub content: ContentPolicy,
    /// Its routes.
    pub routes: Vec<Route>,
    /// For a request that matches no route (nginx: the server's own content). `None` is 404.
    pub fallback: Option<Box<Route>>,
}

/// A name of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// The whole name, in lower case.
    Exact(String),
    /// `*.example.test`: holds `example.test`. YAML: names below it; nginx's `.example.test` also adds Exact.
    Suffix(String),
    /// `www.example.*` (nginx): holds `www.example`.
    Prefix(String),
    /// nginx's `~^regex$`.
    Regex(Pattern),
    /// Any name: YAML's `*`.
    Any,
    /// No name: nginx's `""`.
    Empty,
}

/// Where a site's certificate comes from.
#[derive(Clone, Debug)]
pub enum SiteTls {
    /// None: the site is plain.
    Off,
    /// None here: connections for its names go on undecrypted to the pool of its fallback, chosen by SNI.
    Passthrough,
    /// Issued by the internal CA.
    Internal,
    /// By the CA that [`Config::acme`] names, for these names (wildcards as `*.name`); the internal CA issues for the
    /// site's other ones.
    Acme(Vec<String>),
    /// Files, watched. Several pairs where a site has an RSA and an ECDSA certificate.
    Files(Vec<CertificateFiles>),
}

/// A certificate chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub certificate: (PathBuf, Span),
    /// PEM.
    pub key: (PathBuf, Span),
    /// An OCSP response (DER) that is stapled.
    pub ocsp: Option<(PathBuf, Span)>,
}

/// How a route is found in a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// From the top, first match wins.
    FirstMatch,
    /// Exact, longest prefix, regular expressions in order (ngx_http_core_module, `location`).
    Nginx,
}

/// A regular expression as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Where it was written.
    pub at: Span,
    /// PCRE as an operator writes it.
    pub text: String,
    /// `~*`.
    pub caseless: bool,
    /// `!~`, `!~*` in conditions.
    pub negated: bool,
}

/// Which paths a route takes. The path is decoded and normalised, without the query.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// This path only.
    Exact(String),
    /// This path and what is below it by whole segments (YAML).
    Segments(String),
    /// Paths that begin so; `stop` leaves out the regular expressions (nginx's `^~`).
    Prefix {
        /// The prefix.
        path: String,
        /// `^~`
        stop: bool,
    },
    /// A regular expression.
    Regex(Pattern),
    /// Reached only by an internal redirect (nginx's `@name`).
    Named(String),
}

/// What becomes of requests to some paths.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where it was written.
    pub at: Span,
    /// Which paths.
    pub matcher: Matcher,
    /// What must hold besides, all of it; none for most routes.
    pub when: Vec<Test>,
    /// Runs when the route is chosen.
    pub program: Vec<Op>,
    /// What answers.
    pub content: Content,
    /// All else, merged.
    pub policy: RoutePolicy,
}

/// What applies to a route, merged from route, site, defaults and built-in.
#[derive(Clone, Debug)]
pub struct RoutePolicy {
    /// The cache, if any.
    pub cache: Option<CachePolicy>,
    /// The rule set (index into [`Config::wafs`]).
    pub waf: Option<usize>,
    /// Access logs (indexes into [`Log::access`]).
    pub access_log: Vec<usize>,
    /// Bytes of a request body (default 10 MiB; nginx 1 MiB); `None` is no limit.
    pub body_limit: Option<u64>,
    /// Which request bodies are read whole before an origin is asked.
    pub request_buffering: RequestBuffering,
    /// How far responses are read ahead of their clients; `None` is not at all.
    pub response_buffering: Option<ResponseBuffering>,
    /// Whether an exchange with an origin goes on when its HTTP/1 client has closed (nginx: `proxy_ignore_client_abort`).
    pub ignore_client_abort: bool,
    /// Bodies of requests kept in files.
    pub body_files: Option<Box<BodyFiles>>,
    /// Bounds on the speed of responses.
    pub pace: Option<Box<Pace>>,
    /// Copies of requests for other locations of the site.
    pub mirrors: Option<Box<MirrorTo>>,
    /// Response header fields to set, in order (name, value).
    pub response_set: Vec<(String, Template)>,
    /// Response header fields to remove.
    pub response_remove: Vec<String>,
    /// Response header fields to add beside what the origin sends (nginx: `add_header`).
    pub response_add: Vec<AddHeader>,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Content type where no extension tells (nginx: `default_type`).
    pub default_type: String,
    /// Types by extension (nginx: `types`); shared.
    pub types: std::sync::Arc<Vec<(String, String)>>,
    /// Requests on one connection (nginx: `keepalive_requests`).
    pub keepalive_requests: u64,
    /// Compression of responses, if any.
    pub compress: Option<Compress>,
    /// Limits on the rate of requests, each of which must allow one.
    pub rate_limits: Vec<RateLimit>,
    /// Limits on the requests served at once, each of which must allow one.
    pub connection_limits: Vec<ConnectionLimit>,
    /// What a browser proves before it is served.
    pub challenge: Option<Box<Challenge>>,
    /// Programs that are told by their User-Agent.
    pub bad_agents: Option<Box<BadAgents>>,
    /// Whether the decisions of a CrowdSec server count, where there is one.
    pub crowdsec: bool,
    /// Who may pass.
    pub access: Access,
    /// Cross-origin requests.
    pub cors: Option<Cors>,
    /// Fields set where a response has none of that name.
    pub security: SecurityHeaders,
    /// Strict-Transport-Security, over TLS only.
    pub hsts: Option<Hsts>,
    /// Where a trusted proxy names the client, on this route (nginx: `real_ip_header`).
    pub identity: Option<std::sync::Arc<ClientIdentity>>,
    /// `Via` of responses.
    pub via_response: Option<String>,
    /// What goes with its content.
    pub content: ContentPolicy,
}

/// A response header field to add (ngx_http_headers_module). One whose value is empty is not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddHeader {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Template,
    /// Whatever the status; otherwise with 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308 only.
    pub always: bool,
}

/// Timeouts of a route.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To connect to an origin (default 3 s; nginx 60 s).
    pub connect: Duration,
    /// From the end of the request to the origin's head (default 60 s).
    pub first_byte: Duration,
    /// Between two reads from or writes to the origin (default 60 s).
    pub between_bytes: Duration,
    /// Without a byte in either direction of a tunnel: WebSocket and other upgrades (default 1 h; nginx:
    /// `proxy_read_timeout`).
    pub tunnel_idle: Duration,
    /// Between two requests of a client (default 75 s; nginx: `keepalive_timeout`); zero closes after each.
    pub keepalive: Duration,
    /// Between two reads of a client's body, and between two writes to a client (default 60 s).
    pub client: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(60),
            between_bytes: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3600),
            keepalive: Duration::from_secs(75),
            client: Duration::from_secs(60),
        }
    }
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            cache: None,
            waf: None,
            access_log: Vec::new(),
            body_limit: Some(10 << 20),
            request_buffering: RequestBuffering::default(),
            ignore_client_abort: false,
            body_files: None,
            pace: None,
            mirrors: None,
            response_buffering: Some(ResponseBuffering::default()),
            response_set: Vec::new(),
            response_remove: Vec::new(),
            response_add: Vec::new(),
            timeouts: Timeouts::default(),
            default_type: "application/octet-stream".into(),
            types: std::sync::Arc::default(),
            keepalive_requests: u64::MAX,
            compress: None,
            rate_limits: Vec::new(),
            connection_limits: Vec::new(),
            challenge: None,
            bad_agents: None,
            crowdsec: true,
            access: Access::default(),
            cors: None,
            security: SecurityHeaders::Off,
            hsts: None,
            identity: None,
            via_response: None,
            content: ContentPolicy::default(),
        }
    }
}

/// What answers.
#[derive(Clone, Debug)]
pub enum Content {
    /// A pool.
    Proxy(Proxy),
    /// A fixed answer (YAML: `respond`; nginx: `return` with a text).
    Fixed {
        /// Status.
        status: u16,
        /// Body.
        body: Template,
        /// Content-Type.
        content_type: Option<String>,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Location.
        location: Template,
    },
    /// Bytes that are sent as they are.
    Bytes {
        /// Status.
        status: u16,
        /// What is sent.
        bytes: FixedBytes,
        /// Content-Type; by the file's extension where absent.
        content_type: Option<String>,
    },
    /// Files.
    Static {
        /// Where they lie.
        root: FileRoot,
        /// Names tried in a directory.
        index: Vec<Template>,
    },
    /// Questions to the DNS server (RFC 8484).
    Doh,
}

/// A proxied route.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where it was written.
    pub at: Span,
    /// Index into [`Config::pools`].
    pub pool: usize,
    /// Host header sent: YAML sends the client's (`None`), nginx `$proxy_host` unless set.
    pub host: Option<Template>,
    /// `$proxy_host`: the pool's name or address as written, with the port where it was written.
    pub proxy_host: String,
    /// `$proxy_port`: as written, or the scheme's own.
    pub proxy_port: u16,
    /// What is requested.
    pub uri: ProxyUri,
    /// Request header fields to set; an empty value removes (nginx: `proxy_set_header`).
    pub set_headers: Vec<(String, Template)>,
    /// Request header fields to add beside the client's own.
    pub add_headers: Vec<(String, Template)>,
    /// What the origin is told of the client and of the way here.
    pub forwarding: Forwarding,
    /// Shares of other pools, where there are several; `pool` is the first of them.
    pub split: Option<Box<Split>>,
    /// Copies of requests.
    pub mirror: Option<Box<Mirror>>,
    /// `1.0` or `1.1`.
    pub http11: bool,
    /// What is passed on besides.
    pub pass_on: PassOn,
    /// Whether the connection to the origin is kept (nginx before 1.29.7: only with an empty `Connection`).
    pub keepalive: bool,
    /// The origin is a FastCGI application.
    pub fastcgi: Option<Box<FastCgi>>,
    /// What is asked in place of what the client asked.
    pub asking: Box<Asking>,
    /// What becomes of the response's fields.
    pub passing: Box<Passing>,
}

/// What is requested of an origin.
#[derive(Clone, Debug)]
pub enum ProxyUri {
    /// The client's target, byte for byte unless it was rewritten (YAML; nginx's `proxy_pass` without a URI).
    AsReceived,
    /// The matched prefix replaced (nginx's `proxy_pass` with a URI). Of a path shorter than the prefix, which is
    /// the prefix without its final slash, nothing is left but what stands in its place.
    ReplacePrefix {
        /// The location's prefix.
        prefix: String,
        /// What stands in its place.
        with: String,
    },
    /// Wholly given (nginx's `proxy_pass` with variables).
    Template(Template),
}
