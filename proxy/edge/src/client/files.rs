//! Files that the kernel sends by itself (nginx: `sendfile`).

use super::{Client, ClientError};
use crate::tx::Tx;
use seawall_sys::beneath;
use std::{fs::File, future::poll_fn, io, os::unix::fs::FileExt, sync::Arc};

/// Sent at a time: what is looked for in the kernel's cache before.
pub const SLICE_BYTES: u64 = 2 * 1024 * 1024;
/// After so many slices the thread's other connections have their turn.
const SLICES_IN_A_ROW: u32 = 2;

impl Client {
    /// Whether the kernel can send a file by itself: to plain TCP, not in chunks, and as fast as it takes it.
    pub fn takes_files(&self) -> bool {
        self.io.is_plain_tcp() && !self.chunked && self.pace.is_none()
    }

    /// Sends `length` bytes of a file from `offset`, after the head if that is still waiting: in a packet of its own, or with
    /// the file's first bytes (nginx: `tcp_nopush`). What `is_warm` is not looked for in the kernel's cache first.
    pub async fn send_file(
        &mut self,
        tx: &mut Tx,
        file: &Arc<File>,
        (offset, length): (u64, u64),
        nopush: bool,
        is_warm: bool,
    ) -> Result<(), ClientError> {
        if tx.sent == 0 && nopush {
            self.begin_more(tx, b"").await?;
        } else if tx.sent == 0 {
            self.send(tx, b"").await?;
        }
        let (mut at, end) = (offset, offset + length);
        let mut slices = 0;
        while at < end {
            let slice_end = end.min(at + SLICE_BYTES);
            if !is_warm {
                warm_up(file, at, slice_end).await?;
            }
            while at < slice_end {
                let n = self.send_slice(file, at, (slice_end - at) as usize).await?;
                // A file that shrank while it was sent cannot keep the length that was said.
                if n == 0 {
                    return Err(ClientError::Truncated);
                }
                at += n as u64;
                tx.sent += n as u64;
                tx.body_sent += n as u64;
            }
            slices += 1;
            if slices % SLICES_IN_A_ROW == 0 && at < end {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Sends the head, and the first bytes of a body of which more follows at once; the kernel holds them until they fill
    /// its packet.
    pub async fn begin_more(&mut self, tx: &mut Tx, data: &[u8]) -> Result<(), ClientError> {
        self.timer.set(self.timeout);
        // The head stays in `tx.out` for the log.
        tx.out.extend_from_slice(data);
        let sent = self.write_more(&tx.out).await;
        tx.out.truncate(tx.out_head);
        tx.sent += sent?;
        tx.body_sent += data.len() as u64;
        Ok(())
    }

    async fn write_more(&mut self, bytes: &[u8]) -> Result<u64, ClientError> {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let Client { io, timer, .. } = self;
            let wrote = timer.guard(poll_fn(|cx| io.poll_write_more(cx, rest)));
            match wrote.await.map_err(|_| ClientError::Timeout)?? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                n => sent += n,
            }
        }
        Ok(sent as u64)
    }

    async fn send_slice(
        &mut self,
        file: &File,
        at: u64,
        count: usize,
    ) -> Result<usize, ClientError> {
        self.timer.set(self.timeout);
        let Client { io, timer, .. } = self;
        match timer
            .guard(poll_fn(|cx| io.poll_send_file(cx, file, at, count)))
            .await
        {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(ClientError::Timeout),
        }
    }
}

/// Has a slice read from the disk by the blocking pool if its last byte is not in the kernel's cache: `sendfile` would wait
/// for it, and this thread with it.
async fn warm_up(file: &Arc<File>, from: u64, to: u64) -> Result<(), ClientError> {
    match beneath::read_now(file, &mut [0], to.saturating_sub(1)) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
        _ => return Ok(()),
    }
    let file = file.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut at = from;
        while at < to {
            match file.read_at(&mut buffer, at)? {
                0 => break,
                n => at += n as u64,
            }
        }
        Ok::<_, io::Error>(())
    });
    work.await.map_err(io::Error::other)??;
    Ok(())
}
