//! A server of a pool.

use crate::{
    health::Health,
    moment::{NEVER, millis},
    options::ServerOptions,
};
use std::{
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
    time::{Duration, Instant},
};

/// A server: its options in this pool, and what is known of it.
#[derive(Debug)]
pub struct Server {
    pub(crate) options: ServerOptions,
    /// Whether the pool has active checks: without, what an older generation's checks found does not count.
    pub(crate) checked: bool,
    pub(crate) health: Arc<Health>,
}

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Takes requests.
    Up,
    /// Down by its check or by configuration.
    Down,
    /// Left out after failures. When its time has run out it takes one request at a time until one succeeds.
    Ejected,
    /// Finishes what it has, takes nothing new.
    Draining,
}

/// What a server has done since it was first configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests it answered well: any status but 502, 503 and 504.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Times it was ejected.
    pub ejections: u64,
    /// Sum of the latencies of what it answered, well or not.
    pub latency: Duration,
}

impl Server {
    /// Its address, as configured.
    pub fn address(&self) -> &str {
        &self.options.address
    }

    /// Its share, at least 1.
    pub fn weight(&self) -> u32 {
        self.options.weight.max(1)
    }

    /// Whether it is a backup.
    pub fn is_backup(&self) -> bool {
        self.options.backup
    }

    /// Requests that hold a lease on it, over all generations of the pool.
    pub fn in_flight(&self) -> u32 {
        self.health.in_flight.load(Relaxed)
    }

    /// Its state.
    pub fn state(&self, _now: Instant) -> ServerState {
        if self.is_down() {
            ServerState::Down
        } else if self.health.draining.load(Relaxed) {
            ServerState::Draining
        } else if self.health.is_ejected() {
            ServerState::Ejected
        } else {
            ServerState::Up
        }
    }

    /// When its ejection runs out; `None` when it is not ejected or it has run out.
    pub fn ejected_until(&self, now: Instant) -> Option<Instant> {
        let until_ms = self.health.ejected_until.load(Acquire);
        (until_ms != NEVER && until_ms > millis(now)).then(|| crate::moment::instant(until_ms, now))
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            answered: self.health.answered.load(Relaxed),
            failed: self.health.failed.load(Relaxed),
            ejections: self.health.ejections.load(Relaxed),
            latency: Duration::from_micros(self.health.latency_us.load(Relaxed)),
        }
    }

    fn is_down(&self) -> bool {
        self.options.down || (self.checked && self.health.check_down.load(Acquire))
    }

    /// Whether nothing but a passive ejection may keep it from requests.
    pub(crate) fn is_eligible(&self) -> bool {
        !self.is_down() && !self.health.draining.load(Relaxed)
    }

    /// Whether it takes requests.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_eligible() && !self.health.is_ejected()
    }
}
