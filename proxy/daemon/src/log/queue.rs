//! Lines on their way to the thread that writes them.

use super::{GATHER, Shared, WAITING_BYTES_MAX, format_line};
use seawall_conf::model::LogLevel;
use seawall_sys::clock;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The end of a queue that is written to. The writer ends with the last of them.
pub(super) struct Sender(pub Arc<Queue>);

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.more.notify_one();
    }
}

/// Lines on their way to the thread that writes them.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Wakes the writer.
    more: Condvar,
    /// Wakes who waits for what was said to be written.
    written: Condvar,
}

#[derive(Default)]
pub(super) struct Waiting {
    pub lines: String,
    pub dropped: u64,
    /// The writer sleeps until it is woken.
    idle: bool,
    /// Somebody waits until all is written.
    hurry: bool,
    /// The writer has lines in its hands.
    writing: bool,
    ended: bool,
}

impl Queue {
    pub fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room for it.
    pub fn push(&self, line: &str) -> bool {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return false;
        }
        waiting.lines.push_str(line);
        // Nobody is woken while the writer gathers or writes: it looks again by itself.
        if std::mem::take(&mut waiting.idle) {
            self.more.notify_one();
        }
        true
    }

    pub fn flush_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut waiting = self.lock();
        while !waiting.ended
            && (waiting.writing || waiting.dropped > 0 || !waiting.lines.is_empty())
        {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            waiting.hurry = true;
            self.more.notify_one();
            let waited = self.written.wait_timeout(waiting, left);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub fn write_to(&self, shared: &Shared) {
        let mut lines = String::new();
        while self.gather(&mut lines) {
            shared.write(lines.as_bytes());
            lines.clear();
            shared.rotate_if_full();
            self.lock().writing = false;
            self.written.notify_all();
        }
    }

    /// Takes what is waiting, after a moment in which more may come; false once there is nothing left and all is over.
    fn gather(&self, lines: &mut String) -> bool {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() && waiting.dropped == 0 {
            if waiting.ended {
                return false;
            }
            waiting.idle = true;
            waiting = self
                .more
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        let hurries =
            |w: &mut Waiting| !w.hurry && !w.ended && w.lines.len() < WAITING_BYTES_MAX / 2;
        let gathered = self.more.wait_timeout_while(waiting, GATHER, hurries);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(lines, &mut waiting.lines);
        waiting.writing = true;
        waiting.hurry = false;
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        if dropped > 0 {
            let text =
                format_args!("{dropped} lines of this log were dropped: it was written too slowly");
            format_line(lines, clock::now_s(), LogLevel::Warn, 0, text);
        }
        true
    }
}
