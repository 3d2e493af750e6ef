//! A gate: whoever comes before it is opened waits.

use crate::PATIENCE;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Shared by its clones.
#[derive(Clone, Default)]
pub struct Gate {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        let (state, changed) = &*self.state;
        state.lock().unwrap_or_else(PoisonError::into_inner).open = true;
        changed.notify_all();
    }

    /// Waits until it is open; false if [`PATIENCE`] ended first.
    pub fn pass(&self) -> bool {
        let (state, changed) = &*self.state;
        let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
        held.waiting += 1;
        changed.notify_all();
        let (held, late) = changed
            .wait_timeout_while(held, PATIENCE, |s| !s.open)
            .unwrap_or_else(PoisonError::into_inner);
        drop(held);
        !late.timed_out()
    }

    /// Waits until `count` have come, whether they still wait or not.
    ///
    /// # Panics
    /// When [`PATIENCE`] ends first.
    pub fn wait_for(&self, count: usize) {
        let (state, changed) = &*self.state;
        let held = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (_held, late) = changed
            .wait_timeout_while(held, PATIENCE, |s| s.waiting < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "nobody came to the gate");
    }
}
