//! Choosing a server: the order of preference. How one of a group is chosen is in `choose`.

use crate::{
    choose::Search,
    health::Probe,
    lease::Lease,
    limits::CLAIMS_LOST_MAX,
    limits::PROBE_WINDOW_MAX,
    moment::{NEVER, as_millis},
    options::Algorithm,
    pool::Pool,
    server::Server,
    tried::Tried,
};
use std::{
    sync::atomic::Ordering::{AcqRel, Acquire},
    time::{Duration, Instant},
};

/// What a choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The time.
    pub now: Instant,
    /// Uniform over all its bits.
    pub random: u64,
    /// The servers that the request has tried.
    pub tried: &'a Tried,
    /// For the algorithms by key: [`hash_key`](crate::hash_key) of the key or [`ip_key`](crate::ip_key) of the client.
    /// Without one they choose by rotation.
    pub key: Option<u64>,
    /// The server that the request's session is bound to. Another is chosen when it is not in use or full.
    pub prefer: Option<usize>,
}

impl<'a> Choice<'a> {
    /// One that depends on neither a key nor a session.
    pub fn new(now: Instant, random: u64, tried: &'a Tried) -> Self {
        Self {
            now,
            random,
            tried,
            key: None,
            prefer: None,
        }
    }
}

/// What came of a choice.
#[derive(Debug)]
pub enum Picked {
    /// A server.
    Lease(Lease),
    /// Servers would serve, but all are at their `max_conns`, or others wait already: see [`Pool::wait`].
    Full,
    /// No server is left.
    None,
}

impl Picked {
    /// The server, if there is one.
    pub fn lease(self) -> Option<Lease> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Full | Self::None => None,
        }
    }
}

impl Pool {
    /// A server for a request that has tried `tried` already; `None` when no other is left, or all are full. `random`
    /// should be uniform over all its bits.
    pub fn pick(&self, now: Instant, random: u64, tried: &Tried) -> Option<Lease> {
        self.pick_with(&Choice::new(now, random, tried)).lease()
    }

    /// A server for a request. While others wait in the queue, a new request is told [`Picked::Full`]; a retry is not:
    /// it has waited its turn.
    ///
    /// Lock-free and without allocation, except for the first pick after a change of state.
    pub fn pick_with(&self, choice: &Choice<'_>) -> Picked {
        if self.has_queue && self.lineage.queue.len() > 0 && choice.tried.is_empty() {
            return Picked::Full;
        }
        self.pick_now(choice)
    }

    /// A server for a request whose turn it is.
    pub(crate) fn pick_now(&self, choice: &Choice<'_>) -> Picked {
        let view = self.view();
        let search = Search::new(self, &view, choice);
        for _ in 0..CLAIMS_LOST_MAX {
            let Some(index) = self.prefer(&search) else {
                break;
            };
            let Some(server) = self.servers.get(index) else {
                break;
            };
            // Of several that see the last slot below its limit, one gets it, and the others look again.
            if let Some(lease) = Lease::claim(index, server) {
                return Picked::Lease(lease);
            }
            search.found_full();
        }
        if search.was_full() {
            Picked::Full
        } else {
            Picked::None
        }
    }

    fn prefer(&self, search: &Search<'_>) -> Option<usize> {
        search
            .bound()
            .or_else(|| self.claim_probe(search))
            .or_else(|| search.primary())
            .or_else(|| search.backup())
            .or_else(|| self.last_resort(search))
    }

    /// An ejected server whose time has run out, claimed by one request at a time. Where a key decides, only a request
    /// whose key belongs to that server probes it: see `Search::by_key`.
    fn claim_probe(&self, search: &Search<'_>) -> Option<usize> {
        if search.now_ms < search.view.next_probe_ms || search.has_key() {
            return None;
        }
        search
            .view
            .ejected
            .from(0)
            .find(|&index| search.may_try(index) && self.claim(index, search.now_ms))
    }

    /// Claims the probe of a server whose ejection has run out.
    pub(crate) fn claim(&self, index: usize, now_ms: u64) -> bool {
        let Some(server) = self.server(index) else {
            return false;
        };
        let until_ms = server.health.ejected_until.load(Acquire);
        if until_ms == NEVER || until_ms > now_ms || !server.is_eligible() || server.is_full() {
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

    /// Servers that only ejection keeps out, where no other is in use: not where others are merely full.
    fn last_resort(&self, search: &Search<'_>) -> Option<usize> {
        if search.was_full() {
            return None;
        }
        let ejected = &search.view.ejected;
        let fits = |&index: &usize| {
            search.may_try(index) && self.server(index).is_some_and(Server::is_eligible)
        };
        let has_room = |index: &usize| search.has_room(*index);
        let index = ejected
            .from(ejected.place(search.choice.random as u32))
            .filter(fits)
            .find(has_room)?;
        self.server(index)?.health.note_last_resort();
        Some(index)
    }

    pub(crate) fn server(&self, index: usize) -> Option<&Server> {
        self.servers.get(index).map(|server| &**server)
    }

    /// Whether keys decide.
    pub(crate) fn is_by_key(&self) -> bool {
        matches!(self.options.algorithm, Algorithm::Hash | Algorithm::IpHash)
    }
}
