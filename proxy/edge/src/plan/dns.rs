//! Zones: files read and compiled, dynamic records tied to the balancer's own health.

use super::{PoolPlan, compile::Environment};
use crate::log::LogFile;
use ipnet::IpNet;
use seawall_conf::model::{self, DnsAllDown, DnsArea, DnsPolicy, DnssecAlgorithm, DnssecDenial};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap, Span};
use seawall_dns::{
    Access, Algorithm, AllDown, Area, CookieSecrets, Denial, DynamicRecord, Guard, Health,
    HealthId, Key, KeyPolicy, Lifetimes, Name, Net, Peer, Policies, Policy, RType, RrlOptions,
    Secondary, SigningOptions, Target, Zone, ZonePolicy, Zones,
};
use seawall_nets::Databases;
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Zones, and the health that their records ask.
pub struct DnsPlan {
    /// What is answered, but for zones that are signed here.
    pub zones: Zones,
    /// Zones to sign before they are answered from.
    pub to_sign: Vec<ZoneToSign>,
    /// The pools of this plan.
    pub health: Arc<PoolHealth>,
    /// Zone files and what they include, for watching.
    pub files: Vec<PathBuf>,
    /// Cookies and limits.
    pub guard: Guard,
    /// What others may do with the zones.
    pub policies: Policies,
    /// Zones that are copied from other servers.
    pub secondaries: Vec<Secondary>,
    /// Zones that can be changed while they are served.
    pub kept: Vec<Name>,
    /// Names that have the addresses of others.
    pub aliases: Vec<AliasPlan>,
    /// Where queries are noted, and how many a line stands for.
    pub query_log: Option<(Arc<LogFile>, u32)>,
}

/// A name that has the addresses of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasPlan {
    /// Its zone.
    pub zone: Name,
    /// The name itself.
    pub owner: Name,
    /// Whose addresses it has.
    pub target: String,
    /// For how long they may be kept, in seconds.
    pub ttl_s: u32,
    /// Who is asked; nobody is the system's resolver.
    pub resolver: Vec<SocketAddr>,
}

/// A zone that is signed here.
pub struct ZoneToSign {
    /// As it was read.
    pub zone: Zone,
    /// How it is signed.
    pub options: SigningOptions,
    /// Servers that are asked for the parent's DS.
    pub parent: Vec<SocketAddr>,
}

/// The balancer's health as DNS asks for it: by the pool's index.
pub struct PoolHealth(Vec<Arc<PoolPlan>>);

impl Health for PoolHealth {
    fn is_up(&self, id: HealthId) -> bool {
        // An unknown pool withdraws nothing.
        let pool = self.0.get(id.0 as usize);
        pool.is_none_or(|pool| pool.live().balancer.is_up())
    }
}

