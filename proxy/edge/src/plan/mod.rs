//! The compiled configuration: routers, pools, rule programs, caches, certificates.
//!
//! `Plan::compile` is the one place that knows both [`Config`] and the engines. What has the same name and shape is
//! carried over from the previous plan: pools with their health, caches with their objects, log files. A request pins
//! one plan and finishes on it.

pub mod access;
mod acme;
mod balancer;
pub mod binding;
mod cache;
mod certificates;
mod challenge;
mod check;
mod compile;
mod compress;
pub mod computed;
pub mod content;
mod dns;
mod dns_service;
pub mod dynamic;
mod exposure;
mod fastcgi;
pub mod found;
pub mod hosts;
pub mod kept;
mod limit;
pub mod lists;
mod log;
mod named;
pub mod passing;
pub mod pattern;
mod places;
pub mod pool;
pub mod program;
mod proxy;
mod redirects;
mod route;
pub mod router;
mod screen;
mod site;
mod spans;
mod split;
mod stream;
mod waf;
pub mod when;

pub use balancer::RetryPlan;
pub use cache::{CachePlan, CacheUse, CookiesPlan, KeyPlan, QueryPlan};
pub use certificates::CertificateState;
pub use challenge::ChallengePlan;
pub use check::CheckPlan;
pub use compile::Environment;
pub use compress::{CompressPlan, NginxPlan};
pub use content::{ContentRules, RootPlan};
pub use dns::{AliasPlan, DnsPlan, PoolHealth, ZoneToSign};
pub use exposure::ExposurePlan;
pub use fastcgi::{FastCgiPlan, FindPlan};
pub use limit::{ConnectionLimitPlan, LimitTables, ProvedLimits, RateLimitPlan};
pub use pool::{OriginPeer, PeerAddress, PeerSlot, PoolPlan};
pub use proxy::{HeaderSet, InterimPlan, ProxyPlan, UriPlan};
pub use redirects::RedirectTable;
pub use screen::ScreenPlan;
pub use split::{MirrorPlan, SplitPlan};
pub use stream::{Carried, StreamListener, StreamPlan};
pub use waf::WafPlan;

use crate::{
    log::{Buffering, LogSink},
    metrics::SiteMetrics,
    template::Template,
};
use hosts::HostMap;
use ipnet::IpNet;
use program::Program;
use router::Router;
use seawall_conf::model::{self, Config};
use seawall_http::HeadLimits;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// A compiled configuration.
pub struct Plan {
    /// Counts up with every plan of a process.
    pub generation: u64,
    /// What it was compiled from.
    pub config: Arc<Config>,
    /// Listeners by identity (see [`Environment::listener_id`]).
    pub listeners: Vec<ListenerPlan>,
    /// Addresses whose connections and datagrams are carried as they are.
    pub streams: Vec<StreamListener>,
    /// Tables of rate limits.
    pub limits: Arc<LimitTables>,
    /// Virtual hosts.
    pub sites: Vec<Arc<SitePlan>>,
    /// Pools, in the order of the configuration.
    pub pools: Vec<Arc<PoolPlan>>,
    /// Caches, in the order of the configuration.
    pub caches: Vec<Arc<CachePlan>>,
    /// Rule sets; those without errors are all there are in a plan that is used.
    pub wafs: Vec<Arc<WafPlan>>,
    /// Strictness of heads.
    pub policy: seawall_http::Policy,
    /// Limits on heads.
    pub head_limits: HeadLimits,
    /// One deadline for a head.
    pub head_timeout: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// What one HTTP/2 connection may ask for.
    pub http2: model::Http2Limits,
    /// Whose forwarding headers count.
    pub trusted: Vec<IpNet>,
    /// The same with the field that names the client; `None` where nobody is trusted.
    pub identity: Option<model::ClientIdentity>,
    /// The keys of challenges, where there are some.
    pub challenge_keys: Option<Arc<crate::bots::KeyRing>>,
    /// The CrowdSec server that is followed.
    pub bouncer: Option<Arc<crate::crowdsec::Bouncer>>,
    /// Key sets that are fetched in the background.
    pub key_sets: Vec<Arc<crate::access::jwks::KeySet>>,
    /// Requests are parts of traces; the share, in percent, of those that begin here and are kept.
    pub traces: Option<u8>,
    /// Where the spans of those that are kept go.
    pub spans: Option<Arc<crate::otlp::Exporter>>,
    /// Lists of clients, and what tells where addresses are.
    pub lists: Arc<lists::Lists>,
    /// Slots for `set` variables.
    pub user_slots: usize,
    /// Claims of tokens that templates name.
    pub claims: Vec<Box<str>>,
    /// Whether a variable about files is named anywhere.
    pub names_files: bool,
    /// Whether a template names the body of the request.
    pub names_body: bool,
    /// What the certificates are, for the API.
    pub certificates: Vec<CertificateState>,
    /// What clients must show, by site.
    pub client_policies: Vec<Option<Arc<seawall_tls::ClientPolicy>>>,
    /// How certificates of a CA are asked for, if they are.
    pub acme: Option<seawall_tls::acme::AcmeOptions>,
    /// Zones, until the DNS server takes them.
    pub dns: parking_lot::Mutex<Option<DnsPlan>>,
    /// Every file that was read on the way, for watching.
    pub files: Vec<std::path::PathBuf>,
    /// What the TLS resolver is to serve once this plan is live.
    pub certificate_map: parking_lot::Mutex<Option<seawall_tls::CertMap>>,
}

