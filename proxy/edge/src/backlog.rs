//! What an origin has given and a client has not taken yet: memory first, then an unlinked file.
//!
//! Bytes leave in the order they came. The oldest are in memory (`front`), where the client's writes take them; what
//! follows is in the file; the newest (`tail`) gather in memory for the next write to it. The file is written and read
//! by the thread's pool for files, one piece of work at a time, and begins anew once it has been read to its end, so
//! that its size is bounded as well. A file that cannot be written is done without: the origin waits instead.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task::JoinHandle;

/// Bytes that are written to the file or read from it at a time.
const BATCH_BYTES: usize = 128 * 1024;
/// Small pieces are put together up to this, so that they leave in one write.
const PIECE_BYTES: usize = 64 * 1024;

enum Done {
    Wrote {
        file: Option<Arc<File>>,
        bytes: Vec<u8>,
        result: io::Result<()>,
    },
    Read(io::Result<Vec<u8>>),
}

/// Bytes between an origin and a client.
pub struct Backlog {
    memory: usize,
    disk: u64,
    front: VecDeque<Vec<u8>>,
    front_len: usize,
    file: Option<Arc<File>>,
    read: u64,
    written: u64,
    tail: Vec<u8>,
    work: Option<JoinHandle<Done>>,
}

impl Backlog {
    /// An empty one with so many bytes of memory and so many of a file. What is in memory goes past its bound by one
    /// read of an origin at most; with a file two batches come to it.
    pub fn new(memory: u64, disk: u64) -> Self {
        Self {
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            disk,
            front: VecDeque::new(),
            front_len: 0,
            file: None,
            read: 0,
            written: 0,
            tail: Vec::new(),
            work: None,
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.front.is_empty() && self.is_direct()
    }

    /// Whether nothing stands between `front` and what comes next.
    fn is_direct(&self) -> bool {
        self.tail.is_empty() && self.work.is_none() && self.read == self.written
    }

    /// Whether more is taken.
    pub fn has_room(&self) -> bool {
        if self.is_direct() && self.front_len < self.memory {
            return true;
        }
        self.tail.len() < BATCH_BYTES && self.written + (self.tail.len() as u64) < self.disk
    }

    /// Whether [`take`](Self::take) gives something.
    pub fn is_ready(&self) -> bool {
        !self.front.is_empty()
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.is_direct() || self.front_len >= self.memory {
            self.tail.extend_from_slice(bytes);
            return;
        }
        self.front_len += bytes.len();
        match self.front.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => self.front.push_back(bytes.to_vec()),
        }
    }

