//! A worker that idles is small: it has no huge pages until it has something to do.
//!
//! It starts without them (the keeper forbids them, and that is inherited); a fresh install that serves nobody then takes
//! a few megabytes instead of thirty. The first second in which it is busy ends that for good: what it has touched is
//! gathered into huge pages, and what it touches from then on comes in them.

use seawall_sys::huge_pages;
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// CPU time in one [`EVERY`] from which a worker is busy. Its own housekeeping is a hundredth of that.
const BUSY: Duration = Duration::from_millis(50);

/// Waits for the first busy second, whatever it is busy with: requests, questions of DNS, streams.
pub async fn watch() {
    let mut before = huge_pages::cpu_time();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = huge_pages::cpu_time();
        if now.saturating_sub(before) >= BUSY {
            break;
        }
        before = now;
    }
    if huge_pages::allow().is_ok() {
        // Copies some megabytes; without it the kernel does the same some minutes later.
        let _ = tokio::task::spawn_blocking(huge_pages::gather).await;
    }
}
