//! Segment files: records one behind the other, appended by one thread and read by several.

use super::{
    filed::{FILED_BYTES_MIN, Filed},
    format::{HEADER_BYTES, RecordHeader, check_body, decode_front, encode, slices},
};
use crate::{
    key::Key,
    object::{Body, Meta, Object},
};
use bytes::Bytes;
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
};

/// Read at once where a checksum is compared.
const CRC_PIECE_BYTES: usize = 256 << 10;
const HEAD: &[u8; 16] = b"seawall-cache\0\0\x01";

/// A segment. Its file is gone with its last reader once it was removed.
#[derive(Debug)]
pub(super) struct Segment {
    pub id: u32,
    path: PathBuf,
    file: Arc<File>,
    length: AtomicU64,
}

impl Segment {
    pub fn create(directory: &Path, id: u32) -> io::Result<Segment> {
        let path = directory.join(name(id));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        if let Err(e) = file.write_all_at(HEAD, 0) {
            let _ = std::fs::remove_file(&path);
            return Err(e);
        }
        Ok(Segment {
            id,
            path,
            file: file.into(),
            length: AtomicU64::new(HEAD.len() as u64),
        })
    }

    /// An old one, to be read only. `None` if it is not one of ours.
    pub fn open(path: &Path, id: u32) -> io::Result<Option<Segment>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut head = [0; HEAD.len()];
        let is_ours = file.read_exact_at(&mut head, 0).is_ok() && head == *HEAD;
        Ok(is_ours.then(|| Segment {
            id,
            path: path.into(),
            file: file.into(),
            length: AtomicU64::new(length),
        }))
    }

    /// Over a file of a test's.
    #[cfg(test)]
    pub fn over(file: File, id: u32, length: u64) -> Segment {
        Segment {
            id,
            path: PathBuf::new(),
            file: file.into(),
            length: AtomicU64::new(length),
        }
    }

    pub fn length(&self) -> u64 {
        self.length.load(Acquire)
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where the first record is.
    pub fn first() -> u64 {
        HEAD.len() as u64
    }

    /// Appends an object: where it is, and how long.
    pub fn append(&self, object: &Object, judged: u64) -> io::Result<(u64, u64)> {
        let front = encode(object, judged);
        let start = self.length();
        let mut at = start;
        let parts = std::iter::once(front.as_slice()).chain(object.chunks().iter().map(|b| &b[..]));
        for part in parts {
            self.file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        self.length.store(at, Release);
        Ok((start, at - start))
    }

    /// Appends a record as it lies in another segment.
    pub fn append_raw(&self, record: &[u8]) -> io::Result<u64> {
        let start = self.length();
        self.file.write_all_at(record, start)?;
        self.length.store(start + record.len() as u64, Release);
        Ok(start)
    }

    /// A whole record, checked.
    pub fn read_raw(&self, at: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
        if at + length > self.length() {
            return Ok(None);
        }
        let mut record = vec![0; length as usize];
        self.file.read_exact_at(&mut record, at)?;
        let Some(header) = RecordHeader::read(&record).filter(|h| h.record_bytes() == length)
        else {
            return Ok(None);
        };
        let front_end = HEADER_BYTES + header.front_bytes();
        let front = record.get(HEADER_BYTES..front_end).unwrap_or_default();
        let is_whole = decode_front(&header, front).is_some()
            && crc32fast::hash(record.get(front_end..).unwrap_or_default()) == header.body_crc;
        Ok(is_whole.then_some(record))
    }

    /// Header, key and meta of the record at an offset; `None` where there is no whole one.
    pub fn read_front(&self, at: u64) -> io::Result<Option<(RecordHeader, Key, Meta)>> {
        // Most heads are shorter than this: one read.
        const GUESS: usize = 2048;
        let left = self.length().saturating_sub(at);
        let mut bytes = vec![0; GUESS.min(left as usize)];
        if bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, at)?;
        let Some(header) = RecordHeader::read(&bytes).filter(|h| h.record_bytes() <= left) else {
            return Ok(None);
        };
        let front_end = HEADER_BYTES + header.front_bytes();
        if front_end > bytes.len() {
            let read = bytes.len();
            bytes.resize(front_end, 0);
            let rest = bytes.get_mut(read..).unwrap_or_default();
            self.file.read_exact_at(rest, at + read as u64)?;
        }
        let front = bytes.get(HEADER_BYTES..front_end).unwrap_or_default();
        Ok(decode_front(&header, front).map(|(key, meta)| (header, key, meta)))
    }

    /// The object at an offset; `None` if it is not whole. A large body stays here; unless it `is_checked` it is compared with its
    /// checksum first.
    pub fn read(self: &Arc<Self>, at: u64, is_checked: bool) -> io::Result<Option<Object>> {
        let Some((header, key, meta)) = self.read_front(at)? else {
            return Ok(None);
        };
        let mut at = at + (HEADER_BYTES + header.front_bytes()) as u64;
        if header.body_bytes >= FILED_BYTES_MIN {
            let filed = Filed::new(self, at, header.body_bytes);
            let is_whole = is_checked || self.crc(at, header.body_bytes)? == header.body_crc;
            return Ok(is_whole.then(|| Object::new(key, meta, Body::Filed(filed))));
        }
        let mut pieces: Vec<Bytes> = Vec::new();
        for size in slices(header.body_bytes) {
            let mut piece = vec![0; size];
            self.file.read_exact_at(&mut piece, at)?;
            at += size as u64;
            pieces.push(piece.into());
        }
        if !check_body(&header, &pieces) {
            return Ok(None);
        }
        Ok(Some(Object::new(key, meta, Body::Pieces(pieces.into()))))
    }

    fn crc(&self, mut at: u64, length: u64) -> io::Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; CRC_PIECE_BYTES.min(length as usize)];
        let end = at + length;
        while at < end {
            let piece = CRC_PIECE_BYTES.min((end - at) as usize);
            let piece = buffer.get_mut(..piece).unwrap_or_default();
            self.file.read_exact_at(piece, at)?;
            hasher.update(piece);
            at += piece.len() as u64;
        }
        Ok(hasher.finalize())
    }

    /// Nothing more is appended.
    pub fn seal(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Cuts what a failed write has left behind the last record.
    pub fn trim(&self) -> io::Result<()> {
        self.file.set_len(self.length())
    }

    /// Takes the file away. Needs no room on the disk.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn name(id: u32) -> String {
    format!("{id:08x}.segment")
}

/// The segments of a directory with their numbers, the oldest first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let id = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".segment"))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(id) = id {
            all.push((id, path));
        }
    }
    all.sort_unstable();
    Ok(all)
}
