//! Every metric, declared once. Handles are resolved when the plan is compiled; a request only adds.

use crate::{
    accept::AcceptMetrics,
    bots::{CHALLENGE_RESULTS, ChallengeResult, ScreenFamily},
    caching::Ledgers,
    limit::LimitFamily,
    otlp::Counters,
    stream::StreamFamilies,
};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use seawall_http::Refusal;
use std::collections::HashMap;

/// All metrics of the pipeline.
pub struct Metrics {
    registry: Registry,
    /// What is refused before a protocol is spoken.
    pub accept: AcceptMetrics,
    /// Rate limits.
    pub limits: LimitFamily,
    /// What stands before a site.
    pub screen: ScreenFamily,
    /// Streams.
    pub streams: StreamFamilies,
    /// Client connections taken since the start.
    pub connections_total: IntCounter,
    /// Client connections open now.
    pub connections: IntGauge,
    /// Connections closed at once because of `limits.connections`.
    pub connections_refused: IntCounter,
    /// Requests for names that no site has (421).
    pub unknown_hosts: IntCounter,
    /// TLS handshakes that failed.
    pub tls_failures: IntCounter,
    /// Connections closed because a deadline passed, by what was waited for.
    pub timeouts: TimeoutCounters,
    /// HTTP/2 clients.
    pub http2: crate::client::Http2Counters,
    /// Panics caught; each is a bug.
    pub panics: IntCounter,
    /// Responses of origins that were refused (502).
    pub bad_responses: IntCounter,
    /// Retries on another server.
    pub retries: IntCounter,
    /// Retries not made for lack of budget.
    pub retries_denied: IntCounter,
    /// Computations that held a worker thread for over a millisecond.
    pub stalls: IntCounter,
    /// Tunnels open now.
    pub tunnels: IntGauge,
    /// Bytes that clients sent through tunnels.
    pub tunnel_bytes_up: IntCounter,
    /// Bytes that clients got through tunnels.
    pub tunnel_bytes_down: IntCounter,
    /// Configurations loaded.
    pub reloads: IntCounter,
    /// Configurations refused.
    pub reload_failures: IntCounter,
    /// Responses sent as they are because `limits.encoders` were busy.
    pub encoders_busy: IntCounter,
    /// Responses of origins that were decoded for a client without gzip.
    pub gunzipped: IntCounter,
    encoded: [IntCounter; 3],
    refused: HashMap<&'static str, IntCounter>,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// The books of routes at their caches.
    pub ledgers: Ledgers,
    waf: IntCounterVec,
    waf_shadow: IntCounterVec,
    waf_tried: IntCounterVec,
    challenges: IntCounterVec,
    /// Spans for a collector.
    pub spans: Counters,
    access: IntCounterVec,
    lists: IntCounterVec,
    /// Key sets that could not be fetched.
    pub key_fetch_failures: IntCounter,
    /// Requests that had been here too often (508).
    pub loops: IntCounter,
    origin: IntCounterVec,
}

/// Counters of passed deadlines.
pub struct TimeoutCounters {
    /// A head was not whole in time.
    pub head: IntCounter,
    /// A client's body stood still.
    pub body: IntCounter,
    /// A client did not take the response.
    pub write: IntCounter,
    /// A TLS handshake took too long.
    pub tls: IntCounter,
}

/// The handles of one site.
#[derive(Clone)]
pub struct SiteMetrics {
    /// By class of status: 1xx .. 5xx.
    pub by_class: [IntCounter; 5],
    /// Seconds from the first byte of a request to the last of its response.
    pub duration: Histogram,
    /// WAF: requests refused.
    pub waf_denied: IntCounter,
    /// WAF: requests that would have been refused (`mode: detect`).
    pub waf_detected: IntCounter,
    waf_shadow: [IntCounter; SHADOW_RESULTS.len()],
    challenges: [IntCounter; CHALLENGE_RESULTS.len()],
    access: [IntCounter; ACCESS_RESULTS.len()],
}

/// What became of a request at the access step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResult {
    /// Its address is not allowed.
    Denied,
    /// It was asked for credentials.
    Unauthorized,
    /// It was refused by the service that was asked, or answered by it.
    Refused,
    /// It could not be decided.
    Unavailable,
    /// It was let pass by credentials.
    Authorized,
    /// Its password was wrong.
    BadPassword,
    /// Its token was no good one.
    BadToken,
    /// It was a preflight and answered.
    Preflight,
}

/// The labels of [`AccessResult`], in its order.
pub const ACCESS_RESULTS: [&str; 8] = [
    "denied",
    "unauthorized",
    "refused",
    "unavailable",
    "authorized",
    "bad_password",
    "bad_token",
    "preflight",
];

const _: () = assert!(ACCESS_RESULTS.len() == AccessResult::Preflight as usize + 1);

/// What a rule set and its shadow come to.
const SHADOW_RESULTS: [&str; 4] = ["both_pass", "shadow_denies", "shadow_passes", "both_deny"];

