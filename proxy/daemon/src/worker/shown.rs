//! Sites and limits as the API shows them.

use seawall_edge::plan::Plan;
use serde_json::{Value, json};
use std::{sync::Arc, time::Instant};

/// `GET /api/v1/sites`
pub fn sites(plan: &Plan) -> Value {
    let sites = plan.sites.iter().zip(&plan.config.sites).map(|(site, from)| {
        let routes = site.routes.iter().chain(site.fallback.as_ref());
        let routes: Vec<Value> = routes
            .map(|route| {
                let content = match &route.content {
                    seawall_edge::plan::ContentPlan::Proxy(_) => "proxy",
                    seawall_edge::plan::ContentPlan::Fixed(_) => "fixed",
                    seawall_edge::plan::ContentPlan::Redirect { .. } => "redirect",
                    seawall_edge::plan::ContentPlan::Static { .. } => "files",
                    seawall_edge::plan::ContentPlan::Doh => "dns",
                };
                json!({
                    "path": &*route.name, "content": content, "cache": route.cache.is_some(),
                    "waf": route.waf.as_ref().map(|w| w.name.clone()),
                    "rate_limits": route.rate_limits.len(), "auth": route.guard.is_some(),
                })
            })
            .collect();
        let classes: Vec<u64> = site.metrics.by_class.iter().map(|c| c.get()).collect();
        json!({
            "name": site.name,
            "names": from.names.iter().map(name).collect::<Vec<_>>(),
            "tls": tls(&from.tls),
            "routes": routes,
            "requests": { "1xx": classes.first(), "2xx": classes.get(1), "3xx": classes.get(2), "4xx": classes.get(3), "5xx": classes.get(4) },
            "waf": { "denied": site.metrics.waf_denied.get(), "detected": site.metrics.waf_detected.get() },
        })
    });
    sites.collect()
}

fn name(name: &seawall_conf::model::HostName) -> String {
    use seawall_conf::model::HostName::*;
    match name {
        Exact(name) => name.clone(),
        Suffix(name) => format!("*.{name}"),
        Prefix(name) => format!("{name}.*"),
        Regex(pattern) => format!("~{}", pattern.text),
        Any => "*".to_owned(),
        Empty => String::new(),
    }
}

fn tls(tls: &seawall_conf::model::SiteTls) -> &'static str {
    use seawall_conf::model::SiteTls::*;
    match tls {
        Off => "off",
        Internal => "internal",
        Passthrough => "passthrough",
        Files(_) => "files",
        Acme(_) => "acme",
    }
}

/// `GET /api/v1/limits`: each once, whatever inherits it.
pub fn limits(plan: &Plan) -> Value {
    let now = Instant::now();
    let mut seen: Vec<*const ()> = Vec::new();
    let mut all = Vec::new();
    for site in &plan.sites {
        for route in site.routes.iter().chain(site.fallback.as_ref()) {
            for limit in &route.rate_limits {
                let it: *const () = Arc::as_ptr(&limit.keys).cast();
                if !seen.contains(&it) {
                    seen.push(it);
                    all.push(json!({
                        "kind": "rate", "name": &*limit.name, "site": site.name, "status": limit.status,
                        "dry_run": limit.dry_run, "keys_busy": limit.keys.table.busy(&limit.limit, now),
                        "keys_max": limit.keys.table.capacity(), "overflows": limit.keys.table.overflows(),
                    }));
                }
            }
            for limit in &route.connection_limits {
                let it: *const () = Arc::as_ptr(&limit.keys).cast();
                if !seen.contains(&it) {
                    seen.push(it);
                    all.push(json!({
                        "kind": "connections", "name": &*limit.name, "site": site.name, "max": limit.max,
                        "status": limit.status, "dry_run": limit.dry_run,
                        "keys_busy": limit.keys.table.keys(), "overflows": limit.keys.table.overflows(),
                    }));
                }
            }
        }
    }
    Value::Array(all)
}
