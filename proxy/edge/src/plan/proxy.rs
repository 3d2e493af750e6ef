//! Proxied routes: what is asked of an origin, and with which header fields.

use super::{
    FastCgiPlan, MirrorPlan, PoolPlan, SplitPlan, access::Withheld, balancer::RetryPlan,
    dynamic::DynamicPlan, passing::PassingPlan,
};
use crate::template::{Template, UserVariables};
use seawall_conf::model;
use seawall_diag::Diagnostics;
use seawall_http::Name;
use std::sync::Arc;

/// A proxied route.
pub struct ProxyPlan {
    /// The pool, or the first of several.
    pub pool: Arc<PoolPlan>,
    /// Shares of several pools.
    pub split: Option<Box<SplitPlan>>,
    /// Copies of requests.
    pub mirror: Option<Box<MirrorPlan>>,
    /// Host header; the client's if `None`.
    pub host: Option<Template>,
    /// What is requested.
    pub uri: UriPlan,
    /// Request fields to set.
    pub set_headers: Vec<HeaderSet>,
    /// Known names among them, as bits: the client's own are not passed on.
    pub set_known: u128,
    /// Request fields to add.
    pub add_headers: Vec<HeaderSet>,
    /// What the origin is told of the way here.
    pub forwarding: model::Forwarding,
    /// What a client may not claim.
    pub withheld: Withheld,
    /// HTTP/1.1 to the origin.
    pub http11: bool,
    /// Whether connections are kept.
    pub keepalive: bool,
    /// Whether an upgrade that the client asks for is asked of the origin.
    pub pass_upgrade: bool,
    /// Whether `TE: trailers` and a request's trailers are passed on.
    pub pass_request_trailers: bool,
    /// Whether a response's trailers are.
    pub pass_trailers: bool,
    /// Which interim responses are.
    pub interim: InterimPlan,
    /// `$proxy_host`
    pub proxy_host: Arc<str>,
    /// `$proxy_port`
    pub proxy_port: u16,
    /// The origin is an application.
    pub fastcgi: Option<Arc<FastCgiPlan>>,
    /// The request names its origin.
    pub dynamic: Option<Box<DynamicPlan>>,
    /// The method asked in place of the client's.
    pub method: Option<Template>,
    /// The body sent in place of the client's.
    pub body: Option<Template>,
    /// None of the client's fields are passed on.
    pub no_fields: bool,
    /// The client's body is not.
    pub no_body: bool,
    /// Retries in place of the pool's.
    pub retry: Option<Arc<RetryPlan>>,
    /// What becomes of the response's fields.
    pub passing: Option<Box<PassingPlan>>,
}

/// Which interim responses go on to the client.
pub enum InterimPlan {
    /// None.
    Never,
    /// All.
    Always,
    /// 103, when one of these holds.
    When(Vec<Template>),
}

/// What is requested of an origin.
pub enum UriPlan {
    /// As received unless rewritten.
    AsReceived,
    /// Prefix replaced.
    ReplacePrefix {
        /// Bytes of the matched prefix.
        prefix: usize,
        /// What stands in its place.
        with: Box<[u8]>,
    },
    /// Wholly given.
    Template(Template),
}

/// A header field to set.
pub struct HeaderSet {
    /// Name as written.
    pub name: Box<[u8]>,
    /// Its id.
    pub id: Name,
    /// Value; an empty one removes the field.
    pub value: Template,
}

impl HeaderSet {
    /// Compiles a field.
    pub fn compile(
        (name, value): (&String, &model::Template),
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Self {
        Self {
            name: name.as_bytes().into(),
            id: Name::lookup(name.as_bytes()),
            value: Template::compile(value, user, errors),
        }
    }
}

/// Compiles a proxied route.
pub fn compile(
    proxy: &model::Proxy,
    pool: Arc<PoolPlan>,
    pools: &[Arc<PoolPlan>],
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> ProxyPlan {
    let set_headers: Vec<HeaderSet> = proxy
        .set_headers
        .iter()
        .map(|(name, value)| HeaderSet::compile((name, value), user, errors))
        .collect();
    let uri = match &proxy.uri {
        model::ProxyUri::AsReceived => UriPlan::AsReceived,
        model::ProxyUri::ReplacePrefix { prefix, with } => UriPlan::ReplacePrefix {
            prefix: prefix.len(),
            with: with.as_bytes().into(),
        },
        model::ProxyUri::Template(t) => UriPlan::Template(Template::compile(t, user, errors)),
    };
    let fastcgi = proxy
        .fastcgi
        .as_ref()
        .map(|f| Arc::new(FastCgiPlan::compile(f, user, errors)));
    let split = proxy.split.as_ref();
    let split = split.map(|s| Box::new(SplitPlan::compile(s, pools, user, errors)));
    let mirror = proxy.mirror.as_ref();
    let asking = &proxy.asking;
    let passing = PassingPlan::compile(&proxy.passing, user, errors);
    let passes = passing.changes() || passing.ignored != 0 || !passing.pass.is_empty();
    ProxyPlan {
        dynamic: asking
            .dynamic
            .as_ref()
            .map(|d| Box::new(DynamicPlan::compile(d, pools, user, errors))),
        method: asking
            .method
            .as_ref()
            .map(|m| Template::compile(m, user, errors)),
        body: asking
            .body
            .as_ref()
            .map(|b| Template::compile(b, user, errors)),
        no_fields: asking.no_fields,
        no_body: asking.no_body,
        retry: asking
            .retry
            .as_ref()
            .map(|r| Arc::new(RetryPlan::compile(r))),
        passing: passes.then(|| Box::new(passing)),
        fastcgi,
        split,
        mirror: mirror.and_then(|m| MirrorPlan::compile(m, pools).map(Box::new)),
        proxy_host: Arc::from(proxy.proxy_host.as_str()),
        proxy_port: proxy.proxy_port,
        host: proxy
            .host
            .as_ref()
            .map(|h| Template::compile(h, user, errors)),
        uri,
        set_known: set_headers.iter().fold(0, |bits, h| bits | h.id.bit()),
        set_headers,
        add_headers: proxy
            .add_headers
            .iter()
            .map(|(name, value)| HeaderSet::compile((name, value), user, errors))
            .collect(),
        forwarding: proxy.forwarding.clone(),
        withheld: Withheld::default(),
        http11: proxy.http11,
        pass_upgrade: proxy.pass_on.upgrade && proxy.http11,
        pass_request_trailers: proxy.pass_on.request_trailers && proxy.http11,
        pass_trailers: proxy.pass_on.trailers,
        interim: match &proxy.pass_on.interim {
            model::Interim::Never => InterimPlan::Never,
            model::Interim::Always => InterimPlan::Always,
            model::Interim::When(conditions) => InterimPlan::When(
                conditions
                    .iter()
                    .map(|c| Template::compile(c, user, errors))
                    .collect(),
            ),
        },
        keepalive: proxy.keepalive && pool.keepalive > 0,
        pool,
    }
}
