//! The variables there are, by their names: nginx's, ours, and what a configuration defines.

use crate::{placed::Placed, plan::computed::Computed, whereabouts::Whereabouts};
use seawall_diag::{Diagnostic, Span};
use seawall_http::Name;
use seawall_nets::Databases;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::Arc,
};

/// A variable.
#[derive(Clone, Debug)]
#[rustfmt::skip]
pub(super) enum Variable {
    Host, Uri, RequestUri, Args, IsArgs, Method, Scheme, ServerName, ServerPort, ServerAddr, Protocol, RemoteAddr, RemotePort,
    ClientIp, RemoteUser, Request, Status, BodyBytesSent, BytesSent, RequestLength, RequestTime, Msec, TimeLocal, TimeIso8601,
    UpstreamAddr, UpstreamStatus, UpstreamResponseTime, UpstreamHeaderTime, UpstreamConnectTime, TraceId, SpanId, ParentSpanId, TraceSampled, RateStatus, PlacesStatus, UpstreamCacheStatus, SliceRange, ProxyHost, ProxyPort, ProxyAddXForwardedFor,
    Hostname, Pid, Connection, ConnectionRequests, RequestId, ContentType, ContentLength, NginxVersion, HttpHost,
    Http(Name), HttpOther(Box<[u8]>), SentHttp(Box<[u8]>), Arg(Box<[u8]>), Cookie(Box<[u8]>), UpstreamHttp(Box<[u8]>),
    FastCgiScriptName, FastCgiPathInfo, Https, Capture(usize), User(usize), Proxied(Proxied), Computed(Arc<Computed>),
    Whereabouts(Whereabouts), Placed(Placed, Arc<Databases>), Claim(usize), RequestBody, RequestBodyFile, RequestCompletion, ConnectionTime, Http2, UpstreamCookie(Box<[u8]>),
}

/// What a PROXY header said, and who connected to us.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub(super) enum Proxied { Addr, Port, ServerAddr, ServerPort, RealAddr, RealPort, Value(u8) }

/// Names that `set` and named groups of regular expressions define, with their slots.
#[derive(Default)]
pub struct UserVariables {
    slots: HashMap<String, usize>,
    computed: HashMap<String, Arc<Computed>>,
    places: Option<Arc<Databases>>,
    names_files: Cell<bool>,
    names_body: Cell<bool>,
    claims: RefCell<Vec<Box<str>>>,
}

