//! The durable queue: what it promises, apart from the SQL that keeps it ([`crate::store`]).
//!
//! - A job is queued in the transaction that makes it necessary, or not at all.
//! - Claiming counts the attempt and leases the job to a random token until a time. Only that token may finish it, so a
//!   worker that was stopped for longer than its lease cannot overwrite its successor's result.
//! - A worker that dies (SIGKILL included) simply lets its lease run out: the job is claimed again.
//! - After `attempts_max` claims it is a dead letter, with its last error. A job that kills its worker is one too,
//!   because attempts count at the claim.
//! - Jobs can therefore run twice: each kind is idempotent (see `worker`).
//! - Between attempts it waits exponentially longer, with jitter, so that a herd of failures does not return as one.

use crate::{
    limits::{INDEX_ATTEMPTS, JOB_ATTEMPTS, JOB_BACKOFF_MAX},
    random::Rng,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A job to queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewJob {
    /// `mail`, `thumbnail`, `index`; anything else is poison.
    pub kind: String,
    /// What it is about; an id for our kinds.
    pub payload: String,
    /// Only one job with a key waits at a time.
    #[serde(default)]
    pub key: Option<String>,
    /// Claims before it is a dead letter.
    #[serde(default = "attempts_max")]
    pub attempts_max: u32,
}

fn attempts_max() -> u32 {
    JOB_ATTEMPTS
}

impl NewJob {
    /// Mail an order's confirmation.
    pub fn mail(order: &str) -> Self {
        Self::keyed("mail", order.to_owned())
    }

    /// Draw a product's thumbnail.
    pub fn thumbnail(product: u64) -> Self {
        Self::keyed("thumbnail", product.to_string())
    }

    /// Tell search about a product.
    pub fn index(product: u64) -> Self {
        Self {
            attempts_max: INDEX_ATTEMPTS,
            ..Self::keyed("index", product.to_string())
        }
    }

    fn keyed(kind: &str, payload: String) -> Self {
        Self {
            key: Some(format!("{kind}:{payload}")),
            kind: kind.to_owned(),
            payload,
            attempts_max: JOB_ATTEMPTS,
        }
    }
}

/// A job that is ours until its lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its number.
    pub id: i64,
    /// Proves that it is ours.
    pub token: u64,
    /// See [`NewJob::kind`].
    pub kind: String,
    /// See [`NewJob::payload`].
    pub payload: String,
    /// Claims so far, this one included.
    pub attempts: u32,
    /// Claims it gets.
    pub attempts_max: u32,
}

/// What becomes of a job that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Try again.
    Retry {
        /// When.
        due_ms: u64,
        /// Why it failed.
        error: String,
    },
    /// Set it aside for a person.
    Dead {
        /// Why it failed.
        error: String,
    },
}

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure; doubles from there up to [`JOB_BACKOFF_MAX`].
    pub first: Duration,
}

impl Backoff {
    /// Judge a failed attempt. The pause is between half and the whole of `first * 2^(attempts-1)`.
    pub fn judge(self, job: &Claimed, error: String, now_ms: u64, rng: &mut Rng) -> Failure {
        if job.attempts >= job.attempts_max {
            return Failure::Dead { error };
        }
        let doublings = job.attempts.saturating_sub(1).min(20);
        let whole = self
            .first
            .saturating_mul(1 << doublings)
            .min(JOB_BACKOFF_MAX)
            .as_millis() as u64;
        Failure::Retry {
            due_ms: now_ms + rng.between(whole / 2, whole),
            error,
        }
    }
}

/// How the queue is doing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JobCounts {
    /// Due now or later.
    pub waiting: u64,
    /// In someone's hands.
    pub leased: u64,
    /// Finished (the latest few thousand).
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// The latest of those.
    pub dead_letters: Vec<DeadLetter>,
}

