//! The error log, in nginx's syntax: `2026/11/23 18:32:51 [notice] 123#123: text`.
//!
//! The keeper opens the file (it may belong to root) and hands the descriptor to the worker. Neither the keeper nor the
//! worker's threads must wait for a disk, so their lines go to a bounded buffer, from which a thread
//! writes whole lines, those of [`GATHER`] at once: under an attack each request may leave ten. When the buffer is full,
//! lines are dropped and counted, and the log says how many as soon as it can. Syslog servers get the same lines, as nginx sends
//! them; a file that has grown to its limit is put away by the keeper and begun anew. Control characters are escaped: what a
//! client sends cannot start a line of its own.
//!
//! Limits: [`LINE_BYTES_MAX`], [`WAITING_BYTES_MAX`].

mod queue;

use arc_swap::ArcSwap;
use queue::{Queue, Sender};
use seawall_conf::model::{self, Address, LogLevel};
use seawall_edge::log::Syslog;
use seawall_sys::{clock, process::thread_id};
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

/// The longest line; the rest of a longer one is cut (nginx: `NGX_MAX_ERROR_STR`, 2048).
pub const LINE_BYTES_MAX: usize = 4096;

/// Bytes of lines that wait to be written.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// How long a process that ends, or goes on in another file, waits for its last lines to be written.
pub const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// How long the writer gathers lines before it writes them.
pub const GATHER: Duration = Duration::from_millis(5);

/// An error log; clones write to the same file.
#[derive(Clone)]
pub struct ErrorLog {
    shared: Arc<Shared>,
    queue: Option<Arc<Sender>>,
}

struct Shared {
    /// `None` is standard error.
    file: Mutex<Option<Arc<File>>>,
    /// The least severe level that the file gets.
    level: AtomicU8,
    /// The least severe level that anybody gets.
    any: AtomicU8,
    servers: ArcSwap<Vec<Server>>,
    /// Lines lost since the start: dropped, and those of servers that are gone.
    lost: AtomicU64,
    /// Bytes in the file, as far as this process knows.
    bytes: AtomicU64,
    /// The file's path, and how many bytes it may have.
    limit: Mutex<Option<(PathBuf, u64)>>,
    rotate: OnceLock<Box<Rotate>>,
}

/// Puts a file away and opens it anew.
type Rotate = dyn Fn(&Path) -> io::Result<File> + Send + Sync;

/// A syslog server, and the least severe level that it gets.
type Server = (Arc<Syslog>, LogLevel);

impl ErrorLog {
    /// A log whose callers write themselves: for commands, and until there may be threads. Without a file: standard error.
    pub fn direct(file: Option<File>, level: LogLevel) -> Self {
        let shared = Shared {
            bytes: AtomicU64::new(file.as_ref().map_or(0, length)),
            file: Mutex::new(file.map(Arc::new)),
            level: AtomicU8::new(level as u8),
            any: AtomicU8::new(level as u8),
            servers: ArcSwap::default(),
            lost: AtomicU64::new(0),
            limit: Mutex::default(),
            rotate: OnceLock::new(),
        };
        Self {
            shared: Arc::new(shared),
            queue: None,
        }
    }

