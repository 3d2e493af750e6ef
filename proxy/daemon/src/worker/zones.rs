//! Zones as the API shows and changes them.

use seawall_admin::{ZoneChange, ZoneRefusal};
use seawall_dns::{ChangeError, Name, Shared};
use serde_json::{Value, json};
use std::path::Path;

/// `GET /api/v1/dns/zones`
pub fn list(dns: &Shared) -> Value {
    let zones = dns.zones();
    zones
        .iter()
        .map(|z| {
            json!({
                "zone": z.name, "serial": z.serial, "records": z.records, "copy": z.is_copy,
                "signed": z.is_signed,
            })
        })
        .collect()
}

fn name(zone: &str) -> Option<Name> {
    Name::parse(zone, Some(&Name::root())).ok()
}

/// `GET /api/v1/dns/zones/{zone}`
pub fn show(dns: &Shared, zone: &str) -> Option<Value> {
    let name = name(zone)?;
    let records = dns.zone_records(&name)?;
    let records: Vec<Value> = records
        .iter()
        .map(|r| json!({ "name": r.name, "ttl": r.ttl_s, "type": r.rtype, "data": r.data }))
        .collect();
    Some(json!({ "zone": name.to_string(), "records": records }))
}

/// `PUT` and `DELETE /api/v1/dns/zones/{zone}/{name}/{type}`. What is changed outlives a restart: it is in the zone's
/// journal before it is answered.
pub fn change(dns: &Shared, folder: &Path, change: &ZoneChange) -> Result<u32, ZoneRefusal> {
    let zone = name(&change.zone)
        .filter(|zone| dns.serving().zones.get(zone).is_some())
        .ok_or(ZoneRefusal::NoZone)?;
    let kept = dns.keep_journal(&zone, folder);
    kept.map_err(|e| ZoneRefusal::Failed(format!("there is no journal: {e}")))?;
    let put = dns.put_records(
        &zone,
        &change.name,
        &change.rtype,
        change.ttl_s,
        &change.values,
    );
    put.map_err(|e| match e {
        ChangeError::NoZone(_) => ZoneRefusal::NoZone,
        ChangeError::Refused(why) => ZoneRefusal::Bad(why),
        e => ZoneRefusal::Failed(e.to_string()),
    })
}
