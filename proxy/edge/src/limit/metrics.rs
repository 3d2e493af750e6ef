//! Counters of limits.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The families, declared once.
pub struct LimitFamily {
    rates: IntCounterVec,
    connections: IntCounterVec,
}

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

/// The handles of one site's limits on requests at once.
#[derive(Clone)]
pub struct ConnectionMetrics {
    /// Refused.
    pub refused: IntCounter,
    /// Would have been refused (`dry_run`).
    pub dry_run: IntCounter,
}

impl LimitFamily {
    /// Declares it.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let rates = IntCounterVec::new(
            Opts::new(
                "seawall_rate_limited_total",
                "Requests over a rate limit, by what became of them",
            ),
            &["site", "result"],
        )?;
        registry.register(Box::new(rates.clone()))?;
        let connections = IntCounterVec::new(
            Opts::new(
                "seawall_connection_limited_total",
                "Requests over a limit on requests at once, by what became of them",
            ),
            &["site", "result"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        Ok(Self { rates, connections })
    }

    /// The handles of a site.
    pub fn site(&self, name: &str) -> LimitMetrics {
        LimitMetrics::of(&self.rates, name)
    }

    /// The handles of a site's limits on requests at once, where none waits.
    pub fn connections(&self, name: &str) -> ConnectionMetrics {
        let result = |r: &str| self.connections.with_label_values(&[name, r]);
        ConnectionMetrics {
            refused: result("refused"),
            dry_run: result("dry_run"),
        }
    }
}

impl LimitMetrics {
    fn of(family: &IntCounterVec, name: &str) -> Self {
        let result = |r: &str| family.with_label_values(&[name, r]);
        Self {
            refused: result("refused"),
            delayed: result("delayed"),
            dry_run: result("dry_run"),
            crowded: result("crowded"),
        }
    }
}