    /// The oldest bytes.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let piece = self.front.pop_front()?;
        self.front_len -= piece.len();
        Some(piece)
    }

    /// Moves bytes between memory and the file. An error is the file's, whose bytes are lost.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if let Some(work) = &mut self.work {
                let Poll::Ready(done) = Pin::new(work).poll(cx) else {
                    return Ok(());
                };
                self.work = None;
                self.settle(done.map_err(io::Error::other)?)?;
            }
            if self.read < self.written {
                if self.front_len >= self.memory.div_ceil(2).max(1) {
                    self.write_tail();
                } else {
                    self.read_back();
                }
            } else if self.front_len == 0 || self.front_len + self.tail.len() <= self.memory {
                // The client has caught up with the file.
                let tail = std::mem::take(&mut self.tail);
                self.push_front_end(tail);
            } else {
                self.write_tail();
            }
            if self.work.is_none() {
                return Ok(());
            }
        }
    }

    fn push_front_end(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.front_len += bytes.len();
            self.front.push_back(bytes);
        }
    }

    fn settle(&mut self, done: Done) -> io::Result<()> {
        match done {
            Done::Wrote {
                file,
                mut bytes,
                result,
            } => {
                self.file = file;
                if result.is_ok() {
                    self.written += bytes.len() as u64;
                } else {
                    // Full or gone: what it should have taken stays in memory, and the origin waits.
                    self.disk = 0;
                    bytes.append(&mut self.tail);
                    self.tail = bytes;
                }
            }
            Done::Read(bytes) => {
                let bytes = bytes?;
                self.read += bytes.len() as u64;
                self.push_front_end(bytes);
            }
        }
        if self.read == self.written {
            (self.read, self.written) = (0, 0);
        }
        Ok(())
    }

    fn write_tail(&mut self) {
        let size = self.tail.len() as u64;
        if self.tail.len() < BATCH_BYTES.min(self.disk.try_into().unwrap_or(usize::MAX))
            || self.disk == 0
            || self.written + size > self.disk + BATCH_BYTES as u64
        {
            return;
        }
        let (bytes, at) = (std::mem::take(&mut self.tail), self.written);
        let mut file = self.file.take();
        // While it is written the file is with the pool; `work` says so to everybody.
        self.work = Some(tokio::task::spawn_blocking(move || {
            use std::os::unix::fs::FileExt;
            let result = open(&mut file).and_then(|file| file.write_all_at(&bytes, at));
            Done::Wrote {
                file,
                bytes,
                result,
            }
        }));
    }

    fn read_back(&mut self) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let at = self.read;
        let size = (self.written - at).min(BATCH_BYTES as u64) as usize;
        self.work = Some(tokio::task::spawn_blocking(move || {
            use std::os::unix::fs::FileExt;
            let mut bytes = vec![0; size];
            Done::Read(file.read_exact_at(&mut bytes, at).map(|()| bytes))
        }));
    }
}

fn open(file: &mut Option<Arc<File>>) -> io::Result<Arc<File>> {
    if let Some(file) = file {
        return Ok(file.clone());
    }
    let new = Arc::new(tempfile::tempfile()?);
    *file = Some(new.clone());
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// Gives `total` bytes to a backlog and takes them out when it takes no more; gives what came out and the most it held.
    async fn through(memory: u64, disk: u64, total: usize, step: usize) -> (Vec<u8>, usize) {
        let all: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
        let mut backlog = Backlog::new(memory, disk);
        let (mut out, mut at, mut most) = (Vec::new(), 0, 0);
        while out.len() < total {
            let mut moved = false;
            poll_fn(|cx| {
                backlog.poll(cx).unwrap();
                while backlog.has_room() && at < total {
                    let end = total.min(at + step);
                    backlog.push(&all[at..end]);
                    at = end;
                    moved = true;
                    backlog.poll(cx).unwrap();
                }
                let is_full = !backlog.has_room() && backlog.work.is_none();
                if moved || (backlog.is_ready() && (at == total || is_full)) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            most = most.max(at - out.len());
            if !moved && let Some(piece) = backlog.take() {
                out.extend_from_slice(&piece);
            }
        }
        assert!(out == all, "{memory} {disk} {total} {step}");
        (out, most)
    }

    #[tokio::test]
    async fn bytes_leave_as_they_came_whatever_is_in_memory_and_in_the_file() {
        for (memory, disk) in [
            (0, 0),
            (1000, 0),
            (0, 300_000),
            (70_000, 500_000),
            (70_000, 1 << 30),
            (10, 10),
        ] {
            for step in [100, 64 * 1024] {
                // One read past an empty backlog without any room has to be possible.
                if memory == 0 && disk == 0 {
                    continue;
                }
                through(memory, disk, 1_500_000, step).await;
            }
        }
    }

    #[tokio::test]
    async fn memory_is_bounded_by_one_read_and_the_file_by_one_batch() {
        let (_, most) = through(1000, 0, 100_000, 700).await;
        assert!(most <= 1700, "{most}");
        let (_, most) = through(1000, 400_000, 3_000_000, 5000).await;
        assert!(most > 400_000, "the file was used: {most}");
        assert!(most <= 400_000 + 3 * BATCH_BYTES + 6000, "{most}");
    }
}
