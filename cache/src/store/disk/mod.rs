//! The disk tier: segment files, an index in memory, and a journal of purges.
//!
//! Objects that were asked for a second time are appended to segments of some MiB; the oldest segment goes when the budget is used up, and what
//! was read from it moves on. A lookup that finds nothing in memory asks the index, which never waits, and the object is read by threads of
//! this tier while the request waits for it, and only it. A restart reads the heads of the records and goes on.
//!
//! Why not a library: foyer's disk engine was on probation. It keys by a hash alone, writes its tombstones late, and stores whole values through
//! the same admission as its memory tier, which we do not use: key comparison, purges, budget and degradation would all have been ours to put
//! around it, and a hundred kills had to pass through code that is not. Append-only segments with checksums are what is left when that is
//! taken away.
//!
//! What can go wrong: a torn or rotten record does not pass its checksum and is not there; a full or failing disk pauses the writing and raises
//! an alert, and the memory tier goes on; a journal that cannot be written takes the whole tier away, files included, for what was purged
//! must not come back.
//!
//! Bodies of [`FILED_BYTES_MIN`] and more stay in their files when their objects come up, and are sent from there (`filed.rs`).
//!
//! Limits: [`DiskOptions::bytes`]; objects larger than half a segment are not written; [`QUEUE_BYTES_MAX`] wait to be written,
//! [`READS_MAX`] to be read.

mod filed;
mod format;
mod index;
mod journal;
mod reader;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use filed::Filed;
pub use filed::{FILED_BYTES_MIN, FileBody};
pub(crate) use format::{Reading, write_bytes};

use crate::{
    key::KeyRef,
    object::Object,
    purge::{Durable, Entry, Purges},
    request::Request,
};
use index::{Index, Location};
use journal::Journal;
use parking_lot::{Mutex, RwLock};
use reader::Readers;
use segment::Segment;
use std::{
    collections::HashMap,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use writer::{Command, Writer};

/// Bytes of objects that wait to be written; what comes then is not written.
pub const QUEUE_BYTES_MAX: u64 = 32 << 20;
/// Objects that wait to be read; a request for another goes to the origin.
pub const READS_MAX: usize = 1024;
/// Threads that read.
const READERS: usize = 4;
/// The smallest and the largest segment.
const SEGMENT_BYTES: (u64, u64) = (1 << 20, 64 << 20);
/// How long a directory that somebody has is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Alerts that are kept until somebody takes them.
const ALERTS_MAX: usize = 16;

/// Where a cache keeps what does not fit its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The directory; made if it is not there. It belongs to this cache alone.
    pub path: PathBuf,
    /// Bytes of all segments.
    pub bytes: u64,
    /// As much is left free on the disk for others, as far as our own can make room; 0 for no matter (nginx: `min_free`).
    pub min_free_bytes: u64,
}

/// What a disk tier holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskStats {
    /// Objects.
    pub objects: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Objects written.
    pub writes: u64,
    /// Objects read.
    pub reads: u64,
    /// Records that were not whole.
    pub torn: u64,
    /// Errors of the disk.
    pub errors: u64,
    /// False while what an earlier process wrote is still being looked through.
    pub scanned: bool,
    /// True once it was given up.
    pub abandoned: bool,
}

/// See the [module](self).
pub(crate) struct Disk {
    inner: Arc<Inner>,
    journal: Arc<Journal>,
    commands: Option<mpsc::Sender<Command>>,
    readers: Readers,
    writer: Option<std::thread::JoinHandle<()>>,
}

/// What the threads share.
struct Inner {
    directory: PathBuf,
    limit_bytes: AtomicU64,
    min_free_bytes: AtomicU64,
    purges: Arc<Purges>,
    index: Index,
    segments: RwLock<HashMap<u32, Arc<Segment>>>,
    journal: RwLock<Option<Arc<Journal>>>,
    queued_bytes: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    torn: AtomicU64,
    errors: AtomicU64,
    scanned: AtomicBool,
    abandoned: AtomicBool,
    alerts: Mutex<Vec<String>>,
    /// Set when nobody needs it any more.
    closing: AtomicBool,
    /// Set when the directory is another process's.
    left: AtomicBool,
    /// Keeps other processes out of the directory, until the last thread is done or it was [left](Disk::leave).
    lock: File,
}

