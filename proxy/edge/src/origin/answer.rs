//! A response on its way from an origin: its head has come, its body follows on the same connection.

use super::{
    exchange::FetchError,
    http2::Incoming,
    io::OriginIo,
    upload::{Upload, UploadError},
};
use crate::{
    caching::Meter,
    client::Client,
    io::ReadBuffer,
    local::Local,
    plan::{OriginPeer, PoolPlan},
    timer::Timer,
    tx::Tx,
};
use seawall_balance::Lease;
use seawall_http::BodyDecoder;
use seawall_sys::splice::Pipe;
use std::{
    future::poll_fn,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// First read of a response.
pub(super) const HEAD_READ_BYTES: usize = 4 * 1024;
/// The same where a large body is not to be copied: what comes with the head is.
pub(super) const SHORT_READ_BYTES: usize = 8 * 1024;
/// Read size of bodies: at 64 KiB bodies the read size is everything.
pub(super) const BODY_READ_BYTES: usize = 64 * 1024;

/// A response head has come; its body follows on the same connection.
pub struct Answer {
    pub(super) from: Source,
    pub(super) peer: Arc<OriginPeer>,
    pub(super) lease: Lease,
    pub(super) pool: Arc<PoolPlan>,
    pub(super) between_bytes: Duration,
    pub(super) meter: Option<Meter>,
}

/// Where the body comes from.
pub(super) enum Source {
    /// A connection of its own.
    Http1(Http1Body),
    /// A stream. Boxed, so that the usual answer stays small.
    Http2(Box<Incoming>),
}

/// A body on an HTTP/1 connection.
pub(super) struct Http1Body {
    pub(super) io: OriginIo,
    pub(super) decoder: BodyDecoder,
    pub(super) body_at: usize,
    pub(super) head_len: usize,
    /// The rest of the request's body, while it is not over.
    pub(super) upload: Option<Box<Upload>>,
    pub(super) keep: bool,
}

impl Answer {
    /// The same, with its body counted from here on.
    pub fn metered(mut self, meter: Meter) -> Self {
        self.meter = Some(meter);
        self
    }

    fn count(&mut self, bytes: usize) {
        if let Some(meter) = &mut self.meter {
            meter.add(bytes);
        }
    }

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
        match &self.from {
            Source::Http1(body) => body.decoder.is_done(),
            Source::Http2(incoming) => incoming.is_done(),
        }
    }

    /// Whether the request's body is still on its way: then [`next_both_ways`](Self::next_both_ways) is to be asked.
    pub fn is_uploading(&self) -> bool {
        match &self.from {
            Source::Http1(body) => body.upload.is_some(),
            Source::Http2(incoming) => incoming.is_uploading(),
        }
    }

    /// Whether a piece of the body is here already, or the end.
    pub fn is_at_hand(&self, rb: &ReadBuffer) -> bool {
        match &self.from {
            Source::Http1(body) => body.decoder.is_done() || rb.len() > body.body_at,
            Source::Http2(incoming) => incoming.is_done(),
        }
    }

    /// The next piece of the body as a range of `rb`; `None` at its end.
    pub async fn next(
        &mut self,
        timer: &Timer,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        let next = match &mut self.from {
            Source::Http1(body) => body.next(timer, self.between_bytes, rb).await,
            Source::Http2(incoming) => incoming.next(timer, self.between_bytes, rb).await,
        };
        self.counted(next)
    }

    /// As [`next`](Self::next), while the rest of the request's body goes the other way.
    pub async fn next_both_ways(
        &mut self,
        client: &mut Client,
        tx: &mut Tx,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        let next = match &mut self.from {
            Source::Http1(body) => {
                body.next_both_ways(client, tx, self.between_bytes, rb)
                    .await
            }
            Source::Http2(incoming) => {
                incoming
                    .next_both_ways(client, tx, self.between_bytes, rb)
                    .await
            }
        };
        self.counted(next)
    }

    fn counted(
        &mut self,
        next: Result<Option<Range<usize>>, FetchError>,
    ) -> Result<Option<Range<usize>>, FetchError> {
        if let Ok(Some(piece)) = &next {
            self.count(piece.len());
        }
        next
    }

    /// How many bytes of the body are still to come from a plain connection, besides those that are in `rb`; 0 where the
    /// kernel cannot hand them on by itself.
    pub fn ahead_of(&self, rb: &ReadBuffer) -> u64 {
        match &self.from {
            Source::Http1(body) if body.io.is_plain() && body.decoder.is_by_length() => {
                let here = rb.len().saturating_sub(body.body_at) as u64;
                let left = body.decoder.remaining_hint().unwrap_or(0);
                left.saturating_sub(here)
            }
            _ => 0,
        }
    }

    /// The part of the body that is in `rb`, as a range of it.
    pub fn take_here(&mut self, rb: &ReadBuffer) -> Range<usize> {
        match &mut self.from {
            Source::Http1(body) => {
                let here = body.body_at..rb.len();
                body.decoder.skip(here.len() as u64);
                body.body_at = here.end;
                self.count(here.len());
                here
            }
            Source::Http2(_) => 0..0,
        }
    }

    /// Moves what has come of the body into an empty pipe, as far as the body goes.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Result<(), FetchError>> {
        let Source::Http1(body) = &mut self.from else {
            return Poll::Ready(Err(FetchError::Invalid("no connection of its own")));
        };
        let left = body.decoder.remaining_hint().unwrap_or(0);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        Poll::Ready(match ready!(body.io.poll_fill(cx, pipe, most)) {
            Ok(0) => {
                body.keep = false;
                let whole = body.decoder.on_eof();
                whole.map_err(|e| FetchError::Invalid(e.as_str()))
            }
            Ok(n) => {
                body.decoder.skip(n as u64);
                self.count(n);
                Ok(())
            }
            Err(e) => Err(FetchError::Failed(e.to_string())),
        })
    }

    /// Copies what was read and not handed on, and the head before it, to a buffer with which the body goes on.
    pub fn move_unread(&mut self, rb: &ReadBuffer) -> ReadBuffer {
        let mut moved = ReadBuffer::new();
        let bytes = rb.bytes();
        match &mut self.from {
            Source::Http1(body) => {
                moved.extend(bytes.get(..body.head_len).unwrap_or_default());
                moved.extend(bytes.get(body.body_at..).unwrap_or_default());
                body.body_at = body.head_len;
            }
            Source::Http2(incoming) => {
                moved.extend(bytes.get(..incoming.head_len()).unwrap_or_default());
            }
        }
        moved
    }

    /// Hands on what has been read already, without waiting. True if that was all of the body.
    pub fn take_buffered(
        &mut self,
        rb: &mut ReadBuffer,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FetchError> {
        let meter = &mut self.meter;
        let mut take = |data: &[u8]| {
            if let Some(meter) = meter {
                meter.add(data.len());
            }
            take(data);
        };
        match &mut self.from {
            Source::Http1(body) => body.take_buffered(rb, &mut take),
            Source::Http2(incoming) => Ok(incoming.is_done()),
        }
    }

    /// Gives the connection back, if its response was read whole and nothing unasked for came behind it.
    pub fn finish(self, local: &Local, rb: &ReadBuffer) {
        if let Source::Http1(body) = self.from
            && body.keep
            && body.decoder.is_done()
            && body.body_at == rb.len()
        {
            local.origins.give(body.io, &self.pool, &self.peer);
        }
        drop(self.lease);
    }

    /// The trailers of a body that was read to its end, as lines; what must not stand in them has been left out.
    pub fn trailers(&self) -> &[u8] {
        match &self.from {
            Source::Http1(body) => body.decoder.trailers(),
            Source::Http2(incoming) => incoming.trailers(),
        }
    }

    /// The connection after a 101, and what was read behind its head; the server stays counted as in use. HTTP/2 has no
    /// 101.
    pub fn into_tunnel(self, rb: &ReadBuffer) -> Option<(OriginIo, Vec<u8>, Lease)> {
        let Source::Http1(body) = self.from else {
            return None;
        };
        let early = rb.bytes().get(body.head_len..).unwrap_or_default();
        Some((body.io, early.to_vec(), self.lease))
    }
}

