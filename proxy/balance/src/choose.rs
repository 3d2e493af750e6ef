//! How one server of a group is chosen, by each algorithm.

use crate::{
    ip_hash,
    moment::millis,
    options::Algorithm,
    pick::Choice,
    pool::Pool,
    random::mix,
    rotation::Rotation,
    server::Server,
    view::{Placement, View},
};
use std::{cell::Cell, sync::atomic::Ordering::Relaxed};

/// How often a draw is repeated that fell on a server in slow start.
const REDRAWS: usize = 8;

/// One pick under way.
pub(crate) struct Search<'a> {
    pool: &'a Pool,
    pub(crate) view: &'a View,
    pub(crate) choice: &'a Choice<'a>,
    pub(crate) now_ms: u64,
    /// Whether a server that would have done was at its `max_conns`.
    full: Cell<bool>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(pool: &'a Pool, view: &'a View, choice: &'a Choice<'a>) -> Self {
        Self {
            pool,
            view,
            choice,
            now_ms: millis(choice.now),
            full: Cell::new(false),
        }
    }

    pub(crate) fn may_try(&self, index: usize) -> bool {
        !self.choice.tried.contains(index)
    }

    pub(crate) fn has_key(&self) -> bool {
        self.choice.key.is_some() && self.pool.is_by_key()
    }

    pub(crate) fn found_full(&self) {
        self.full.set(true);
    }

    pub(crate) fn was_full(&self) -> bool {
        self.full.get()
    }

    pub(crate) fn has_room(&self, index: usize) -> bool {
        self.pool
            .server(index)
            .is_some_and(|server| self.room_at(server))
    }

    fn room_at(&self, server: &Server) -> bool {
        let is_full = server.is_full();
        if is_full {
            self.found_full();
        }
        !is_full
    }

    /// The server if it may be chosen. The view may be a moment old; the server's own word is the last.
    fn usable(&self, index: usize) -> Option<&'a Server> {
        let server = self.pool.server(index)?;
        (self.may_try(index) && server.is_usable() && self.room_at(server)).then_some(server)
    }

    /// The server that the request's session is bound to.
    pub(crate) fn bound(&self) -> Option<usize> {
        let index = self.choice.prefer?;
        let server = self.pool.server(index)?;
        let serves = server.is_usable()
            || (self.pool.options.sticky_while_draining && server.serves_its_sessions());
        (serves && self.may_try(index) && !server.is_full()).then_some(index)
    }

    pub(crate) fn primary(&self) -> Option<usize> {
        self.choose(&self.view.primaries)
    }

    /// Backups are chosen by rotation where primaries are by key, as in nginx.
    pub(crate) fn backup(&self) -> Option<usize> {
        self.choose(&self.view.backups)
    }

    fn choose(&self, group: &Rotation) -> Option<usize> {
        if group.is_empty() && !self.has_key() {
            return None;
        }
        match self.pool.options.algorithm {
            Algorithm::RoundRobin => self.in_turn(group),
            Algorithm::LeastConn => self.least_loaded(group),
            Algorithm::P2c | Algorithm::RandomTwo => self.of_two(group, Self::by_load),
            Algorithm::Ewma => self.of_two(group, Self::by_latency),
            Algorithm::Random => self.at_random(group),
            Algorithm::Hash | Algorithm::IpHash => {
                let is_primary = std::ptr::eq(group, &self.view.primaries);
                let by_key = self.choice.key.filter(|_| is_primary);
                by_key
                    .and_then(|key| self.by_key(key))
                    .or_else(|| self.in_turn(group))
            }
        }
    }

    /// Round robin. While some server is in slow start its turns are partly given to the others.
    fn in_turn(&self, group: &Rotation) -> Option<usize> {
        let turn = self.pool.cursor.fetch_add(1, Relaxed);
        let usable = |index: &usize| self.usable(*index).is_some();
        if !self.is_ramping() {
            return group.from(turn).find(usable);
        }
        let of_turn = group.from(turn).next().filter(|&index| self.passes(index));
        of_turn.filter(usable).or_else(|| self.at_random(group))
    }

    fn at_random(&self, group: &Rotation) -> Option<usize> {
        self.draw(group, self.choice.random as u32, None)
    }

    /// The server at a random place, or the next after it that will do and is not `other`. Servers in slow start pass
    /// by chance, unless nobody else is there; others are drawn in their place, so that it does not all fall to the next.
    fn draw(&self, group: &Rotation, random: u32, other: Option<usize>) -> Option<usize> {
        let place = group.place(random);
        let usable = |index: &usize| Some(*index) != other && self.usable(*index).is_some();
        if self.is_ramping() {
            let passes = |index: &usize| usable(index) && self.passes(*index);
            let draws =
                std::iter::successors(Some(random), |&drawn| Some(mix(drawn.into()) as u32));
            let mut drawn = draws
                .take(REDRAWS)
                .filter_map(|drawn| group.from(group.place(drawn)).next());
            let passing = drawn
                .find(passes)
                .or_else(|| group.from(place).find(passes));
            if passing.is_some() {
                return passing;
            }
        }
        group.from(place).find(usable)
    }

    /// The better of two.
    fn of_two(&self, group: &Rotation, better: fn(&Self, usize, usize) -> usize) -> Option<usize> {
        let first = self.draw(group, self.choice.random as u32, None)?;
        let second = self.draw(group, (self.choice.random >> 32) as u32, Some(first));
        Some(second.map_or(first, |second| better(self, first, second)))
    }

    /// The one with fewer requests in flight for its weight; the first on a tie, as it was drawn by weight.
    fn by_load(&self, first: usize, second: usize) -> usize {
        let (Some(a), Some(b)) = (self.pool.server(first), self.pool.server(second)) else {
            return first;
        };
        if self.is_less_loaded(b, a) {
            second
        } else {
            first
        }
    }

    fn is_less_loaded(&self, this: &Server, that: &Server) -> bool {
        let load = |of: &Server, other: &Server| u64::from(of.in_flight()) * self.weight(other);
        load(this, that) < load(that, this)
    }

    /// The one with the lower product of latency and requests in flight for its weight.
    fn by_latency(&self, first: usize, second: usize) -> usize {
        let (Some(a), Some(b)) = (self.pool.server(first), self.pool.server(second)) else {
            return first;
        };
        let cost = |of: &Server, other: &Server| {
            of.health.ewma.cost(self.now_ms, of.in_flight()) * self.weight(other) as f32
        };
        if cost(b, a) < cost(a, b) {
            second
        } else {
            first
        }
    }

    /// The one with the fewest requests in flight for its weight. Of equals the one whose turn it is: idle servers are
    /// used in weighted round robin.
    fn least_loaded(&self, group: &Rotation) -> Option<usize> {
        let turn = self.pool.cursor.fetch_add(1, Relaxed);
        let of_turn = group.from(turn).next();
        let mut best: Option<(usize, &Server)> = None;
        for index in of_turn.into_iter().chain(group.members_from(turn)) {
            let Some(server) = self.pool.server(index) else {
                continue;
            };
            // The load is compared first: it is one word, and most servers are past the question then.
            let is_better = best.is_none_or(|(_, best)| self.is_less_loaded(server, best));
            if !is_better || self.usable(index).is_none() || !self.passes(index) {
                continue;
            }
            best = Some((index, server));
            if server.in_flight() == 0 {
                break;
            }
        }
        match best {
            Some((index, _)) => Some(index),
            // Slow start held all of them back.
            None if self.is_ramping() => self.at_random(group),
            None => None,
        }
    }

    /// The first of the key's servers that is in use, or whose ejection has run out and wants a probe.
    fn by_key(&self, key: u64) -> Option<usize> {
        if self.view.primaries.is_empty() && self.now_ms < self.view.next_probe_ms {
            return None;
        }
        let will_do = |index: &usize| {
            self.usable(*index).is_some()
                || (self.now_ms >= self.view.next_probe_ms
                    && self.may_try(*index)
                    && self.pool.claim(*index, self.now_ms))
        };
        match &self.view.placement {
            Placement::Shares(shares) => ip_hash::hashes(key)
                .filter_map(|hash| shares.at(hash))
                .find(will_do),
            Placement::Ring(ring) => ring.from(key).find(will_do),
            Placement::None => None,
        }
    }

    fn is_ramping(&self) -> bool {
        self.now_ms < self.view.ramps_until_ms
    }

    /// Whether chance lets a server through: one in slow start not always.
    fn passes(&self, index: usize) -> bool {
        if !self.is_ramping() {
            return true;
        }
        let Some(server) = self.pool.server(index) else {
            return false;
        };
        let percent = server.ramp_percent(self.now_ms);
        percent >= 100 || mix(self.choice.random ^ (index as u64 + 1)) % 100 < u64::from(percent)
    }

    /// A server's weight now, in hundredths.
    fn weight(&self, server: &Server) -> u64 {
        let percent = if self.is_ramping() {
            server.ramp_percent(self.now_ms)
        } else {
            100
        };
        u64::from(server.weight()) * u64::from(percent)
    }
}
