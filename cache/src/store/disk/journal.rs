//! The journal of purges: an append-only file that is on the disk before a purge is acknowledged.
//!
//! One thread writes and syncs it; purges that come together share a sync. A record that is torn was not acknowledged, and the file is taken
//! up to it. Hashes in it were made with the seed in its head; should the hash function be another one after an upgrade, the head's probe
//! says so, and the tier starts empty.

use super::format::Reading;
use crate::purge::{Entry, Kind, Mark, Purges, hash};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
        mpsc,
    },
};
use tokio::sync::oneshot;

const MAGIC: &[u8; 8] = b"SWPURGE1";
const HEAD_BYTES: usize = 36;
/// A record without its prefix.
const RECORD_BYTES: usize = 8 + 1 + 4 * 8;
/// The journal is written anew when it is larger than this and than twice what is remembered.
const COMPACT_BYTES: u64 = 1 << 20;
/// The longest prefix that is read back.
const PREFIX_BYTES_MAX: usize = 128 << 10;

/// What the thread is told.
pub(super) enum Message {
    Note(Entry, Option<oneshot::Sender<bool>>),
    /// All that came before is to be on the disk.
    Sync(mpsc::Sender<bool>),
}

/// The way to the thread.
pub(super) struct Journal {
    messages: Option<mpsc::Sender<Message>>,
    durable: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        // What was noted is written before the thread ends.
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// How many purges are on the disk.
    pub fn durable(&self) -> u64 {
        self.durable.load(Acquire)
    }

    pub fn note(&self, entry: Entry, written: Option<oneshot::Sender<bool>>) {
        // A thread that has ended drops the sender: that is a no to whoever waits.
        self.tell(Message::Note(entry, written));
    }

    /// Waits until purges up to `epoch` are on the disk. False if they cannot be.
    pub fn reach(&self, epoch: u64) -> bool {
        if self.durable() >= epoch {
            return true;
        }
        let (done, synced) = mpsc::channel();
        self.tell(Message::Sync(done));
        synced.recv().unwrap_or(false)
    }

    fn tell(&self, message: Message) {
        if let Some(messages) = &self.messages {
            let _ = messages.send(message);
        }
    }
}

/// What a journal held, and the file to go on with.
pub(super) struct Opened {
    pub purges: Arc<Purges>,
    /// False if there was none that could be read: then what lies beside it cannot be trusted.
    pub is_whole: bool,
    file: JournalFile,
}

