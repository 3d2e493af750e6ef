//! Access logs: a buffer a thread and file, written when full or old.
//!
//! The files are shared and opened for appending, so whole lines of several threads never mix: a buffer is written
//! with one `write`. A line that cannot be written is counted, and its request is not held up for it.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    cell::RefCell,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A log file that all threads append to.
pub struct LogFile {
    path: PathBuf,
    file: ArcSwap<Option<File>>,
    lost_lines: AtomicU64,
}

impl LogFile {
    fn write(&self, lines: &[u8]) {
        let file = self.file.load();
        let written = file
            .as_ref()
            .as_ref()
            .is_some_and(|mut f| f.write_all(lines).is_ok());
        if !written {
            let n = memchr::memchr_iter(b'\n', lines).count() as u64;
            self.lost_lines.fetch_add(n, Ordering::Relaxed);
        }
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

/// Every access log file by path. Files outlive plans, so a reload goes on in the same file.
#[derive(Default)]
pub struct AccessLogs {
    files: Mutex<Vec<Arc<LogFile>>>,
}

impl AccessLogs {
    /// The file of a path, opened by `open` the first time.
    pub fn file(
        &self,
        path: &Path,
        open: &dyn Fn(&Path) -> std::io::Result<File>,
    ) -> std::io::Result<Arc<LogFile>> {
        let mut files = self.files.lock();
        if let Some(known) = files.iter().find(|f| f.path == path) {
            return Ok(known.clone());
        }
        let file = Arc::new(LogFile {
            path: path.to_owned(),
            file: ArcSwap::from_pointee(Some(open(path)?)),
            lost_lines: AtomicU64::new(0),
        });
        files.push(file.clone());
        Ok(file)
    }

    /// Opens every file anew (USR1, after a rotation). A file that cannot be opened goes on in the old one.
    pub fn reopen(
        &self,
        open: &dyn Fn(&Path) -> std::io::Result<File>,
    ) -> Vec<(PathBuf, std::io::Error)> {
        let files = self.files.lock().clone();
        files
            .iter()
            .filter_map(|f| match open(&f.path) {
                Ok(new) => {
                    f.file.store(Arc::new(Some(new)));
                    None
                }
                Err(e) => Some((f.path.clone(), e)),
            })
            .collect()
    }

    /// Lines lost over all files.
    pub fn lost_lines(&self) -> u64 {
        self.files.lock().iter().map(|f| f.lost_lines()).sum()
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
    flush: Duration,
}

impl LogBuffers {
    /// Lets `line` append one line (without newline) to the buffer of `file` and writes it out when it holds `limit`.
    pub fn line(
        &self,
        file: &Arc<LogFile>,
        limit: usize,
        flush: Duration,
        line: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut buffers = self.buffers.borrow_mut();
        let at = match buffers.iter().position(|b| Arc::ptr_eq(&b.file, file)) {
            Some(at) => at,
            None => {
                buffers.push(Buffer {
                    file: file.clone(),
                    bytes: Vec::new(),
                    since: Instant::now(),
                    flush,
                });
                buffers.len() - 1
            }
        };
        let Some(buffer) = buffers.get_mut(at) else {
            return;
        };
        buffer.flush = flush;
        line(&mut buffer.bytes);
        buffer.bytes.push(b'\n');
        if buffer.bytes.len() >= limit {
            buffer.file.write(&buffer.bytes);
            buffer.bytes.clear();
        }
    }

    /// Writes what has waited long enough; called once a tick. `all` writes everything.
    pub fn flush(&self, all: bool) {
        let now = Instant::now();
        for buffer in self.buffers.borrow_mut().iter_mut() {
            if buffer.bytes.is_empty() {
                buffer.since = now;
            } else if all || now.duration_since(buffer.since) >= buffer.flush {
                buffer.file.write(&buffer.bytes);
                buffer.bytes.clear();
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

    fn append(path: &Path) -> std::io::Result<File> {
        File::options().create(true).append(true).open(path)
    }

    #[test]
    fn lines_are_whole_and_reopening_follows_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let logs = AccessLogs::default();
        let file = logs.file(&path, &append).unwrap();
        let buffers = LogBuffers::default();
        buffers.line(&file, 64 * 1024, Duration::from_secs(1), |b| {
            b.extend_from_slice(b"one")
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"", "buffered");
        buffers.flush(true);
        std::fs::rename(&path, dir.path().join("access.log.1")).unwrap();
        assert!(logs.reopen(&append).is_empty());
        buffers.line(&file, 0, Duration::ZERO, |b| b.extend_from_slice(b"two"));
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(
            std::fs::read(dir.path().join("access.log.1")).unwrap(),
            b"one\n"
        );
    }

    #[test]
    fn a_full_disk_loses_lines_and_counts_them() {
        let logs = AccessLogs::default();
        let full = |_: &Path| File::options().write(true).open("/dev/full");
        let file = logs.file(Path::new("/dev/full"), &full).unwrap();
        LogBuffers::default().line(&file, 0, Duration::ZERO, |b| b.extend_from_slice(b"lost"));
        assert_eq!(logs.lost_lines(), 1);
    }
}
