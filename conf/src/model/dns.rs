//! The DNS server and its zones.

use super::Dnssec;
use seawall_diag::Span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The DNS server.
#[derive(Clone, Debug)]
pub struct Dns {
    /// UDP and TCP addresses.
    pub listen: Vec<(SocketAddr, Span)>,
    /// Addresses of DNS over TLS (RFC 7858).
    pub dot: Vec<(SocketAddr, Span)>,
    /// UDP addresses of DNS over QUIC (RFC 9250).
    pub doq: Vec<(SocketAddr, Span)>,
    /// UDP threads for each address; `None` is one where there are two cores, half of them elsewhere.
    pub threads: Option<usize>,
    /// Limits on answers; `None` is off.
    pub rrl: Option<DnsRrl>,
    /// Whether clients get cookies (RFC 9018).
    pub cookies: bool,
    /// Hexadecimal secrets of cookies, the first one given out, the second still accepted; none is one of the process's own.
    pub cookie_secrets: Option<(PathBuf, Span)>,
    /// MaxMind databases of places, absolute; what an earlier one knows counts.
    pub geo: Vec<(PathBuf, Span)>,
    /// Who says before each connection who it is from, in a PROXY header.
    pub proxies: Vec<ipnet::IpNet>,
    /// Where queries are noted.
    pub query_log: Option<DnsQueryLog>,
    /// Servers that are asked for what ALIAS records name; none are the system's.
    pub resolver: Vec<SocketAddr>,
    /// Zones.
    pub zones: Vec<DnsZone>,
}

/// A log of queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQueryLog {
    /// The file, absolute.
    pub path: PathBuf,
    /// Where it was written.
    pub at: Span,
    /// Every so-manyth query is noted.
    pub sample: u32,
}

impl Dns {
    /// All files it names: zones, keys, secrets, databases.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let secrets = self.cookie_secrets.iter().map(|(path, _)| path);
        let databases = self.geo.iter().map(|(path, _)| path);
        let zones = self.zones.iter().flat_map(DnsZone::files);
        zones.chain(secrets).chain(databases)
    }
}

impl DnsZone {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let rights = self.transfer.iter().chain(&self.update);
        let keys = rights.filter_map(|access| access.key.as_ref());
        let secondary = self.secondary.iter().filter_map(|s| s.key.as_ref());
        let keys = keys.chain(secondary).map(|(path, _)| path);
        self.file.iter().chain(keys)
    }
}

/// Limits on answers over UDP.
#[derive(Clone, Debug)]
pub struct DnsRrl {
    /// Answers a second for each network and answer.
    pub rate: u16,
    /// Every so-manyth answer over the rate is sent truncated; 0 is none.
    pub slip: u16,
    /// Networks that are never limited.
    pub exempt: Vec<ipnet::IpNet>,
}

/// One zone.
#[derive(Clone, Debug)]
pub struct DnsZone {
    /// Where it was written.
    pub at: Span,
    /// Its name, without the final dot.
    pub name: String,
    /// The RFC 1035 file, absolute. `None` for a copy, and for a zone whose records are all written here.
    pub file: Option<PathBuf>,
    /// Records that are as they are.
    pub statics: Vec<DnsStatic>,
    /// Who may transfer it, and who is told when it changes.
    pub transfer: Option<DnsAccess>,
    /// Whom else to tell when it changes.
    pub notify: Vec<SocketAddr>,
    /// Who may change it (RFC 2136).
    pub update: Option<DnsAccess>,
    /// Where it is copied from.
    pub secondary: Option<DnsSecondary>,
    /// Records whose answer depends on health.
    pub records: Vec<DnsRecord>,
    /// Names that have the addresses of others.
    pub aliases: Vec<DnsAlias>,
    /// How it is signed here; `None` serves it as its file is.
    pub dnssec: Option<Dnssec>,
}

