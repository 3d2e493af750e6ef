//! What is carried undecrypted and unread: TCP and UDP streams, and the PROXY protocol before a connection.

use super::{AccessLog, Address, HostName};
use ipnet::IpNet;
use seawall_diag::Span;
use std::{net::IpAddr, time::Duration};

/// A PROXY protocol header before each connection of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Who may connect; others are refused. YAML: those named; nginx.conf: everybody.
    pub from: Vec<IpNet>,
    /// Whose header says who the client is (nginx: `set_real_ip_from`); a header of others is read, and fills
    /// `$proxy_protocol_addr` only.
    pub believe: Vec<IpNet>,
}

impl ProxyProtocol {
    /// Whether a peer may connect; one on a unix socket is let in by the socket's permissions.
    pub fn admits(&self, peer: Option<IpAddr>) -> bool {
        within(&self.from, peer)
    }

    /// Whether a peer's header says who the client is.
    pub fn believes(&self, peer: Option<IpAddr>) -> bool {
        within(&self.believe, peer)
    }
}

fn within(networks: &[IpNet], peer: Option<IpAddr>) -> bool {
    peer.is_none_or(|ip| networks.iter().any(|n| n.contains(&ip.to_canonical())))
}

/// A version of the PROXY protocol, towards a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ProxyVersion {
    V1,
    V2,
}

/// A stream: what comes in on some addresses goes to a server as it is.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Where it was written.
    pub at: Span,
    /// Its name in metrics: its first address.
    pub name: String,
    /// Where clients connect or send to.
    pub listen: Vec<(Address, Span)>,
    /// Datagrams; all of `listen` are IP addresses then.
    pub udp: bool,
    /// A header before each connection.
    pub accept_proxy: Option<ProxyProtocol>,
    /// Who may connect, the first that matches counts; everybody where none does (ngx_stream_access_module).
    pub access: Vec<(bool, IpNet)>,
    /// Where it goes.
    pub to: StreamTo,
    /// A header before each connection to a server.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Timeouts.
    pub timeouts: StreamTimeouts,
    /// Connections or sessions at once (default: `limits.connections` is the only bound; UDP 10,000 a thread).
    pub connections: Option<usize>,
    /// Datagrams with which a server answers one; the session ends with the last (nginx: `proxy_responses`).
    pub responses: Option<u64>,
    /// Its own access logs: variables are those of streams.
    pub log: Vec<AccessLog>,
}

/// Where a stream goes.
#[derive(Clone, Debug)]
pub enum StreamTo {
    /// To a pool (index into [`super::Config::pools`]).
    Pool(usize),
    /// By the name that a TLS client asks for, which is read and not decrypted (nginx: `ssl_preread`).
    ByName {
        /// Names and their pools.
        names: Vec<(HostName, usize)>,
        /// For other names and for what is no TLS; `None`: closed.
        other: Option<usize>,
    },
}

/// Timeouts of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamTimeouts {
    /// To connect to a server (default 3 s; nginx 60 s).
    pub connect: Duration,
    /// Without a byte in either direction (default 1 h, UDP 30 s; nginx: `proxy_timeout`, 10 min).
    pub idle: Duration,
    /// For a PROXY header, and for the name of a TLS client (default 10 s; nginx: `preread_timeout`, 30 s).
    pub first: Duration,
}

impl StreamTimeouts {
    /// The defaults of YAML.
    pub fn defaults(udp: bool) -> Self {
        Self {
            connect: Duration::from_secs(3),
            idle: Duration::from_secs(if udp { 30 } else { 3600 }),
            first: Duration::from_secs(10),
        }
    }
}