/// The handles of one pool.
#[derive(Clone)]
pub struct PoolMetrics {
    /// Connections opened.
    pub connects: IntCounter,
    /// Connections that could not be opened.
    pub connect_failures: IntCounter,
    /// Requests sent.
    pub requests: IntCounter,
    /// Deadlines passed.
    pub timeouts: IntCounter,
    /// Idle connections used again.
    pub reuses: IntCounter,
    /// Requests that waited for a server with room.
    pub queued: IntCounter,
    /// Requests refused because as many waited as may.
    pub queue_full: IntCounter,
    /// Requests that waited in vain.
    pub queue_timeouts: IntCounter,
    /// Requests refused by the open circuit breaker.
    pub breaker_refusals: IntCounter,
    /// Second requests beside a slow one.
    pub hedges: IntCounter,
    /// Those that were answered first.
    pub hedge_wins: IntCounter,
    /// Active checks that found a server healthy.
    pub checks_passed: IntCounter,
    /// Active checks that did not.
    pub checks_failed: IntCounter,
    /// Copies of requests sent.
    pub mirrored: IntCounter,
    /// Copies not sent, because too many were under way, or that failed.
    pub mirror_failures: IntCounter,
}

impl Metrics {
    /// Declares everything. Fails only if a name is declared twice, which a test would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let c = IntCounter::new(name, help)?;
            registry.register(Box::new(c.clone()))?;
            Ok(c)
        };
        let family =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let c = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(c.clone()))?;
                Ok(c)
            };
        let refused_family = family(
            "seawall_refused_heads_total",
            "Request heads refused, by reason",
            &["reason"],
        )?;
        let refused = Refusal::ALL
            .iter()
            .map(|r| (r.as_str(), refused_family.with_label_values(&[r.as_str()])))
            .collect();
        let timeout_family = family(
            "seawall_client_timeouts_total",
            "Client connections closed by a deadline",
            &["waiting_for"],
        )?;
        let timeout = |label: &str| timeout_family.with_label_values(&[label]);
        let timeouts = TimeoutCounters {
            head: timeout("head"),
            body: timeout("body"),
            write: timeout("write"),
            tls: timeout("tls"),
        };
        let connections = IntGauge::new("seawall_connections", "Client connections open now")?;
        registry.register(Box::new(connections.clone()))?;
        let tunnels = IntGauge::new("seawall_tunnels", "Tunnels open now (after a 101)")?;
        registry.register(Box::new(tunnels.clone()))?;
        let tunnel_bytes = family(
            "seawall_tunnel_bytes_total",
            "Bytes that went through tunnels, counted when they end",
            &["direction"],
        )?;
        let buckets = vec![
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            30.0,
        ];
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "seawall_request_duration_seconds",
                "First byte of the request to last of the response",
            )
            .buckets(buckets),
            &["site"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        let coded = family(
            "seawall_encoded_responses_total",
            "Responses compressed or, as `identity`, decoded",
            &["coding"],
        )?;
        let spans = family(
            "seawall_spans_total",
            "Spans of requests for a collector, by what became of them",
            &["result"],
        )?;
        Ok(Self {
            spans: Counters {
                sent: spans.with_label_values(&["sent"]),
                lost: spans.with_label_values(&["lost"]),
            },
            encoders_busy: counter(
                "seawall_encoders_busy_total",
                "Responses not compressed because limits.encoders were busy",
            )?,
            gunzipped: coded.with_label_values(&["identity"]),
            encoded: ["zstd", "br", "gzip"].map(|c| coded.with_label_values(&[c])),
            accept: AcceptMetrics::new(&registry)?,
            limits: LimitFamily::new(&registry)?,
            screen: ScreenFamily::new(&registry)?,
            streams: StreamFamilies::new(&registry)?,
            connections_total: counter("seawall_connections_total", "Client connections taken")?,
            connections,
            connections_refused: counter(
                "seawall_connections_refused_total",
                "Closed by limits.connections",
            )?,
            unknown_hosts: counter(
                "seawall_unknown_hosts_total",
                "Requests for names that no site has, answered with 421",
            )?,
            tls_failures: counter("seawall_tls_failures_total", "TLS handshakes that failed")?,
            timeouts,
            http2: crate::client::Http2Counters::new(&registry)?,
            panics: counter("seawall_panics_total", "Panics caught; each is a bug")?,
            bad_responses: counter(
                "seawall_bad_responses_total",
                "Origin responses refused with 502",
            )?,
            retries: counter(
                "seawall_retries_total",
                "Requests retried on another server",
            )?,
            retries_denied: counter(
                "seawall_retries_denied_total",
                "Retries not made for lack of budget",
            )?,
            stalls: counter(
                "seawall_stalls_total",
                "Computations of over 1 ms on a worker thread",
            )?,
            tunnels,
            tunnel_bytes_up: tunnel_bytes.with_label_values(&["from_client"]),
            tunnel_bytes_down: tunnel_bytes.with_label_values(&["to_client"]),
            reloads: counter("seawall_reloads_total", "Configurations loaded")?,
            reload_failures: counter("seawall_reload_failures_total", "Configurations refused")?,
            refused,
            requests: family(
                "seawall_requests_total",
                "Requests answered",
                &["site", "class"],
            )?,
            durations,
            ledgers: Ledgers::new(&registry)?,
            waf: family(
                "seawall_waf_requests_total",
                "Requests over the WAF's threshold",
                &["site", "action"],
            )?,
            waf_shadow: family(
                "seawall_waf_shadow_total",
                "Requests judged by a shadow rule set, too, by who would have refused them",
                &["site", "result"],
            )?,
            waf_tried: family(
                "seawall_waf_dry_run_total",
                "Requests in which a rule matched that is only tried",
                &["rule_set", "rule"],
            )?,
            challenges: family(
                "seawall_challenges_total",
                "Requests at a challenge",
                &["site", "result"],
            )?,
            access: family(
                "seawall_access_total",
                "Decisions of the access step, by site and result",
                &["site", "result"],
            )?,
            lists: family(
                "seawall_list_denied_total",
                "Requests denied because their client is on a list",
                &["site", "list"],
            )?,
            key_fetch_failures: counter(
                "seawall_key_fetch_failures_total",
                "Key sets that could not be fetched",
            )?,
            loops: counter(
                "seawall_loops_total",
                "Requests that had passed here too often, answered with 508",
            )?,
            origin: family(
                "seawall_origin_events_total",
                "What happened towards origins",
                &["pool", "event"],
            )?,
            registry,
        })
    }

    /// Counts a response that is compressed.
    pub fn encoded(&self, coding: seawall_http::Coding) {
        if let Some(counter) = self.encoded.get(coding as usize) {
            counter.inc();
        }
    }

    /// Counts a refused head.
    pub fn refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.get(refusal.as_str()) {
            counter.inc();
        }
    }

    /// Those of a site that a list denies.
    pub fn list_denied(&self, site: &str, list: &str) -> IntCounter {
        self.lists.with_label_values(&[site, list])
    }

    /// The counter of a rule that is only tried.
    pub fn waf_tried(&self, rule_set: &str, rule: u32) -> IntCounter {
        let rule = rule.to_string();
        self.waf_tried.with_label_values(&[rule_set, &rule])
    }

    /// The handles of a site.
    pub fn site(&self, name: &str) -> SiteMetrics {
        SiteMetrics {
            by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .map(|c| self.requests.with_label_values(&[name, c])),
            duration: self.durations.with_label_values(&[name]),
            waf_denied: self.waf.with_label_values(&[name, "denied"]),
            waf_detected: self.waf.with_label_values(&[name, "detected"]),
            waf_shadow: SHADOW_RESULTS.map(|r| self.waf_shadow.with_label_values(&[name, r])),
            challenges: CHALLENGE_RESULTS.map(|r| self.challenges.with_label_values(&[name, r])),
            access: ACCESS_RESULTS.map(|r| self.access.with_label_values(&[name, r])),
        }
    }

    /// The handles of a pool.
    pub fn pool(&self, name: &str) -> PoolMetrics {
        let event = |e: &str| self.origin.with_label_values(&[name, e]);
        PoolMetrics {
            connects: event("connect"),
            connect_failures: event("connect_failure"),
            requests: event("request"),
            timeouts: event("timeout"),
            reuses: event("reuse"),
            queued: event("queued"),
            queue_full: event("queue_full"),
            queue_timeouts: event("queue_timeout"),
            breaker_refusals: event("breaker_refusal"),
            hedges: event("hedge"),
            hedge_wins: event("hedge_win"),
            checks_passed: event("check_passed"),
            checks_failed: event("check_failed"),
            mirrored: event("mirror"),
            mirror_failures: event("mirror_failure"),
        }
    }

    /// The registry, for what other rooms add.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text format of Prometheus.
    pub fn render(&self) -> Vec<u8> {
        use prometheus::Encoder;
        let mut out = Vec::new();
        // Encoding to memory fails only for a family without metrics, and then the rest is still there.
        let _ = prometheus::TextEncoder::new().encode(&self.registry.gather(), &mut out);
        out
    }
}

impl SiteMetrics {
    /// Counts a decision of the access step.
    pub fn access(&self, result: AccessResult) {
        if let Some(counter) = self.access.get(result as usize) {
            counter.inc();
        }
    }

    /// Counts what became of a request at a challenge.
    pub fn challenged(&self, result: ChallengeResult) {
        if let Some(counter) = self.challenges.get(result as usize) {
            counter.inc();
        }
    }

    /// Counts what a rule set and its shadow came to.
    pub fn waf_shadowed(&self, refused: bool, shadow: bool) {
        let index = 2 * usize::from(refused) + usize::from(shadow);
        if let Some(counter) = self.waf_shadow.get(index) {
            counter.inc();
        }
    }

    /// Counts an answer.
    pub fn answered(&self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        if let Some(counter) = self.by_class.get(class) {
            counter.inc();
        }
        self.duration.observe(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_declared_once_and_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.site("shop.test").answered(404, 0.002);
        metrics.site("shop.test").answered(999, 0.002);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(
            text.contains(r#"seawall_requests_total{class="4xx",site="shop.test"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"class="5xx",site="shop.test"} 1"#));
    }
}