/// A listener.
pub struct ListenerPlan {
    /// Its identity over all plans of the process.
    pub id: u32,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// A header before each connection.
    pub proxy_protocol: Option<model::ProxyProtocol>,
    /// Sites that are carried on undecrypted.
    pub carried: Option<Carried>,
    /// Its sites.
    pub hosts: HostMap,
}

/// A virtual host.
pub struct SitePlan {
    /// Its primary name.
    pub name: String,
    /// Where plain requests are sent: the port of HTTPS.
    pub https_port: Option<u16>,
    /// Expressions among its names whose groups are variables: group and slot.
    pub host_groups: Vec<(regex::bytes::Regex, Vec<(usize, usize)>)>,
    /// Runs before the route is looked for.
    pub program: Program,
    /// Paths to routes.
    pub router: Router,
    /// Exact paths that are redirected before a route is looked for.
    pub redirects: Option<RedirectTable>,
    /// Error pages where no route is found, and how locations are completed.
    pub rules: ContentRules,
    /// Routes, by the router's indexes.
    pub routes: Vec<Arc<RoutePlan>>,
    /// For paths that match none.
    pub fallback: Option<Arc<RoutePlan>>,
    /// Access logs for requests that find no route.
    pub access: Vec<AccessLog>,
    /// Where a trusted proxy names the client (nginx: `real_ip_header` in `server`).
    pub identity: Option<Arc<model::ClientIdentity>>,
    /// What clients must have shown in the handshake.
    pub clients: Option<Arc<seawall_tls::ClientPolicy>>,
    /// Its counters.
    pub metrics: SiteMetrics,
    /// Whether forwarding headers, request ids and our own error pages are the YAML ones.
    pub yaml: bool,
}