/// A name that has the addresses of another one, wherever that lies: what a CNAME cannot be at the apex.
#[derive(Clone, Debug)]
pub struct DnsAlias {
    /// Where it was written.
    pub at: Span,
    /// Owner, relative to the zone; `@` is the apex.
    pub name: String,
    /// The name whose addresses it has, without the final dot.
    pub target: String,
    /// Time to live of the addresses.
    pub ttl: Duration,
}

/// Records of one name and type that are as they are.
#[derive(Clone, Debug)]
pub struct DnsStatic {
    /// Where they were written.
    pub at: Span,
    /// Owner, relative to the zone; `@` is the apex.
    pub name: String,
    /// A mnemonic or `TYPEnnn`.
    pub rtype: String,
    /// Time to live.
    pub ttl: Duration,
    /// The data of each, as a zone file has it.
    pub values: Vec<String>,
}

/// Who may do something with a zone: from one of these addresses and, with a key, signed with it.
#[derive(Clone, Debug)]
pub struct DnsAccess {
    /// Addresses; none are all of them, if there is a key.
    pub nets: Vec<ipnet::IpNet>,
    /// A file with a key, absolute.
    pub key: Option<(PathBuf, Span)>,
}

/// Where a zone is copied from.
#[derive(Clone, Debug)]
pub struct DnsSecondary {
    /// Tried in turn; port 53 unless said.
    pub from: Vec<SocketAddr>,
    /// A file with a key, absolute.
    pub key: Option<(PathBuf, Span)>,
    /// Whether it lists other zones that are copied from the same servers (RFC 9432).
    pub catalog: bool,
}

/// A record whose answer depends on health.
#[derive(Clone, Debug)]
pub struct DnsRecord {
    /// Where it was written.
    pub at: Span,
    /// Owner, relative to the zone; `@` is the apex.
    pub name: String,
    /// `A` or `AAAA`.
    pub rtype: String,
    /// Time to live.
    pub ttl: Duration,
    /// Time to live while a target is down.
    pub degraded_ttl: Option<Duration>,
    /// How targets are chosen.
    pub policy: DnsPolicy,
    /// How many `multi` answers at most.
    pub count: u8,
    /// How many have to be up.
    pub min_up: usize,
    /// What is answered when fewer are.
    pub all_down: DnsAllDown,
    /// Candidates in order of preference.
    pub targets: Vec<DnsTarget>,
}

/// How a dynamic record chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsPolicy {
    /// The first target that is up.
    Failover,
    /// One by chance, in the proportion of the weights.
    Weighted,
    /// One meant for the client's network, autonomous system, country or continent.
    Geo,
    /// The nearest one.
    Nearest,
    /// One meant for the smallest network the client is in.
    Nets,
    /// Always the same one for a client's network.
    Hash,
    /// Several, at most `count`.
    Multi,
}

/// What a dynamic record answers when fewer are up than `min_up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAllDown {
    /// All targets.
    ServeAll,
    /// None: the name has no such record.
    ServeNone,
    /// Other addresses.
    LastResort(Vec<std::net::IpAddr>),
}

/// A candidate of a dynamic record.
#[derive(Clone, Debug)]
pub struct DnsTarget {
    /// The address answered.
    pub address: std::net::IpAddr,
    /// Up while this pool (index into [`Config::pools`]) has a healthy server; `None` is always up.
    pub up_pool: Option<usize>,
    /// Its share.
    pub weight: u16,
    /// Clients it is meant for.
    pub nets: Vec<ipnet::IpNet>,
    /// Places it is meant for.
    pub areas: Vec<DnsArea>,
    /// Where it is: latitude and longitude in ten-thousandths of a degree.
    pub place: Option<(i32, i32)>,
}

/// A place that a target is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsArea {
    /// ISO 3166-1, upper case.
    Country([u8; 2]),
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
    Continent([u8; 2]),
    /// An autonomous system.
    Asn(u32),
}
