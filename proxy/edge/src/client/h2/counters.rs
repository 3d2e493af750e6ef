//! Counters of HTTP/2.

use super::watch::Flood;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of HTTP/2 clients.
pub struct Http2Counters {
    /// Connections that speak HTTP/2.
    pub connections: IntCounter,
    /// Requests refused with REFUSED_STREAM, because too many were open or had been reset.
    pub refused: IntCounter,
    /// Requests that a client reset, or gave up with its connection, before they were answered.
    pub abandoned: IntCounter,
    /// Streams ended because their request was malformed.
    pub malformed: IntCounter,
    /// Connections ended by a violation of the protocol.
    pub errors: IntCounter,
    floods: [IntCounter; Flood::ALL.len()],
}

impl Http2Counters {
    /// Declares them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let c = IntCounter::new(name, help)?;
            registry.register(Box::new(c.clone()))?;
            Ok(c)
        };
        let floods = IntCounterVec::new(
            Opts::new(
                "seawall_http2_floods_total",
                "HTTP/2 connections ended with ENHANCE_YOUR_CALM, by limit",
            ),
            &["limit"],
        )?;
        registry.register(Box::new(floods.clone()))?;
        Ok(Self {
            connections: counter("seawall_http2_connections_total", "HTTP/2 connections")?,
            refused: counter(
                "seawall_http2_refused_streams_total",
                "HTTP/2 requests refused with REFUSED_STREAM",
            )?,
            abandoned: counter(
                "seawall_http2_abandoned_total",
                "HTTP/2 requests reset by the client before they were answered",
            )?,
            malformed: counter(
                "seawall_http2_malformed_total",
                "HTTP/2 requests reset because they were malformed",
            )?,
            errors: counter(
                "seawall_http2_errors_total",
                "HTTP/2 connections ended by a violation of the protocol",
            )?,
            floods: Flood::ALL.map(|f| floods.with_label_values(&[f.as_str()])),
        })
    }

    /// Counts a flood.
    pub fn flood(&self, flood: Flood) {
        if let Some(counter) = self.floods.get(flood as usize) {
            counter.inc();
        }
    }
}
