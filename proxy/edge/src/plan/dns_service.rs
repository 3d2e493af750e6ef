//! HTTPS records made of the proxy's own listeners (RFC 9460 §9): what a browser learns with the address.

use seawall_conf::model::{Address, Config, HostName};
use seawall_dns::Name;
use std::collections::BTreeSet;

/// The port that needs no word.
const HTTPS_PORT: u16 = 443;

/// The data of the HTTPS records of a name, one for each port that its site is reached at over TLS; the usual port
/// first. HTTP/1.1 goes without saying (RFC 9460 §7.1.1).
pub(super) fn values(config: &Config, zone: &Name, owner: &str) -> Vec<String> {
    let zone = zone.to_string();
    let zone = zone.trim_end_matches('.');
    let name = match owner {
        "@" => zone.to_owned(),
        owner => format!("{owner}.{zone}"),
    };
    let is_it = |host: &HostName| match host {
        HostName::Exact(exact) => exact.eq_ignore_ascii_case(&name),
        HostName::Suffix(suffix) => name
            .strip_suffix(suffix.as_str())
            .is_some_and(|rest| rest.ends_with('.')),
        _ => false,
    };
    let sites = config.sites.iter().filter(|s| s.names.iter().any(is_it));
    let listeners = sites.flat_map(|s| s.listeners.iter());
    let ports: BTreeSet<(bool, u16, bool)> = listeners
        .filter_map(|at| config.listeners.get(*at))
        .filter(|listener| listener.tls)
        .filter_map(|listener| match &listener.address {
            Address::Ip(address) => {
                Some((address.port() != HTTPS_PORT, address.port(), listener.http2))
            }
            _ => None,
        })
        .collect();
    let numbered = ports.iter().enumerate();
    numbered
        .map(|(n, (_, port, http2))| {
            let mut value = format!("{} .", n + 1);
            if *http2 {
                value.push_str(" alpn=h2");
            }
            if *port != HTTPS_PORT {
                value.push_str(&format!(" port={port}"));
            }
            value
        })
        .collect()
}