    /// A log whose callers never wait for the file.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn queued(file: Option<File>, level: LogLevel) -> io::Result<Self> {
        Self::direct(file, level).behind()
    }

    /// The same log, whose callers from now on never wait for the file.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn behind(self) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (shared, from) = (self.shared.clone(), queue.clone());
        std::thread::Builder::new()
            .name("error-log".into())
            .spawn(move || from.write_to(&shared))?;
        Ok(Self {
            queue: Some(Arc::new(Sender(queue))),
            ..self
        })
    }

    /// Goes on in another file: after a reload or when logs are rotated.
    pub fn replace(&self, file: Option<File>) {
        let length = file.as_ref().map_or(0, length);
        self.shared.bytes.store(length, Ordering::Relaxed);
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

    /// Changes the least severe level that is written into the file.
    pub fn set_level(&self, level: LogLevel) {
        self.shared.level.store(level as u8, Ordering::Relaxed);
        let servers = self.shared.servers.load();
        let most = servers.iter().map(|(_, level)| *level as u8).max();
        let any = most.unwrap_or(0).max(level as u8);
        self.shared.any.store(any, Ordering::Relaxed);
    }

    /// Does as a configuration says: its level, its servers, its limit. The file is handed over apart. `names`: whether names
    /// of servers are looked up. Returns what could not be done.
    pub fn configure(&self, from: &model::ErrorLog, names: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let before = self.shared.servers.load();
        let mut servers = Vec::new();
        for (server, level) in &from.syslog {
            let known = before.iter().find(|(known, _)| known.is(server));
            match (known, &server.server) {
                (Some((known, _)), _) => servers.push((known.clone(), *level)),
                (None, Address::Name(..)) if !names => {}
                (None, _) => match Syslog::new(server) {
                    Ok(made) => servers.push((Arc::new(made), *level)),
                    Err(e) => {
                        problems.push(format!("the error log does not reach a syslog server: {e}"))
                    }
                },
            }
        }
        for (gone, _) in before.iter() {
            if !servers.iter().any(|(kept, _)| Arc::ptr_eq(kept, gone)) {
                self.shared.lost.fetch_add(gone.lost(), Ordering::Relaxed);
            }
        }
        self.shared.servers.store(Arc::new(servers));
        *lock(&self.shared.limit) = from
            .rotate
            .and_then(|rotate| Some((from.path.clone()?, rotate.size)));
        self.set_level(from.level);
        problems
    }

    /// Who puts away a file that has grown to its limit; said once.
    pub fn on_full(&self, rotate: impl Fn(&Path) -> io::Result<File> + Send + Sync + 'static) {
        let _ = self.shared.rotate.set(Box::new(rotate));
    }

    /// Lines that were dropped, or did not reach a syslog server.
    pub fn lost_lines(&self) -> u64 {
        let servers: u64 = self
            .shared
            .servers
            .load()
            .iter()
            .map(|(s, _)| s.lost())
            .sum();
        servers + self.shared.lost.load(Ordering::Relaxed)
    }

    /// Whether a level is written at all.
    pub fn enabled(&self, level: LogLevel) -> bool {
        level as u8 <= self.shared.any.load(Ordering::Relaxed)
    }

    /// Writes one line; `connection` is nginx's `*N`, 0 for none. Does nothing if the level is not [`enabled`](Self::enabled).
    pub fn line(&self, level: LogLevel, connection: u64, text: fmt::Arguments<'_>) {
        if !self.enabled(level) {
            return;
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            format_line(line, clock::now_s(), level, connection, text);
            self.shared.send(level, line);
            match &self.queue {
                _ if !self.shared.has(level) => {}
                None => self.shared.write(line.as_bytes()),
                Some(queue) if queue.0.push(line) => {}
                Some(_) => drop(self.shared.lost.fetch_add(1, Ordering::Relaxed)),
            }
        });
    }

    /// Waits until everything said so far is written, before the process ends or the file is another one; false where it is
    /// not after that time.
    pub fn flush_within(&self, limit: Duration) -> bool {
        let queue = self.queue.as_ref();
        queue.is_none_or(|queue| queue.0.flush_within(limit))
    }
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |meta| meta.len())
}

impl Shared {
    fn file(&self) -> Option<Arc<File>> {
        lock(&self.file).clone()
    }

    /// Whether the file gets this level.
    fn has(&self, level: LogLevel) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    /// To every server that gets this level, without its newline; a level's number is its severity.
    fn send(&self, level: LogLevel, line: &str) {
        let servers = self.servers.load();
        for (server, _) in servers.iter().filter(|(_, least)| level <= *least) {
            server.send(Some(level as u8), &mut Vec::with_capacity(512), |out| {
                out.extend_from_slice(line.trim_end_matches('\n').as_bytes());
            });
        }
    }

