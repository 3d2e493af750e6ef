//! Which RRset of a dynamic record answers now, without allocation: who is up, who is meant for the client, who of
//! them.

use super::{EncodedSet, NONE, Slot, ZoneSet};
use crate::dynamic::{AllDown, Area, DynamicRecord, Health, HealthId, Policy};
use crate::policy::Net;
use seawall_nets::Place;
use std::net::IpAddr;

/// A target of a dynamic record, with the RRset that holds it alone.
pub(crate) struct Candidate {
    pub up: Option<HealthId>,
    pub set: u32,
}

/// What is known of a dynamic record ahead of a question.
pub(crate) struct Choice {
    /// The targets, at least one.
    pub candidates: Vec<Candidate>,
    /// In [`ZoneSet::proofs`]: what denies the record in a signed zone while nobody is up, or [`NONE`].
    pub denial: u32,
    policy: Policy,
    min_up: u32,
    serve_none: bool,
    /// An RRset, or [`NONE`].
    last_resort: u32,
    all: u32,
    targets: Vec<Rule>,
    /// By the bits of the targets in them, the first of their RRsets: one for each target that may stand first.
    several: Vec<u32>,
    degraded: Option<Degraded>,
}

/// The RRsets that are answered while a target is down.
pub(crate) struct Degraded {
    pub all: u32,
    pub alone: Vec<u32>,
    pub several: Vec<u32>,
}

/// What a target is chosen by.
struct Rule {
    weight: u16,
    areas: Vec<Area>,
    nets: Vec<Net>,
    at: Option<(i32, i32)>,
    /// Of its address.
    hash: u64,
}

impl Choice {
    pub fn new(
        record: &DynamicRecord,
        candidates: Vec<Candidate>,
        all: u32,
        several: Vec<u32>,
        degraded: Option<Degraded>,
        last_resort: u32,
    ) -> Self {
        let rule = |target: &crate::dynamic::Target| Rule {
            weight: target.weight,
            areas: target.areas.clone(),
            nets: target.nets.clone(),
            at: target.at,
            hash: mix(match target.address {
                IpAddr::V4(a) => u64::from(u32::from(a)),
                IpAddr::V6(a) => u128::from(a) as u64 ^ (u128::from(a) >> 64) as u64,
            }),
        };
        Self {
            candidates,
            denial: NONE,
            policy: record.policy,
            min_up: record.min_up.max(1) as u32,
            serve_none: record.all_down == AllDown::ServeNone,
            last_resort,
            all,
            targets: record.targets.iter().map(rule).collect(),
            several,
            degraded,
        }
    }
}

impl Choice {
    /// Whether the record is withdrawn when too few are up.
    pub fn may_serve_none(&self) -> bool {
        self.serve_none
    }
}

/// SplitMix64's finish: every bit of the output depends on every bit of the input.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl EncodedSet {
    /// The same records with another TTL.
    pub(super) fn with_ttl(&self, ttl: u32) -> Self {
        Self {
            ttl,
            targets_len: 0,
            whole: None,
            ..*self
        }
    }
}

impl ZoneSet {
    /// What denies a dynamic record that answers nothing now.
    pub(crate) fn denial_of(&self, slot: &Slot) -> Option<u32> {
        let choice = self.choices.get(slot.choice as usize)?;
        (choice.denial != NONE).then_some(choice.denial)
    }

