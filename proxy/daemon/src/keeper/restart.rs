//! When a worker that died is started again: at once, and slower while it keeps dying.

use std::time::Duration;

/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The first pause, after a second death in a row.
const PAUSE_FIRST: Duration = Duration::from_millis(10);

/// A worker that lived so long is not counted among quick deaths.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How often in a row a worker died young.
#[derive(Debug, Default)]
pub struct Restart {
    quick_deaths: u32,
}

impl Restart {
    /// How long to wait after the death of a worker that lived for `lived`. Never gives up: clients wait in the queues
    /// of the sockets meanwhile.
    pub fn pause_after(&mut self, lived: Duration) -> Duration {
        if lived >= LONG_LIFE {
            self.quick_deaths = 0;
        }
        let doublings = self.quick_deaths.checked_sub(1);
        self.quick_deaths = self.quick_deaths.saturating_add(1);
        match doublings {
            None => Duration::ZERO,
            Some(n) => PAUSE_FIRST.saturating_mul(1 << n.min(16)).min(PAUSE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_costs_no_pause_and_the_pauses_end_at_a_second() {
        let mut restart = Restart::default();
        let pauses: Vec<u128> = (0..10)
            .map(|_| restart.pause_after(Duration::from_millis(50)).as_millis())
            .collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(
            (0..100).map(|_| restart.pause_after(Duration::ZERO)).max(),
            Some(PAUSE_MAX)
        );
    }

    #[test]
    fn a_long_life_is_forgiven() {
        let mut restart = Restart::default();
        for _ in 0..5 {
            restart.pause_after(Duration::ZERO);
        }
        assert_eq!(restart.pause_after(LONG_LIFE), Duration::ZERO);
    }
}
