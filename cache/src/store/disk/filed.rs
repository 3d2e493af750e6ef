//! A large body that stays in its segment: its object is in memory without it, and a hit is sent from the file.
//!
//! The kernel keeps what is asked for often in its own cache, and sends it to a plain socket without a copy; to bring it up into ours would
//! be to have it twice, and to pay for it with what else could be there. The checksum was compared when the object came up for the first time in
//! this process: what rots in the file after that is the disk's to notice.
//!
//! A segment that made room takes its objects with it: nothing here holds it but a response that is being sent.

use super::segment::Segment;
use bytes::Bytes;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Bodies from this size on stay in their files; smaller ones are copied as cheaply as sent from there.
pub const FILED_BYTES_MIN: u64 = 32 << 10;
/// How long a body that was just sent is taken to be in the kernel's cache without asking.
const WARM_FOR_MS: u64 = 100;

/// Where a body lies.
#[derive(Debug)]
pub(crate) struct Filed {
    segment: Weak<Segment>,
    at: u64,
    length: u64,
    warm_until_ms: AtomicU64,
}

/// A body in a file that stays open as long as this is held.
#[derive(Clone, Debug)]
pub struct FileBody {
    /// The file, in which other bodies lie, too.
    pub file: Arc<File>,
    /// Where the body begins.
    pub at: u64,
}

impl Filed {
    pub(super) fn new(segment: &Arc<Segment>, at: u64, length: u64) -> Filed {
        Filed {
            segment: Arc::downgrade(segment),
            at,
            length,
            warm_until_ms: AtomicU64::new(0),
        }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether its segment is there.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.segment.strong_count() > 0
    }

    /// Opens it; `None` where its segment made room.
    pub fn open(&self) -> Option<FileBody> {
        let segment = self.segment.upgrade()?;
        Some(FileBody {
            file: segment.file().clone(),
            at: self.at,
        })
    }

    /// Reads all of it. Blocks.
    pub fn read(&self) -> io::Result<Box<[Bytes]>> {
        let body = self.open().ok_or(io::ErrorKind::NotFound)?;
        let mut at = body.at;
        let mut pieces = Vec::new();
        for size in super::format::slices(self.length) {
            let mut piece = vec![0; size];
            body.file.read_exact_at(&mut piece, at)?;
            at += size as u64;
            pieces.push(piece.into());
        }
        Ok(pieces.into())
    }

    pub fn is_warm(&self, now_ms: u64) -> bool {
        now_ms < self.warm_until_ms.load(Relaxed)
    }

    pub fn note_sent(&self, now_ms: u64) {
        self.warm_until_ms.store(now_ms + WARM_FOR_MS, Relaxed);
    }
}

impl Clone for Filed {
    fn clone(&self) -> Filed {
        Filed {
            segment: self.segment.clone(),
            at: self.at,
            length: self.length,
            warm_until_ms: AtomicU64::new(0),
        }
    }
}
