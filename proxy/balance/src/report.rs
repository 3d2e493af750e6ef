//! What became of requests and checks, and what follows from it.

use crate::{
    health::{Health, Probe},
    limits::{EJECTION_GROWTH_MAX, EJECTION_MAX},
    moment::{NEVER, as_millis, instant, millis},
    pool::Pool,
    server::Server,
    transition::Transition,
};
use std::{
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    time::{Duration, Instant},
};

/// What became of a request to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response head came. 502, 503 and 504 count as failures: they speak of the server, not of the request.
    Answered {
        /// Its status.
        status: u16,
        /// From the request's last byte sent to the head.
        latency: Duration,
    },
    /// No connection could be made.
    ConnectFailed,
    /// No answer in time.
    TimedOut,
    /// The connection broke, or what came was not HTTP.
    Broken,
}

impl Outcome {
    /// Whether it counts against the server.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Answered { status, .. } => matches!(status, 502..=504),
            Self::ConnectFailed | Self::TimedOut | Self::Broken => true,
        }
    }
}

impl Pool {
    /// Notes what became of a request to the server at `index`; lock-free while all is well.
    pub fn report(&self, now: Instant, index: usize, outcome: Outcome) -> Option<Transition> {
        let server = self.server(index)?;
        if let Outcome::Answered { latency, .. } = outcome {
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            server.health.latency_us.fetch_add(latency_us, Relaxed);
        }
        if outcome.is_failure() {
            self.note_failure(now, server)
        } else {
            self.note_success(now, server)
        }
    }

    /// Notes a check's result: `fall` failures in a row make a server down, `rise` successes up. The very first result
    /// counts at once.
    pub fn check_result(&self, now: Instant, index: usize, ok: bool) -> Option<Transition> {
        let server = self
            .server(index)
            .filter(|server| server.checked && !server.options.down)?;
        let _changes = self.lineage.changes.lock();
        let health = &server.health;
        let first = !health.checked_once.swap(true, Relaxed);
        let is_down = health.check_down.load(Relaxed);
        if ok != is_down {
            health.contradictions.store(0, Relaxed);
            return if ok {
                self.readmit_expired(now, health)
            } else {
                None
            };
        }
        let contradictions = health.contradictions.load(Relaxed).saturating_add(1);
        let needed = if ok {
            self.options.rise
        } else {
            self.options.fall
        };
        if contradictions < needed && !first {
            health.contradictions.store(contradictions, Relaxed);
            return None;
        }
        health.contradictions.store(0, Relaxed);
        health.check_down.store(!ok, Release);
        if ok {
            // What it did before it went down says nothing about it now.
            health.readmit(millis(now));
        }
        self.lineage.changed();
        Some(if ok { Transition::Up } else { Transition::Down })
    }

    fn note_success(&self, now: Instant, server: &Server) -> Option<Transition> {
        let health = &server.health;
        health.answered.fetch_add(1, Relaxed);
        if health.failures.load(Relaxed) != 0 {
            health.failures.store(0, Relaxed);
        }
        // A request that began before the ejection and ends well now proves nothing: only a probe does.
        if !health.is_ejected() || health.probe() == Probe::None {
            return None;
        }
        let _changes = self.lineage.changes.lock();
        if !health.is_ejected() {
            return None;
        }
        health.readmit(millis(now));
        self.lineage.changed();
        Some(Transition::Readmitted)
    }

    fn note_failure(&self, now: Instant, server: &Server) -> Option<Transition> {
        let health = &server.health;
        health.failed.fetch_add(1, Relaxed);
        let failures = health.failures.fetch_add(1, Relaxed).saturating_add(1);
        let after = server.options.max_fails.unwrap_or(self.options.eject.after);
        if after == 0 || (failures < after && !health.is_ejected()) {
            return None;
        }
        let _changes = self.lineage.changes.lock();
        if health.is_ejected() {
            // Others that were under way when it was ejected fail too; they do not lengthen the ejection.
            if health.probe() != Probe::Due {
                return None;
            }
        } else if health.failures.load(Relaxed) < after || !self.may_eject(server) {
            return None;
        }
        Some(self.eject(now, server))
    }

    /// Whether the cap leaves room, and another server would still take requests.
    fn may_eject(&self, server: &Server) -> bool {
        let ejected = self
            .servers
            .iter()
            .filter(|server| server.health.is_ejected())
            .count();
        let is_other = |other: &Server| !std::ptr::eq(other, server);
        ejected < self.ejected_max()
            && self
                .servers
                .iter()
                .any(|other| is_other(other) && other.is_usable())
    }

    fn eject(&self, now: Instant, server: &Server) -> Transition {
        let health = &server.health;
        let now_ms = millis(now);
        let base = self.ejection_base(server);
        let forgotten_ms = as_millis(base.saturating_mul(EJECTION_GROWTH_MAX));
        let readmitted_at = health.readmitted_at.load(Relaxed);
        let was_good = !health.is_ejected() && now_ms.saturating_sub(readmitted_at) > forgotten_ms;
        let repeats = if was_good {
            1
        } else {
            health.repeats.load(Relaxed).saturating_add(1)
        };
        health.repeats.store(repeats, Relaxed);
        // nginx's fail_timeout is constant; ours grows.
        let growth = if server.options.fail_timeout.is_some() {
            1
        } else {
            repeats.min(EJECTION_GROWTH_MAX)
        };
        let for_ = base.saturating_mul(growth).min(EJECTION_MAX);
        let until_ms = now_ms.saturating_add(as_millis(for_).max(1));
        health.ejections.fetch_add(1, Relaxed);
        health.set_probe(Probe::None);
        health.ejected_until.store(until_ms, Release);
        self.lineage.changed();
        Transition::Ejected {
            until: instant(until_ms, now),
            for_,
        }
    }

    /// A check that succeeds after the ejection's time proves the server, as a request would.
    fn readmit_expired(&self, now: Instant, health: &Health) -> Option<Transition> {
        let until_ms = health.ejected_until.load(Acquire);
        if until_ms == NEVER || millis(now) < until_ms {
            return None;
        }
        health.readmit(millis(now));
        self.lineage.changed();
        Some(Transition::Readmitted)
    }

    /// How long a server's first ejection lasts.
    pub(crate) fn ejection_base(&self, server: &Server) -> Duration {
        server
            .options
            .fail_timeout
            .unwrap_or(self.options.eject.for_)
            .min(EJECTION_MAX)
    }
}