/// Reads the journal of a directory, or begins one.
pub(super) fn open(directory: &Path) -> io::Result<Opened> {
    let path = directory.join("purges.journal");
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(mut file) => drop(file.read_to_end(&mut bytes)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let read = read_all(&bytes);
    let is_whole = read.is_some();
    let purges = Arc::new(read.unwrap_or_else(Purges::new));
    // Written anew, so that it ends where the records do.
    let file = JournalFile::write(&path, &purges)?;
    Ok(Opened {
        purges,
        is_whole,
        file,
    })
}

impl Opened {
    /// Starts the thread. `fail` is called once the journal cannot be written any more, and says whether nothing can come back after that.
    pub fn start(self, fail: impl Fn(&io::Error) -> bool + Send + 'static) -> io::Result<Journal> {
        let (messages, inbox) = mpsc::channel();
        let durable = Arc::new(AtomicU64::new(self.purges.epoch()));
        let mut writer = Writer {
            file: self.file,
            purges: self.purges,
            durable: durable.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("cache-journal".into())
            .spawn(move || writer.run(&inbox, fail))?;
        Ok(Journal {
            messages: Some(messages),
            durable,
            thread: Some(thread),
        })
    }
}

struct Writer {
    file: JournalFile,
    purges: Arc<Purges>,
    durable: Arc<AtomicU64>,
}

impl Writer {
    fn run(&mut self, inbox: &mpsc::Receiver<Message>, fail: impl Fn(&io::Error) -> bool) {
        // After a failure: whether what is purged cannot come back all the same.
        let mut given_up: Option<bool> = None;
        while let Ok(first) = inbox.recv() {
            let batch: Vec<Message> = std::iter::once(first).chain(inbox.try_iter()).collect();
            let done = match given_up {
                Some(safe) => safe,
                None => match self.write(&batch) {
                    Ok(()) => true,
                    Err(e) => {
                        let safe = fail(&e);
                        given_up = Some(safe);
                        safe
                    }
                },
            };
            for message in batch {
                match message {
                    Message::Note(_, Some(written)) => drop(written.send(done)),
                    Message::Note(_, None) => {}
                    Message::Sync(synced) => drop(synced.send(given_up.is_none())),
                }
            }
        }
    }

    fn write(&mut self, batch: &[Message]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut last = self.durable.load(Acquire);
        for message in batch {
            if let Message::Note(entry, _) = message {
                write_record(entry, &mut bytes);
                last = last.max(entry.mark.hard).max(entry.mark.soft);
            }
        }
        self.file.append(&bytes)?;
        self.durable.fetch_max(last, Release);
        if self.file.length > COMPACT_BYTES && self.file.length > 2 * self.file.compacted {
            let path = self.file.path.clone();
            self.file = JournalFile::write(&path, &self.purges)?;
        }
        Ok(())
    }
}

struct JournalFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// Its length when it was written anew.
    compacted: u64,
}

impl JournalFile {
    /// All that is remembered, in a new file in place of the old one.
    fn write(path: &Path, purges: &Purges) -> io::Result<JournalFile> {
        let (epoch, entries) = purges.entries();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + entries.len() * RECORD_BYTES);
        write_head(purges.seed(), epoch, &mut bytes);
        entries
            .iter()
            .for_each(|entry| write_record(entry, &mut bytes));
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        // Opened anew for appending: the rename does not change what is open.
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(JournalFile {
            path: path.into(),
            file,
            length: bytes.len() as u64,
            compacted: bytes.len() as u64,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn probe(seed: u64) -> u64 {
    hash(seed, Kind::All, b"seawall")
}

fn write_head(seed: u64, epoch: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    for number in [seed, probe(seed), epoch] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc32fast::hash(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Length and checksum, then the purge.
fn write_record(entry: &Entry, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(RECORD_BYTES + entry.prefix.len());
    payload.push(entry.kind as u8);
    let mark = &entry.mark;
    for number in [mark.hard, mark.soft, mark.soft_at_ms, entry.hash] {
        payload.extend_from_slice(&number.to_le_bytes());
    }
    payload.extend_from_slice(&entry.prefix);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    out.append(&mut payload);
}

/// `None` if the head is not one of ours.
fn read_all(bytes: &[u8]) -> Option<Purges> {
    let (head, records) = bytes.split_at_checked(HEAD_BYTES)?;
    let (summed, crc) = head.split_at_checked(HEAD_BYTES - 4)?;
    if Reading(crc).u32()? != crc32fast::hash(summed) {
        return None;
    }
    let mut read = Reading(summed.strip_prefix(MAGIC)?);
    let (seed, written_probe, mut epoch) = (read.u64()?, read.u64()?, read.u64()?);
    if written_probe != probe(seed) {
        return None;
    }
    let mut entries = Vec::new();
    let mut rest = Reading(records);
    while let Some(entry) = read_record(&mut rest) {
        epoch = epoch.max(entry.mark.hard).max(entry.mark.soft);
        entries.push(entry);
    }
    Some(Purges::restored(seed, epoch, entries))
}

fn read_record(rest: &mut Reading<'_>) -> Option<Entry> {
    let length = rest.u32()? as usize;
    let crc = rest.u32()?;
    if length > RECORD_BYTES + PREFIX_BYTES_MAX {
        return None;
    }
    let (payload, after) = rest.0.split_at_checked(length)?;
    if crc32fast::hash(payload) != crc {
        return None;
    }
    rest.0 = after;
    let mut read = Reading(payload);
    Some(Entry {
        kind: Kind::from_byte(read.u8()?)?,
        mark: Mark {
            hard: read.u64()?,
            soft: read.u64()?,
            soft_at_ms: read.u64()?,
        },
        hash: read.u64()?,
        prefix: read.0.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purge::{Manner, Scope};

    #[test]
    fn what_was_acknowledged_is_read_back_and_a_torn_end_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path()).unwrap();
        assert!(!opened.is_whole);
        let purges = opened.purges.clone();
        let journal = opened.start(|_| false).unwrap();
        for n in 0..100 {
            let entry = purges.note(Scope::Tag(format!("{n}").as_bytes()), Manner::Hard, 0);
            let (written, done) = oneshot::channel();
            journal.note(entry, Some(written));
            assert!(done.blocking_recv().unwrap());
        }
        let entry = purges.note(Scope::Prefix(b"shop.test/a"), Manner::Soft, 7);
        journal.note(entry, None);
        assert!(journal.reach(101));
        drop(journal);
        let path = directory.path().join("purges.journal");
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 1, 5, 40, 51] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let again = open(directory.path()).unwrap();
            assert!(again.is_whole);
            assert_eq!(again.purges.seed(), purges.seed());
            assert_eq!(
                again.purges.epoch(),
                if cut == 0 { 101 } else { 100 },
                "{cut}"
            );
        }
        // A head of something else is none.
        std::fs::write(&path, b"other").unwrap();
        assert!(!open(directory.path()).unwrap().is_whole);
    }

    #[test]
    fn a_long_journal_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path()).unwrap();
        let purges = opened.purges.clone();
        let journal = opened.start(|_| false).unwrap();
        for n in 0..60_000u32 {
            let tag = [b'0' + (n % 10) as u8];
            journal.note(purges.note(Scope::Tag(&tag), Manner::Hard, 0), None);
        }
        assert!(journal.reach(60_000));
        let length = std::fs::metadata(directory.path().join("purges.journal")).unwrap();
        assert!(length.len() < 2 * COMPACT_BYTES, "{}", length.len());
        let again = open(directory.path()).unwrap();
        assert_eq!(again.purges.epoch(), 60_000);
        assert_eq!(again.purges.entries().1.len(), 11);
    }
}
