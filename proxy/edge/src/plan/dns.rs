//! Zones: files read and compiled, dynamic records tied to the balancer's own health.

use super::{PoolPlan, compile::Environment};
use seawall_conf::model::{self, DnsPolicy};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap};
use seawall_dns::{DynamicRecord, Health, HealthId, Policy, RType, Target, Zone, Zones};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Zones, and the health that their records ask.
pub struct DnsPlan {
    /// What is answered.
    pub zones: Zones,
    /// The pools of this plan.
    pub health: Arc<PoolHealth>,
    /// Zone files and what they include, for watching.
    pub files: Vec<PathBuf>,
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
    let mut zones = Vec::new();
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
                zones.push(zone);
            }
            Err(found) => errors.extend(found),
        }
    }
    let health = Arc::new(PoolHealth(pools.to_vec()));
    DnsPlan {
        zones: Zones::new(zones),
        health,
        files,
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