/// Compiles the zones of a configuration.
pub fn compile(
    dns: &model::Dns,
    config: &model::Config,
    sources: &mut SourceMap,
    pools: &[Arc<PoolPlan>],
    shared: Option<&Arc<Databases>>,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> DnsPlan {
    let (mut zones, mut to_sign, mut files) = (Vec::new(), Vec::new(), Vec::new());
    let mut rights = Rights::new(env, config.process.state.join("dns"));
    let mut aliases = Vec::new();
    for from in &dns.zones {
        rights.zone(from, errors);
        if from.secondary.is_some() {
            continue;
        }
        let Some(mut zone) = zone_of(from, sources, env, &mut files, errors) else {
            continue;
        };
        add_static(&mut zone, &from.statics, config, errors);
        add_dynamic(&mut zone, &from.records, errors);
        add_aliases(&mut aliases, &zone, from, &dns.resolver, errors);
        match &from.dnssec {
            None => zones.push(zone),
            Some(dnssec) if zone.is_signed() => {
                let message = format!("the file of `{}` is signed already", from.name);
                errors.push(
                    Diagnostic::error("already-signed", dnssec.at, message).help(
                        "take `dnssec` away to serve it as it is, or let the file be unsigned",
                    ),
                );
            }
            Some(dnssec) => to_sign.push(ZoneToSign {
                zone,
                options: signing_options(dnssec),
                parent: dnssec.parent.clone(),
            }),
        }
    }
    files.append(&mut rights.files);
    let zones = Zones::new(zones);
    // What the files were read into is several times as large as what is served.
    seawall_sys::memory::give_back();
    let health = Arc::new(PoolHealth(pools.to_vec()));
    let places = shared
        .cloned()
        .or_else(|| super::places::read(&dns.geo, env, errors));
    DnsPlan {
        zones,
        to_sign,
        health,
        files,
        guard: match places {
            Some(places) => guard(dns, env, errors).with_geo(places),
            None => guard(dns, env, errors),
        },
        policies: rights.policies,
        secondaries: rights.secondaries,
        kept: rights.kept,
        aliases,
        query_log: dns
            .query_log
            .as_ref()
            .and_then(|log| query_log(log, env, errors)),
    }
}

fn query_log(
    log: &model::DnsQueryLog,
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> Option<(Arc<LogFile>, u32)> {
    match env.logs.file(&log.path, None, env.open_log) {
        Ok(file) => Some((file, log.sample)),
        Err(e) => {
            let message = format!("open() \"{}\" failed ({e})", log.path.display());
            let help = "the directory must exist and be writable by the user the daemon started as";
            errors.push(Diagnostic::error("log-open", log.at, message).help(help));
            None
        }
    }
}

fn add_aliases(
    aliases: &mut Vec<AliasPlan>,
    zone: &Zone,
    from: &model::DnsZone,
    resolver: &[SocketAddr],
    errors: &mut Diagnostics,
) {
    for alias in &from.aliases {
        match zone.alias_owner(&alias.name) {
            Ok(owner) => aliases.push(AliasPlan {
                zone: zone.origin().clone(),
                owner,
                target: format!("{}.", alias.target),
                ttl_s: alias.ttl.as_secs().min(i32::MAX as u64) as u32,
                resolver: resolver.to_vec(),
            }),
            Err(e) => errors.error("bad-record", alias.at, e.to_string()),
        }
    }
}

/// A zone's file, or an empty zone where all its records are written in the configuration.
fn zone_of(
    from: &model::DnsZone,
    sources: &mut SourceMap,
    env: &Environment<'_>,
    files: &mut Vec<PathBuf>,
    errors: &mut Diagnostics,
) -> Option<Zone> {
    let Some(path) = &from.file else {
        let generated = Zone::generated(&from.name);
        return generated
            .map_err(|e| errors.error("bad-name", from.at, e.to_string()))
            .ok();
    };
    let text = match (env.read)(path) {
        Ok(bytes) => text_of(bytes),
        Err(e) => {
            errors.push(
                Diagnostic::error("unreadable", from.at, format!("cannot read \"{}\": {e}", path.display()))
                    .help("a zone file is looked for beside the configuration unless its path is absolute"),
            );
            return None;
        }
    };
    files.push(path.clone());
    let file = sources.add(path, text);
    let mut load = |written: &Path, including: &Path| -> io::Result<(PathBuf, String)> {
        let path = including.parent().unwrap_or(Path::new("")).join(written);
        let bytes = (env.read)(&path)?;
        files.push(path.clone());
        Ok((path, text_of(bytes)))
    };
    match Zone::parse_with(&from.name, sources, file, &mut load) {
        Ok(zone) => {
            if zone.warnings().is_empty() {
                // Nothing will be shown of it: the text is not kept for as long as the zone is served.
                drop(sources.lend(file));
            }
            errors.extend(zone.warnings().clone());
            Some(zone)
        }
        Err(found) => {
            errors.extend(found);
            None
        }
    }
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn guard(dns: &model::Dns, env: &Environment<'_>, errors: &mut Diagnostics) -> Guard {
    let net = |net: &IpNet| Net {
        address: net.addr(),
        bits: net.prefix_len(),
    };
    let rrl = dns.rrl.as_ref().map(|rrl| RrlOptions {
        rate: rrl.rate,
        slip: rrl.slip,
        exempt: rrl.exempt.iter().map(net).collect(),
    });
    let Some((path, at)) = &dns.cookie_secrets else {
        return Guard::new(dns.cookies.then(CookieSecrets::random), rrl);
    };
    let read = (env.read)(path).map_err(|e| format!("cannot read \"{}\": {e}", path.display()));
    let secrets = read.and_then(|bytes| {
        CookieSecrets::read(&String::from_utf8_lossy(&bytes))
            .ok_or_else(|| format!("\"{}\" holds no secrets of cookies", path.display()))
    });
    match secrets {
        Ok(secrets) => Guard::new(Some(secrets), rrl),
        Err(message) => {
            let help = "one or two lines of 32 hexadecimal digits, the one given out first";
            errors.push(Diagnostic::error("bad-secret", *at, message).help(help));
            Guard::new(None, rrl)
        }
    }
}

/// What others may do with the zones, as it is gathered.
struct Rights<'e> {
    env: &'e Environment<'e>,
    state: PathBuf,
    keys: HashMap<PathBuf, Arc<Key>>,
    files: Vec<PathBuf>,
    policies: Policies,
    secondaries: Vec<Secondary>,
    kept: Vec<Name>,
}

impl<'e> Rights<'e> {
    fn new(env: &'e Environment<'e>, state: PathBuf) -> Self {
        Self {
            env,
            state,
            keys: HashMap::new(),
            files: Vec::new(),
            policies: Policies::default(),
            secondaries: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn zone(&mut self, from: &model::DnsZone, errors: &mut Diagnostics) {
        // A name that cannot be one has been reported where the zone is read.
        let Ok(name) = Name::parse(&from.name, Some(&Name::root())) else {
            return;
        };
        let mut policy = ZonePolicy::default();
        if let Some(transfer) = &from.transfer {
            let key = self.key(transfer.key.as_ref(), errors);
            let single = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
            let addresses = transfer
                .nets
                .iter()
                .filter(single)
                .map(|n| SocketAddr::new(n.addr(), 53));
            let told = if from.notify.is_empty() {
                addresses.collect()
            } else {
                from.notify.clone()
            };
            policy.transfer = access(transfer, key.as_ref());
            policy.notify = told
                .into_iter()
                .map(|address| Peer {
                    address,
                    key: key.clone(),
                })
                .collect();
        } else {
            let unsigned = |address: &SocketAddr| Peer {
                address: *address,
                key: None,
            };
            policy.notify = from.notify.iter().map(unsigned).collect();
        }
        if let Some(update) = &from.update {
            let key = self.key(update.key.as_ref(), errors);
            policy.update = access(update, key.as_ref());
        }
        match &from.secondary {
            Some(secondary) => {
                let key = self.key(secondary.key.as_ref(), errors);
                let peer = |address: &SocketAddr| Peer {
                    address: *address,
                    key: key.clone(),
                };
                self.secondaries.push(Secondary {
                    zone: name.clone(),
                    primaries: secondary.from.iter().map(peer).collect(),
                    file: Some(
                        self.state
                            .join("copies")
                            .join(format!("{}.zone", from.name)),
                    ),
                    catalog: secondary.catalog,
                });
            }
            None => self.kept.push(name.clone()),
        }
        self.policies.insert(&name, policy);
    }

    /// The key in a file, which is read once.
    fn key(
        &mut self,
        from: Option<&(PathBuf, Span)>,
        errors: &mut Diagnostics,
    ) -> Option<Arc<Key>> {
        let (path, at) = from?;
        if let Some(key) = self.keys.get(path) {
            return Some(key.clone());
        }
        let read =
            (self.env.read)(path).map_err(|e| format!("cannot read \"{}\": {e}", path.display()));
        let key = read.and_then(|bytes| {
            Key::read(&String::from_utf8_lossy(&bytes))
                .ok_or_else(|| format!("\"{}\" holds no key", path.display()))
        });
        self.files.push(path.clone());
        match key {
            Ok(key) => {
                let key = Arc::new(key);
                self.policies.keys.insert(key.clone());
                self.keys.insert(path.clone(), key.clone());
                Some(key)
            }
            Err(message) => {
                let help = "as `tsig-keygen` writes it: key \"NAME\" { algorithm hmac-sha256; secret \"BASE64\"; };";
                errors.push(Diagnostic::error("bad-key", *at, message).help(help));
                None
            }
        }
    }
}

/// A key that could not be read is nobody's: its error keeps the plan from being used.
fn access(from: &model::DnsAccess, key: Option<&Arc<Key>>) -> Access {
    let net = |net: &IpNet| Net {
        address: net.addr(),
        bits: net.prefix_len(),
    };
    Access {
        nets: from.nets.iter().map(net).collect(),
        keys: key.map(|k| k.name().clone()).into_iter().collect(),
    }
}

fn add_static(
    zone: &mut Zone,
    records: &[model::DnsStatic],
    config: &model::Config,
    errors: &mut Diagnostics,
) {
    for record in records {
        let ttl = record.ttl.as_secs().min(i32::MAX as u64) as u32;
        let own = record.rtype.eq_ignore_ascii_case("HTTPS") && record.values == ["listeners"];
        if own && super::dns_service::values(config, zone.origin(), &record.name).is_empty() {
            let message = format!("no site is reached by HTTPS at `{}`", record.name);
            let help = "it is the name of a site with a certificate and a listener with an address";
            errors.push(Diagnostic::error("no-listener", record.at, message).help(help));
        }
        let made = if own {
            super::dns_service::values(config, zone.origin(), &record.name)
        } else {
            record.values.clone()
        };
        for value in &made {
            if let Err(message) = zone.add_line(&record.name, ttl, &record.rtype, value) {
                errors.error("bad-record", record.at, message);
            }
        }
    }
}

/// Signatures end up to this much earlier than they could, but no more than a seventh of their time.
const JITTER_MAX_S: u32 = 2 * 86_400;

fn signing_options(dnssec: &model::Dnssec) -> SigningOptions {
    let seconds = |d: Duration| d.as_secs().min(u64::from(u32::MAX)) as u32;
    let validity_s = seconds(dnssec.validity);
    SigningOptions {
        keys: KeyPolicy {
            algorithm: match dnssec.algorithm {
                DnssecAlgorithm::EcdsaP256Sha256 => Algorithm::EcdsaP256Sha256,
                DnssecAlgorithm::Ed25519 => Algorithm::Ed25519,
            },
            single: dnssec.single_key,
            ksk_lifetime_s: dnssec.ksk_lifetime.map(|d| d.as_secs()),
            zsk_lifetime_s: dnssec.zsk_lifetime.map(|d| d.as_secs()),
            dnskey_ttl_s: seconds(dnssec.dnskey_ttl),
            propagation_s: dnssec.propagation.as_secs(),
            parent_ttl_s: dnssec.parent_ttl.as_secs(),
        },
        denial: match dnssec.denial {
            DnssecDenial::Nsec => Denial::Nsec,
            DnssecDenial::Nsec3 => Denial::Nsec3,
        },
        lifetimes: Lifetimes {
            validity_s,
            refresh_s: seconds(dnssec.refresh),
            jitter_s: JITTER_MAX_S.min(validity_s / 7),
        },
    }
}

fn add_dynamic(zone: &mut Zone, records: &[model::DnsRecord], errors: &mut Diagnostics) {
    for record in records {
        let rtype = if record.rtype.eq_ignore_ascii_case("AAAA") {
            RType::AAAA
        } else {
            RType::A
        };
        let seconds = |ttl: std::time::Duration| ttl.as_secs().min(u64::from(u32::MAX)) as u32;
        let targets = record.targets.iter().map(target).collect();
        let policy = policy(record);
        let mut made =
            DynamicRecord::new(&record.name, rtype, seconds(record.ttl), policy, targets);
        made.degraded_ttl_s = record.degraded_ttl.map(seconds);
        made.min_up = record.min_up;
        made.all_down = match &record.all_down {
            DnsAllDown::ServeAll => AllDown::ServeAll,
            DnsAllDown::ServeNone => AllDown::ServeNone,
            DnsAllDown::LastResort(addresses) => AllDown::LastResort(addresses.clone()),
        };
        if let Err(e) = zone.add_dynamic(made) {
            errors.error("bad-record", record.at, e.to_string());
        }
    }
}

fn policy(record: &model::DnsRecord) -> Policy {
    match record.policy {
        DnsPolicy::Failover => Policy::Failover,
        DnsPolicy::Weighted => Policy::Weighted,
        DnsPolicy::Geo => Policy::Geo,
        DnsPolicy::Nearest => Policy::Nearest,
        DnsPolicy::Nets => Policy::Nets,
        DnsPolicy::Hash => Policy::Hash,
        DnsPolicy::Multi => Policy::Multi(record.count),
    }
}

fn target(from: &model::DnsTarget) -> Target {
    let mut target = Target::new(from.address, from.up_pool.map(|p| HealthId(p as u32)));
    target.weight = from.weight;
    target.at = from.place;
    target.areas = from
        .areas
        .iter()
        .map(|area| match *area {
            DnsArea::Country(code) => Area::Country(code),
            DnsArea::Continent(code) => Area::Continent(code),
            DnsArea::Asn(number) => Area::Asn(number),
        })
        .collect();
    target.nets = from
        .nets
        .iter()
        .map(|net| Net {
            address: net.addr(),
            bits: net.prefix_len(),
        })
        .collect();
    target
}
