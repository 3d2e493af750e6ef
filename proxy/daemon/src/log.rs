//! The error log, in nginx's syntax: `2026/11/23 18:32:51 [notice] 123#123: text`.
//!
//! The keeper opens the file (it may belong to root) and hands the descriptor to the worker. The keeper writes its few
//! lines itself; the worker's threads must not wait for a disk, so theirs go through a bounded queue to a thread that
//! writes whole lines, several at once. When the queue is full, lines are dropped and counted, and the log says how
//! many as soon as it can. Control characters are escaped: what a client sends cannot start a line of its own.
//!
//! Limits: [`LINE_BYTES_MAX`], [`QUEUE_LINES_MAX`].

use seawall_conf::model::LogLevel;
use seawall_sys::{clock, process::thread_id};
use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
};

/// The longest line; the rest of a longer one is cut (nginx: `NGX_MAX_ERROR_STR`, 2048).
pub const LINE_BYTES_MAX: usize = 4096;

/// Lines that wait to be written.
pub const QUEUE_LINES_MAX: usize = 4096;

/// Bytes of one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// An error log; clones write to the same file.
#[derive(Clone)]
pub struct ErrorLog {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Job>>,
}

struct Shared {
    /// `None` is standard error.
    file: Mutex<Option<Arc<File>>>,
    level: AtomicU8,
    dropped: AtomicU64,
}

enum Job {
    Line(String),
    Flush(SyncSender<()>),
}

impl ErrorLog {
    /// A log whose callers write themselves: for the keeper and for commands. Without a file: standard error.
    pub fn direct(file: Option<File>, level: LogLevel) -> Self {
        let shared = Shared {
            file: Mutex::new(file.map(Arc::new)),
            level: AtomicU8::new(level as u8),
            dropped: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            queue: None,
        }
    }

    /// A log whose callers never wait for the file: for the worker.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn queued(file: Option<File>, level: LogLevel) -> io::Result<Self> {
        let direct = Self::direct(file, level);
        let (queue, jobs) = mpsc::sync_channel(QUEUE_LINES_MAX);
        let shared = direct.shared.clone();
        std::thread::Builder::new()
            .name("error-log".into())
            .spawn(move || write_lines(&shared, &jobs))?;
        Ok(Self {
            queue: Some(queue),
            ..direct
        })
    }

    /// Goes on in another file: after a reload or when logs are rotated.
    pub fn replace(&self, file: Option<File>) {
        *self
            .shared
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = file.map(Arc::new);
    }

    /// The file, to be handed on; `None` is standard error.
    pub fn file(&self) -> Option<Arc<File>> {
        self.shared.file()
    }

    /// Changes the least severe level that is written.
    pub fn set_level(&self, level: LogLevel) {
        self.shared.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether a level is written at all.
    pub fn enabled(&self, level: LogLevel) -> bool {
        level as u8 <= self.shared.level.load(Ordering::Relaxed)
    }

    /// Writes one line; `connection` is nginx's `*N`, 0 for none. Does nothing if the level is not [`enabled`](Self::enabled).
    pub fn line(&self, level: LogLevel, connection: u64, text: fmt::Arguments<'_>) {
        if !self.enabled(level) {
            return;
        }
        let line = format_line(clock::now_s(), level, connection, text);
        match &self.queue {
            None => self.shared.write(line.as_bytes()),
            Some(queue) => {
                if let Err(TrySendError::Full(_)) = queue.try_send(Job::Line(line)) {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Waits until everything said so far is written: before the process ends.
    pub fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, wait) = mpsc::sync_channel(1);
        if queue.send(Job::Flush(done)).is_ok() {
            // Fails only if the writer is gone, and then there is nothing to wait for.
            let _ = wait.recv();
        }
    }
}

impl Shared {
    fn file(&self) -> Option<Arc<File>> {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// One write for whole lines, so that those of two processes never mix. A log that cannot be written has nowhere
    /// to complain to.
    fn write(&self, lines: &[u8]) {
        let _ = match self.file() {
            Some(file) => (&*file).write_all(lines),
            None => io::stderr().write_all(lines),
        };
    }
}

fn write_lines(shared: &Shared, jobs: &Receiver<Job>) {
    let mut lines = String::new();
    while let Ok(first) = jobs.recv() {
        let mut flushed = None;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Line(line) => lines.push_str(&line),
                Job::Flush(done) => {
                    flushed = Some(done);
                    break;
                }
            }
            next = if lines.len() < WRITE_BYTES_MAX {
                jobs.try_recv().ok()
            } else {
                None
            };
        }
        let dropped = shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text =
                format_args!("{dropped} lines of this log were dropped: it was written too slowly");
            lines.push_str(&format_line(clock::now_s(), LogLevel::Warn, 0, text));
        }
        shared.write(lines.as_bytes());
        lines.clear();
        if let Some(done) = flushed {
            let _ = done.send(());
        }
    }
}

