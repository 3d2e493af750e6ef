//! What is inherited: route over site over `defaults` over built-in.
//!
//! A [`Layer`] holds what one level says and nothing else; layers are put over each other (maps merge by key, lists
//! replace, `off` removes) and the result becomes a [`RoutePolicy`].

use super::access::AccessLayer;
use super::buffering::BufferingLayer;
use super::cache::{self, CacheLayer};
use super::challenge;
use super::compress::{self, CompressLayer};
use super::content::{self, ContentLayer};
use super::exposure::ExposureLayer;
use super::limit;
use super::pools::Pools;
use super::read::{Fields, Reader, Shape};
use super::rooms::Names;
use super::screen;
use super::split::{self, MirrorLayer};
use super::tree::Node;
use crate::media;
use crate::model::{
    AddHeader, BadAgents, Challenge, ConnectionLimit, Pace, RateLimit, RoutePolicy, Template,
    Timeouts,
};
use seawall_diag::Span;
use std::time::Duration;

pub(super) const DEFAULTS: Shape = Shape {
    what: "`defaults`",
    fields: &[
        "mirror",
        "body_limit",
        "buffering",
        "ignore_client_abort",
        "pace",
        "timeouts",
        "headers",
        "cache",
        "waf",
        "compress",
        "rate_limit",
        "connection_limit",
        "challenge",
        "bad_agents",
        "crowdsec",
        "allow",
        "deny",
        "auth",
        "satisfy",
        "cors",
        "hsts",
        "security_headers",
        "forwarded",
        "errors",
        "expires",
        "symlinks",
        "open_cache",
        "etag",
        "precompressed",
        "listing",
        "ranges_max",
    ],
    not_yet: &[],
};
pub(super) const TIMEOUTS: Shape = Shape {
    what: "`timeouts`",
    fields: &[
        "connect",
        "first_byte",
        "between_bytes",
        "tunnel_idle",
        "keepalive",
        "client",
    ],
    not_yet: &["request"],
};
pub(super) const HEADERS: Shape = Shape {
    what: "`headers`",
    fields: &["response", "request"],
    not_yet: &[],
};
pub(super) const HEADER_CHANGES: Shape = Shape {
    what: "header changes",
    fields: &["set", "add", "remove"],
    not_yet: &[],
};
/// Fields that frame a message or speak of one connection: they are the daemon's own.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
];

/// What one level says.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    access_log: Option<Vec<usize>>,
    cache: Option<CacheLayer>,
    compress: Option<CompressLayer>,
    rate_limits: Option<Vec<RateLimit>>,
    connection_limits: Option<Vec<ConnectionLimit>>,
    challenge: Option<Option<Challenge>>,
    bad_agents: Option<Option<BadAgents>>,
    crowdsec: Option<bool>,
    waf: Option<Option<usize>>,
    body_limit: Option<Option<u64>>,
    pub(crate) mirror: Option<Option<MirrorLayer>>,
    buffering: BufferingLayer,
    ignore_client_abort: Option<bool>,
    pace: Option<Option<Pace>>,
    timeouts: TimeoutLayer,
    response: HeaderLayer,
    pub(crate) request: HeaderLayer,
    access: AccessLayer,
    pub(crate) exposure: ExposureLayer,
    content: ContentLayer,
}

#[derive(Clone, Default)]
struct TimeoutLayer {
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    between_bytes: Option<Duration>,
    tunnel_idle: Option<Duration>,
    keepalive: Option<Duration>,
    client: Option<Duration>,
}

/// Changes to a head; a value of `None` takes back what an outer level sets.
#[derive(Clone, Default)]
pub(crate) struct HeaderLayer {
    pub(crate) set: Vec<(String, Option<Template>)>,
    /// Values by name; empty where an outer level's are taken back.
    pub(crate) add: Vec<(String, Vec<Template>)>,
    pub(crate) remove: Option<Vec<String>>,
}

