//! What all worker threads share: the live plan, counters, logs. Each a named structure, none locked across an await.

use crate::{
    filter::Encoders,
    log::{AccessLogs, ErrorLog},
    metrics::Metrics,
    plan::Plan,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Instant,
};

/// What all worker threads share.
pub struct Shared {
    /// The live plan.
    pub plan: ArcSwap<Plan>,
    /// Its generation; threads compare it before they touch the plan.
    pub generation: AtomicU64,
    /// Counters.
    pub metrics: Metrics,
    /// Access logs.
    pub logs: AccessLogs,
    /// The error log.
    pub errors: Arc<dyn ErrorLog>,
    /// Client connections open now.
    pub connections: AtomicUsize,
    /// Serial numbers of connections, nginx's `$connection`.
    pub serial: AtomicU64,
    /// When a drain ends that was hurried.
    pub drain_by: Mutex<Option<Instant>>,
    /// Encoders of responses that run.
    pub encoders: Encoders,
    /// Certificates by name, swapped with the plan.
    pub resolver: Arc<seawall_tls::Resolver>,
    /// Certificates that keep themselves current, and the proofs that are up for a CA.
    pub acme: Arc<seawall_tls::acme::Acme>,
    /// What the WAF refused lately.
    pub waf_events: crate::waf_events::WafEvents,
    /// The DNS server, for questions over HTTPS; set once, before the first request.
    pub dns: std::sync::OnceLock<Arc<seawall_dns::Shared>>,
    /// Who watches requests.
    pub tail: crate::tail::Tail,
    /// Where passwords are verified.
    pub passwords: crate::access::Passwords,
    /// Crawlers whose addresses were looked up.
    pub genuine: crate::bots::genuine::Genuine,
    /// TLS settings of every listener.
    pub tls: Arc<rustls::ServerConfig>,
    /// The same for listeners that speak HTTP/2.
    pub tls_http2: Arc<rustls::ServerConfig>,
}

/// Writes to the error log; the text is formatted only where the level is written.
#[macro_export]
macro_rules! log_error {
    ($shared:expr, $level:ident, $conn:expr, $($text:tt)+) => {
        if $shared.errors.enabled($crate::log::LogLevel::$level) {
            $shared.errors.line($crate::log::LogLevel::$level, $conn, format_args!($($text)+));
        }
    };
}
