//! Names, asked of the system's name servers or of named ones: aliases of `_acme-challenge`, and what `why` looks at.

use super::{challenges::Zones, limits::ALIASES_MAX};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{RData, RecordType},
};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// How long one name server is waited for.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Answers taken of one name.
const ANSWERS_MAX: usize = 64;

/// Asks for names.
pub struct Lookup(Result<TokioResolver, String>);

impl Lookup {
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
        let made = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = TIMEOUT;
            options.attempts = 2;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            // What was true before an operator changed it is of no use here.
            options.cache_size = 0;
            builder.build()
        });
        Self(made.map_err(|e| e.to_string()))
    }

    /// The addresses of a name, as the public sees them: hosts files do not count.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let dns = self.0.as_ref().map_err(Clone::clone)?;
        let found = dns.lookup_ip(absolute(name)).await;
        let found = found.map_err(|e| e.to_string())?;
        Ok(found.iter().take(ANSWERS_MAX).collect())
    }

    /// The authorities that may issue for a name: the nearest CAA records up the tree (RFC 8659 §3), as text, and where
    /// they stand.
    pub(super) async fn issuers(&self, name: &str) -> Option<(String, Vec<String>)> {
        let dns = self.0.as_ref().ok()?;
        let mut at = name;
        while at.contains('.') {
            if let Ok(found) = dns.lookup(absolute(at), RecordType::CAA).await {
                let records = found.answers().iter();
                let issuers: Vec<String> = records
                    .filter(|record| matches!(record.data, RData::CAA(_)))
                    .map(|record| record.data.to_string())
                    .take(ANSWERS_MAX)
                    .collect();
                if !issuers.is_empty() {
                    return Some((at.to_owned(), issuers));
                }
            }
            at = at.split_once('.').map_or("", |(_, parent)| parent);
        }
        None
    }

    /// What a name is an alias of.
    async fn alias(&self, name: &str) -> Result<Option<String>, String> {
        let dns = self.0.as_ref().map_err(Clone::clone)?;
        let found = match dns.lookup(absolute(name), RecordType::CNAME).await {
            Ok(found) => found,
            Err(e) if e.is_no_records_found() || e.is_nx_domain() => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let target = found
            .answers()
            .iter()
            .find_map(|record| match &record.data {
                RData::CNAME(target) => Some(target.0.to_ascii()),
                _ => None,
            });
        Ok(target.map(|t| t.trim_end_matches('.').to_ascii_lowercase()))
    }

    /// Where in our zones the record for a name's dns-01 goes: at `_acme-challenge.NAME`, whether its whole zone or just
    /// this name is delegated to us (NS), or where this name is an alias of (CNAME).
    pub(super) async fn challenge_place(
        &self,
        name: &str,
        zones: &dyn Zones,
    ) -> Result<String, String> {
        let base = name.strip_prefix("*.").unwrap_or(name);
        let first = format!("_acme-challenge.{base}");
        let mut at = first.clone();
        for _ in 0..=ALIASES_MAX {
            if zones.holds(&at) {
                return Ok(at);
            }
            match self.alias(&at).await {
                Ok(Some(next)) => at = next,
                Ok(None) => {
                    let alias = if at == first {
                        String::new()
                    } else {
                        format!(" (an alias of {at})")
                    };
                    return Err(format!(
                        "{first}{alias} is in no zone of this server: serve {base} here, or delegate {first} to here by \
                         NS, or make it an alias (CNAME) of a name in a zone here"
                    ));
                }
                Err(e) => return Err(format!("{at} cannot be looked up: {e}")),
            }
        }
        Err(format!(
            "{first} leads through more than {ALIASES_MAX} aliases"
        ))
    }
}

/// Not to be completed by a search list.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}
