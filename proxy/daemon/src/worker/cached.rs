//! Objects of the caches, for the API.

use seawall_cache::Object;
use seawall_edge::{Account, Inspected, plan::CachePlan};
use serde_json::{Value, json};
use std::sync::Arc;

/// A URL at all listeners of its scheme.
pub fn inspected(url: &str, found: &[Inspected]) -> Value {
    let one = |at: &Inspected| {
        let variants = at.variants.iter().zip(&at.slices);
        let variant = |(object, here): (&Arc<Object>, &u64)| {
            let mut value = described(object, at.now_ms);
            if let (Some(sliced), Some(fields)) = (object.sliced(), value.as_object_mut()) {
                let slices =
                    json!({ "bytes": sliced.slice_bytes(), "count": sliced.count(), "here": here });
                fields.insert("slices".into(), slices);
            }
            value
        };
        json!({
            "site": at.site,
            "answer": at.explained.answer,
            "why": at.explained.why,
            "key": at.key,
            "on_disk": at.on_disk,
            "variants": variants.map(variant).collect::<Vec<_>>(),
        })
    };
    json!({ "url": url, "found": found.iter().map(one).collect::<Vec<_>>() })
}

/// A list of objects.
pub fn listed(found: &[(String, Arc<Object>)], now_ms: u64) -> Value {
    let one = |(cache, object): &(String, Arc<Object>)| {
        let mut value = described(object, now_ms);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("cache".into(), cache.as_str().into());
            fields.insert("url".into(), text(object.url()).into());
            fields.insert("site".into(), object.site().into());
        }
        value
    };
    json!({ "objects": found.iter().map(one).collect::<Vec<_>>() })
}

/// What caches hold, and the books of routes.
pub fn stats(caches: &[Arc<CachePlan>], accounts: &[Account]) -> Value {
    json!({
        "caches": caches.iter().map(|c| held(c)).collect::<Vec<_>>(),
        "routes": accounts.iter().map(account).collect::<Vec<_>>(),
    })
}

fn held(plan: &CachePlan) -> Value {
    let stats = plan.cache.stats();
    let disk = plan.cache.disk_stats().map(|disk| {
        json!({
            "objects": disk.objects,
            "bytes": disk.bytes,
            "writes": disk.writes,
            "reads": disk.reads,
            "torn": disk.torn,
            "errors": disk.errors,
        })
    });
    json!({
        "name": plan.name,
        "memory_bytes_max": plan.memory,
        "bytes": stats.bytes,
        "fill_bytes": stats.fill_bytes,
        "objects": stats.objects,
        "evictions": stats.evictions,
        "lookups": {
            "hits": stats.hits,
            "stale": stats.stale,
            "revalidations": stats.revalidations,
            "misses": stats.misses,
            "joins": stats.joins,
            "loads": stats.loads,
            "passes": stats.passes,
        },
        "disk": disk,
    })
}

fn account(account: &Account) -> Value {
    let result = |(course, count): &(_, u64)| {
        let course: &seawall_edge::Course = course;
        json!({ "result": course.result(), "reason": course.why(), "count": count })
    };
    let decision = |(stored, reason, count): &(bool, seawall_cache::Reason, u64)| json!({ "stored": stored, "reason": reason.as_str(), "count": count });
    let asked = account.asked();
    let ratio = (asked > 0).then(|| account.from_cache() as f64 / asked as f64);
    json!({
        "site": &*account.owner.site,
        "route": &*account.owner.route,
        "cache": &*account.owner.cache,
        "requests": account.requests(),
        "hit_ratio": ratio,
        "results": account.courses.iter().map(result).collect::<Vec<_>>(),
        "decisions": account.decisions.iter().map(decision).collect::<Vec<_>>(),
        "bytes": { "cache": account.bytes_from_cache, "origin": account.bytes_from_origin },
        "renewals_refused": account.renewals_refused,
    })
}

fn described(object: &Object, now_ms: u64) -> Value {
    let decision = object.decision();
    let seconds = |until_ms: u64| (until_ms as i64 - now_ms as i64) / 1000;
    let vary: serde_json::Map<String, Value> = object
        .selected_by()
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    json!({
        "status": object.status(),
        "age_s": object.age_s(now_ms),
        "ttl_s": seconds(decision.fresh_until_ms),
        "stale_while_revalidate_s": seconds(decision.swr_until_ms).max(0),
        "stale_if_error_s": seconds(decision.sie_until_ms).max(0),
        "reason": decision.reason.as_str(),
        "hits": object.hits(),
        "bytes": object.content_length(),
        "weight": object.weight(),
        "etag": object.etag().map(text),
        "tags": object.tags().map(text).collect::<Vec<_>>(),
        "vary": vary,
        "tier": tier(object),
    })
}

/// Where head and body are: a large body that came up from the disk stays there.
fn tier(object: &Object) -> &'static str {
    if object.is_in_file() {
        "disk"
    } else if object.is_for_disk() {
        "memory and disk"
    } else {
        "memory"
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
