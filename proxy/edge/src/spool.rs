//! A body held back: memory first, then an unlinked file.

use std::{
    fs::File,
    future::Future,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task::JoinHandle;

/// Bytes kept in memory; what is larger goes to a file that has no name (nginx: `client_body_buffer_size`).
pub const MEMORY_BYTES: usize = 64 * 1024;

/// Bytes of one body that go to a file at most.
pub const DISK_BYTES: u64 = 1 << 30;

/// A body held back.
#[derive(Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    len: u64,
}

impl Spool {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        match &mut self.file {
            Some(file) => (&**file).write_all(bytes),
            None if self.memory.len() + bytes.len() <= MEMORY_BYTES => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
            None => {
                let mut file = tempfile::tempfile()?;
                file.write_all(&self.memory)?;
                file.write_all(bytes)?;
                self.memory = Vec::new();
                self.file = Some(Arc::new(file));
                Ok(())
            }
        }
    }

    /// Whether so many bytes more would stay in memory.
    pub fn fits(&self, bytes: usize) -> bool {
        self.file.is_none() && self.memory.len() + bytes <= MEMORY_BYTES
    }

    /// As [`piece`](Self::piece); what is in a file is read by the thread's pool for files.
    pub async fn piece_later(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let mut later = self.later(offset, max);
        std::future::poll_fn(|cx| later.poll(cx)).await
    }

    /// As [`piece_later`](Self::piece_later), to be polled; it does not borrow the spool.
    pub fn later(&self, offset: u64, max: usize) -> Later {
        let Some(file) = self.file.clone() else {
            return Later::Here(Some(self.piece(offset, max)));
        };
        let size = max.min(self.len.saturating_sub(offset) as usize);
        Later::Reading(tokio::task::spawn_blocking(move || {
            use std::os::unix::fs::FileExt;
            let mut out = vec![0; size];
            file.read_exact_at(&mut out, offset).map(|()| out)
        }))
    }

    /// The same bytes once more, without reading a file.
    pub fn share(&self) -> Self {
        Self {
            memory: self.memory.clone(),
            file: self.file.clone(),
            len: self.len,
        }
    }

    /// How much it holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The bytes, while they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&self.memory)
    }

    /// Everything, read back.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        match &self.file {
            None => Ok(self.memory.clone()),
            Some(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                let mut out = Vec::with_capacity(self.len as usize);
                file.read_to_end(&mut out)?;
                Ok(out)
            }
        }
    }

    /// A piece from `offset`, at most `max` bytes; empty at the end.
    pub fn piece(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        match &self.file {
            None => {
                let rest = self.memory.get(offset as usize..).unwrap_or_default();
                Ok(rest.get(..max.min(rest.len())).unwrap_or_default().to_vec())
            }
            Some(file) => {
                use std::os::unix::fs::FileExt;
                let mut out = vec![0; max.min(self.len.saturating_sub(offset) as usize)];
                file.read_exact_at(&mut out, offset)?;
                Ok(out)
            }
        }
    }
}

/// A body in a file that has a name; taken away with the request, unless it is to stay.
pub struct BodyFile {
    path: PathBuf,
    stays: bool,
}

impl BodyFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.stays {
            // Who took it away before has done what was to be done.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Spool {
    /// Writes everything into a new file in this directory, which is made if it is not there.
    pub fn save(&self, directory: &Path, stays: bool) -> io::Result<BodyFile> {
        std::fs::create_dir_all(directory)?;
        let made = tempfile::Builder::new()
            .prefix("body-")
            .tempfile_in(directory)?;
        let (mut file, path) = made.keep().map_err(|e| e.error)?;
        let named = BodyFile { path, stays };
        let mut at = 0;
        while at < self.len {
            let piece = self.piece(at, SAVE_BYTES)?;
            at += piece.len() as u64;
            file.write_all(&piece)?;
        }
        Ok(named)
    }
}

/// Copied into a named file at a time.
const SAVE_BYTES: usize = 256 * 1024;

/// A piece that is being read.
pub enum Later {
    /// It was in memory.
    Here(Option<io::Result<Vec<u8>>>),
    /// A thread reads it from the file.
    Reading(JoinHandle<io::Result<Vec<u8>>>),
}

impl Later {
    /// Ready with the piece, once.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        match self {
            Later::Here(piece) => Poll::Ready(piece.take().unwrap_or_else(|| Ok(Vec::new()))),
            Later::Reading(work) => Pin::new(work)
                .poll(cx)
                .map(|read| read.map_err(io::Error::other)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_memory_goes_to_a_file_and_comes_back_whole() {
        let mut spool = Spool::new();
        let bytes: Vec<u8> = (0..MEMORY_BYTES + 1000).map(|i| (i % 251) as u8).collect();
        for chunk in bytes.chunks(1000) {
            spool.push(chunk).unwrap();
        }
        assert!(spool.in_memory().is_none());
        assert_eq!(spool.read_all().unwrap(), bytes);
        assert_eq!(
            spool.piece(MEMORY_BYTES as u64, 10).unwrap(),
            bytes[MEMORY_BYTES..MEMORY_BYTES + 10]
        );
        assert!(spool.piece(bytes.len() as u64, 10).unwrap().is_empty());
        spool.push(b"tail").unwrap();
        assert_eq!(spool.len() as usize, bytes.len() + 4);
    }
}
