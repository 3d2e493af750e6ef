//! What the daemon is doing, for the API and for Prometheus.

use super::{certificates, life::Worker};
use crate::version;
use seawall_cache::DiskStats;
use seawall_dns::{DropReason, QTYPE_CLASSES, RCODES, Transport, ZoneCounts};
use seawall_edge::plan::{CachePlan, PeerSlot, Plan, PoolPlan};
use serde_json::{Value, json};
use std::{
    fmt::Write,
    sync::{Arc, atomic::Ordering},
    time::{Instant, UNIX_EPOCH},
};

/// `GET /api/v1/status`
pub fn status(worker: &Worker) -> Value {
    let plan = worker.edge.plan();
    let shared = worker.edge.shared();
    let caches: Vec<Value> = plan
        .caches
        .iter()
        .map(|c| {
            let stats = c.cache.stats();
            json!({ "name": c.name, "memory_bytes": c.memory, "objects": stats.objects, "bytes": stats.bytes,
                    "fill_bytes": stats.fill_bytes, "hits": stats.hits, "stale": stats.stale, "misses": stats.misses,
                    "revalidations": stats.revalidations, "joins": stats.joins, "passes": stats.passes,
                    "evictions": stats.evictions, "loads": stats.loads, "disk": disk(c) })
        })
        .collect();
    json!({
        "version": version::VERSION,
        "pid": std::process::id(),
        "started_unix_s": worker.started.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        "uptime_s": worker.edge.uptime().as_secs(),
        "workers_before": worker.generation,
        "threads": worker.edge.threads(),
        "connections": shared.connections.load(Ordering::Relaxed),
        "configuration": {
            "path": worker.source.path,
            "generation": plan.generation,
            "last_failure": worker.last_failure(),
        },
        "listeners": plan.config.listeners.iter().map(|l| json!({
            "address": seawall_edge::plan::pool::address_text(&l.address), "tls": l.tls,
        })).collect::<Vec<_>>(),
        "sites": plan.sites.iter().map(|s| s.name.clone()).collect::<Vec<_>>(),
        "lists": plan.lists.all.iter().map(|l| json!({ "name": l.name, "entries": l.len() })).collect::<Vec<_>>(),
        "crowdsec": crowdsec(&plan),
        "caches": caches,
        "certificates": certificates::list(&plan),
        "dns": dns(worker),
        "pools": pools(&plan),
    })
}

/// What a CrowdSec server decided, and how it is doing; null where none is followed.
fn crowdsec(plan: &Plan) -> Value {
    let Some(bouncer) = &plan.bouncer else {
        return Value::Null;
    };
    let (bans, captchas) = bouncer.state.decisions().count();
    let told = bouncer.state.told();
    json!({ "bans": bans, "captchas": captchas, "dropped": told.dropped, "failure": told.failure,
            "answered_s_ago": told.last_answer.map(|at| at.elapsed().as_secs()) })
}

/// The disk tier of a cache; null where there is none.
fn disk(cache: &CachePlan) -> Value {
    let Some(stats) = cache.cache.disk_stats() else {
        return Value::Null;
    };
    let disk = cache.disk.as_ref();
    json!({ "path": disk.map(|d| &d.path), "size": disk.map(|d| d.bytes), "objects": stats.objects, "bytes": stats.bytes,
            "writes": stats.writes, "reads": stats.reads, "torn": stats.torn, "errors": stats.errors,
            "scanned": stats.scanned, "abandoned": stats.abandoned })
}

fn dns(worker: &Worker) -> Value {
    let counters = worker.dns.shared().counters.snapshot();
    json!({ "zones": worker.dns.shared().serving().zones.len(), "answers": counters.answers() })
}

/// `GET /api/v1/pools`
pub fn pools(plan: &Plan) -> Value {
    let now = Instant::now();
    let pools = plan.pools.iter().map(|pool| {
        let pool = pool.live();
        let balancer = &pool.balancer;
        let mut value = json!({
            "name": pool.name, "up": balancer.is_up(), "healthy": balancer.healthy_count(),
            "checked": pool.health.is_some(), "waiting": balancer.waiting(),
            "servers": servers(&pool, now),
        });
        if let (Some(breaker), Some(fields)) = (balancer.breaker(), value.as_object_mut()) {
            let state = format!("{:?}", breaker.state(now)).to_lowercase();
            fields.insert("breaker".into(), state.into());
        }
        value
    });
    pools.collect()
}

