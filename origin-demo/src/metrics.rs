//! Metrics: each declared once, rendered as Prometheus text.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A number that only grows, or is set.
pub struct Metric {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    labels: &'static str,
    value: AtomicU64,
}

impl Metric {
    const fn counter(name: &'static str, labels: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: "counter",
            labels,
            value: AtomicU64::new(0),
        }
    }

    const fn gauge(name: &'static str, labels: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind: "gauge",
            labels,
            value: AtomicU64::new(0),
        }
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `by` more.
    pub fn add(&self, by: u64) {
        self.value.fetch_add(by, Relaxed);
    }

    /// One less (gauges).
    pub fn dec(&self) {
        self.value.fetch_sub(1, Relaxed);
    }

    /// Now it is this (gauges).
    pub fn set(&self, value: u64) {
        self.value.store(value, Relaxed);
    }
}

macro_rules! declare {
    ($($(#[doc = $doc:literal])* $id:ident = $kind:ident($name:literal, $labels:literal);)*) => {
        $($(#[doc = $doc])* pub static $id: Metric = Metric::$kind($name, $labels, concat!($($doc),*));)*
        static ALL: &[&Metric] = &[$(&$id),*];
    };
}

declare! {
    /// Answers by class of status.
    HTTP_1XX_3XX = counter("origin_http_requests_total", "{class=\"3xx\"}");
    /// Answers by class of status.
    HTTP_2XX = counter("origin_http_requests_total", "{class=\"2xx\"}");
    /// Answers by class of status.
    HTTP_4XX = counter("origin_http_requests_total", "{class=\"4xx\"}");
    /// Answers by class of status.
    HTTP_5XX = counter("origin_http_requests_total", "{class=\"5xx\"}");
    /// Microseconds spent on answers.
    HTTP_MICROS = counter("origin_http_request_microseconds_total", "");
    /// Requests being answered.
    HTTP_ACTIVE = gauge("origin_http_requests_active", "");
    /// Faults injected by the switches.
    FAULTS = counter("origin_faults_injected_total", "");
    /// Product reads answered from memory.
    CACHE_HIT = counter("origin_cache_hit_total", "");
    /// Product reads that went to the database.
    CACHE_MISS = counter("origin_cache_miss_total", "");
    /// Product reads that waited for another's miss.
    CACHE_SHARED = counter("origin_cache_shared_total", "");
    /// Questions to the database.
    DB_QUERIES = counter("origin_db_query_total", "");
    /// Changes of the database.
    DB_WRITES = counter("origin_db_write_total", "");
    /// Orders placed.
    ORDERS = counter("origin_orders_total", "");
    /// Calls to other roles that failed.
    UPSTREAM_ERRORS = counter("origin_upstream_errors_total", "");
    /// Jobs finished by this worker, by outcome.
    JOBS_DONE = counter("origin_jobs_total", "{outcome=\"done\"}");
    /// Jobs finished by this worker, by outcome.
    JOBS_RETRIED = counter("origin_jobs_total", "{outcome=\"retried\"}");
    /// Jobs finished by this worker, by outcome.
    JOBS_DEAD = counter("origin_jobs_total", "{outcome=\"dead\"}");
    /// Jobs waiting.
    JOBS_WAITING = gauge("origin_jobs_waiting", "");
    /// Dead letters.
    JOBS_DEAD_LETTERS = gauge("origin_jobs_dead_letters", "");
    /// Searches answered.
    SEARCHES = counter("origin_searches_total", "");
    /// Products in the index.
    INDEXED = gauge("origin_search_documents", "");
}

/// Prometheus text. Families whose metrics are declared next to each other share a header.
pub fn render(role: &str) -> String {
    let mut out = format!(
        "# HELP origin_info This process.\n# TYPE origin_info gauge\norigin_info{{role=\"{role}\"}} 1\n"
    );
    let mut family = "";
    for metric in ALL {
        if metric.name != family {
            family = metric.name;
            let _ = write!(
                out,
                "# HELP {family} {}\n# TYPE {family} {}\n",
                metric.help.trim(),
                metric.kind
            );
        }
        let _ = writeln!(
            out,
            "{family}{} {}",
            metric.labels,
            metric.value.load(Relaxed)
        );
    }
    out
}
