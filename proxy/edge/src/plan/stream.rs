//! Streams: where connections and datagrams go that are carried as they are.

use super::{Plan, PoolPlan, compile::Environment, hosts::HostMap, pattern};
use crate::{
    local::Local,
    stream::{Session, StreamLog, StreamMetrics},
};
use ipnet::IpNet;
use seawall_conf::model::{self, HostName, ProxyProtocol, ProxyVersion, StreamTimeouts, StreamTo};
use seawall_diag::Diagnostics;
use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicUsize},
};

/// UDP sessions of a stream at once, unless `connections` says otherwise.
pub const UDP_SESSIONS_MAX: usize = 10_000;

/// A stream.
pub struct StreamPlan {
    /// Its name: its first address, or the site's.
    pub name: String,
    /// A header before each connection.
    pub accept_proxy: Option<ProxyProtocol>,
    /// A header before each connection to a server.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Timeouts.
    pub timeouts: StreamTimeouts,
    /// Connections or sessions at once.
    pub sessions_max: usize,
    /// How many are open; the same over reloads.
    pub open: Arc<AtomicUsize>,
    /// Datagrams of a server for one of a client.
    pub responses: Option<u64>,
    /// Its counters.
    pub metrics: StreamMetrics,
    access: Vec<(bool, IpNet)>,
    to: To,
    logs: Vec<StreamLog>,
}

enum To {
    Pool(Arc<PoolPlan>),
    ByName {
        names: HostMap,
        pools: Vec<Arc<PoolPlan>>,
        other: Option<Arc<PoolPlan>>,
    },
}

/// A stream's address.
pub struct StreamListener {
    /// Its identity over all plans of the process.
    pub id: u32,
    /// The stream.
    pub stream: Arc<StreamPlan>,
}

/// Sites of a TLS listener that are carried on undecrypted, by name.
#[derive(Default)]
pub struct Carried {
    names: HostMap,
    streams: Vec<Arc<StreamPlan>>,
}

impl Carried {
    /// The stream of a name in lower case.
    pub fn find(&self, name: &str) -> Option<&Arc<StreamPlan>> {
        self.streams.get(self.names.find(name.as_bytes())?)
    }
}

impl StreamPlan {
    /// Whether a client may connect.
    pub fn admits(&self, client: Option<IpAddr>) -> bool {
        let Some(ip) = client else { return true };
        let rule = self.access.iter().find(|(_, net)| net.contains(&ip));
        rule.is_none_or(|(allowed, _)| *allowed)
    }

    /// Whether the name that a TLS client asks for decides.
    pub fn reads_names(&self) -> bool {
        matches!(self.to, To::ByName { .. })
    }

    /// The pool for a client that asks for this name.
    pub fn pool(&self, name: Option<&str>) -> Option<&Arc<PoolPlan>> {
        match &self.to {
            To::Pool(pool) => Some(pool),
            To::ByName {
                names,
                pools,
                other,
            } => {
                let named = name.and_then(|n| pools.get(names.find(n.as_bytes())?));
                named.or(other.as_ref())
            }
        }
    }

    /// Writes a session's lines.
    pub fn log(&self, local: &Local, session: &Session) {
        self.logs.iter().for_each(|log| log.line(local, session));
    }
}

/// Compiles the streams, each with its addresses.
pub(super) fn compile(
    config: &model::Config,
    pools: &[Arc<PoolPlan>],
    previous: Option<&Plan>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Vec<StreamListener> {
    let mut all = Vec::new();
    for stream in &config.streams {
        let Some(plan) = one(stream, pools, previous, env, errors) else {
            continue;
        };
        let plan = Arc::new(plan);
        for (address, _) in &stream.listen {
            all.push(StreamListener {
                id: (env.listener_id)(address, stream.udp),
                stream: plan.clone(),
            });
        }
    }
    all
}

fn one(
    from: &model::Stream,
    pools: &[Arc<PoolPlan>],
    previous: Option<&Plan>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<StreamPlan> {
    let to = match &from.to {
        StreamTo::Pool(at) => To::Pool(pools.get(*at)?.clone()),
        StreamTo::ByName { names, other } => {
            let mut map = HostMap::default();
            let mut named = Vec::new();
            for (name, at) in names {
                add(&mut map, name, named.len(), errors);
                named.push(pools.get(*at)?.clone());
            }
            To::ByName {
                names: map,
                pools: named,
                other: other.and_then(|at| pools.get(at).cloned()),
            }
        }
    };
    let mut logs = Vec::new();
    for log in &from.log {
        match super::log::sink(log, env) {
            Ok(to) => logs.push(StreamLog::compile(log, to, errors)),
            Err(problem) => errors.push(problem),
        }
    }
    let default_max = if from.udp {
        UDP_SESSIONS_MAX
    } else {
        usize::MAX
    };
    Some(StreamPlan {
        open: open_before(previous, &from.name),
        metrics: env.metrics.streams.stream(&from.name),
        name: from.name.clone(),
        accept_proxy: from.accept_proxy.clone(),
        proxy_protocol: from.proxy_protocol,
        timeouts: from.timeouts,
        sessions_max: from.connections.unwrap_or(default_max),
        responses: from.responses,
        access: from.access.clone(),
        to,
        logs,
    })
}

/// The count of open connections of the stream of the same name, so that a limit holds over a reload.
fn open_before(previous: Option<&Plan>, name: &str) -> Arc<AtomicUsize> {
    let known = previous.and_then(|p| p.streams.iter().find(|s| s.stream.name == name));
    known.map(|s| s.stream.open.clone()).unwrap_or_default()
}

fn add(map: &mut HostMap, name: &HostName, at: usize, errors: &mut Diagnostics) {
    match name {
        HostName::Exact(n) => drop(map.exact(n, at)),
        HostName::Suffix(n) => map.suffix(n, at),
        HostName::Prefix(n) => map.prefix(n, at),
        HostName::Any => map.any(at),
        HostName::Empty => drop(map.exact("", at)),
        HostName::Regex(p) => {
            if let Some(regex) = pattern::compile(p, errors) {
                map.regex(regex, at);
            }
        }
    }
}

/// The sites of a listener that are carried on; `None` where there are none, and nobody's first bytes are looked at.
pub(super) fn carried(
    config: &model::Config,
    listener: usize,
    pools: &[Arc<PoolPlan>],
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<Carried> {
    let mut carried = Carried::default();
    for site in &config.sites {
        let here = site.listeners.contains(&listener);
        let (true, model::SiteTls::Passthrough, Some(route)) = (here, &site.tls, &site.fallback)
        else {
            continue;
        };
        let model::Content::Proxy(proxy) = &route.content else {
            continue;
        };
        let pool = pools.get(proxy.pool)?.clone();
        for name in &site.names {
            add(&mut carried.names, name, carried.streams.len(), errors);
        }
        let name = super::certificates::primary_name(site);
        carried.streams.push(Arc::new(StreamPlan {
            metrics: env.metrics.streams.stream(&name),
            name,
            accept_proxy: None,
            proxy_protocol: None,
            timeouts: StreamTimeouts {
                connect: route.policy.timeouts.connect,
                idle: route.policy.timeouts.tunnel_idle,
                ..StreamTimeouts::defaults(false)
            },
            sessions_max: usize::MAX,
            open: Arc::default(),
            responses: None,
            access: Vec::new(),
            to: To::Pool(pool),
            logs: Vec::new(),
        }));
    }
    (!carried.streams.is_empty()).then_some(carried)
}
