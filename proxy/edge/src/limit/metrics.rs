//! Counters of rate limits.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The family, declared once.
pub struct LimitFamily(IntCounterVec);

/// The handles of one site.
#[derive(Clone)]
pub struct LimitMetrics {
    /// Refused.
    pub refused: IntCounter,
    /// Let wait.
    pub delayed: IntCounter,
    /// Would have been refused or let wait (`dry_run`).
    pub dry_run: IntCounter,
    /// Refused because too many were waiting.
    pub crowded: IntCounter,
}

impl LimitFamily {
    /// Declares it.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = IntCounterVec::new(
            Opts::new(
                "seawall_rate_limited_total",
                "Requests over a rate limit, by what became of them",
            ),
            &["site", "result"],
        )?;
        registry.register(Box::new(family.clone()))?;
        Ok(Self(family))
    }

    /// The handles of a site.
    pub fn site(&self, name: &str) -> LimitMetrics {
        let result = |r: &str| self.0.with_label_values(&[name, r]);
        LimitMetrics {
            refused: result("refused"),
            delayed: result("delayed"),
            dry_run: result("dry_run"),
            crowded: result("crowded"),
        }
    }
}