/// A job that was given up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// See [`NewJob::kind`].
    pub kind: String,
    /// See [`NewJob::payload`].
    pub payload: String,
    /// Claims it had.
    pub attempts: u32,
    /// Its last error.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Repository, Sqlite};
    use std::collections::HashMap;

    const LEASE_MS: u64 = 1_000;
    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
    };

    /// Workers that finish, fail, die and oversleep at random, in virtual time: every job ends done or dead, none runs
    /// in two live leases, none is claimed more often than allowed, and a late worker changes nothing.
    fn simulate(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut store = Sqlite::in_memory().unwrap();
        let jobs = rng.between(1, 12);
        for n in 0..jobs {
            let job = NewJob {
                key: None,
                attempts_max: rng.between(1, 5) as u32,
                ..NewJob::keyed("t", n.to_string())
            };
            assert!(store.enqueue(&job, 0).unwrap());
        }
        let mut now = 0;
        let mut leases: HashMap<i64, u64> = HashMap::new();
        let mut sleepers: Vec<Claimed> = Vec::new();
        let mut completed: HashMap<i64, u32> = HashMap::new();
        for _ in 0..2_000 {
            now += rng.between(0, 300);
            if !sleepers.is_empty() && rng.chance(20) {
                let late = sleepers.swap_remove(0);
                let current = leases.get(&late.id) == Some(&late.token);
                let done = store.complete(late.id, late.token, now).unwrap();
                assert!(
                    !done || current,
                    "seed {seed}: a lost lease completed job {}",
                    late.id
                );
                *completed.entry(late.id).or_default() += u32::from(done);
            }
            let Some(job) = store.claim(LEASE_MS, rng.next() >> 1, now).unwrap() else {
                continue;
            };
            assert!(job.attempts <= job.attempts_max, "seed {seed}: {job:?}");
            leases.insert(job.id, job.token);
            match rng.between(0, 3) {
                0 => {
                    assert!(store.complete(job.id, job.token, now).unwrap());
                    *completed.entry(job.id).or_default() += 1;
                }
                1 => {
                    let failure = BACKOFF.judge(&job, "no".into(), now, &mut rng);
                    assert!(store.fail(job.id, job.token, &failure, now).unwrap());
                }
                2 => {}
                _ => sleepers.push(job),
            }
        }
        let counts = store.job_counts().unwrap();
        assert_eq!(counts.done + counts.dead, jobs, "seed {seed}: {counts:?}");
        assert!(
            completed.values().all(|times| *times <= 1),
            "seed {seed}: completed twice"
        );
        assert_eq!(
            counts.done,
            completed.values().filter(|times| **times == 1).count() as u64,
            "seed {seed}"
        );
    }

    #[test]
    fn every_job_ends_once_whatever_workers_do() {
        for seed in 0..64 {
            simulate(seed);
        }
    }

    #[test]
    fn pauses_grow_with_jitter_and_end_at_the_limit() {
        let mut rng = Rng::new(1);
        for attempts in 1..60 {
            let job = Claimed {
                id: 1,
                token: 1,
                kind: "t".into(),
                payload: String::new(),
                attempts,
                attempts_max: u32::MAX,
            };
            let Failure::Retry { due_ms, .. } = BACKOFF.judge(&job, "no".into(), 0, &mut rng)
            else {
                panic!("dead")
            };
            let whole = (100 << (attempts - 1).min(20)).min(JOB_BACKOFF_MAX.as_millis() as u64);
            assert!(
                (whole / 2..=whole).contains(&due_ms),
                "attempt {attempts}: {due_ms} of {whole}"
            );
        }
    }

    #[test]
    fn one_job_with_a_key_waits_at_a_time_but_a_new_one_may_follow_a_claimed_one() {
        let mut store = Sqlite::in_memory().unwrap();
        assert!(store.enqueue(&NewJob::index(5), 0).unwrap());
        assert!(!store.enqueue(&NewJob::index(5), 0).unwrap());
        let claimed = store.claim(LEASE_MS, 1, 0).unwrap().unwrap();
        assert!(
            store.enqueue(&NewJob::index(5), 0).unwrap(),
            "it changed again while being indexed"
        );
        let retry = Failure::Retry {
            due_ms: 10,
            error: "no".into(),
        };
        assert!(store.fail(claimed.id, claimed.token, &retry, 0).unwrap());
        let counts = store.job_counts().unwrap();
        assert_eq!(
            (counts.waiting, counts.done),
            (1, 1),
            "the newer one does the work of both"
        );
    }
}