    /// One write for whole lines, so that those of two processes never mix. A log that cannot be written has nowhere
    /// to complain to.
    fn write(&self, lines: &[u8]) {
        let _ = match self.file() {
            Some(file) => (&*file).write_all(lines),
            None => io::stderr().write_all(lines),
        };
        let length = lines.len() as u64;
        self.bytes.fetch_add(length, Ordering::Relaxed);
    }

    /// Puts the file away if it has grown to its limit. Where that fails it is written to, up to as much again.
    fn rotate_if_full(&self) {
        let limit = lock(&self.limit).clone();
        let (Some((path, size)), Some(rotate)) = (limit, self.rotate.get()) else {
            return;
        };
        if self.bytes.load(Ordering::Relaxed) < size {
            return;
        }
        let bytes = match rotate(&path) {
            Ok(file) => {
                let bytes = length(&file);
                *lock(&self.file) = Some(Arc::new(file));
                bytes
            }
            Err(_) => 0,
        };
        self.bytes.store(bytes, Ordering::Relaxed);
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

/// Appends a line.
fn format_line(
    line: &mut String,
    now_s: u64,
    level: LogLevel,
    connection: u64,
    text: fmt::Arguments<'_>,
) {
    let start = line.len();
    let t = clock::local(now_s);
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
    let room = LINE_BYTES_MAX.saturating_sub(line.len() - start + 1);
    let _ = Escaped { line, room }.write_fmt(text);
    line.push('\n');
}

/// Writes text with its control characters as `\xHH`, up to the longest line.
struct Escaped<'a> {
    line: &'a mut String,
    /// Bytes that may still be written.
    room: usize,
}

impl Escaped<'_> {
    fn plain(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(self.room);
        let (text, rest) = text.split_at(fits);
        self.line.push_str(text);
        self.room -= text.len();
        if rest.is_empty() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        // Control characters are ASCII: where one stands a text may be cut.
        let control = |b: &u8| (*b < b' ' && *b != b'\t') || *b == 0x7f;
        while let Some(at) = text.bytes().position(|b| control(&b)) {
            let (before, rest) = text.split_at(at);
            self.plain(before)?;
            let (it, after) = rest.split_at(1);
            let escape = it.bytes().next().unwrap_or_default();
            self.room = self.room.checked_sub(4).ok_or(fmt::Error)?;
            write!(self.line, "\\x{escape:02X}")?;
            text = after;
        }
        self.plain(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than any of it takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn format_line(
        now_s: u64,
        level: LogLevel,
        connection: u64,
        text: fmt::Arguments<'_>,
    ) -> String {
        let mut line = String::new();
        super::format_line(&mut line, now_s, level, connection, text);
        line
    }

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
        assert!(log.flush_within(PATIENCE));
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
        let queue = Arc::new(Queue::default());
        log.queue = Some(Arc::new(Sender(queue.clone())));
        let long = "x".repeat(1000);
        let mut said = 0;
        while queue.lock().dropped < 5 {
            log.line(LogLevel::Warn, 0, format_args!("{long}"));
            said += 1;
        }
        assert!(queue.lock().lines.len() <= WAITING_BYTES_MAX);
        log.queue = None;
        queue.write_to(&log.shared);
        let written = std::fs::read_to_string(path.path()).unwrap();
        assert_eq!(written.lines().count(), said - 5 + 1);
        assert!(written.contains("5 lines of this log were dropped"));
    }

    #[test]
    fn lines_of_many_threads_are_whole_and_all_there() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let log = ErrorLog::queued(Some(path.reopen().unwrap()), LogLevel::Warn).unwrap();
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let log = &log;
                threads.spawn(move || {
                    for n in 0..500 {
                        log.line(LogLevel::Warn, 0, format_args!("{thread} {n}"));
                        if n % 100 == 0 {
                            assert!(log.flush_within(PATIENCE));
                        }
                    }
                });
            }
        });
        assert!(log.flush_within(PATIENCE));
        let written = std::fs::read_to_string(path.path()).unwrap();
        for thread in 0..4 {
            let mine = format!("{thread} ");
            let numbers = written
                .lines()
                .map(text_of)
                .filter_map(|t| t.strip_prefix(&mine));
            assert!(numbers.eq((0..500).map(|n| n.to_string())));
        }
    }

    #[test]
    fn a_file_that_has_grown_is_put_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("error.log");
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        let log = ErrorLog::queued(Some(open(&path).unwrap()), LogLevel::Warn).unwrap();
        log.on_full(move |path| {
            std::fs::rename(path, path.with_extension("old")).and_then(|()| open(path))
        });
        let from = model::ErrorLog {
            path: Some(path.clone()),
            level: LogLevel::Warn,
            rotate: Some(model::Rotation { size: 100, keep: 1 }),
            syslog: Vec::new(),
        };
        assert!(log.configure(&from, true).is_empty());
        log.line(LogLevel::Warn, 0, format_args!("{}", "x".repeat(100)));
        assert!(log.flush_within(PATIENCE));
        log.line(LogLevel::Warn, 0, format_args!("after"));
        assert!(log.flush_within(PATIENCE));
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.ends_with("after\n") && written.lines().count() == 1);
        let old = std::fs::read_to_string(path.with_extension("old")).unwrap();
        assert!(old.ends_with("x\n"));
    }

    #[test]
    fn syslog_gets_lines_of_its_own_level_and_the_file_of_its() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let path = tempfile::NamedTempFile::new().unwrap();
        let log = ErrorLog::queued(Some(path.reopen().unwrap()), LogLevel::Error).unwrap();
        let from = model::ErrorLog {
            path: Some(path.path().to_owned()),
            level: LogLevel::Error,
            rotate: None,
            syslog: vec![(
                model::Syslog {
                    at: seawall_diag::Span::default(),
                    server: Address::Ip(server.local_addr().unwrap()),
                    facility: 23,
                    severity: 6,
                    tag: "seawall".into(),
                    hostname: false,
                },
                LogLevel::Notice,
            )],
        };
        assert!(log.configure(&from, true).is_empty());
        log.line(LogLevel::Info, 0, format_args!("nobody"));
        log.line(LogLevel::Notice, 0, format_args!("noticed"));
        log.line(LogLevel::Error, 0, format_args!("wrong"));
        assert!(log.flush_within(PATIENCE));
        let mut datagrams = Vec::new();
        for _ in 0..2 {
            let mut bytes = [0; 512];
            let n = server.recv(&mut bytes).unwrap();
            datagrams.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
        }
        assert!(datagrams[0].starts_with("<189>") && datagrams[0].ends_with("noticed"));
        assert!(datagrams[1].starts_with("<187>") && datagrams[1].ends_with("wrong"));
        let written = std::fs::read_to_string(path.path()).unwrap();
        assert!(!written.contains("noticed") && written.contains("wrong"));
        assert_eq!(log.lost_lines(), 0);
    }

    #[test]
    fn a_replaced_file_gets_what_comes_next() {
        let (old, new) = (
            tempfile::NamedTempFile::new().unwrap(),
            tempfile::NamedTempFile::new().unwrap(),
        );
        let log = ErrorLog::queued(Some(old.reopen().unwrap()), LogLevel::Warn).unwrap();
        log.line(LogLevel::Warn, 0, format_args!("before"));
        assert!(log.flush_within(PATIENCE));
        log.replace(Some(new.reopen().unwrap()));
        log.line(LogLevel::Warn, 0, format_args!("after"));
        assert!(log.flush_within(PATIENCE));
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
