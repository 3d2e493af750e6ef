//! What is remembered of requests that were given up (CVE-2023-44487).
//!
//! One that was reset costs its origin as much as one that runs, so it goes on taking a place for a while. Sans-io.

/// Resets that came within so long are remembered together for at least so long.
const WINDOW_MS: u64 = 2000;
/// Then they are forgotten, one at a time: ten a second.
const FORGET_MS: u64 = 100;

/// Requests that were given up lately.
#[derive(Default)]
pub(super) struct Resets {
    /// Those of this window, and when it began.
    recent: u32,
    began_ms: u64,
    /// Those before it, and when their number was last right.
    old: u32,
    right_ms: u64,
}

impl Resets {
    /// One more.
    pub(super) fn note(&mut self, now_ms: u64) {
        self.turn(now_ms);
        if self.recent == 0 {
            self.began_ms = now_ms;
        }
        self.recent = self.recent.saturating_add(1);
    }

    /// How many there are. `now_ms` is asked only if there are any.
    pub(super) fn count(&mut self, now_ms: impl FnOnce() -> u64) -> u32 {
        if self.recent > 0 || self.old > 0 {
            self.turn(now_ms());
        }
        self.recent.saturating_add(self.old)
    }

    fn turn(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.right_ms) / FORGET_MS;
        if self.old > 0 && passed > 0 {
            self.old = self.old.saturating_sub(passed.min(u32::MAX.into()) as u32);
            self.right_ms = now_ms;
        }
        let end = self.began_ms.saturating_add(WINDOW_MS);
        if self.recent > 0 && now_ms >= end {
            let passed = (now_ms - end) / FORGET_MS;
            let recent = std::mem::take(&mut self.recent);
            if self.old == 0 {
                self.right_ms = now_ms;
            }
            let left = recent.saturating_sub(passed.min(u32::MAX.into()) as u32);
            self.old = self.old.saturating_add(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_remembered_whole_for_a_window_and_then_forgotten_by_and_by() {
        let mut resets = Resets::default();
        assert_eq!(resets.count(|| unreachable!("nothing to forget")), 0);
        (0..100).for_each(|n| resets.note(1000 + n));
        assert_eq!(resets.count(|| 1100), 100);
        assert_eq!(resets.count(|| 1000 + WINDOW_MS - 1), 100);
        assert_eq!(resets.count(|| 1000 + WINDOW_MS + 1000), 90);
        assert_eq!(resets.count(|| 1000 + WINDOW_MS + 2000), 80);
        resets.note(6000);
        assert_eq!(resets.count(|| 6000), 71);
        assert_eq!(resets.count(|| 100_000), 0);
    }

    #[test]
    fn one_a_second_never_adds_up() {
        let mut resets = Resets::default();
        for second in 0..1000 {
            resets.note(second * 1000);
            assert!(resets.count(|| second * 1000) <= 4);
        }
    }
}
