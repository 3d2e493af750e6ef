//! Access logs: a buffer a thread and file, written when full or old.
//!
//! The files are shared and opened for appending, so whole lines of several threads never mix: a buffer is written
//! with one `write`, by a thread that [does nothing else](super::behind). A line that cannot be written is counted, and its
//! request is not held up for it. A file that has grown to its limit is put away by another thread; those that serve log on
//! meanwhile.

use super::{
    Syslog,
    behind::{Behind, WAITING_BYTES_MAX},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use seawall_conf::model::{self, Rotation};
use std::{
    cell::RefCell,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// A log file that all threads append to.
pub struct LogFile {
    path: PathBuf,
    file: ArcSwap<Option<File>>,
    lost_lines: AtomicU64,
    /// Bytes in it, as far as this process knows.
    bytes: AtomicU64,
    /// Bytes from which it is to be put away; 0: never.
    limit: AtomicU64,
    /// It is to be put away, and that was said.
    due: AtomicBool,
    told: Arc<Notify>,
    waiting: Mutex<Waiting>,
    /// Held while waiting lines are written: they stay in their order.
    writing: Mutex<()>,
    behind: Arc<Behind>,
}

/// Lines on their way into a file.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    /// The writing thread knows of them.
    told: bool,
}

/// Room that a file keeps for waiting lines while there are none.
const WAITING_KEPT: usize = 256 * 1024;

impl LogFile {
    fn write(self: &Arc<Self>, lines: &[u8]) {
        self.write_counted(lines, memchr::memchr_iter(b'\n', lines).count() as u64);
    }

    /// Has the thread write what holds `lines` lines.
    fn write_counted(self: &Arc<Self>, bytes: &[u8], lines: u64) {
        let mut waiting = self.waiting.lock();
        let before = waiting.bytes.len();
        if before > 0 && before + bytes.len() > WAITING_BYTES_MAX {
            drop(waiting);
            self.lost_lines.fetch_add(lines, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(bytes);
        waiting.lines += lines;
        let is_known = std::mem::replace(&mut waiting.told, true);
        drop(waiting);
        if !is_known && !self.behind.push(self.clone()) {
            self.write_waiting();
        }
    }

    /// Writes what waits.
    pub(super) fn write_waiting(&self) {
        let _one = self.writing.lock();
        let Waiting {
            mut bytes, lines, ..
        } = std::mem::take(&mut *self.waiting.lock());
        if bytes.is_empty() {
            return;
        }
        let file = self.file.load();
        let written = file
            .as_ref()
            .as_ref()
            .is_some_and(|mut f| f.write_all(&bytes).is_ok());
        match written {
            true => self.count(bytes.len() as u64),
            false => drop(self.lost_lines.fetch_add(lines, Ordering::Relaxed)),
        }
        bytes.clear();
        bytes.shrink_to(WAITING_KEPT);
        let mut waiting = self.waiting.lock();
        if waiting.bytes.is_empty() {
            waiting.bytes = bytes;
        }
    }

    /// So many bytes more are in the file.
    fn count(&self, length: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return;
        }
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        if before + length >= limit && !self.due.swap(true, Ordering::Relaxed) {
            self.told.notify_one();
        }
    }

    /// Goes on in another file; what was logged before is in the old one.
    fn replace(&self, file: File) {
        self.write_waiting();
        let length = file.metadata().map_or(0, |meta| meta.len());
        self.bytes.store(length, Ordering::Relaxed);
        self.file.store(Arc::new(Some(file)));
        self.due.store(false, Ordering::Relaxed);
    }

    /// Lines that could not be written since the start.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines.load(Ordering::Relaxed)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Files that could not be opened anew, each with why.
pub type Unopened = Vec<(PathBuf, std::io::Error)>;

/// Every access log by path, and syslog server. They outlive plans, so a reload goes on in the same file.
#[derive(Default)]
pub struct AccessLogs {
    files: Mutex<Vec<Arc<LogFile>>>,
    servers: Mutex<Vec<Arc<Syslog>>>,
    /// Said when a file has grown to its limit.
    due: Arc<Notify>,
    /// Counts reopenings, for files that threads have open themselves.
    opened: AtomicU64,
    /// Lines for files that requests name and that could not be written.
    lost_named: AtomicU64,
    /// Writes the files; begins with the first of them.
    behind: OnceLock<Arc<Behind>>,
}

impl Drop for AccessLogs {
    fn drop(&mut self) {
        if let Some(behind) = self.behind.get() {
            behind.end();
        }
    }
}

impl AccessLogs {
    /// The file of a path, opened by `open` the first time.
    ///
    /// # Errors
    /// What `open` says, or that no thread can be started to write it.
    pub fn file(
        &self,
        path: &Path,
        rotate: Option<Rotation>,
        open: &dyn Fn(&Path) -> std::io::Result<File>,
    ) -> std::io::Result<Arc<LogFile>> {
        let limit = rotate.map_or(0, |rotate| rotate.size);
        let mut files = self.files.lock();
        if let Some(known) = files.iter().find(|f| f.path == path) {
            known.limit.store(limit, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let opened = open(path)?;
        let behind = match self.behind.get() {
            Some(behind) => behind.clone(),
            // Under the lock of the files: it is started once.
            None => {
                let started = Behind::start()?;
                self.behind.get_or_init(|| started).clone()
            }
        };
        let file = Arc::new(LogFile {
            path: path.to_owned(),
            bytes: AtomicU64::new(opened.metadata().map_or(0, |meta| meta.len())),
            file: ArcSwap::from_pointee(Some(opened)),
            lost_lines: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
            due: AtomicBool::new(false),
            told: self.due.clone(),
            waiting: Mutex::default(),
            writing: Mutex::default(),
            behind,
        });
        files.push(file.clone());
        Ok(file)
    }

    /// The server of a configuration's line; the same one for the same words.
    ///
    /// # Errors
    /// When its name is unknown, or there is no socket for it.
    pub fn syslog(&self, from: &model::Syslog) -> std::io::Result<Arc<Syslog>> {
        let mut servers = self.servers.lock();
        if let Some(known) = servers.iter().find(|s| s.is(from)) {
            return Ok(known.clone());
        }
        let server = Arc::new(Syslog::new(from)?);
        servers.push(server.clone());
        Ok(server)
    }

    /// Opens every file anew (USR1, after a rotation). A file that cannot be opened goes on in the old one.
    pub fn reopen(&self, open: &dyn Fn(&Path) -> std::io::Result<File>) -> Unopened {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let files = self.files.lock().clone();
        Self::exchange(files.iter(), open)
    }

    /// Waits until a file has grown to its limit.
    pub async fn due(&self) {
        self.due.notified().await;
    }

    /// Puts away what has grown to its limit: `open` renames and opens anew. What it cannot is written to as before, up to as
    /// much again.
    pub fn rotate(&self, open: &dyn Fn(&Path) -> std::io::Result<File>) -> Unopened {
        let mut files = self.files.lock().clone();
        files.retain(|f| f.due.load(Ordering::Relaxed));
        let failed = Self::exchange(files.iter(), open);
        for file in files.iter().filter(|f| f.due.load(Ordering::Relaxed)) {
            file.bytes.store(0, Ordering::Relaxed);
            file.due.store(false, Ordering::Relaxed);
        }
        failed
    }

    fn exchange<'a>(
        files: impl Iterator<Item = &'a Arc<LogFile>>,
        open: &dyn Fn(&Path) -> std::io::Result<File>,
    ) -> Unopened {
        files
            .filter_map(|f| match open(&f.path) {
                Ok(new) => {
                    f.replace(new);
                    None
                }
                Err(e) => Some((f.path.clone(), e)),
            })
            .collect()
    }

    /// Waits until everything logged so far is written; false where a disk stands still for that long.
    pub fn flush_within(&self, limit: Duration) -> bool {
        let behind = self.behind.get();
        behind.is_none_or(|behind| behind.flush_within(limit))
    }

    /// How often files were opened anew.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Counts a line for a file that a request names.
    pub fn lose_named(&self) {
        self.lost_named.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines lost over all files and servers.
    pub fn lost_lines(&self) -> u64 {
        let files: u64 = self.files.lock().iter().map(|f| f.lost_lines()).sum();
        let servers: u64 = self.servers.lock().iter().map(|s| s.lost()).sum();
        files + servers + self.lost_named.load(Ordering::Relaxed)
    }
}

/// How lines come into a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buffering {
    /// Bytes from which they are written.
    pub limit: usize,
    /// How long they wait at most.
    pub flush: Duration,
    /// Level of gzip: what is written is a member of its own.
    pub gzip: Option<u8>,
}

impl Buffering {
    /// As a configuration says.
    pub fn of(log: &model::AccessLog) -> Self {
        Self {
            limit: log.buffer,
            flush: log.flush,
            gzip: log.gzip,
        }
    }
}

/// The buffers of one thread.
#[derive(Default)]
pub struct LogBuffers {
    buffers: RefCell<Vec<Buffer>>,
}

struct Buffer {
    file: Arc<LogFile>,
    bytes: Vec<u8>,
    since: Instant,
    how: Buffering,
}

impl Buffer {
    fn write(&mut self) {
        match self.how.gzip {
            None => self.file.write(&self.bytes),
            Some(level) => {
                let lines = memchr::memchr_iter(b'\n', &self.bytes).count() as u64;
                let level = flate2::Compression::new(level.into());
                let mut member = flate2::write::GzEncoder::new(Vec::new(), level);
                // Writing to memory does not fail.
                let done = member.write_all(&self.bytes).and_then(|()| member.finish());
                self.file.write_counted(&done.unwrap_or_default(), lines);
            }
        }
        self.bytes.clear();
    }
}

impl LogBuffers {
    /// Lets `line` append one line (without newline) to the buffer of `file` and has it written when it is full.
    pub fn line(&self, file: &Arc<LogFile>, how: Buffering, line: impl FnOnce(&mut Vec<u8>)) {
        let mut buffers = self.buffers.borrow_mut();
        let at = match buffers.iter().position(|b| Arc::ptr_eq(&b.file, file)) {
            Some(at) => at,
            None => {
                buffers.push(Buffer {
                    file: file.clone(),
                    bytes: Vec::new(),
                    since: Instant::now(),
                    how,
                });
                buffers.len() - 1
            }
        };
        let Some(buffer) = buffers.get_mut(at) else {
            return;
        };
        buffer.how = how;
        line(&mut buffer.bytes);
        buffer.bytes.push(b'\n');
        if buffer.bytes.len() >= how.limit {
            buffer.write();
        }
    }

    /// Has written what has waited long enough; called once a tick. `all`: everything.
    pub fn flush(&self, all: bool) {
        let now = Instant::now();
        for buffer in self.buffers.borrow_mut().iter_mut() {
            if buffer.bytes.is_empty() {
                buffer.since = now;
            } else if all || now.duration_since(buffer.since) >= buffer.how.flush {
                buffer.write();
                buffer.since = now;
            }
        }
    }
}

impl Drop for LogBuffers {
    fn drop(&mut self) {
        self.flush(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than any of it takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn append(path: &Path) -> std::io::Result<File> {
        File::options().create(true).append(true).open(path)
    }

    #[test]
    fn lines_are_whole_and_reopening_follows_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let logs = AccessLogs::default();
        let file = logs.file(&path, None, &append).unwrap();
        let buffers = LogBuffers::default();
        buffers.line(&file, buffered(), |b| b.extend_from_slice(b"one"));
        assert_eq!(std::fs::read(&path).unwrap(), b"", "buffered");
        buffers.flush(true);
        std::fs::rename(&path, dir.path().join("access.log.1")).unwrap();
        assert!(logs.reopen(&append).is_empty());
        buffers.line(&file, Buffering::default(), |b| b.extend_from_slice(b"two"));
        assert!(logs.flush_within(PATIENCE));
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(
            std::fs::read(dir.path().join("access.log.1")).unwrap(),
            b"one\n"
        );
    }

    fn buffered() -> Buffering {
        Buffering {
            limit: 64 * 1024,
            flush: Duration::from_secs(1),
            gzip: None,
        }
    }

    #[test]
    fn a_file_that_has_grown_is_put_away_once_and_what_cannot_be_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let logs = AccessLogs::default();
        let rotate = Some(Rotation { size: 10, keep: 1 });
        let file = logs.file(&path, rotate, &append).unwrap();
        let line = |text: &[u8]| {
            LogBuffers::default().line(&file, Buffering::default(), |b| b.extend_from_slice(text));
            assert!(logs.flush_within(PATIENCE));
        };
        line(b"1234");
        let away = |path: &Path| {
            std::fs::rename(path, path.with_extension("1")).and_then(|()| append(path))
        };
        assert!(logs.rotate(&away).is_empty());
        assert_eq!(std::fs::read(&path).unwrap(), b"1234\n", "not yet");
        line(b"5678");
        let refused = |_: &Path| Err(std::io::Error::other("no"));
        assert_eq!(logs.rotate(&refused).len(), 1);
        line(b"9");
        assert!(logs.rotate(&away).is_empty());
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"1234\n5678\n9\n",
            "up to as much again"
        );
        line(b"abcdefgh");
        assert!(logs.rotate(&away).is_empty());
        line(b"new");
        assert_eq!(std::fs::read(&path).unwrap(), b"new\n");
        assert_eq!(logs.lost_lines(), 0);
    }

    #[test]
    fn a_compressed_log_is_members_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log.gz");
        let logs = AccessLogs::default();
        let file = logs.file(&path, None, &append).unwrap();
        let how = Buffering {
            gzip: Some(1),
            ..buffered()
        };
        for text in ["one", "two"] {
            LogBuffers::default().line(&file, how, |b| b.extend_from_slice(text.as_bytes()));
        }
        assert!(logs.flush_within(PATIENCE));
        let mut text = String::new();
        let bytes = File::open(&path).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text)
            .unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn a_full_disk_loses_lines_and_counts_them() {
        let logs = AccessLogs::default();
        let full = |_: &Path| File::options().write(true).open("/dev/full");
        let file = logs.file(Path::new("/dev/full"), None, &full).unwrap();
        LogBuffers::default().line(&file, Buffering::default(), |b| {
            b.extend_from_slice(b"lost")
        });
        assert!(logs.flush_within(PATIENCE));
        assert_eq!(logs.lost_lines(), 1);
    }

    /// A pipe that nobody reads holds up who writes to it, as a disk that stands still does.
    #[test]
    fn a_disk_that_stands_still_holds_up_nobody_and_what_it_loses_is_counted() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let opened = Mutex::new(Some(pipe));
        let logs = AccessLogs::default();
        let open = |_: &Path| Ok(opened.lock().take().unwrap());
        let file = logs.file(Path::new("pipe"), None, &open).unwrap();
        let line = vec![b'x'; 64 * 1024 - 1];
        let lines = 2 * WAITING_BYTES_MAX / (line.len() + 1);
        let buffers = LogBuffers::default();
        for _ in 0..lines {
            buffers.line(&file, Buffering::default(), |b| b.extend_from_slice(&line));
        }
        assert!(
            !logs.flush_within(Duration::from_millis(20)),
            "it stands still"
        );
        let lost = logs.lost_lines();
        assert!(lost > 0 && lost < lines as u64, "{lost} of {lines}");
        drop(buffers);
        // It moves again: what had room is written, whole and once.
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut all).map(|_| all)
        });
        assert!(logs.flush_within(PATIENCE));
        drop((file, logs));
        let all = reading.join().unwrap().unwrap();
        let expected = (lines as u64 - lost) * (line.len() as u64 + 1);
        assert_eq!(all.len() as u64, expected);
    }
}