impl Disk {
    /// Opens a directory. What an earlier process left there is looked through in the background.
    pub fn open(options: &DiskOptions) -> io::Result<Disk> {
        std::fs::create_dir_all(&options.path)?;
        let lock = File::create(options.path.join("lock"))?;
        take(&lock)?;
        let opened = journal::open(&options.path)?;
        let (mut found, next_id) = writer::survey(&options.path)?;
        if !opened.is_whole {
            // Nobody knows what of it was purged.
            for (_, path) in found.drain(..) {
                std::fs::remove_file(path)?;
            }
        }
        let inner = Arc::new(Inner {
            directory: options.path.clone(),
            limit_bytes: AtomicU64::new(options.bytes),
            min_free_bytes: AtomicU64::new(options.min_free_bytes),
            purges: opened.purges.clone(),
            index: Index::new(),
            segments: RwLock::default(),
            journal: RwLock::new(None),
            queued_bytes: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            torn: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            scanned: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            alerts: Mutex::default(),
            closing: AtomicBool::new(false),
            left: AtomicBool::new(false),
            lock,
        });
        let failing = inner.clone();
        let journal = Arc::new(opened.start(move |e| failing.abandon(e))?);
        *inner.journal.write() = Some(journal.clone());
        let (commands, inbox) = mpsc::channel();
        let writer = Writer {
            inner: inner.clone(),
            found,
            active: None,
            next_id,
            paused_until: None,
        };
        let writer = std::thread::Builder::new()
            .name("cache-writer".into())
            .spawn(move || writer.run(&inbox))?;
        let readers = Readers::start(&inner, READERS)?;
        Ok(Disk {
            inner,
            journal,
            commands: Some(commands),
            readers,
            writer: Some(writer),
        })
    }

    pub fn purges(&self) -> &Arc<Purges> {
        &self.inner.purges
    }

    pub fn set_limits(&self, options: &DiskOptions) {
        self.inner.limit_bytes.store(options.bytes, Relaxed);
        self.inner
            .min_free_bytes
            .store(options.min_free_bytes, Relaxed);
    }

    /// Where an object for a request is.
    pub fn find(
        &self,
        key: KeyRef<'_>,
        request: &Request<'_>,
        inactive: Option<Duration>,
    ) -> Option<Place> {
        let location = self.inner.index.find(key, request, inactive)?;
        Some(Place {
            location,
            hash: key.hash,
        })
    }

    /// Whether there is one, without asking for it.
    pub fn has(&self, key: KeyRef<'_>, request: &Request<'_>, inactive: Option<Duration>) -> bool {
        self.inner.index.has(key, request, inactive)
    }

    pub fn contains(&self, key: KeyRef<'_>) -> bool {
        self.inner.index.contains(key)
    }

    /// Begins to read an object, or joins who does already. `None` if too many wait: it is not there, then.
    pub fn read(
        &self,
        place: Place,
        key: KeyRef<'_>,
    ) -> Option<oneshot::Receiver<Option<Arc<Object>>>> {
        self.readers.read(place, key.bytes)
    }

    /// An object that was asked for a second time: it is written, if there is room.
    pub fn offer(&self, object: &Arc<Object>) {
        let weight = object.disk_bytes();
        let fits = weight <= self.inner.segment_bytes() / 2
            && self.inner.queued_bytes.load(Relaxed) + weight <= QUEUE_BYTES_MAX;
        if !fits || self.inner.is_abandoned() {
            return;
        }
        object.set_offered(true);
        self.inner.queued_bytes.fetch_add(weight, Relaxed);
        self.tell(Command::Write(object.clone()));
    }

    /// A newer answer takes the place of the same variant here. True if there was one.
    pub fn forget_variant(&self, object: &Object) -> bool {
        self.inner.index.forget_variant(object)
    }

    /// Drops all variants of a key; how many there were.
    pub fn forget(&self, key: KeyRef<'_>) -> usize {
        self.inner.index.forget(key)
    }

    /// Drops everything. The files go in the background.
    pub fn clear(&self) {
        self.inner.index.clear();
        if !self.has_left() {
            self.tell(Command::Clear);
        }
    }

    /// Writes a purge to the journal.
    pub fn note(&self, entry: Entry) -> Durable {
        let (written, done) = oneshot::channel();
        if !self.has_left() {
            self.journal.note(entry, Some(written));
        }
        Durable::awaiting(done)
    }

