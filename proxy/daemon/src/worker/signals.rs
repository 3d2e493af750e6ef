//! The golden signals: a sample every few seconds, so that whoever opens the console sees the last minutes at once.

use super::life::Worker;
use prometheus::core::Metric;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Mutex, Weak, atomic::Ordering},
    time::{Duration, Instant, UNIX_EPOCH},
};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// Samples that are kept: ten minutes.
const SAMPLES_MAX: usize = 120;

/// Samples of the last minutes.
#[derive(Default)]
pub struct Signals {
    samples: Mutex<VecDeque<Value>>,
}

impl Signals {
    /// The oldest first.
    pub fn to_json(&self) -> Value {
        let samples = self.samples.lock();
        let samples = samples.map_or_else(|_| Vec::new(), |s| s.iter().cloned().collect());
        json!({ "every_s": EVERY.as_secs(), "samples": samples })
    }
}

/// Counts since the start.
#[derive(Clone, Default)]
struct Totals {
    by_class: [u64; 5],
    looked: u64,
    hits: u64,
    /// Upper bounds in seconds, and how many were at most that long.
    buckets: Vec<(f64, u64)>,
}

fn totals(worker: &Worker) -> Totals {
    let plan = worker.edge.plan();
    let mut all = Totals::default();
    for account in worker.edge.shared().metrics.ledgers.accounts() {
        // Who passes asked for nothing.
        all.looked += account.asked();
        all.hits += account.from_cache();
    }
    for site in &plan.sites {
        let metrics = &site.metrics;
        for (sum, counter) in all.by_class.iter_mut().zip(&metrics.by_class) {
            *sum += counter.get();
        }
        let metric = metrics.duration.metric();
        let buckets = metric.get_histogram().get_bucket();
        if all.buckets.is_empty() {
            all.buckets = buckets.iter().map(|b| (b.upper_bound(), 0)).collect();
        }
        for (sum, bucket) in all.buckets.iter_mut().zip(buckets) {
            sum.1 += bucket.cumulative_count();
        }
    }
    all
}

/// Between two bounds in a straight line, as Prometheus' `histogram_quantile` does it.
fn quantile(buckets: &[(f64, u64)], total: u64, share: f64) -> Option<f64> {
    if total == 0 {
        return None;
    }
    let rank = share * total as f64;
    let (mut below, mut from) = (0_u64, 0.0);
    for (bound, count) in buckets {
        if *count as f64 >= rank && bound.is_finite() {
            let within = (*count - below) as f64;
            let part = if within > 0.0 {
                (rank - below as f64) / within
            } else {
                1.0
            };
            return Some((from + (bound - from) * part) * 1000.0);
        }
        if bound.is_finite() {
            (below, from) = (*count, *bound);
        }
    }
    Some(from * 1000.0)
}

fn sample(worker: &Worker, was: &Totals, now: &Totals, took: Duration) -> Value {
    let seconds = took.as_secs_f64().max(0.001);
    // A reload may take sites away, and their counts with them.
    let since = |now: u64, was: u64| now.saturating_sub(was);
    let by_class: Vec<u64> = now
        .by_class
        .iter()
        .zip(was.by_class)
        .map(|(n, w)| since(*n, w))
        .collect();
    let requests: u64 = by_class.iter().sum();
    let class = |n: usize| by_class.get(n).copied().unwrap_or(0);
    let buckets = now
        .buckets
        .iter()
        .enumerate()
        .map(|(at, (bound, n))| (*bound, since(*n, was.buckets.get(at).map_or(0, |b| b.1))));
    let buckets: Vec<(f64, u64)> = buckets.collect();
    let at = |share| quantile(&buckets, requests, share).map(|ms| (ms * 100.0).round() / 100.0);
    let rate = |n: u64| (n as f64 / seconds * 10.0).round() / 10.0;
    let looked = since(now.looked, was.looked);
    json!({
        "at_ms": UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() as u64),
        "requests_s": rate(requests), "errors_s": rate(class(4)), "client_errors_s": rate(class(3)),
        "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99),
        "connections": worker.edge.shared().connections.load(Ordering::Relaxed),
        "connections_max": worker.edge.plan().connections_max,
        "hit_ratio": (looked > 0).then(|| since(now.hits, was.hits) as f64 / looked as f64),
    })
}

/// Samples until the worker is gone.
pub async fn watch(worker: Weak<Worker>) {
    let mut was: Option<(Totals, Instant)> = None;
    loop {
        {
            let Some(worker) = worker.upgrade() else {
                return;
            };
            let (now, at) = (totals(&worker), Instant::now());
            if let Some((was, since)) = &was {
                let sample = sample(&worker, was, &now, at.duration_since(*since));
                if let Ok(mut samples) = worker.signals.samples.lock() {
                    if samples.len() >= SAMPLES_MAX {
                        samples.pop_front();
                    }
                    samples.push_back(sample);
                }
            }
            was = Some((now, at));
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_the_bounds_of_its_bucket() {
        let buckets = [(0.001, 50), (0.01, 90), (0.1, 100), (f64::INFINITY, 100)];
        assert_eq!(quantile(&buckets, 100, 0.5), Some(1.0));
        let p90 = quantile(&buckets, 100, 0.9).unwrap();
        assert!((p90 - 10.0).abs() < 1e-9, "{p90}");
        let p99 = quantile(&buckets, 100, 0.99).unwrap();
        assert!(p99 > 10.0 && p99 < 100.0, "{p99}");
        assert_eq!(quantile(&buckets, 0, 0.5), None);
        assert_eq!(
            quantile(&[(0.1, 0), (f64::INFINITY, 3)], 3, 0.5),
            Some(100.0),
            "past the last bound"
        );
    }
}