/// A route.
pub struct RoutePlan {
    /// Its path as written, for those who watch.
    pub name: Box<str>,
    /// Where it was written.
    pub at: seawall_diag::Span,
    /// Runs when the route is chosen.
    pub program: Program,
    /// What answers.
    pub content: ContentPlan,
    /// The cache.
    pub cache: Option<CacheUse>,
    /// The rule set.
    pub waf: Option<Arc<WafPlan>>,
    /// Access logs.
    pub access: Vec<AccessLog>,
    /// Bytes of a request body.
    pub body_limit: Option<u64>,
    /// Which request bodies are read whole before an origin is asked.
    pub request_buffering: model::RequestBuffering,
    /// Whether an exchange is given up when its HTTP/1 client has closed.
    pub abandons: bool,
    /// Bodies of requests kept in files.
    pub body_files: Option<Box<model::BodyFiles>>,
    /// Bounds on the speed of responses.
    pub pace: Option<Box<PacePlan>>,
    /// Copies of requests for other locations.
    pub mirrors: Option<Box<MirrorToPlan>>,
    /// How far a response is read ahead of its client.
    pub response_buffering: Option<model::ResponseBuffering>,
    /// Response fields to set.
    pub response_set: Vec<HeaderSet>,
    /// Response fields to add, and whether whatever the status.
    pub response_add: Vec<(HeaderSet, bool)>,
    /// Response fields to remove, lower case.
    pub response_remove: Vec<Box<[u8]>>,
    /// Timeouts.
    pub timeouts: model::Timeouts,
    /// Requests on a connection.
    pub keepalive_requests: u64,
    /// Whether the request id is needed before the content.
    pub wants_id: bool,
    /// Content types by extension.
    pub types: Types,
    /// Compression of responses.
    pub compress: Option<Box<CompressPlan>>,
    /// Limits on the rate of requests.
    pub rate_limits: Vec<RateLimitPlan>,
    /// Limits on the requests served at once.
    pub connection_limits: Vec<ConnectionLimitPlan>,
    /// Limits whose keys are of claims: they are asked once a token is verified.
    pub proved_limits: Option<Box<ProvedLimits>>,
    /// What stands before it beside its rules.
    pub screen: Option<Box<ScreenPlan>>,
    /// Who may pass.
    pub guard: Option<Box<access::GuardPlan>>,
    /// Response fields of the route's policy.
    pub exposure: Option<Box<ExposurePlan>>,
    /// Where a trusted proxy names the client, on this route.
    pub identity: Option<Arc<model::ClientIdentity>>,
    /// What goes with its content.
    pub rules: ContentRules,
}

/// Bounds on the speed of responses.
pub struct PacePlan {
    /// Bytes a second.
    pub rate: Template,
    /// Bytes before the bound begins.
    pub after: Option<Template>,
}

/// Copies of requests for other locations.
pub struct MirrorToPlan {
    /// Their URIs.
    pub uris: Vec<Template>,
    /// Whether the body is copied.
    pub body: bool,
}

/// Content types by extension.
pub struct Types {
    /// In lower case without the dot.
    pub by_extension: std::collections::HashMap<Box<[u8]>, Box<[u8]>, ahash::RandomState>,
    /// Where no extension tells.
    pub default: Box<[u8]>,
}

/// What answers.
pub enum ContentPlan {
    /// A pool.
    Proxy(Box<ProxyPlan>),
    /// A fixed answer.
    Fixed(FixedPlan),
    /// A redirect.
    Redirect {
        /// Status.
        status: u16,
        /// Location.
        location: Template,
    },
    /// Files.
    Static {
        /// Where they lie.
        root: RootPlan,
        /// Names tried in a directory.
        index: Vec<Template>,
    },
    /// Questions to the DNS server.
    Doh,
}

/// A fixed answer.
pub struct FixedPlan {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: Template,
    /// `Content-Type: ...\r\n`, ready.
    pub lines: Box<[u8]>,
}

/// An access log of a route.
pub struct AccessLog {
    /// Where its lines go.
    pub to: LogSink,
    /// The line.
    pub format: Arc<Template>,
    /// How values are escaped.
    pub escape: model::LogEscape,
    /// How lines come into a file.
    pub how: Buffering,
    /// Whether there is a line.
    pub condition: Option<Arc<Template>>,
    /// What is left out of it.
    pub privacy: model::LogPrivacy,
}

impl RoutePlan {
    /// Whether responses leave as they come.
    pub fn leaves_responses(&self) -> bool {
        self.response_set.is_empty()
            && self.response_add.is_empty()
            && self.response_remove.is_empty()
            && self.compress.is_none()
            && self.exposure.is_none()
            && self.rules.expires.is_none()
    }
}

impl Plan {
    /// A listener by identity.
    pub fn listener(&self, id: u32) -> Option<&ListenerPlan> {
        self.listeners.iter().find(|l| l.id == id)
    }

    /// The stream of an address, by identity.
    pub fn stream(&self, id: u32) -> Option<&Arc<StreamPlan>> {
        let found = self.streams.iter().find(|s| s.id == id);
        found.map(|s| &s.stream)
    }

    /// Whether forwarding headers of this peer count.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        !self.trusted.is_empty()
            && self
                .trusted
                .iter()
                .any(|net| net.contains(&peer.to_canonical()))
    }
}
