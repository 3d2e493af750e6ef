//! What became of requests and checks, and what follows from it.

use crate::{
    health::{Health, Probe},
    limits::{EJECTION_MAX, RATIO_WINDOW_MAX, RATIO_WINDOW_MIN},
    moment::{NEVER, as_millis, instant, millis},
    options::{Algorithm, EjectRatio},
    pool::Pool,
    server::Server,
    transition::{Ejection, Transition},
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

    /// Whether it counts where shares are judged (ejection by ratio, breakers, latency): failures and any other 5xx but
    /// 501 and 505, which speak of the request.
    pub fn is_error(&self) -> bool {
        match self {
            Self::Answered { status, .. } => {
                (500..=599).contains(status) && !matches!(status, 501 | 505)
            }
            _ => self.is_failure(),
        }
    }
}

impl Pool {
    /// Notes what became of a request to the server at `index`; lock-free while all is well.
    pub fn report(&self, now: Instant, index: usize, outcome: Outcome) -> Option<Transition> {
        let server = self.server(index)?;
        let health = &server.health;
        let now_ms = millis(now);
        let ratio = self.options.eject.ratio.as_ref();
        let is_failure = outcome.is_failure();
        let is_error = is_failure || (ratio.is_some() && outcome.is_error());
        self.note_latency(now_ms, health, &outcome);
        if let Some(ratio) = ratio {
            health.ratio.note(now_ms, window_ms(ratio), is_error);
        }
        if is_failure {
            health.failed.fetch_add(1, Relaxed);
            health.failures.fetch_add(1, Relaxed);
        } else {
            health.answered.fetch_add(1, Relaxed);
            if health.failures.load(Relaxed) != 0 {
                health.failures.store(0, Relaxed);
            }
        }
        if is_error {
            self.consider_ejection(now, server)
        } else {
            self.consider_readmission(now, health)
        }
    }

    fn note_latency(&self, now_ms: u64, health: &Health, outcome: &Outcome) {
        if let Outcome::Answered { latency, .. } = *outcome {
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            health.latency_us.fetch_add(latency_us, Relaxed);
        }
        if self.options.algorithm == Algorithm::Ewma {
            match *outcome {
                // An error may come fast.
                _ if outcome.is_error() => health.ewma.penalise(now_ms),
                Outcome::Answered { latency, .. } => health.ewma.observe(now_ms, latency),
                _ => {}
            }
        }
        if let (Some(hedge), Outcome::Answered { latency, .. }) = (self.hedge(), *outcome) {
            hedge.observe(latency);
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
            if first {
                // It was waited for, not down: nothing to recover from.
                health.recovered_at.store(NEVER, Relaxed);
            }
        }
        self.lineage.changed();
        Some(if ok { Transition::Up } else { Transition::Down })
    }

    fn consider_readmission(&self, now: Instant, health: &Health) -> Option<Transition> {
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

    fn consider_ejection(&self, now: Instant, server: &Server) -> Option<Transition> {
        let health = &server.health;
        if !health.is_ejected() {
            self.grounds(now, server)?;
        }
        let _changes = self.lineage.changes.lock();
        let why = if health.is_ejected() {
            // Others that were under way when it was ejected fail too; they do not lengthen the ejection.
            if health.probe() != Probe::Due {
                return None;
            }
            Ejection::InARow
        } else {
            self.grounds(now, server)
                .filter(|_| self.may_eject(server))?
        };
        Some(self.eject(now, server, why))
    }

    /// Why the server should be ejected, if it should.
    fn grounds(&self, now: Instant, server: &Server) -> Option<Ejection> {
        let health = &server.health;
        if server.options.max_fails == Some(0) {
            return None;
        }
        let after = server.options.max_fails.unwrap_or(self.options.eject.after);
        if after != 0 && health.failures.load(Relaxed) >= after {
            return Some(Ejection::InARow);
        }
        let ratio = self.options.eject.ratio.as_ref()?;
        let counts = health.ratio.counts(millis(now), window_ms(ratio));
        counts
            .reaches(ratio.percent, ratio.min_requests)
            .then_some(Ejection::Ratio)
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

    fn eject(&self, now: Instant, server: &Server, why: Ejection) -> Transition {
        let health = &server.health;
        let now_ms = millis(now);
        let base = self.ejection_base(server);
        let longest = self.options.eject.at_longest.max(base).min(EJECTION_MAX);
        let forgotten_ms = as_millis(longest);
        let readmitted_at = health.readmitted_at.load(Relaxed);
        let was_good = !health.is_ejected() && now_ms.saturating_sub(readmitted_at) > forgotten_ms;
        let repeats = if was_good {
            1
        } else {
            health.repeats.load(Relaxed).saturating_add(1)
        };
        health.repeats.store(repeats, Relaxed);
        // nginx's fail_timeout is constant; ours doubles.
        let for_ = if server.options.fail_timeout.is_some() {
            base
        } else {
            let growth = 1u32.checked_shl(repeats - 1).unwrap_or(u32::MAX);
            base.saturating_mul(growth).min(longest)
        };
        let until_ms = now_ms.saturating_add(as_millis(for_).max(1));
        health.ejections.fetch_add(1, Relaxed);
        health.set_probe(Probe::None);
        health.ejected_until.store(until_ms, Release);
        self.lineage.changed();
        Transition::Ejected {
            until: instant(until_ms, now),
            for_,
            why,
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

fn window_ms(ratio: &EjectRatio) -> u64 {
    as_millis(ratio.window.clamp(RATIO_WINDOW_MIN, RATIO_WINDOW_MAX))
}
