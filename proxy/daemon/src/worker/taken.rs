//! Addresses that somebody else has: the daemon is up without them, says who has them, and takes them once they are free.
//!
//! Only under a service manager: whoever starts the daemon by hand reads its error at once and wants it, but a machine
//! that comes up with one port taken must not be left without all the others.

use super::life::Worker;
use seawall_conf::model::LogLevel;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// How often addresses that were taken are tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// What is not listened on, each with its reason.
pub type Missing = Vec<(String, String)>;

/// One line for `systemctl status`.
pub fn status_line(missing: &Missing) -> String {
    if missing.is_empty() {
        return "serving".to_owned();
    }
    let each: Vec<String> = missing
        .iter()
        .map(|(address, why)| format!("{address}: {why}"))
        .collect();
    format!("degraded, not listening on {}", each.join("; "))
}

/// Tries again until the worker ends.
pub async fn watch(worker: Weak<Worker>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(worker) = worker.upgrade() else {
            return;
        };
        if worker.missing().is_empty() {
            continue;
        }
        // The keeper is asked, which may take a moment.
        let _ = tokio::task::spawn_blocking(move || retry(&worker)).await;
    }
}

fn retry(worker: &Arc<Worker>) {
    let before = worker.missing();
    worker.edge.listen_missing();
    if let Err(error) = worker.apply_rest() {
        worker
            .log
            .line(LogLevel::Error, 0, format_args!("{error:#}"));
    }
    worker.tell_missing(&before);
}