fn servers(pool: &PoolPlan, now: Instant) -> Vec<Value> {
    let servers = pool.balancer.servers().iter().zip(&pool.peers);
    let one = |(s, peer): (&Arc<seawall_balance::Server>, &PeerSlot)| {
        let counters = s.counters();
        json!({
            "address": s.address(), "state": format!("{:?}", s.state(now)).to_lowercase(), "draining": s.is_draining(),
            "weight": s.weight(), "ramp": s.ramp(now), "backup": s.is_backup(),
            "in_flight": s.in_flight(), "max_conns": s.max_conns(), "answered": counters.answered,
            "failed": counters.failed, "ejections": counters.ejections,
            "check_failure": peer.check_failure(),
        })
    };
    servers.map(one).collect()
}

/// `GET /metrics`: the edge's own, then what other rooms count.
pub fn metrics(worker: &Worker) -> Vec<u8> {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = dns_metrics(worker, &mut text);
    let _ = worker.dns.signers().metrics(&mut text);
    let _ = cache_metrics(worker, &mut text);
    let _ = list_metrics(worker, &mut text);
    let _ = log_metrics(worker, &mut text);
    let _ = certificates::metrics(worker, &mut text);
    let mut out = worker.edge.shared().metrics.render();
    out.extend_from_slice(text.as_bytes());
    out
}

fn dns_metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    let counters = worker.dns.shared().counters.snapshot();
    writeln!(
        out,
        "# HELP seawall_dns_answers_total DNS answers, by response code\n# TYPE seawall_dns_answers_total counter"
    )?;
    for (name, n) in RCODES.iter().zip(counters.rcodes).filter(|(_, n)| *n > 0) {
        writeln!(out, "seawall_dns_answers_total{{rcode=\"{name}\"}} {n}")?;
    }
    writeln!(
        out,
        "# HELP seawall_dns_queries_total DNS queries answered, by type\n# TYPE seawall_dns_queries_total counter"
    )?;
    for ((name, _), n) in QTYPE_CLASSES
        .iter()
        .zip(counters.qtypes)
        .filter(|(_, n)| *n > 0)
    {
        writeln!(out, "seawall_dns_queries_total{{type=\"{name}\"}} {n}")?;
    }
    writeln!(
        out,
        "# HELP seawall_dns_transports_total DNS queries answered, by transport\n# TYPE seawall_dns_transports_total counter"
    )?;
    for (transport, n) in Transport::ALL.iter().zip(counters.transports) {
        let name = transport.name();
        writeln!(
            out,
            "seawall_dns_transports_total{{transport=\"{name}\"}} {n}"
        )?;
    }
    writeln!(
        out,
        "# HELP seawall_dns_dropped_total DNS messages not answered, by reason\n# TYPE seawall_dns_dropped_total counter"
    )?;
    for (reason, n) in DropReason::ALL.iter().zip(counters.dropped) {
        writeln!(
            out,
            "seawall_dns_dropped_total{{reason=\"{}\"}} {n}",
            reason.name()
        )?;
    }
    zone_metrics(worker, out)
}

/// Zones that are counted by name; a catalog may list more, which are counted together.
const ZONE_LABELS_MAX: usize = 1000;

