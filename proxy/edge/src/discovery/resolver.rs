//! Names, asked of the system's name servers or of named ones, in the background.

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{RData, RecordType},
};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// An answer is asked for again no sooner than this, whatever its time to live.
const TTL_MIN: Duration = Duration::from_secs(1);
/// And no later.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// Addresses the system's own resolver (hosts file, nsswitch) gives have no time to live.
const SYSTEM_TTL: Duration = Duration::from_secs(30);
/// Addresses taken of one name, targets of one service.
const ANSWERS_MAX: usize = 256;
/// How long one name server is waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for names.
pub struct Resolver {
    dns: Result<TokioResolver, String>,
    /// Whether the system's own resolver may be asked where DNS knows nothing.
    is_system: bool,
}

/// A target of a service.
pub struct Target {
    /// Lower is better.
    pub priority: u16,
    /// Its share among those of its priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name.
    pub name: String,
}

impl Resolver {
    /// Asks these name servers, or the system's where there are none.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let provider = TokioRuntimeProvider::default();
            Ok(TokioResolver::builder_with_config(config, provider))
        };
        let dns = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = TIMEOUT;
            options.attempts = 2;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            // It is asked when a time to live is over; what it remembered beyond that would be old.
            options.cache_size = 0;
            builder.build()
        });
        Self {
            dns: dns.map_err(|e| e.to_string()),
            is_system: servers.is_empty(),
        }
    }

    /// The addresses of a name, at least one, and for how long they hold.
    pub async fn addresses(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), String> {
        let asked = match &self.dns {
            Ok(dns) => dns.lookup_ip(name).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.clone()),
        };
        match asked {
            Ok(found) => {
                let all: Vec<IpAddr> = found.iter().take(ANSWERS_MAX).collect();
                let again = until(found.valid_until());
                if all.is_empty() {
                    return Err("no addresses".into());
                }
                Ok((all, again))
            }
            Err(e) if self.is_system => {
                let found = tokio::net::lookup_host((name, 0)).await.map_err(|_| e)?;
                let all: Vec<IpAddr> = found.map(|a| a.ip()).take(ANSWERS_MAX).collect();
                if all.is_empty() {
                    return Err("no addresses".into());
                }
                Ok((all, SYSTEM_TTL))
            }
            Err(e) => Err(e),
        }
    }

    /// The names of an address; none where it has none.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, String> {
        let dns = self.dns.as_ref().map_err(Clone::clone)?;
        let found = match dns.reverse_lookup(address).await {
            Ok(found) => found,
            Err(e) if e.is_no_records_found() => return Ok(Vec::new()),
            Err(e) => return Err(e.to_string()),
        };
        let names = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::PTR(name) => Some(name.0.to_ascii()),
                _ => None,
            });
        Ok(names.take(ANSWERS_MAX).collect())
    }

    /// The targets of a service, at least one, and for how long they hold.
    pub async fn service(&self, name: &str) -> Result<(Vec<Target>, Duration), String> {
        let dns = self.dns.as_ref().map_err(Clone::clone)?;
        let found = dns.lookup(name, RecordType::SRV).await;
        let found = found.map_err(|e| e.to_string())?;
        let targets = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                // A target of "." says that the service is decidedly not there.
                RData::SRV(srv) if !srv.target.is_root() => Some(Target {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    name: srv.target.to_ascii(),
                }),
                _ => None,
            });
        let all: Vec<Target> = targets.take(ANSWERS_MAX).collect();
        if all.is_empty() {
            return Err("no targets".into());
        }
        Ok((all, until(found.valid_until())))
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

fn until(valid: Instant) -> Duration {
    valid
        .saturating_duration_since(Instant::now())
        .clamp(TTL_MIN, TTL_MAX)
}
