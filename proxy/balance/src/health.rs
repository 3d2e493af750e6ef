//! What is known of a server: counts and health, shared by all generations of its pool.

use crate::{ewma::Ewma, moment::NEVER, ratio::Ratio};
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Why a request goes to an ejected server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Probe {
    /// None does.
    None = 0,
    /// Its ejection ran out: this request's outcome decides.
    Due = 1,
    /// No other server was left: its success readmits, its failure changes nothing.
    LastResort = 2,
}

/// A server's counts and health.
///
/// Everything is atomic so that the hot path reads it without a lock; fields marked *slow* are written only under the
/// lineage's lock.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) in_flight: AtomicU32,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) latency_us: AtomicU64,
    pub(crate) ewma: Ewma,
    pub(crate) draining: AtomicBool,
    /// Set at run time; 0 for the configured one.
    pub(crate) weight: AtomicU32,
    /// Requests and errors lately, where the pool ejects by their ratio.
    pub(crate) ratio: Ratio,
    /// Failures of requests in a row.
    pub(crate) failures: AtomicU32,
    /// Milliseconds, [`NEVER`] when not ejected. Slow, but for the claim of a probe.
    pub(crate) ejected_until: AtomicU64,
    probe: AtomicU8,
    /// Ejections so far. Slow.
    pub(crate) ejections: AtomicU64,
    /// Ejections without a long good time between them. Slow.
    pub(crate) repeats: AtomicU32,
    /// When it was last readmitted. Slow.
    pub(crate) readmitted_at: AtomicU64,
    /// When its slow start began; [`NEVER`] at the first start. Slow.
    pub(crate) recovered_at: AtomicU64,
    /// By the active check. Slow.
    pub(crate) check_down: AtomicBool,
    /// Whether a check has ever reported. Slow.
    pub(crate) checked_once: AtomicBool,
    /// Checks in a row that contradict the state. Slow.
    pub(crate) contradictions: AtomicU32,
}

impl Health {
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejected_until.load(Acquire) != NEVER
    }

    pub(crate) fn probe(&self) -> Probe {
        match self.probe.load(Acquire) {
            1 => Probe::Due,
            2 => Probe::LastResort,
            _ => Probe::None,
        }
    }

    pub(crate) fn set_probe(&self, probe: Probe) {
        self.probe.store(probe as u8, Release);
    }

    /// Notes a use as last resort, unless a due probe is under way, whose outcome weighs more.
    pub(crate) fn note_last_resort(&self) {
        let _ = self.probe.compare_exchange(
            Probe::None as u8,
            Probe::LastResort as u8,
            Release,
            Relaxed,
        );
    }

    /// Ends the ejection and all memory of the failures that led to it, except how often it happened.
    pub(crate) fn readmit(&self, now_ms: u64) {
        self.failures.store(0, Relaxed);
        self.ratio.clear();
        self.set_probe(Probe::None);
        self.readmitted_at.store(now_ms, Relaxed);
        self.recovered_at.store(now_ms, Relaxed);
        self.ejected_until.store(NEVER, Release);
    }
}
