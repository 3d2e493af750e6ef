//! A seeded simulation beside a naive model: a map from path to what was stored, with the rules written out as ifs.

use crate::rig::*;
use seawall_cache::*;
use std::collections::HashMap;

const SEEDS: u64 = 64;
const STEPS: usize = 2000;
const PATHS: u64 = 12;

/// What the model keeps of an answer.
#[derive(Clone, Debug)]
struct Stored {
    body: String,
    stored_ms: u64,
    max_age_ms: u64,
    swr_ms: u64,
    has_etag: bool,
}

#[derive(Default)]
struct Model {
    stored: HashMap<u64, Stored>,
    /// Until when a path is known not to be storable.
    unstorable_until_ms: HashMap<u64, u64>,
}

impl Model {
    /// What a lookup of a path without a fill under way has to say.
    fn expects(&self, path: u64, now_ms: u64) -> &'static str {
        let is_unstorable = self
            .unstorable_until_ms
            .get(&path)
            .is_some_and(|&until_ms| now_ms < until_ms);
        let Some(stored) = self.stored.get(&path) else {
            return if is_unstorable { "pass" } else { "miss" };
        };
        let age_ms = now_ms - stored.stored_ms;
        if age_ms < stored.max_age_ms {
            return "hit";
        }
        if age_ms < stored.max_age_ms + stored.swr_ms {
            return if is_unstorable {
                "stale"
            } else {
                "stale, renew"
            };
        }
        if is_unstorable { "pass" } else { "revalidate" }
    }
}

struct Simulation {
    rig: Rig,
    model: Model,
    random: Seeded,
    counter: u64,
}

impl Simulation {
    fn step(&mut self) {
        self.rig.now_ms += self.random.below(4000);
        let path = self.random.below(PATHS);
        if self.random.below(40) == 0 {
            self.rig.cache.purge(key(&format!("/{path}")).as_ref());
            self.model.stored.remove(&path);
            self.model.unstorable_until_ms.remove(&path);
            return;
        }
        let lookup = self.rig.get(&format!("/{path}"));
        assert_eq!(
            kind(&lookup),
            self.model.expects(path, self.rig.now_ms),
            "path {path}"
        );
        match lookup {
            Lookup::Hit(hit) => self.check_body(path, &hit),
            Lookup::Stale(hit, fill, _) => {
                self.check_body(path, &hit);
                if let Some(fill) = fill {
                    self.fetch(path, fill);
                }
            }
            Lookup::Revalidate(_, fill) | Lookup::Miss(fill) => self.fetch(path, fill),
            _ => {}
        }
    }

    fn check_body(&self, path: u64, hit: &Hit) {
        let stored = &self.model.stored[&path];
        assert_eq!(body(&hit.object), stored.body.as_bytes());
        assert_eq!(hit.age_s, (self.rig.now_ms - stored.stored_ms) / 1000);
    }

    /// The origin answers in one of its ways.
    fn fetch(&mut self, path: u64, mut fill: Fill) {
        let now_ms = self.rig.now_ms;
        let had_etag = self
            .model
            .stored
            .get(&path)
            .is_some_and(|stored| stored.has_etag);
        assert_eq!(fill.validators().is_some(), had_etag);
        match self.random.below(10) {
            0 => fill.abort(),
            1 => {
                self.rig.respond(&mut fill, &[], 500, &[]);
                self.model.unstorable_until_ms.insert(path, now_ms + 1000);
            }
            2 => {
                self.rig.respond(&mut fill, &[], 200, &[(CC, "no-store")]);
                self.model.stored.remove(&path);
                self.model.unstorable_until_ms.insert(path, now_ms + 5000);
            }
            3..6 if had_etag => {
                let responded = self.rig.respond(&mut fill, &[], 304, &[]);
                assert!(matches!(responded, Responded::NotModified(_)));
                if let Some(stored) = self.model.stored.get_mut(&path) {
                    stored.stored_ms = now_ms;
                }
                self.model.unstorable_until_ms.remove(&path);
            }
            _ => self.fetch_200(path, fill),
        }
    }

    fn fetch_200(&mut self, path: u64, fill: Fill) {
        self.counter += 1;
        let stored = Stored {
            body: format!("body {}", self.counter),
            // Date has whole seconds, but the apparent age is reckoned in whole seconds too: nothing is lost.
            stored_ms: self.rig.now_ms,
            max_age_ms: (1 + self.random.below(20)) * 1000,
            swr_ms: self.random.below(2) * 10_000,
            has_etag: self.random.below(2) == 0,
        };
        let grace = format!(
            "max-age={}, stale-while-revalidate={}",
            stored.max_age_ms / 1000,
            stored.swr_ms / 1000
        );
        let mut lines = vec![(CC, grace.as_str())];
        if stored.has_etag {
            lines.push(("ETag", "\"a\""));
        }
        self.rig
            .complete(fill, &[], &lines, &stored.body)
            .expect("stored");
        self.model.stored.insert(path, stored);
        self.model.unstorable_until_ms.remove(&path);
    }
}

#[test]
fn lookups_are_what_a_naive_model_says() {
    for seed in 1..=SEEDS {
        let mut simulation = Simulation {
            rig: Rig::new(),
            model: Model::default(),
            random: Seeded::new(seed),
            counter: 0,
        };
        (0..STEPS).for_each(|_| simulation.step());
        let stats = simulation.rig.cache.stats();
        assert!(
            stats.hits > 0 && stats.revalidations > 0 && stats.misses > 0,
            "seed {seed}: {stats:?}"
        );
    }
}
