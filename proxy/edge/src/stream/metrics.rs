//! Counters of streams.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The families, declared once.
pub struct StreamFamilies {
    events: IntCounterVec,
    bytes: IntCounterVec,
}

/// The handles of one stream.
#[derive(Clone)]
pub struct StreamMetrics {
    /// Connections taken, sessions begun.
    pub connections: IntCounter,
    /// Forbidden by `allow` and `deny`.
    pub forbidden: IntCounter,
    /// Refused because as many are open as may be.
    pub too_many: IntCounter,
    /// No server could be connected to.
    pub unconnected: IntCounter,
    /// No server for the name asked for.
    pub no_name: IntCounter,
    /// Ended because nothing was heard for too long.
    pub timeouts: IntCounter,
    /// Datagrams dropped: too many sessions, or a socket whose buffer was full.
    pub dropped: IntCounter,
    /// Bytes from clients.
    pub received: IntCounter,
    /// Bytes to clients.
    pub sent: IntCounter,
}

impl StreamFamilies {
    /// Declares them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = |name: &str, help: &str, label: &str| {
            let c = IntCounterVec::new(Opts::new(name, help), &["stream", label])?;
            registry.register(Box::new(c.clone()))?;
            Ok::<_, prometheus::Error>(c)
        };
        Ok(Self {
            events: family(
                "seawall_stream_events_total",
                "What happened to connections and sessions of streams",
                "event",
            )?,
            bytes: family(
                "seawall_stream_bytes_total",
                "Bytes of streams, from clients and to them",
                "direction",
            )?,
        })
    }

    /// The handles of a stream.
    pub fn stream(&self, name: &str) -> StreamMetrics {
        let event = |e: &str| self.events.with_label_values(&[name, e]);
        StreamMetrics {
            connections: event("connection"),
            forbidden: event("forbidden"),
            too_many: event("too_many"),
            unconnected: event("unconnected"),
            no_name: event("no_name"),
            timeouts: event("timeout"),
            dropped: event("dropped"),
            received: self.bytes.with_label_values(&[name, "received"]),
            sent: self.bytes.with_label_values(&[name, "sent"]),
        }
    }
}
