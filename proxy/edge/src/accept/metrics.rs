//! Counters of what is refused before a protocol is spoken.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of what is refused before a protocol is spoken.
pub struct AcceptMetrics {
    /// A peer outside `proxy_protocol.from`.
    pub untrusted: IntCounter,
    /// Something else in place of a PROXY header.
    pub bad: IntCounter,
    /// No PROXY header in time.
    pub late: IntCounter,
}

impl AcceptMetrics {
    /// Declares them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = IntCounterVec::new(
            Opts::new(
                "seawall_proxy_protocol_refused_total",
                "Connections refused where a PROXY protocol header is wanted, by reason",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(family.clone()))?;
        let reason = |r: &str| family.with_label_values(&[r]);
        Ok(Self {
            untrusted: reason("untrusted"),
            bad: reason("bad"),
            late: reason("late"),
        })
    }
}
