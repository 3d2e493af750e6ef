//! The servers: what they share, UDP on threads of its own, TCP and QUIC on tokio.

mod clients;
mod front;
mod https;
pub(crate) mod orders;
mod quic;
mod tcp;
mod udp;

pub use front::{Header as ProxyHeader, Proxies};
pub use https::HttpsAnswer;
pub use quic::QuicServer;
pub use tcp::{Front, serve_streams, serve_tcp, serve_tls};
pub use udp::serve_udp;

use crate::authority::Authority;
use crate::limits::TRANSFERS_MAX;
use crate::policy::{Peer, Policies};
use crate::{
    Client, Counters, DropReason, Guard, Health, Name, Out, QueryLog, Transport, Verdict, Zones,
    answer,
};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, broadcast, watch};

/// Who asks, and over what.
type Whence = (IpAddr, Transport);

/// Zones and the health their dynamic records ask: one value, because a [`crate::HealthId`] means something only to
/// the [`Health`] it was given out by.
pub struct Serving {
    /// What is answered.
    pub zones: Arc<Zones>,
    /// What dynamic records ask.
    pub health: Arc<dyn Health>,
    /// What others may do with the zones.
    pub policies: Arc<Policies>,
    /// Cookies and limits.
    pub guard: Arc<Guard>,
    /// Where answered queries are noted.
    pub log: Option<Arc<QueryLog>>,
}

impl Serving {
    /// Notes an answer in the log.
    fn note(&self, client: IpAddr, transport: Transport, reply: &[u8]) {
        if let Some(log) = &self.log {
            log.note(client, transport, reply);
        }
    }
}

/// What all servers of a daemon share.
pub struct Shared {
    serving: ArcSwap<Serving>,
    /// What was answered.
    pub counters: Counters,
    pub(crate) authority: Authority,
    changed: broadcast::Sender<Name>,
    /// Zones that are copies, with the addresses they are copied from and what wakes their tasks.
    copies: Mutex<HashMap<Name, Followed>>,
    /// Places for transfers that are sent.
    pub(crate) transfers: Arc<Semaphore>,
    pub(crate) udp_updates: AtomicUsize,
}

struct Followed {
    primaries: Vec<IpAddr>,
    wake: watch::Sender<u64>,
}

/// Changed zones that nobody has heard of yet; who is further behind looks at all.
const CHANGES_BEHIND: usize = 256;

impl Shared {
    /// Starts with these zones.
    pub fn new(zones: Zones, health: Arc<dyn Health>) -> Self {
        let serving = ArcSwap::from_pointee(Serving {
            zones: Arc::new(zones),
            health,
            policies: Arc::default(),
            guard: Arc::default(),
            log: None,
        });
        Self {
            serving,
            counters: Counters::default(),
            authority: Authority::default(),
            changed: broadcast::channel(CHANGES_BEHIND).0,
            copies: Mutex::default(),
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            udp_updates: AtomicUsize::new(0),
        }
    }

    /// Answers from these zones from the next batch of queries on; nothing is lost meanwhile. What was changed while
    /// they were served (updates, tokens) is put on top of them. What others may do stays as it is.
    pub fn publish(&self, zones: Zones, health: Arc<dyn Health>) {
        let serving = self.serving_now();
        let policies = (*serving.policies).clone();
        self.publish_with(zones, health, policies, Arc::clone(&serving.guard));
    }

    /// As [`Self::publish`], with what others may do with the zones.
    pub fn publish_with(
        &self,
        mut zones: Zones,
        health: Arc<dyn Health>,
        policies: Policies,
        guard: Arc<Guard>,
    ) {
        let mut kept = self.authority.lock();
        let changed = self.adopt(&mut kept, &mut zones);
        let before = self.serving_now();
        for name in self.copies().keys() {
            if let Some(copy) = before.zones.get(name).filter(|_| zones.get(name).is_none()) {
                zones.insert(name, Arc::clone(copy));
            }
        }
        zones.count_on(&before.zones);
        self.serving.store(Arc::new(Serving {
            zones: Arc::new(zones),
            health,
            policies: Arc::new(policies),
            guard,
            log: before.log.clone(),
        }));
        self.all_settled(&kept);
        drop(kept);
        changed.iter().for_each(|name| self.announce(name));
    }

    /// Notes answered queries there from now on.
    pub fn log_queries(&self, log: Option<Arc<QueryLog>>) {
        let _kept = self.authority.lock();
        let serving = self.serving_now();
        self.serving.store(Arc::new(Serving {
            zones: Arc::clone(&serving.zones),
            health: Arc::clone(&serving.health),
            policies: Arc::clone(&serving.policies),
            guard: Arc::clone(&serving.guard),
            log,
        }));
    }

    fn copies(&self) -> MutexGuard<'_, HashMap<Name, Followed>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a zone is changed elsewhere.
    pub(crate) fn is_copy(&self, zone: &Name) -> bool {
        self.copies().contains_key(&zone.lower())
    }

    /// Notes that a zone is a copy. What is given wakes up when its primary says that it has changed.
    pub(crate) fn follow(&self, zone: &Name, primaries: Vec<IpAddr>) -> watch::Receiver<u64> {
        let (wake, woken) = watch::channel(0);
        self.copies()
            .insert(zone.lower(), Followed { primaries, wake });
        woken
    }

    pub(crate) fn unfollow(&self, zone: &Name) {
        self.copies().remove(&zone.lower());
    }

    /// Takes a NOTIFY. `None` for a zone that is no copy, `false` from somebody who is none of its primaries.
    pub(crate) fn notified(&self, zone: &Name, from: IpAddr) -> Option<bool> {
        let copies = self.copies();
        let copy = copies.get(&zone.lower())?;
        let known = copy
            .primaries
            .iter()
            .any(|p| p.to_canonical() == from.to_canonical());
        if known {
            copy.wake.send_modify(|n| *n += 1);
        }
        Some(known)
    }

    /// Whom to tell that a zone has changed.
    pub(crate) fn notified_peers(&self, zone: &Name) -> Vec<Peer> {
        let serving = self.serving_now();
        serving
            .policies
            .get(zone)
            .map(|p| p.notify.clone())
            .unwrap_or_default()
    }

    /// Serves a zone no longer, as it is too old.
    pub(crate) fn expire(&self, zone: &Name) {
        let _kept = self.authority.lock();
        self.swap(|zones| zones.expire(zone));
    }

    /// Serves a zone no longer, as if it had never been.
    pub(crate) fn withdraw(&self, zone: &Name) {
        let _kept = self.authority.lock();
        self.swap(|zones| {
            zones.remove(zone);
        });
    }

    /// What is answered from now.
    pub fn serving(&self) -> arc_swap::Guard<Arc<Serving>> {
        self.serving.load()
    }

    pub(crate) fn serving_now(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Names of zones whose serial number has changed.
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
            policies: Arc::clone(&serving.policies),
            guard: Arc::clone(&serving.guard),
            log: serving.log.clone(),
        }));
    }
}

/// Answers, and outlives a panic: one query is lost instead of the thread that serves all others. Nothing is left
/// half-done, as zones are never written to and every answer starts its buffer anew.
fn guarded(zones: &Zones, query: &[u8], client: &Client<'_>, out: &mut Out<'_>) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| answer(zones, query, client, out)))
        .unwrap_or(Verdict::Drop(DropReason::Panic))
}