impl UserVariables {
    /// The slot of a name, made if it is new.
    pub fn define(&mut self, name: &str) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name.to_owned()).or_insert(next)
    }

    /// What a name is computed by.
    pub fn computed(&self, name: &str) -> Option<&Arc<Computed>> {
        self.computed.get(name)
    }

    /// Gives a name what it is computed by.
    pub fn define_computed(&mut self, name: &str, computed: Arc<Computed>) {
        self.computed.insert(name.to_owned(), computed);
    }

    /// What tells where clients are.
    pub fn places(&self) -> Option<&Arc<Databases>> {
        self.places.as_ref()
    }

    /// With what tells where clients are.
    pub fn with_places(mut self, places: Option<Arc<Databases>>) -> Self {
        self.places = places;
        self
    }

    /// The slot of a known name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// Takes note that a variable about files is named.
    fn files(&self, what: Whereabouts) -> Variable {
        self.names_files.set(true);
        Variable::Whereabouts(what)
    }

    /// Whether a template compiled so far names a variable about files.
    pub fn names_files(&self) -> bool {
        self.names_files.get()
    }

    /// Takes note that the body of the request is named.
    fn body(&self) -> Variable {
        self.names_body.set(true);
        Variable::RequestBody
    }

    /// Takes note that a claim is named.
    fn claim(&self, name: &str) -> Variable {
        let mut all = self.claims.borrow_mut();
        let known = all.iter().position(|claim| **claim == *name);
        Variable::Claim(known.unwrap_or_else(|| {
            all.push(name.into());
            all.len() - 1
        }))
    }

    /// The claims that templates compiled so far name: what is verified of a token is kept in this order.
    pub fn claims(&self) -> Vec<Box<str>> {
        self.claims.borrow().clone()
    }

    /// Whether a template compiled so far names the body of the request.
    pub fn names_body(&self) -> bool {
        self.names_body.get()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// The error of a name that stands for nothing.
pub(super) fn unknown(name: &str, at: Span) -> Diagnostic {
    if Placed::named(name).is_none() {
        let message = format!("unknown \"{name}\" variable");
        return Diagnostic::error("unknown-variable", at, message);
    }
    no_places(name, at)
}

/// Something depends on where clients are, and no database says that.
pub fn no_places(what: &str, at: Span) -> Diagnostic {
    let message = format!("nothing tells where clients are, for \"{what}\"");
    Diagnostic::error("no-places", at, message)
        .help("name a database at the top of the configuration: geo: GeoLite2-Country.mmdb")
}

/// What a name stands for.
#[rustfmt::skip]
pub(super) fn variable(name: &str, user: &UserVariables) -> Option<Variable> {
    use Variable::*;
    if let Some(slot) = user.slot(name) { return Some(User(slot)); }
    if let Some(computed) = user.computed.get(name) { return Some(Variable::Computed(computed.clone())); }
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) { return name.parse().ok().filter(|n| *n < 100).map(Capture); }
    Some(match name {
        "host" => Host, "uri" | "document_uri" => Uri, "request_uri" => RequestUri,
        "args" | "query_string" => Args, "is_args" => IsArgs, "request_method" => Method, "scheme" => Scheme,
        "server_name" => ServerName, "server_port" => ServerPort, "server_addr" => ServerAddr, "server_protocol" => Protocol,
        "remote_addr" | "binary_remote_addr" => RemoteAddr, "remote_port" => RemotePort, "client_ip" => ClientIp,
        "remote_user" => RemoteUser, "request" => Request, "status" => Status, "body_bytes_sent" => BodyBytesSent,
        "bytes_sent" => BytesSent, "request_length" => RequestLength, "request_time" => RequestTime, "msec" => Msec,
        "time_local" => TimeLocal, "time_iso8601" => TimeIso8601, "upstream_addr" => UpstreamAddr,
        "upstream_status" => UpstreamStatus, "upstream_response_time" => UpstreamResponseTime,
        "slice_range" => SliceRange, "upstream_cache_status" => UpstreamCacheStatus, "proxy_host" => ProxyHost, "proxy_port" => ProxyPort,
        "proxy_add_x_forwarded_for" => ProxyAddXForwardedFor, "hostname" => Hostname, "pid" => Pid,
        "connection" => Connection, "connection_requests" => ConnectionRequests, "request_id" => RequestId,
        "content_type" => ContentType, "content_length" => ContentLength, "nginx_version" => NginxVersion,
        "http_host" => HttpHost, "fastcgi_script_name" => FastCgiScriptName, "fastcgi_path_info" => FastCgiPathInfo,
        "https" => Https, "request_body" => user.body(), "request_body_file" => RequestBodyFile, "http2" => Http2,
        "request_completion" => RequestCompletion, "connection_time" => ConnectionTime, "upstream_header_time" => UpstreamHeaderTime,
        "upstream_connect_time" => UpstreamConnectTime, "limit_req_status" => RateStatus,
        "trace_id" | "otel_trace_id" => TraceId, "span_id" | "otel_span_id" => SpanId, "parent_span_id" | "otel_parent_id" => ParentSpanId,
        "trace_sampled" | "otel_parent_sampled" => TraceSampled, "limit_conn_status" => PlacesStatus,
        "proxy_protocol_addr" => Proxied(self::Proxied::Addr), "proxy_protocol_port" => Proxied(self::Proxied::Port),
        "proxy_protocol_server_addr" => Proxied(self::Proxied::ServerAddr), "proxy_protocol_server_port" => Proxied(self::Proxied::ServerPort),
        "realip_remote_addr" => Proxied(self::Proxied::RealAddr), "realip_remote_port" => Proxied(self::Proxied::RealPort),
        "proxy_protocol_tlv_alpn" => Proxied(self::Proxied::Value(1)), "proxy_protocol_tlv_authority" => Proxied(self::Proxied::Value(2)),
        "proxy_protocol_tlv_unique_id" => Proxied(self::Proxied::Value(5)),
        "document_root" => user.files(self::Whereabouts::Root), "realpath_root" => user.files(self::Whereabouts::RealRoot),
        "request_filename" => user.files(self::Whereabouts::File),
        _ if let Some(claim) = name.strip_prefix("jwt_claim_").filter(|c| !c.is_empty()) => user.claim(claim),
        _ => match self::Placed::named(name) {
            Some(what) => Variable::Placed(what, user.places.clone()?),
            None => return prefixed(name),
        },
    })
}

fn prefixed(name: &str) -> Option<Variable> {
    let dashed = |rest: &str| rest.replace('_', "-").into_bytes().into_boxed_slice();
    if let Some(rest) = name.strip_prefix("http_") {
        let header = dashed(rest);
        return Some(match Name::lookup(&header) {
            Name::Other => Variable::HttpOther(header),
            known => Variable::Http(known),
        });
    }
    if let Some(rest) = name.strip_prefix("sent_http_") {
        return Some(Variable::SentHttp(dashed(rest)));
    }
    if let Some(rest) = name.strip_prefix("upstream_cookie_") {
        return Some(Variable::UpstreamCookie(rest.as_bytes().into()));
    }
    if let Some(rest) = name.strip_prefix("upstream_http_") {
        return Some(Variable::UpstreamHttp(dashed(rest)));
    }
    if let Some(rest) = name.strip_prefix("arg_") {
        return Some(Variable::Arg(rest.as_bytes().into()));
    }
    name.strip_prefix("cookie_")
        .map(|rest| Variable::Cookie(rest.as_bytes().into()))
}
