//! The servers: what they share, UDP on threads of its own, TCP on tokio.

mod tcp;
mod udp;

pub use tcp::serve_tcp;
pub use udp::serve_udp;

use crate::{Client, Counters, DropReason, Health, Out, Verdict, Zones, answer};
use arc_swap::{ArcSwap, Guard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Zones and the health their dynamic records ask: one value, because a [`crate::HealthId`] means something only to
/// the [`Health`] it was given out by.
pub struct Serving {
    /// What is answered.
    pub zones: Arc<Zones>,
    /// What dynamic records ask.
    pub health: Arc<dyn Health>,
}

/// What all servers of a daemon share.
pub struct Shared {
    serving: ArcSwap<Serving>,
    /// What was answered.
    pub counters: Counters,
}

impl Shared {
    /// Starts with these zones.
    pub fn new(zones: Zones, health: Arc<dyn Health>) -> Self {
        let serving = ArcSwap::from_pointee(Serving {
            zones: Arc::new(zones),
            health,
        });
        Self {
            serving,
            counters: Counters::default(),
        }
    }

    /// Answers from these zones from the next batch of queries on; nothing is lost meanwhile.
    pub fn publish(&self, zones: Zones, health: Arc<dyn Health>) {
        self.serving.store(Arc::new(Serving {
            zones: Arc::new(zones),
            health,
        }));
    }

    /// What is answered from now.
    pub fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }
}

/// Answers, and outlives a panic: one query is lost instead of the thread that serves all others. Nothing is left
/// half-done, as zones are never written to and every answer starts its buffer anew.
fn guarded(zones: &Zones, query: &[u8], client: &Client<'_>, out: &mut Out<'_>) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| answer(zones, query, client, out)))
        .unwrap_or(Verdict::Drop(DropReason::Panic))
}
