//! One reload at a time, and who waits for another waits for so long.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    taken: Mutex<bool>,
    free: Condvar,
}

/// A turn; over when it is dropped, wherever that is.
pub struct Turn(Arc<Turns>);

impl Turns {
    /// Waits for a turn; `None` where the one before does not end within that time.
    pub fn take(self: &Arc<Self>, limit: Duration) -> Option<Turn> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.free.wait_timeout_while(taken, limit, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *taken, true) {
            return None;
        }
        Some(Turn(self.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_one_at_a_time_and_is_not_waited_for_without_end() {
        let turns = Arc::new(Turns::default());
        let first = turns.take(Duration::ZERO).unwrap();
        assert!(turns.take(Duration::from_millis(5)).is_none());
        let waiting = turns.clone();
        let next = std::thread::spawn(move || waiting.take(Duration::from_secs(20)).is_some());
        drop(first);
        assert!(next.join().unwrap());
        assert!(turns.take(Duration::ZERO).is_some(), "it was dropped there");
    }
}