    /// The same where nobody waits for it.
    pub fn note_quietly(&self, entry: Entry) {
        if !self.has_left() {
            self.journal.note(entry, None);
        }
    }

    /// Leaves the directory to another process: what was noted and offered is written, then nothing is read or written any more, and a
    /// purge is no longer acknowledged, since its journal is somebody else's. Blocks until then.
    pub fn leave(&self) {
        if self.inner.left.swap(true, Relaxed) {
            return;
        }
        // The writer drops what is still queued, and what is in its hands it finishes.
        self.inner.closing.store(true, Relaxed);
        self.inner.abandoned.store(true, Relaxed);
        self.inner.index.clear();
        self.flush();
        self.inner.reach(self.inner.purges.epoch());
        if let Err(e) = self.inner.lock.unlock() {
            self.inner.write_failed(&e);
        }
    }

    /// A body that was to be sent from its file could not be read.
    pub fn read_failed(&self, e: &io::Error) {
        self.inner.read_failed(e);
    }

    /// Whether the directory is another process's.
    pub fn has_left(&self) -> bool {
        self.inner.left.load(Relaxed)
    }

    /// Blocks until what was offered so far is written.
    pub fn flush(&self) {
        let (done, flushed) = mpsc::channel();
        self.tell(Command::Flush(done));
        // A writer that has ended drops the sender.
        let _ = flushed.recv();
    }

    fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    pub fn stats(&self) -> DiskStats {
        let inner = &self.inner;
        DiskStats {
            objects: inner.index.len() as u64,
            bytes: inner.held_bytes(),
            writes: inner.writes.load(Relaxed),
            reads: inner.reads.load(Relaxed),
            torn: inner.torn.load(Relaxed),
            errors: inner.errors.load(Relaxed),
            scanned: inner.scanned.load(Relaxed),
            abandoned: inner.is_abandoned(),
        }
    }

    /// What an operator has to be told, once.
    pub fn take_alerts(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.alerts.lock())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.inner.closing.store(true, Relaxed);
        // The journal's thread and the writer know each other: one of them lets go.
        *self.inner.journal.write() = None;
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Waits for a process that was killed to be gone.
fn take(lock: &File) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
            Err(e) => return Err(io::Error::new(io::ErrorKind::ResourceBusy, e.to_string())),
        }
    }
}

/// Where an object is, for [`Disk::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    location: Location,
    hash: u64,
}

impl Inner {
    fn segment_bytes(&self) -> u64 {
        let (smallest, largest) = SEGMENT_BYTES;
        (self.limit_bytes.load(Relaxed) / 8).clamp(smallest, largest)
    }

    fn held_bytes(&self) -> u64 {
        let segments = self.segments.read();
        segments.values().map(|segment| segment.length()).sum()
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// Waits until purges up to `epoch` are on the disk.
    fn reach(&self, epoch: u64) -> bool {
        let journal = self.journal.read().clone();
        journal.is_some_and(|journal| journal.reach(epoch))
    }

    fn alert(&self, text: String) {
        let mut alerts = self.alerts.lock();
        if alerts.len() < ALERTS_MAX {
            alerts.push(text);
        }
    }

    fn read_failed(&self, e: &io::Error) {
        self.errors.fetch_add(1, Relaxed);
        let path = self.directory.display();
        self.alert(format!(
            "reading from {path} failed ({e}): the origin is asked instead"
        ));
    }

    fn write_failed(&self, e: &io::Error) {
        self.errors.fetch_add(1, Relaxed);
        let path = self.directory.display();
        self.alert(format!(
            "writing to {path} failed ({e}): the cache is in memory for a while"
        ));
    }

    fn write_recovered(&self) {
        let path = self.directory.display();
        self.alert(format!("writing to {path} works again"));
    }

    /// The journal cannot be written: nothing may be left that a purge could have meant. True if nothing is.
    fn abandon(&self, e: &io::Error) -> bool {
        self.abandoned.store(true, Relaxed);
        self.errors.fetch_add(1, Relaxed);
        self.index.clear();
        let path = self.directory.display();
        self.alert(format!(
            "writing the journal of purges in {path} failed ({e}): the disk tier is given up until the next start"
        ));
        let found = segment::list(&self.directory).unwrap_or_default();
        let removed = found
            .iter()
            .all(|(_, path)| std::fs::remove_file(path).is_ok());
        self.segments.write().clear();
        removed
    }
}