fn zone_metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    let serving = worker.dns.shared().serving();
    let mut zones: Vec<(String, [u64; 3])> = serving
        .zones
        .counts()
        .map(|(name, counts)| (name.to_string(), counts.now()))
        .collect();
    zones.sort();
    let others = zones.split_off(zones.len().min(ZONE_LABELS_MAX));
    if !others.is_empty() {
        let sum = |n: usize| others.iter().filter_map(|(_, c)| c.get(n)).sum();
        zones.push(("others".to_owned(), [sum(0), sum(1), sum(2)]));
    }
    writeln!(
        out,
        "# HELP seawall_dns_zone_answers_total DNS answers from a zone, by response code\n# TYPE seawall_dns_zone_answers_total counter"
    )?;
    for (zone, counts) in &zones {
        // A name as a zone file writes it has backslashes and quotes, which a label escapes.
        let zone = zone.replace('\\', "\\\\").replace('"', "\\\"");
        for (rcode, n) in ZoneCounts::RCODES
            .iter()
            .zip(counts)
            .filter(|(_, n)| **n > 0)
        {
            writeln!(
                out,
                "seawall_dns_zone_answers_total{{zone=\"{zone}\",rcode=\"{rcode}\"}} {n}"
            )?;
        }
    }
    Ok(())
}

/// Name, help, whether it only grows, and the number.
type DiskMetric = (&'static str, &'static str, bool, fn(&DiskStats) -> u64);

const DISK_METRICS: [DiskMetric; 6] = [
    ("objects", "Objects on the disk", false, |s| s.objects),
    ("bytes", "Bytes of the disk tier's segments", false, |s| {
        s.bytes
    }),
    ("writes_total", "Objects written to the disk", true, |s| {
        s.writes
    }),
    ("reads_total", "Objects read from the disk", true, |s| {
        s.reads
    }),
    ("torn_total", "Records that were not whole", true, |s| {
        s.torn
    }),
    ("errors_total", "Errors of the disk", true, |s| s.errors),
];

fn disk_metrics(plan: &Plan, out: &mut String) -> std::fmt::Result {
    let disks: Vec<(&str, DiskStats)> = plan
        .caches
        .iter()
        .filter_map(|c| Some((c.name.as_str(), c.cache.disk_stats()?)))
        .collect();
    if disks.is_empty() {
        return Ok(());
    }
    for (name, help, grows, number) in DISK_METRICS {
        let kind = if grows { "counter" } else { "gauge" };
        writeln!(
            out,
            "# HELP seawall_cache_disk_{name} {help}\n# TYPE seawall_cache_disk_{name} {kind}"
        )?;
        for (cache, stats) in &disks {
            let number = number(stats);
            writeln!(
                out,
                "seawall_cache_disk_{name}{{cache=\"{cache}\"}} {number}"
            )?;
        }
    }
    Ok(())
}

fn log_metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    let name = "seawall_log_lines_lost_total";
    writeln!(
        out,
        "# HELP {name} Log lines that a full disk, a slow one or a syslog server lost\n# TYPE {name} counter"
    )?;
    let access = worker.edge.shared().logs.lost_lines();
    writeln!(out, "{name}{{log=\"access\"}} {access}")?;
    writeln!(out, "{name}{{log=\"error\"}} {}", worker.log.lost_lines())
}

fn list_metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "# HELP seawall_list_entries Networks, systems and countries on a list\n# TYPE seawall_list_entries gauge"
    )?;
    for list in &worker.edge.plan().lists.all {
        writeln!(
            out,
            "seawall_list_entries{{list={:?}}} {}",
            list.name,
            list.len()
        )?;
    }
    Ok(())
}

fn cache_metrics(worker: &Worker, out: &mut String) -> std::fmt::Result {
    let plan = worker.edge.plan();
    writeln!(
        out,
        "# HELP seawall_cache_bytes Bytes held, fills in flight included\n# TYPE seawall_cache_bytes gauge"
    )?;
    for c in &plan.caches {
        writeln!(
            out,
            "seawall_cache_bytes{{cache=\"{}\"}} {}",
            c.name,
            c.cache.stats().bytes
        )?;
    }
    disk_metrics(&plan, out)?;
    writeln!(
        out,
        "# HELP seawall_server_up Whether a server is up (1) or not (0)\n# TYPE seawall_server_up gauge"
    )?;
    let now = Instant::now();
    for pool in plan.pools.iter() {
        for server in pool.live().balancer.servers() {
            let up = u8::from(matches!(
                server.state(now),
                seawall_balance::ServerState::Up
            ));
            writeln!(
                out,
                "seawall_server_up{{pool=\"{}\",server=\"{}\"}} {up}",
                pool.name,
                server.address()
            )?;
        }
    }
    Ok(())
}