impl Layer {
    /// The outermost layer: everything is logged to these.
    pub(crate) fn logging(access_logs: Vec<usize>) -> Layer {
        Layer {
            access_log: Some(access_logs),
            ..Layer::default()
        }
    }

    /// This level with what it leaves open taken from the one around it.
    pub(crate) fn over(self, outer: &Layer) -> Layer {
        let (t, o) = (self.timeouts, &outer.timeouts);
        Layer {
            access_log: self.access_log.or_else(|| outer.access_log.clone()),
            cache: match (self.cache, &outer.cache) {
                (Some(inner), Some(outer)) => Some(inner.over(outer)),
                (inner, outer) => inner.or_else(|| outer.clone()),
            },
            compress: match (self.compress, &outer.compress) {
                (Some(inner), Some(outer)) => Some(inner.over(outer)),
                (inner, outer) => inner.or_else(|| outer.clone()),
            },
            rate_limits: self.rate_limits.or_else(|| outer.rate_limits.clone()),
            connection_limits: self
                .connection_limits
                .or_else(|| outer.connection_limits.clone()),
            challenge: self.challenge.or_else(|| outer.challenge.clone()),
            bad_agents: self.bad_agents.or_else(|| outer.bad_agents.clone()),
            crowdsec: self.crowdsec.or(outer.crowdsec),
            waf: self.waf.or(outer.waf),
            body_limit: self.body_limit.or(outer.body_limit),
            mirror: self.mirror.or_else(|| outer.mirror.clone()),
            buffering: self.buffering.over(&outer.buffering),
            pace: self.pace.or_else(|| outer.pace.clone()),
            ignore_client_abort: self.ignore_client_abort.or(outer.ignore_client_abort),
            timeouts: TimeoutLayer {
                connect: t.connect.or(o.connect),
                first_byte: t.first_byte.or(o.first_byte),
                between_bytes: t.between_bytes.or(o.between_bytes),
                tunnel_idle: t.tunnel_idle.or(o.tunnel_idle),
                keepalive: t.keepalive.or(o.keepalive),
                client: t.client.or(o.client),
            },
            response: self.response.over(&outer.response),
            request: self.request.over(&outer.request),
            access: self.access.over(&outer.access),
            exposure: self.exposure.over(&outer.exposure),
            content: self.content.over(&outer.content),
        }
    }

    /// The policy of a route on which nothing further is said.
    pub(crate) fn policy(&self, reader: &mut Reader<'_>, names: &Names<'_>) -> RoutePolicy {
        let built_in = Timeouts::default();
        let t = &self.timeouts;
        let mut policy = RoutePolicy {
            cache: self.cache.as_ref().and_then(|c| c.policy(reader, names)),
            waf: self.waf.flatten(),
            access_log: self.access_log.clone().unwrap_or_default(),
            body_limit: self.body_limit.unwrap_or(RoutePolicy::default().body_limit),
            request_buffering: self.buffering.request(),
            response_buffering: self.buffering.response(),
            ignore_client_abort: self.ignore_client_abort.unwrap_or(false),
            pace: self.pace.clone().flatten().map(Box::new),
            response_set: self.response.settings(),
            response_remove: self.response.remove.clone().unwrap_or_default(),
            response_add: self.response.additions(),
            timeouts: Timeouts {
                connect: t.connect.unwrap_or(built_in.connect),
                first_byte: t.first_byte.unwrap_or(built_in.first_byte),
                between_bytes: t.between_bytes.unwrap_or(built_in.between_bytes),
                tunnel_idle: t.tunnel_idle.unwrap_or(built_in.tunnel_idle),
                keepalive: t.keepalive.unwrap_or(built_in.keepalive),
                client: t.client.unwrap_or(built_in.client),
            },
            types: media::table(media::WEB),
            compress: self.compress.as_ref().and_then(CompressLayer::policy),
            rate_limits: self.rate_limits.clone().unwrap_or_default(),
            connection_limits: self.connection_limits.clone().unwrap_or_default(),
            challenge: self.challenge.clone().flatten().map(Box::new),
            bad_agents: self.bad_agents.clone().flatten().map(Box::new),
            crowdsec: self.crowdsec.unwrap_or(true),
            access: self.access.policy(),
            content: self.content.policy(),
            ..RoutePolicy::default()
        };
        self.exposure.apply(&mut policy);
        policy
    }
}

