//! What the keeper is doing: starting, serving, or ending by a deadline. A state machine without a clock of its own.

use std::time::{Duration, Instant};

/// How long a worker may take to end at once before it is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a worker may take beyond the drain deadline, which it keeps itself, before it is killed.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// Where in its life the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// No worker has bound its sockets yet: an error now ends the daemon.
    Starting,
    /// A worker has served; from now on one that dies is replaced, always.
    Serving,
    /// Asked to quit: the worker finishes what is in flight.
    Draining {
        /// When it is killed.
        until: Instant,
    },
    /// Asked to stop.
    Stopping {
        /// When it is killed.
        until: Instant,
    },
}

impl Life {
    /// QUIT. A stop that is under way is not slowed down.
    pub fn quit(self, now: Instant, drain: Duration) -> Self {
        match self {
            Life::Starting | Life::Serving => Life::Draining {
                until: after(now, drain.saturating_add(DRAIN_GRACE)),
            },
            ending => ending,
        }
    }

    /// TERM or INT; also hurries up a worker that drains.
    pub fn stop(self, now: Instant) -> Self {
        match self {
            Life::Stopping { until } => Life::Stopping { until },
            _ => Life::Stopping {
                until: after(now, STOP_LIMIT),
            },
        }
    }

    /// Whether a worker that dies now was meant to.
    pub fn is_ending(self) -> bool {
        self.deadline().is_some()
    }

    /// When the worker is killed.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Life::Starting | Life::Serving => None,
            Life::Draining { until } | Life::Stopping { until } => Some(until),
        }
    }
}

/// A drain of "for ever" is a century: an Instant cannot hold everything a Duration can.
fn after(now: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(wait.min(CENTURY)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_can_be_hurried_and_a_stop_cannot_be_slowed() {
        let now = Instant::now();
        let draining = Life::Serving.quit(now, Duration::from_secs(30));
        assert_eq!(draining.deadline(), Some(now + Duration::from_secs(32)));
        assert_eq!(draining.quit(now + STOP_LIMIT, Duration::ZERO), draining);
        let stopping = draining.stop(now);
        assert_eq!(stopping.deadline(), Some(now + STOP_LIMIT));
        assert_eq!(stopping.quit(now, Duration::from_secs(30)), stopping);
        assert_eq!(stopping.stop(now + STOP_LIMIT), stopping);
    }

    #[test]
    fn a_drain_without_end_does_not_overflow() {
        assert!(
            Life::Serving
                .quit(Instant::now(), Duration::MAX)
                .is_ending()
        );
    }
}