    /// The RRset that answers now. `None` where a dynamic record says that there is none when nobody is up.
    pub(crate) fn choose(&self, slot: &Slot, health: &dyn Health) -> Option<&EncodedSet> {
        if slot.choice == NONE {
            return self.set(slot.set);
        }
        let choice = self.choices.get(slot.choice as usize)?;
        let candidates = &choice.candidates;
        health.note(choice.policy.is_by_client());
        // At most 64 targets, as many as there are bits.
        let up = candidates
            .iter()
            .enumerate()
            .filter(|(_, c)| c.up.is_none_or(|id| health.is_up(id)))
            .fold(0u64, |bits, (n, _)| bits | 1 << n);
        let degraded = choice
            .degraded
            .as_ref()
            .filter(|_| up.count_ones() < candidates.len() as u32);
        if up.count_ones() < choice.min_up {
            if choice.serve_none {
                return None;
            }
            let all = degraded.map_or(choice.all, |d| d.all);
            return self.set(if choice.last_resort == NONE {
                all
            } else {
                choice.last_resort
            });
        }
        if let Policy::Multi(most) = choice.policy {
            let start = health.draw() % (candidates.len() as u32).max(1);
            let mask = beginning_at(start, up, u32::from(most), candidates.len() as u32);
            let sets = degraded.map_or(&choice.several, |d| &d.several);
            // Most clients take the first: each is it in turn.
            let first = *sets.get(mask as usize)?;
            return self.set(first.checked_add(turned(mask, start))?);
        }
        let index = choice.one(up, health);
        match degraded {
            Some(degraded) => self.set(*degraded.alone.get(index)?),
            None => self.set(candidates.get(index)?.set),
        }
    }
}

impl Policy {
    fn is_by_client(self) -> bool {
        matches!(self, Self::Geo | Self::Nets | Self::Nearest | Self::Hash)
    }
}

/// At most so many of those that are up, from a place on.
fn beginning_at(start: u32, up: u64, most: u32, len: u32) -> u64 {
    let order = (0..len)
        .map(|n| (start + n) % len)
        .filter(|n| up >> n & 1 == 1);
    order.take(most as usize).fold(0, |bits, n| bits | 1 << n)
}

/// How many of these come before a place, and so behind the others.
fn turned(mask: u64, start: u32) -> u32 {
    let before = (mask & ((1 << start) - 1)).count_ones();
    before.checked_rem(mask.count_ones()).unwrap_or(0)
}

impl Choice {
    /// One of the targets that are up, of which there is one.
    fn one(&self, up: u64, health: &dyn Health) -> usize {
        let lowest = up.trailing_zeros() as usize;
        match self.policy {
            Policy::Failover | Policy::Multi(_) => lowest,
            Policy::Weighted => self.weighted(up, health.draw()),
            Policy::Geo => {
                let near = self
                    .in_nets(up, health)
                    .unwrap_or_else(|| self.for_place(up, health.place()));
                self.weighted(near, health.draw())
            }
            Policy::Nets => self.weighted(self.for_client(up, health.client()), health.draw()),
            Policy::Nearest => self.nearest(up, health.place()).unwrap_or(lowest),
            Policy::Hash => self.hashed(up, health.client()).unwrap_or(lowest),
        }
    }

    fn rules(&self, up: u64) -> impl Iterator<Item = (usize, &Rule)> {
        self.targets
            .iter()
            .enumerate()
            .filter(move |(n, _)| up >> n & 1 == 1)
    }

    fn matching(&self, up: u64, is: impl Fn(&Rule) -> bool) -> u64 {
        self.rules(up)
            .filter(|(_, r)| is(r))
            .fold(0, |bits, (n, _)| bits | 1 << n)
    }

    fn weighted(&self, up: u64, draw: u32) -> usize {
        let total: u32 = self.rules(up).map(|(_, r)| u32::from(r.weight)).sum();
        let mut left = draw.checked_rem(total).unwrap_or(0);
        for (n, rule) in self.rules(up) {
            let weight = u32::from(rule.weight);
            if left < weight {
                return n;
            }
            left -= weight;
        }
        up.trailing_zeros() as usize
    }

    fn for_place(&self, up: u64, place: Place) -> u64 {
        let wanted = [
            place.asn.map(Area::Asn),
            place.country.map(Area::Country),
            place.continent.map(Area::Continent),
        ];
        for area in wanted.into_iter().flatten() {
            let found = self.matching(up, |r| r.areas.contains(&area));
            if found != 0 {
                return found;
            }
        }
        let anywhere = self.matching(up, |r| r.areas.is_empty() && r.nets.is_empty());
        if anywhere != 0 { anywhere } else { up }
    }

