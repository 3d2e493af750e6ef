//! A server of a pool.

use crate::{
    health::Health,
    moment::{NEVER, as_millis, millis},
    options::ServerOptions,
    queue::Queue,
};
use std::{
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

/// A server: its options in this pool, and what is known of it.
#[derive(Debug)]
pub struct Server {
    pub(crate) options: ServerOptions,
    /// Whether the pool has active checks: without, what an older generation's checks found does not count.
    pub(crate) checked: bool,
    /// Who waits for a slot here; only where `max_conns` bounds them.
    pub(crate) queue: Option<Arc<Queue>>,
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

    /// Its share, at least 1: as set at run time by [`Pool::set_weight`](crate::Pool::set_weight), else as configured.
    pub fn weight(&self) -> u32 {
        match self.health.weight.load(Relaxed) {
            0 => self.options.weight.max(1),
            weight => weight,
        }
    }

    /// The most requests in flight at once; 0 for no limit.
    pub fn max_conns(&self) -> u32 {
        self.options.max_conns
    }

    /// Whether as many requests are in flight as may be.
    pub fn is_full(&self) -> bool {
        let max = self.options.max_conns;
        max != 0 && self.health.in_flight.load(SeqCst) >= max
    }

    /// How much of its weight counts, in percent: less than 100 in slow start.
    pub fn ramp(&self, now: Instant) -> u32 {
        self.ramp_percent(millis(now))
    }

    /// The moving average of its latency; `None` before the first answer, or where the pool does not choose by it.
    pub fn average_latency(&self) -> Option<Duration> {
        self.health.ewma.value()
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
        } else if self.is_draining() {
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

    /// When its slow start is over, in milliseconds; [`NEVER`] when it has none.
    pub(crate) fn ramps_until_ms(&self) -> u64 {
        match self.health.recovered_at.load(Relaxed) {
            NEVER => NEVER,
            _ if self.options.slow_start.is_zero() => NEVER,
            at => at.saturating_add(as_millis(self.options.slow_start)),
        }
    }

    pub(crate) fn ramp_percent(&self, now_ms: u64) -> u32 {
        let until_ms = self.ramps_until_ms();
        if until_ms <= now_ms {
            return 100;
        }
        let whole_ms = as_millis(self.options.slow_start).max(1);
        let passed_ms = whole_ms.saturating_sub(until_ms - now_ms);
        // At most a hundred: the quotient fits.
        ((passed_ms.saturating_mul(100) / whole_ms) as u32).clamp(1, 100)
    }

    /// Whether it takes nothing new by an order or by configuration, be it up or down.
    pub fn is_draining(&self) -> bool {
        self.options.drain || self.health.draining.load(Relaxed)
    }

    /// Whether it would take requests, were it not draining.
    pub(crate) fn serves_its_sessions(&self) -> bool {
        !self.is_down() && !self.health.is_ejected()
    }

    fn is_down(&self) -> bool {
        self.options.down || (self.checked && self.health.check_down.load(Acquire))
    }

    /// Whether nothing but a passive ejection may keep it from requests.
    pub(crate) fn is_eligible(&self) -> bool {
        !self.is_down() && !self.is_draining()
    }

    /// Whether it takes requests.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_eligible() && !self.health.is_ejected()
    }
}