impl Http1Body {
    async fn next(
        &mut self,
        timer: &Timer,
        between_bytes: Duration,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        loop {
            if let Some(piece) = self.take(rb)? {
                return Ok(piece);
            }
            timer.set(between_bytes);
            let n = match timer.guard(self.io.read(rb.free())).await {
                Err(_) => return Err(FetchError::TimedOut),
                Ok(Err(e)) => return Err(FetchError::Failed(e.to_string())),
                Ok(Ok(n)) => n,
            };
            if self.filled(rb, n)? {
                return Ok(None);
            }
        }
    }

    /// The next piece of what was read, or the end; `None` where more is to be read, and there is room for it.
    fn take(&mut self, rb: &mut ReadBuffer) -> Result<Option<Option<Range<usize>>>, FetchError> {
        loop {
            let unread = rb.bytes().get(self.body_at..).unwrap_or_default();
            if unread.is_empty() && !self.decoder.is_done() {
                break;
            }
            let decoded = self
                .decoder
                .decode(unread)
                .map_err(|e| FetchError::Invalid(e.as_str()))?;
            let start = self.body_at + decoded.data.start;
            let data = start..start + decoded.data.len();
            self.body_at += decoded.consumed;
            if !data.is_empty() {
                return Ok(Some(Some(data)));
            }
            if self.decoder.is_done() {
                return Ok(Some(None));
            }
            if decoded.consumed == 0 {
                break;
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
        Ok(None)
    }

    /// `n` bytes were read. True at the end.
    fn filled(&mut self, rb: &mut ReadBuffer, n: usize) -> Result<bool, FetchError> {
        rb.filled(n);
        if n == 0 {
            self.keep = false;
            self.decoder
                .on_eof()
                .map_err(|e| FetchError::Invalid(e.as_str()))?;
        }
        Ok(n == 0)
    }

    /// As [`next`](Self::next), while the rest of the request's body goes the other way. Its end, should the response be
    /// over before, is nobody's loss: the connection is not kept.
    async fn next_both_ways(
        &mut self,
        client: &mut Client,
        tx: &mut Tx,
        between_bytes: Duration,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        let timer = client.timer.clone();
        timer.set(between_bytes);
        loop {
            if let Some(piece) = self.take(rb)? {
                return Ok(piece);
            }
            let read = poll_fn(|cx| {
                let mut free = ReadBuf::new(rb.free());
                if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut free) {
                    let n = free.filled().len();
                    return Poll::Ready(match read {
                        Ok(()) => Ok(n),
                        Err(e) => Err(FetchError::Failed(e.to_string())),
                    });
                }
                if let Some(upload) = &mut self.upload {
                    match upload.poll(cx, &mut self.io, client, tx, &timer) {
                        Poll::Ready(Ok(()) | Err(UploadError::Refused(_))) => self.upload = None,
                        Poll::Ready(Err(UploadError::Client(e))) => {
                            return Poll::Ready(Err(FetchError::Client(e)));
                        }
                        Poll::Ready(Err(UploadError::TooLarge)) => {
                            return Poll::Ready(Err(FetchError::TooLarge));
                        }
                        Poll::Ready(Err(UploadError::Lost(e))) => {
                            return Poll::Ready(Err(FetchError::Failed(e.to_string())));
                        }
                        Poll::Pending => {}
                    }
                }
                timer.poll_elapsed(cx).map(|_| Err(FetchError::TimedOut))
            });
            let n = read.await?;
            timer.set(between_bytes);
            if self.filled(rb, n)? {
                return Ok(None);
            }
        }
    }

    fn take_buffered(
        &mut self,
        rb: &mut ReadBuffer,
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
}
