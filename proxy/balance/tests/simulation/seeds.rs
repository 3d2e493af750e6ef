//! Seeds: where they come from, and how one is replayed.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

const SEEDS: u64 = 256;
/// After so many that fail no more are tried.
const FAILURES_MAX: usize = 5;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// splitmix64: all a simulation needs.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    /// Exponentially distributed: the time to the next of independent arrivals.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        mean.mul_f64(-(1.0 - unit).ln())
    }
}

/// When every simulation starts: so that its course depends on nothing but its seed.
pub fn start() -> Instant {
    seawall_balance::epoch() + Duration::from_secs(3600)
}

/// Counts a step of the simulation that runs.
pub fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// Tells what happens, when one seed is replayed.
pub fn say(what: impl FnOnce() -> String) {
    if replayed().is_some() {
        println!("step {}: {}", STEPS.get(), what());
    }
}

fn replayed() -> Option<u64> {
    std::env::var("SEAWALL_SEED").ok()?.parse().ok()
}

/// Runs every seed, or the one that is to be replayed. Of those that fail the one that takes the fewest steps is named:
/// the easiest to follow.
pub fn each(run: impl Fn(u64)) {
    if let Some(seed) = replayed() {
        println!("replaying seed {seed}");
        STEPS.set(0);
        return run(seed);
    }
    let mut failed: Vec<(u64, u64)> = Vec::new();
    for seed in 0..SEEDS {
        STEPS.set(0);
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            failed.push((STEPS.get(), seed));
        }
        if failed.len() == FAILURES_MAX {
            break;
        }
    }
    if let Some((steps, seed)) = failed.iter().min() {
        panic!("seed {seed} fails after {steps} steps: SEAWALL_SEED={seed} replays it");
    }
}