impl HeaderLayer {
    fn over(mut self, outer: &HeaderLayer) -> HeaderLayer {
        for (name, value) in &outer.set {
            if !self.set.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                self.set.push((name.clone(), value.clone()));
            }
        }
        for (name, values) in &outer.add {
            if !self.add.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                self.add.push((name.clone(), values.clone()));
            }
        }
        HeaderLayer {
            remove: self.remove.or_else(|| outer.remove.clone()),
            ..self
        }
    }

    /// What is added once everything is merged.
    pub(crate) fn added(&self) -> Vec<(String, Template)> {
        self.add
            .iter()
            .flat_map(|(n, values)| values.iter().map(|v| (n.clone(), v.clone())))
            .collect()
    }

    /// The same for a response, whatever its status.
    fn additions(&self) -> Vec<AddHeader> {
        let add = |(name, value)| AddHeader {
            name,
            value,
            always: true,
        };
        self.added().into_iter().map(add).collect()
    }

    /// What is set once everything is merged.
    pub(crate) fn settings(&self) -> Vec<(String, Template)> {
        self.set
            .iter()
            .filter_map(|(n, v)| Some((n.clone(), v.clone()?)))
            .collect()
    }
}

/// Reads `defaults`.
pub(crate) fn read_defaults(
    reader: &mut Reader<'_>,
    node: &Node,
    names: &Names<'_>,
    pools: &mut Pools,
) -> Layer {
    reader
        .open(node, &DEFAULTS)
        .map_or_else(Layer::default, |fields| {
            read_layer(reader, &fields, names, pools)
        })
}

/// Reads what may stand on a route, on a site and in `defaults`.
pub(crate) fn read_layer(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    names: &Names<'_>,
    pools: &mut Pools,
) -> Layer {
    let mut layer = Layer {
        access: AccessLayer::read(reader, fields, names, pools),
        exposure: ExposureLayer::read(reader, fields),
        content: content::read(reader, fields),
        ..Layer::default()
    };
    if let Some(node) = fields.get("body_limit") {
        layer.body_limit = if node.is_off() {
            Some(None)
        } else {
            reader.size(node).map(Some)
        };
    }
    if let Some(node) = fields.get("mirror") {
        layer.mirror = split::mirror(reader, node);
    }
    if let Some(node) = fields.get("buffering") {
        layer.buffering = super::buffering::buffering(reader, node);
    }
    if let Some(node) = fields.get("ignore_client_abort") {
        layer.ignore_client_abort = reader.boolean(node);
    }
    if let Some(node) = fields.get("pace") {
        layer.pace = super::buffering::pace(reader, node);
    }
    if let Some(node) = fields.get("waf") {
        layer.waf = if node.is_off() {
            Some(None)
        } else {
            let name = reader.string(node);
            name.and_then(|name| reader.resolve(node.at, name, "rule set", &names.wafs))
                .map(Some)
        };
    }
    if let Some(node) = fields.get("cache") {
        layer.cache = cache::read(reader, node, names);
    }
    layer.rate_limits = fields.get("rate_limit").map(|n| limit::read(reader, n));
    layer.connection_limits = fields
        .get("connection_limit")
        .map(|n| limit::connections(reader, n));
    layer.challenge = fields
        .get("challenge")
        .and_then(|n| challenge::read(reader, n));
    layer.bad_agents = fields
        .get("bad_agents")
        .and_then(|n| screen::bad_agents(reader, n));
    layer.crowdsec = fields.get("crowdsec").and_then(|n| reader.boolean(n));
    layer.compress = fields.get("compress").map(|n| compress::read(reader, n));
    if let Some(node) = fields.get("timeouts") {
        layer.timeouts = timeouts(reader, node);
    }
    if let Some(fields) = fields.get("headers").and_then(|n| reader.open(n, &HEADERS)) {
        layer.response = fields
            .get("response")
            .map_or_else(HeaderLayer::default, |n| headers(reader, n));
        layer.request = fields
            .get("request")
            .map_or_else(HeaderLayer::default, |n| headers(reader, n));
    }
    layer
}

