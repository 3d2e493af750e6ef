//! The servers: what they share, UDP on threads of its own, TCP on tokio.

mod tcp;
mod udp;

pub use tcp::serve_tcp;
pub use udp::serve_udp;

use crate::authority::Authority;
use crate::{Client, Counters, DropReason, Health, Name, Out, Verdict, Zones, answer};
use arc_swap::{ArcSwap, Guard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::broadcast;

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
    pub(crate) authority: Authority,
    changed: broadcast::Sender<Name>,
}

/// Changed zones that nobody has heard of yet; who is further behind looks at all.
const CHANGES_BEHIND: usize = 256;

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
            authority: Authority::default(),
            changed: broadcast::channel(CHANGES_BEHIND).0,
        }
    }

    /// Answers from these zones from the next batch of queries on; nothing is lost meanwhile. What was changed while
    /// they were served (updates, tokens) is put on top of them.
    pub fn publish(&self, mut zones: Zones, health: Arc<dyn Health>) {
        let mut kept = self.authority.lock();
        let changed = self.adopt(&mut kept, &mut zones);
        self.serving.store(Arc::new(Serving {
            zones: Arc::new(zones),
            health,
        }));
        drop(kept);
        changed.iter().for_each(|name| self.announce(name));
    }

    /// What is answered from now.
    pub fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }

    pub(crate) fn serving_now(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Names of zones whose serial number has changed.
    #[allow(dead_code, reason = "notifications are the next step")]
    pub(crate) fn changes(&self) -> broadcast::Receiver<Name> {
        self.changed.subscribe()
    }

    pub(crate) fn announce(&self, zone: &Name) {
        // Without anybody to notify there is nobody to tell.
        let _ = self.changed.send(zone.clone());
    }

    /// Serves other zones with the same health. Called with the lock on what is kept, so that no change is lost.
    pub(crate) fn swap(&self, change: impl FnOnce(&mut Zones)) {
        let serving = self.serving_now();
        let mut zones = (*serving.zones).clone();
        change(&mut zones);
        self.serving.store(Arc::new(Serving {
            zones: Arc::new(zones),
            health: Arc::clone(&serving.health),
        }));
    }
}

impl Serving {
    /// Whether a zone is changed elsewhere.
    pub(crate) fn is_copy(&self, _zone: &Name) -> bool {
        false
    }
}

/// Answers, and outlives a panic: one query is lost instead of the thread that serves all others. Nothing is left
/// half-done, as zones are never written to and every answer starts its buffer anew.
fn guarded(zones: &Zones, query: &[u8], client: &Client<'_>, out: &mut Out<'_>) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| answer(zones, query, client, out)))
        .unwrap_or(Verdict::Drop(DropReason::Panic))
}
