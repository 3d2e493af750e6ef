//! What the built daemon does, topic by topic.

mod access;
mod acme;
mod admin;
mod algorithms;
mod auth_basic;
mod auth_forward;
mod auth_jwt;
mod balancing;
mod bodies;
mod buffering;
mod cache;
mod cache_attacks;
mod cache_disk;
mod cache_keys;
mod cache_ranges;
mod cache_slices;
mod cache_stats;
mod certificate_files;
mod challenges;
mod client_certificates;
mod compression;
mod connection_limits;
mod connections;
mod cors;
mod discovery;
mod dns;
mod dns_aliases;
mod dns_clients;
mod dns_transfers;
mod dnssec;
mod drills;
mod early_answers;
mod error_pages;
mod fastcgi;
mod file_variables;
mod files;
mod forwarding;
mod heads;
mod health;
mod hostile_origins;
mod http2;
mod idle;
mod interim;
mod internal_redirects;
mod ipv6;
mod keeper;
mod leaving;
mod limits;
mod log_targets;
mod logs;
mod matching;
mod nginx_cache;
mod nginx_conf;
mod nginx_policy;
mod nginx_proxy;
mod nginx_stream;
mod observability;
mod overload;
mod places;
mod pools;
mod proxy_protocol;
mod proxying;
mod purge;
mod ranges;
mod rate_limits;
mod read_ahead;
mod redirects;
mod reload;
mod routing;
mod sessions;
mod splicing;
mod streams;
mod timeouts;
mod tls;
mod tls_origins;
mod traces;
mod trailers;
mod tunnels;
mod upgrade;
mod waf;

use seawall_tests::{Edge, Origin, Running};

/// One site, `a.test`, all of it from one origin.
fn in_front_of(origin: &Origin) -> Running {
    Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]")).start()
}