/// nginx's name of a level.
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Emerg => "emerg",
        LogLevel::Alert => "alert",
        LogLevel::Crit => "crit",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Notice => "notice",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

fn format_line(now_s: u64, level: LogLevel, connection: u64, text: fmt::Arguments<'_>) -> String {
    let t = clock::local(now_s);
    let mut line = String::with_capacity(256);
    // Writing to a String cannot fail, and an error from a caller's Display only shortens the line.
    let _ = write!(
        line,
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02} [{}] {}#{}: ",
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second,
        level_name(level),
        std::process::id(),
        thread_id(),
    );
    if connection != 0 {
        let _ = write!(line, "*{connection} ");
    }
    let _ = Escaped(&mut line).write_fmt(text);
    line.push('\n');
    line
}

/// Writes text with its control characters as `\xHH`, up to the longest line.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() + c.len_utf8() + 4 > LINE_BYTES_MAX {
                return Err(fmt::Error);
            }
            match c {
                '\0'..='\x08' | '\n'..='\x1f' | '\x7f' => write!(self.0, "\\x{:02X}", c as u32)?,
                _ => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(line: &str) -> &str {
        line.split_once(": ").map_or("", |(_, text)| text)
    }

    #[test]
    fn a_line_has_nginxs_shape() {
        let line = format_line(
            clock::now_s(),
            LogLevel::Notice,
            0,
            format_args!("start worker process {}", 7),
        );
        let (stamp, rest) = line.split_once(" [notice] ").unwrap();
        assert_eq!(stamp.len(), "2026/11/23 18:32:51".len());
        assert_eq!(
            rest,
            format!(
                "{}#{}: start worker process 7\n",
                std::process::id(),
                thread_id()
            )
        );
        let line = format_line(0, LogLevel::Error, 42, format_args!("upstream timed out"));
        assert_eq!(text_of(&line), "*42 upstream timed out\n");
    }

    #[test]
    fn text_cannot_start_a_line_of_its_own() {
        let line = format_line(
            0,
            LogLevel::Error,
            0,
            format_args!("a\r\n2026/01/01 [alert] b\x1b[0m\u{e9}"),
        );
        assert_eq!(
            text_of(&line),
            "a\\x0D\\x0A2026/01/01 [alert] b\\x1B[0m\u{e9}\n"
        );
    }

    #[test]
    fn a_line_past_the_limit_is_cut() {
        let line = format_line(
            0,
            LogLevel::Error,
            0,
            format_args!("{}", "x".repeat(2 * LINE_BYTES_MAX)),
        );
        assert!(line.len() <= LINE_BYTES_MAX && line.ends_with("x\n"));
    }

    #[test]
    fn a_level_below_the_configured_one_is_not_written() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let log = ErrorLog::queued(Some(path.reopen().unwrap()), LogLevel::Warn).unwrap();
        log.line(LogLevel::Info, 0, format_args!("quiet"));
        log.line(LogLevel::Warn, 0, format_args!("loud"));
        log.set_level(LogLevel::Info);
        log.line(LogLevel::Info, 0, format_args!("now"));
        log.flush();
        let written = std::fs::read_to_string(path.path()).unwrap();
        assert_eq!(
            written.lines().map(text_of).collect::<Vec<_>>(),
            ["loud", "now"]
        );
    }

    #[test]
    fn a_log_that_is_not_written_drops_lines_and_says_so() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut log = ErrorLog::direct(Some(path.reopen().unwrap()), LogLevel::Warn);
        let (queue, jobs) = mpsc::sync_channel(QUEUE_LINES_MAX);
        log.queue = Some(queue);
        for n in 0..QUEUE_LINES_MAX + 5 {
            log.line(LogLevel::Warn, 0, format_args!("{n}"));
        }
        let shared = log.shared.clone();
        drop(log);
        write_lines(&shared, &jobs);
        let written = std::fs::read_to_string(path.path()).unwrap();
        assert_eq!(written.lines().count(), QUEUE_LINES_MAX + 1);
        assert!(written.contains("5 lines of this log were dropped"));
    }

    #[test]
    fn a_replaced_file_gets_what_comes_next() {
        let (old, new) = (
            tempfile::NamedTempFile::new().unwrap(),
            tempfile::NamedTempFile::new().unwrap(),
        );
        let log = ErrorLog::queued(Some(old.reopen().unwrap()), LogLevel::Warn).unwrap();
        log.line(LogLevel::Warn, 0, format_args!("before"));
        log.flush();
        log.replace(Some(new.reopen().unwrap()));
        log.line(LogLevel::Warn, 0, format_args!("after"));
        log.flush();
        assert!(
            std::fs::read_to_string(old.path())
                .unwrap()
                .ends_with("before\n")
        );
        assert!(
            std::fs::read_to_string(new.path())
                .unwrap()
                .ends_with("after\n")
        );
    }
}
