//! Zones: files read and compiled, dynamic records tied to the balancer's own health.

use super::{PoolPlan, compile::Environment};
use seawall_conf::model::{self, DnsPolicy, DnssecAlgorithm, DnssecDenial};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap};
use seawall_dns::{
    Algorithm, Denial, DynamicRecord, Health, HealthId, KeyPolicy, Lifetimes, Policy, RType,
    SigningOptions, Target, Zone, Zones,
};
use std::{
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
    sources: &mut SourceMap,
    pools: &[Arc<PoolPlan>],
    env: &Environment<'_>,
    errors: &mut Diagnostics,
) -> DnsPlan {
    let (mut zones, mut to_sign) = (Vec::new(), Vec::new());
    let mut files = Vec::new();
    for from in &dns.zones {
        let text = match (env.read)(&from.file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) => {
                errors.push(
                    Diagnostic::error("unreadable", from.at, format!("cannot read \"{}\": {e}", from.file.display()))
                        .help("a zone file is looked for beside the configuration unless its path is absolute"),
                );
                continue;
            }
        };
        files.push(from.file.clone());
        let file = sources.add(&from.file, text);
        let mut load = |written: &Path, including: &Path| -> io::Result<(PathBuf, String)> {
            let path = including.parent().unwrap_or(Path::new("")).join(written);
            let bytes = (env.read)(&path)?;
            files.push(path.clone());
            Ok((path, String::from_utf8_lossy(&bytes).into_owned()))
        };
        match Zone::parse_with(&from.name, sources, file, &mut load) {
            Ok(mut zone) => {
                errors.extend(zone.warnings().clone());
                add_dynamic(&mut zone, &from.records, errors);
                match &from.dnssec {
                    None => zones.push(zone),
                    Some(dnssec) if zone.is_signed() => {
                        let message = format!("the file of `{}` is signed already", from.name);
                        errors.push(
                            Diagnostic::error("already-signed", dnssec.at, message)
                                .help("take `dnssec` away to serve it as it is, or let the file be unsigned"),
                        );
                    }
                    Some(dnssec) => to_sign.push(ZoneToSign {
                        zone,
                        options: signing_options(dnssec),
                        parent: dnssec.parent.clone(),
                    }),
                }
            }
            Err(found) => errors.extend(found),
        }
    }
    let health = Arc::new(PoolHealth(pools.to_vec()));
    DnsPlan {
        zones: Zones::new(zones),
        to_sign,
        health,
        files,
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
        let made = zone.add_dynamic(DynamicRecord {
            owner: record.name.clone(),
            rtype,
            ttl_s: record.ttl.as_secs().min(u64::from(u32::MAX)) as u32,
            policy: match record.policy {
                DnsPolicy::Failover => Policy::Failover,
            },
            targets: record
                .targets
                .iter()
                .map(|t| Target {
                    address: t.address,
                    up: t.up_pool.map(|p| HealthId(p as u32)),
                })
                .collect(),
        });
        if let Err(e) = made {
            errors.error("bad-record", record.at, e.to_string());
        }
    }
}
