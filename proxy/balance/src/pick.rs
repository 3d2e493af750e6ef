//! Choosing a server.

use crate::{
    health::Probe,
    lease::Lease,
    limits::PROBE_WINDOW_MAX,
    moment::{NEVER, as_millis, millis},
    options::Algorithm,
    pool::Pool,
    rotation::Rotation,
    server::Server,
    tried::Tried,
    view::View,
};
use std::{
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    time::{Duration, Instant},
};

impl Pool {
    /// A server for a request that has tried `tried` already; `None` when no other is left. `random` should be
    /// uniform over all its bits.
    ///
    /// Lock-free and without allocation, except for the first pick after a change of state.
    pub fn pick(&self, now: Instant, random: u64, tried: &Tried) -> Option<Lease> {
        let view = self.view();
        let index = self
            .claim_probe(&view, millis(now), tried)
            .or_else(|| self.choose(&view.primaries, random, tried))
            .or_else(|| self.choose(&view.backups, random, tried))
            .or_else(|| self.last_resort(&view, random, tried))?;
        self.servers
            .get(index)
            .map(|server| Lease::new(index, server))
    }

    fn choose(&self, rotation: &Rotation, random: u64, tried: &Tried) -> Option<usize> {
        if rotation.is_empty() {
            return None;
        }
        // The view may be a moment old; the server's own word is the last.
        let fits = |&index: &usize| {
            !tried.contains(index) && self.server(index).is_some_and(Server::is_usable)
        };
        match self.options.algorithm {
            Algorithm::RoundRobin => rotation.from(self.cursor.fetch_add(1, Relaxed)).find(fits),
            Algorithm::P2c => {
                let first = rotation.from(rotation.place(random as u32)).find(fits)?;
                let other = |index: &usize| *index != first && fits(index);
                let second = rotation
                    .from(rotation.place((random >> 32) as u32))
                    .find(other);
                Some(second.map_or(first, |second| self.less_loaded(first, second)))
            }
        }
    }

    /// The one with fewer requests in flight for its weight; the first on a tie, as it was drawn by weight.
    fn less_loaded(&self, first: usize, second: usize) -> usize {
        let (Some(a), Some(b)) = (self.server(first), self.server(second)) else {
            return first;
        };
        let load =
            |this: &Server, other: &Server| u64::from(this.in_flight()) * u64::from(other.weight());
        if load(b, a) < load(a, b) {
            second
        } else {
            first
        }
    }

    /// An ejected server whose time has run out, claimed by one request at a time.
    fn claim_probe(&self, view: &View, now_ms: u64, tried: &Tried) -> Option<usize> {
        if now_ms < view.next_probe_ms {
            return None;
        }
        view.ejected
            .from(0)
            .find(|&index| !tried.contains(index) && self.claim(index, now_ms))
    }

    fn claim(&self, index: usize, now_ms: u64) -> bool {
        let Some(server) = self.server(index) else {
            return false;
        };
        let until_ms = server.health.ejected_until.load(Acquire);
        if until_ms == NEVER || until_ms > now_ms || !server.is_eligible() {
            return false;
        }
        let window = self
            .ejection_base(server)
            .clamp(Duration::from_millis(1), PROBE_WINDOW_MAX);
        let next_ms = now_ms.saturating_add(as_millis(window));
        // Under no lock: of several requests that see the time run out, one wins the exchange.
        let claimed = server
            .health
            .ejected_until
            .compare_exchange(until_ms, next_ms, AcqRel, Acquire)
            .is_ok();
        if claimed {
            server.health.set_probe(Probe::Due);
            self.lineage.changed();
        }
        claimed
    }

    fn last_resort(&self, view: &View, random: u64, tried: &Tried) -> Option<usize> {
        let fits = |&index: &usize| {
            !tried.contains(index) && self.server(index).is_some_and(Server::is_eligible)
        };
        let index = view
            .ejected
            .from(view.ejected.place(random as u32))
            .find(fits)?;
        self.server(index)?.health.note_last_resort();
        Some(index)
    }

    pub(crate) fn server(&self, index: usize) -> Option<&Server> {
        self.servers.get(index).map(|server| &**server)
    }
}