    /// Targets for the client's network, which are asked for only where some target has one: an answer by place alone
    /// holds for more clients.
    fn in_nets(&self, up: u64, health: &dyn Health) -> Option<u64> {
        if self.targets.iter().all(|r| r.nets.is_empty()) {
            return None;
        }
        let client = health.client()?;
        let inside = |r: &Rule| r.nets.iter().any(|n| n.contains(client));
        let within = self.matching(up, inside);
        (within != 0).then(|| self.for_client(within, Some(client)))
    }

    fn for_client(&self, up: u64, client: Option<IpAddr>) -> u64 {
        let bits = |rule: &Rule| {
            let nets = rule
                .nets
                .iter()
                .filter(|n| client.is_some_and(|c| n.contains(c)));
            nets.map(|n| u32::from(n.bits) + 1).max()
        };
        if let Some(most) = self.rules(up).filter_map(|(_, r)| bits(r)).max() {
            return self.matching(up, |r| bits(r) == Some(most));
        }
        let anyone = self.matching(up, |r| r.nets.is_empty());
        if anyone != 0 { anyone } else { up }
    }

    fn nearest(&self, up: u64, place: Place) -> Option<usize> {
        let here = place.at?;
        let far = |rule: &Rule| rule.at.map(|there| distance(here, there));
        let known = self.rules(up).filter_map(|(n, r)| Some((n, far(r)?)));
        known
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(n, _)| n)
    }

    /// Rendezvous hashing: a target that goes takes only its own clients along.
    fn hashed(&self, up: u64, client: Option<IpAddr>) -> Option<usize> {
        let network = match client?.to_canonical() {
            IpAddr::V4(a) => u64::from(u32::from(a) >> 8),
            IpAddr::V6(a) => (u128::from(a) >> 72) as u64,
        };
        let score = |rule: &Rule| {
            // -w / ln(u) gives each its share (Schindelhauer and Schomaker 2005).
            let unit = ((mix(network ^ rule.hash) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            -f64::from(rule.weight.max(1)) / unit.ln()
        };
        let scores = self.rules(up).map(|(n, r)| (n, score(r)));
        scores
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(n, _)| n)
    }
}

/// Grows with the distance on a sphere (the haversine, without its last steps).
fn distance((lat1, lon1): (i32, i32), (lat2, lon2): (i32, i32)) -> f64 {
    let radians = |n: i32| f64::from(n) / 10_000.0 * std::f64::consts::PI / 180.0;
    let half = |a: i32, b: i32| ((radians(a) - radians(b)) / 2.0).sin().powi(2);
    half(lat1, lat2) + radians(lat1).cos() * radians(lat2).cos() * half(lon1, lon2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_asked_for_are_taken_from_those_that_are_up() {
        assert_eq!(beginning_at(0, 0b1011, 2, 4), 0b0011);
        assert_eq!(beginning_at(1, 0b1011, 2, 4), 0b1010);
        assert_eq!(beginning_at(3, 0b1011, 2, 4), 0b1001);
        assert_eq!(beginning_at(2, 0b1011, 9, 4), 0b1011);
    }

    #[test]
    fn the_first_from_the_place_on_stands_first() {
        assert_eq!(turned(0b1011, 0), 0);
        assert_eq!(turned(0b1011, 1), 1);
        assert_eq!(turned(0b1011, 2), 2);
        assert_eq!(turned(0b1011, 3), 2);
        // None is left behind the place: from the first on again.
        assert_eq!(turned(0b0011, 2), 0);
    }

    #[test]
    fn near_is_less_than_far() {
        let (berlin, paris, tokyo) = ((525_200, 134_050), (488_566, 23_522), (356_762, 1_396_503));
        assert!(distance(berlin, paris) < distance(berlin, tokyo));
        // Across the date line.
        assert!(
            distance((0, 1_799_000), (0, -1_799_000)) < distance((0, 1_799_000), (0, 1_700_000))
        );
    }
}
