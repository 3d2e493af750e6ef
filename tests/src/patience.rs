//! How long a test waits for an event before it calls it a hang.

use std::time::{Duration, Instant};

/// Far more than anything here takes, so that a slow machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often something is looked at that cannot be waited for: a file, a process, a counter.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `attempt` gives something.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
