//! The thread that writes access logs, so that no thread that serves waits for a disk.
//!
//! A disk that stands still (its journal is committed beside much `fsync`, a network file system is away) holds up `write`
//! for seconds, and with it every request of the thread that logs. So lines go into the file's own waiting bytes, and one
//! thread of the process writes what waits, as many lines at once as have come in [`GATHER`]. What does not fit
//! [`WAITING_BYTES_MAX`] is dropped and counted.

use super::LogFile;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of lines of one file that wait to be written.
pub const WAITING_BYTES_MAX: usize = 4 << 20;

/// How long the thread gathers lines before it writes them.
pub const GATHER: Duration = Duration::from_millis(5);

/// The way to the thread.
#[derive(Default)]
pub(super) struct Behind {
    state: Mutex<State>,
    /// Wakes the thread.
    more: Condvar,
    /// Wakes who waits for what was logged to be written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    /// Files with lines that wait.
    due: VecDeque<Arc<LogFile>>,
    /// The thread sleeps until it is woken.
    idle: bool,
    /// Somebody waits until all is written.
    hurry: bool,
    /// The thread has files in its hands.
    writing: bool,
    ended: bool,
}

impl Behind {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be none.
    pub fn start() -> io::Result<Arc<Self>> {
        let behind = Arc::new(Self::default());
        let running = behind.clone();
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || while running.turn() {})?;
        Ok(behind)
    }

    /// Has a file written. False once the thread is to end: the caller writes then.
    pub fn push(&self, file: Arc<LogFile>) -> bool {
        let mut state = self.state.lock();
        if state.ended {
            return false;
        }
        state.due.push_back(file);
        // Nobody is woken while the thread gathers or writes: it looks again by itself.
        if std::mem::take(&mut state.idle) {
            self.more.notify_one();
        }
        true
    }

    /// Waits until everything logged so far is written; false where it is not after that time.
    pub fn flush_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        while state.writing || !state.due.is_empty() {
            state.hurry = true;
            self.more.notify_one();
            if self.written.wait_until(&mut state, until).timed_out() {
                return !state.writing && state.due.is_empty();
            }
        }
        true
    }

    /// The thread ends once it has written what there is.
    pub fn end(&self) {
        self.state.lock().ended = true;
        self.more.notify_one();
    }

    /// Writes what waits; false once all is over.
    fn turn(&self) -> bool {
        let mut state = self.state.lock();
        while state.due.is_empty() {
            if state.ended {
                return false;
            }
            state.idle = true;
            self.more.wait(&mut state);
        }
        state.idle = false;
        if !state.hurry && !state.ended {
            self.more.wait_for(&mut state, GATHER);
        }
        state.hurry = false;
        state.writing = true;
        let due = std::mem::take(&mut state.due);
        drop(state);
        due.iter().for_each(|file| file.write_waiting());
        self.state.lock().writing = false;
        self.written.notify_all();
        true
    }
}
