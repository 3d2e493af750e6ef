//! What requests came to, for whoever watches: the decisions of each step.
//!
//! Nobody watches most of the time: then a request costs one relaxed load. A watcher that is too slow misses requests and is
//! told how many; it never holds one up.

use crate::{log::privacy, pipeline::Cx, plan::RoutePlan, step::Step};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::broadcast;

/// Requests that wait for a slow watcher; past it the oldest are dropped and counted.
pub const TAIL_EVENTS_MAX: usize = 1024;

/// Watchers at once.
pub const WATCHERS_MAX: usize = 32;

/// The longest value of a request that is told.
const VALUE_BYTES_MAX: usize = 512;

/// Requests as they end.
pub struct Tail {
    watchers: Arc<AtomicUsize>,
    sender: broadcast::Sender<Arc<str>>,
}

/// A watcher; it counts as one until it is dropped.
pub struct Watcher {
    /// Requests, each a line of JSON.
    pub events: broadcast::Receiver<Arc<str>>,
    watchers: Arc<AtomicUsize>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            watchers: Arc::default(),
            sender: broadcast::channel(TAIL_EVENTS_MAX).0,
        }
    }
}

impl Tail {
    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Watches from now on; `None` where as many do as may.
    pub fn watch(&self) -> Option<Watcher> {
        let before = self.watchers.fetch_add(1, Ordering::Relaxed);
        let watcher = Watcher {
            events: self.sender.subscribe(),
            watchers: self.watchers.clone(),
        };
        (before < WATCHERS_MAX).then_some(watcher)
    }
}

/// What strangers sent, as text of bounded length.
fn told(bytes: &[u8]) -> String {
    let cut = bytes.get(..VALUE_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(cut).into_owned()
}

/// A request's target without its secrets, as access logs have it.
fn target(uri: &[u8]) -> String {
    let mut text = uri.to_vec();
    privacy::scrub(&mut text);
    told(&text)
}

/// Tells the watchers of a request that has ended; its place in the pipeline is where it was answered.
pub(crate) fn tell(cx: &mut Cx<'_>, route: Option<&RoutePlan>, reached: Step, ms: u64) {
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    let id = told(&cx.tx.id);
    let tail = &cx.local.shared.tail;
    let mut trace = vec![json!({ "step": "site", "result": cx.site.name })];
    if let Some(route) = route {
        let line = cx.plan.config.sources.line_column(route.at).0;
        trace.push(json!({ "step": "route", "result": &*route.name, "line": line }));
        if let Some(waf) = &route.waf {
            trace.push(match cx.local.shared.waf_events.of(&id) {
                Some(event) => json!({
                    "step": "waf", "result": if event.blocked { "denied" } else { "detected" },
                    "rule_set": event.rule_set, "rule": event.rule, "score": event.score,
                    "rules": event.matches.iter().map(|m| m.rule).collect::<Vec<_>>(),
                }),
                // The access step, for one, comes before it.
                None if reached < Step::WafRequest => {
                    json!({ "step": "waf", "result": "not reached" })
                }
                None => json!({ "step": "waf", "result": "passed", "rule_set": waf.name }),
            });
        }
    }
    let tx = &*cx.tx;
    if !tx.cache.is_empty() {
        trace.push(json!({ "step": "cache", "result": tx.cache.to_ascii_lowercase() }));
    }
    for tried in &tx.tries {
        trace.push(json!({
            "step": "upstream", "result": &*tried.address, "status": tried.status, "ms": tried.ms,
        }));
    }
    trace.push(json!({ "step": reached.as_str(), "result": tx.status }));
    let event = json!({
        "at_ms": tx.ended_ms, "id": id, "client": tx.client_text(&cx.client.info),
        "method": told(tx.method_text()), "host": told(&tx.host), "target": target(tx.request_uri()),
        "site": cx.site.name, "status": tx.status, "ms": ms, "bytes": tx.body_sent, "trace": trace,
    });
    // Nobody may be left to hear it.
    let _ = tail.sender.send(Arc::from(event.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_without_its_secrets() {
        assert_eq!(target(b"/a?token=t0p&q=1"), "/a?token=***&q=1");
        assert_eq!(target(&[b'x'; 100_000]).len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn a_watcher_counts_until_it_leaves_and_too_many_are_refused() {
        let tail = Tail::default();
        assert!(!tail.is_watched());
        let all: Vec<Watcher> = (0..WATCHERS_MAX).filter_map(|_| tail.watch()).collect();
        assert_eq!(all.len(), WATCHERS_MAX);
        assert!(tail.watch().is_none());
        drop(all);
        assert!(!tail.is_watched());
        assert!(tail.watch().is_some());
    }
}
