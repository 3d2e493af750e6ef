//! Thousands of connections, hostile bytes, memory: one test at a time, because each looks at the whole machine.
//!
//! The figures are printed (`--nocapture` shows them).

mod demo;
mod hostile;
mod idle;
mod slow;
mod slowhttptest;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each test for its whole length.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
