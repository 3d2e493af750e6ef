//! A response on its way from an origin: its head has come, its body follows on the same connection.

use super::{exchange::FetchError, io::OriginIo};
use crate::{
    local::Local,
    plan::{OriginPeer, PoolPlan},
    timer::Timer,
};
use seawall_balance::Lease;
use seawall_http::BodyDecoder;
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::io::AsyncReadExt;

/// First read of a response.
pub(super) const HEAD_READ_BYTES: usize = 4 * 1024;
/// Read size of bodies: at 64 KiB bodies the read size is everything.
pub(super) const BODY_READ_BYTES: usize = 64 * 1024;

/// A response head has come; its body follows on the same connection.
pub struct Answer {
    pub(super) io: OriginIo,
    pub(super) peer: Arc<OriginPeer>,
    pub(super) lease: Lease,
    pub(super) pool: Arc<PoolPlan>,
    pub(super) decoder: BodyDecoder,
    pub(super) body_at: usize,
    pub(super) head_len: usize,
    pub(super) keep: bool,
    pub(super) between_bytes: Duration,
}

impl Answer {
    /// The longest the next piece may take.
    pub fn between_bytes(&self) -> Duration {
        self.between_bytes
    }

    /// Who answers: the pool, and the server's index in it.
    pub fn server(&self) -> (&Arc<PoolPlan>, usize) {
        (&self.pool, self.lease.index)
    }

    /// Whether the body has been read to its end.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// The next piece of the body as a range of `rb`; `None` at its end.
    pub async fn next(
        &mut self,
        timer: &Timer,
        rb: &mut crate::io::ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        loop {
            let unread = rb.bytes().get(self.body_at..).unwrap_or_default();
            if !unread.is_empty() || self.decoder.is_done() {
                let decoded = self
                    .decoder
                    .decode(unread)
                    .map_err(|e| FetchError::Invalid(e.as_str()))?;
                let start = self.body_at + decoded.data.start;
                let data = start..start + decoded.data.len();
                self.body_at += decoded.consumed;
                if !data.is_empty() {
                    return Ok(Some(data));
                }
                if self.decoder.is_done() {
                    return Ok(None);
                }
                if decoded.consumed > 0 {
                    continue;
                }
            }
            if self.body_at == rb.len() {
                rb.truncate(self.head_len);
                self.body_at = self.head_len;
            }
            let large = self
                .decoder
                .remaining_hint()
                .is_none_or(|n| n > HEAD_READ_BYTES as u64);
            rb.reserve(if large {
                BODY_READ_BYTES
            } else {
                HEAD_READ_BYTES
            });
            timer.set(self.between_bytes);
            let n = match timer.guard(self.io.read(rb.free())).await {
                Err(_) => return Err(FetchError::TimedOut),
                Ok(Err(e)) => return Err(FetchError::Failed(e.to_string())),
                Ok(Ok(n)) => n,
            };
            if n == 0 {
                self.keep = false;
                self.decoder
                    .on_eof()
                    .map_err(|e| FetchError::Invalid(e.as_str()))?;
                return Ok(None);
            }
            rb.filled(n);
        }
    }

    /// Hands on what has been read already, without waiting. True if that was all of the body.
    pub fn take_buffered(
        &mut self,
        rb: &mut crate::io::ReadBuffer,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FetchError> {
        loop {
            let unread = rb.bytes().get(self.body_at..).unwrap_or_default();
            let decoded = self
                .decoder
                .decode(unread)
                .map_err(|e| FetchError::Invalid(e.as_str()))?;
            let data = unread.get(decoded.data.clone()).unwrap_or_default();
            if !data.is_empty() {
                take(data);
            }
            self.body_at += decoded.consumed;
            if self.decoder.is_done() || decoded.consumed == 0 {
                return Ok(self.decoder.is_done());
            }
        }
    }

    /// Gives the connection back, if its response was read whole and nothing unasked for came behind it.
    pub fn finish(self, local: &Local, rb: &crate::io::ReadBuffer) {
        if self.keep && self.decoder.is_done() && self.body_at == rb.len() {
            local.origins.give(self.io, &self.pool, &self.peer);
        }
        drop(self.lease);
    }

    /// The trailers of a body that was read to its end, as lines; what must not stand in them has been left out.
    pub fn trailers(&self) -> &[u8] {
        self.decoder.trailers()
    }

    /// The connection after a 101, and what was read behind its head; the server stays counted as in use.
    pub fn into_tunnel(self, rb: &crate::io::ReadBuffer) -> (OriginIo, Vec<u8>, Lease) {
        let early = rb.bytes().get(self.head_len..).unwrap_or_default();
        (self.io, early.to_vec(), self.lease)
    }
}
