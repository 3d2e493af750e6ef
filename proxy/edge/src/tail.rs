//! What requests came to, for whoever watches: the decisions of each step.
//!
//! Nobody watches most of the time: then a request costs one relaxed load. A watcher that is too slow misses requests and is
//! told how many; it never holds one up.

use crate::{
    local::Local,
    log::privacy,
    plan::{Plan, RoutePlan, SitePlan},
    step::Step,
    tx::{ConnInfo, Tx},
};
use serde_json::{Value, json};
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

/// A request that has ended.
pub(crate) struct Ended<'a> {
    /// Its site; none has its name, or its head was refused before one was looked for.
    pub(crate) site: Option<&'a SitePlan>,
    /// Its route.
    pub(crate) route: Option<&'a RoutePlan>,
    /// Where it was answered.
    pub(crate) reached: Step,
    /// Why its head was refused: then nothing else of it is known.
    pub(crate) refused: Option<&'static str>,
}

/// Tells the watchers of a request that has ended; its place in the pipeline is where it was answered.
pub(crate) fn tell(local: &Local, info: &ConnInfo, tx: &mut Tx, plan: &Plan, ended: &Ended<'_>) {
    tx.ensure_id(|| local.random_id());
    let id = told(&tx.id);
    let now = crate::clock::now_ms();
    let end_ms = if tx.ended_ms == 0 { now } else { tx.ended_ms };
    let head_ms = tx.now_ms.saturating_sub(tx.started_ms);
    let trace = match ended.refused {
        Some(why) => vec![json!({ "step": "head", "result": "refused", "why": why })],
        None => decisions(local, tx, plan, ended, &id, (head_ms, end_ms)),
    };
    // Of a head that could not be read nothing is looked at again.
    let known = ended.refused.is_none();
    let read = |bytes: &[u8]| if known { told(bytes) } else { String::new() };
    let event = json!({
        "at_ms": end_ms, "id": id, "client": tx.client_text(info),
        "method": read(tx.method_text()), "host": read(&tx.host),
        "target": if known { target(tx.request_uri()) } else { String::new() },
        "site": ended.site.map_or("", |s| s.name.as_str()), "status": tx.status,
        "ms": if known { end_ms.saturating_sub(tx.started_ms) } else { 0 }, "bytes": tx.body_sent, "trace": trace,
    });
    // Nobody may be left to hear it.
    let _ = local.shared.tail.sender.send(Arc::from(event.to_string()));
}

/// What each step came to, with its time where one is known: until the head was whole, until each origin answered, and
/// until the last byte was sent.
fn decisions(
    local: &Local,
    tx: &Tx,
    plan: &Plan,
    ended: &Ended<'_>,
    id: &str,
    (head_ms, end_ms): (u64, u64),
) -> Vec<Value> {
    let mut trace = vec![json!({ "step": "head", "result": "read", "ms": head_ms })];
    trace.push(match ended.site {
        Some(site) => json!({ "step": "site", "result": site.name }),
        None => json!({ "step": "site", "result": "unknown" }),
    });
    if let Some(route) = ended.route {
        let line = plan.config.sources.line_column(route.at).0;
        trace.push(json!({ "step": "route", "result": &*route.name, "line": line }));
        if let Some(waf) = &route.waf {
            trace.push(match local.shared.waf_events.of(id) {
                Some(event) => json!({
                    "step": "waf", "result": if event.blocked { "denied" } else { "detected" },
                    "rule_set": event.rule_set, "rule": event.rule, "score": event.score,
                    "rules": event.matches.iter().map(|m| m.rule).collect::<Vec<_>>(),
                }),
                // The access step, for one, comes before it.
                None if ended.reached < Step::WafRequest => {
                    json!({ "step": "waf", "result": "not reached" })
                }
                None => json!({ "step": "waf", "result": "passed", "rule_set": waf.name }),
            });
        }
    }
    if !tx.cache.is_empty() {
        trace.push(json!({ "step": "cache", "result": tx.cache.to_ascii_lowercase() }));
    }
    for tried in &tx.tries {
        trace.push(json!({
            "step": "upstream", "result": &*tried.address, "status": tried.status, "ms": tried.ms,
        }));
    }
    let since_head = end_ms.saturating_sub(tx.now_ms.max(tx.started_ms));
    trace.push(json!({ "step": ended.reached.as_str(), "result": tx.status, "ms": since_head }));
    trace
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