fn timeouts(reader: &mut Reader<'_>, node: &Node) -> TimeoutLayer {
    let Some(fields) = reader.open(node, &TIMEOUTS) else {
        return TimeoutLayer::default();
    };
    let mut timeout = |name: &str| {
        let node = fields.get(name)?;
        let value = reader.duration(node)?;
        // Only keepalive has a meaning for zero: close after each request.
        if value.is_zero() && name != "keepalive" {
            reader.invalid(
                node.at,
                format!("`{name}` of zero would fail every request"),
                "write a duration above zero",
            );
            return None;
        }
        Some(value)
    };
    TimeoutLayer {
        connect: timeout("connect"),
        first_byte: timeout("first_byte"),
        between_bytes: timeout("between_bytes"),
        tunnel_idle: timeout("tunnel_idle"),
        keepalive: timeout("keepalive"),
        client: timeout("client"),
    }
}

fn headers(reader: &mut Reader<'_>, node: &Node) -> HeaderLayer {
    let mut layer = HeaderLayer::default();
    let Some(fields) = reader.open(node, &HEADER_CHANGES) else {
        return layer;
    };
    if let Some(node) = fields.get("set") {
        for (key, node) in reader.entries(node, "`set`") {
            if !is_field_name(reader, key.at, &key.name) {
                continue;
            }
            if node.is_off() {
                layer.set.push((key.name.clone(), None));
            } else if let Some(value) = reader.template(node) {
                one_line(reader, node);
                layer.set.push((key.name.clone(), Some(value)));
            }
        }
    }
    if let Some(node) = fields.get("add") {
        for (key, node) in reader.entries(node, "`add`") {
            if !is_field_name(reader, key.at, &key.name) {
                continue;
            }
            let mut values = Vec::new();
            if !node.is_off() {
                for node in reader.list(node) {
                    one_line(reader, node);
                    values.extend(reader.template(node));
                }
            }
            layer.add.push((key.name.clone(), values));
        }
    }
    if let Some(node) = fields.get("remove") {
        let mut names = Vec::new();
        if !node.is_off() {
            for node in reader.list(node) {
                let Some(name) = reader.string(node) else {
                    continue;
                };
                if is_field_name(reader, node.at, name) {
                    names.push(name.to_owned());
                }
            }
        }
        layer.remove = Some(names);
    }
    layer
}

fn one_line(reader: &mut Reader<'_>, node: &Node) {
    if node
        .scalar()
        .is_some_and(|t| t.bytes().any(|b| b.is_ascii_control() && b != b'\t'))
    {
        reader.invalid(
            node.at,
            "a header's value has no line break or control character",
            "write one line",
        );
    }
}

/// Whether a name is a token (RFC 9110 §5.6.2) that may be changed.
pub(super) fn is_field_name(reader: &mut Reader<'_>, at: Span, name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        reader.invalid(
            at,
            format!("`{name}` is no header's name"),
            "write a name such as X-Frame-Options",
        );
        return false;
    }
    if FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
        reader.invalid(
            at,
            format!("`{name}` frames the message and is the daemon's own"),
            "leave it out",
        );
        return false;
    }
    true
}
