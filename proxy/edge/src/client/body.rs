//! The body of a request as it is read: framing undone, `100 Continue` said once, what is left over drained.

use super::{Client, ClientError};
use crate::tx::Tx;
use seawall_http::{BodyDecoder, Framing};
use std::{
    future::poll_fn,
    ops::Range,
    task::{Context, Poll, ready},
};

/// How far a request's body has been read.
pub struct BodyState {
    decoder: BodyDecoder,
    expect: bool,
    /// Bytes of `100 Continue` that have been written.
    said: usize,
    present: bool,
    framing: Framing,
    /// The end of a stream's body was read.
    ended: bool,
    /// Whether what answers is not to see it; what is unread of it is still taken off the connection.
    withheld: bool,
}

/// An unread body of at most this size is read and dropped so that the connection can go on; a larger one closes it.
const DRAIN_BYTES: u64 = 64 * 1024;
/// Read size of bodies.
const READ_BYTES: usize = 16 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Default for BodyState {
    fn default() -> Self {
        Self {
            decoder: BodyDecoder::new(Framing::None),
            expect: false,
            said: 0,
            present: false,
            framing: Framing::None,
            ended: false,
            withheld: false,
        }
    }
}

impl BodyState {
    /// Starts with a request's framing.
    pub fn begin(&mut self, framing: Framing, expect: bool) {
        self.present = super::h1::has_body(framing);
        self.withheld = false;
        self.expect = expect && self.present;
        self.said = 0;
        self.framing = framing;
        self.ended = false;
        if self.present {
            self.decoder = BodyDecoder::new(framing);
        }
    }

    /// What the route allows; a chunk that announces more is refused before its data are read.
    pub fn limit(&mut self, bytes: Option<u64>) {
        if let (true, Some(bytes)) = (self.present, bytes) {
            self.decoder.limit(bytes);
        }
    }

    /// Whether the request has a body.
    pub fn is_present(&self) -> bool {
        self.present && !self.withheld
    }

    /// Keeps it from what answers: an error page is asked for without it.
    pub fn withhold(&mut self) {
        self.withheld = true;
    }

    /// Its trailers as lines, once all of it has been read; what must not stand in them has been left out.
    pub fn trailers(&self) -> &[u8] {
        self.decoder.trailers()
    }

    /// Whether all of it has been read.
    pub fn is_done(&self) -> bool {
        !self.present || self.ended || self.decoder.is_done()
    }
}

impl Client {
    /// The next piece of the body as a range of `tx.rb`; `None` at its end.
    pub async fn next_chunk(&mut self, tx: &mut Tx) -> Result<Option<Range<usize>>, ClientError> {
        if !self.body.present {
            return Ok(None);
        }
        self.timer.set(self.timeout);
        let timer = self.timer.clone();
        let piece = timer.guard(poll_fn(|cx| self.poll_chunk(tx, cx))).await;
        piece.unwrap_or(Err(ClientError::Timeout))
    }

    /// As [`next_chunk`](Self::next_chunk), with the deadline in the hands of whoever polls.
    pub fn poll_chunk(
        &mut self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Range<usize>>, ClientError>> {
        if !self.body.present {
            return Poll::Ready(Ok(None));
        }
        if self.io.is_stream() {
            return self.poll_data(tx, cx);
        }
        loop {
            let unread = tx.rb.bytes().get(tx.body_at..).unwrap_or_default();
            if !unread.is_empty() || self.body.decoder.is_done() {
                let decoded = self
                    .body
                    .decoder
                    .decode(unread)
                    .map_err(ClientError::Body)?;
                let start = tx.body_at + decoded.data.start;
                let data = start..start + decoded.data.len();
                tx.body_at += decoded.consumed;
                if !data.is_empty() {
                    tx.body_read += data.len() as u64;
                    return Poll::Ready(Ok(Some(data)));
                }
                if self.body.decoder.is_done() {
                    return Poll::Ready(Ok(None));
                }
                if decoded.consumed > 0 {
                    continue;
                }
            }
            if self.body.expect {
                let Client { io, body, .. } = self;
                ready!(io.poll_write_all(cx, &mut body.said, CONTINUE, b""))?;
                body.expect = false;
            }
            // Everything behind the head has been handed on: the space is free again.
            if tx.body_at == tx.rb.len() {
                let head = tx.head.len;
                tx.rb.truncate(head);
                tx.body_at = head;
            }
            tx.rb.reserve(READ_BYTES);
            if ready!(self.io.poll_read(cx, &mut tx.rb))? == 0 {
                return Poll::Ready(Err(ClientError::Closed));
            }
        }
    }

    /// As [`Client::poll_chunk`], of a stream: its frames are undone, and its length is h2's to hold to.
    fn poll_data(
        &mut self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Range<usize>>, ClientError>> {
        if self.body.ended {
            return Poll::Ready(Ok(None));
        }
        if std::mem::take(&mut self.body.expect)
            && let crate::io::Io::Stream(stream) = &self.io
        {
            stream.interim(100, b"")?;
        }
        let head = tx.head.len;
        tx.rb.truncate(head);
        tx.body_at = head;
        if ready!(self.io.poll_read(cx, &mut tx.rb))? == 0 {
            return self.poll_trailers(cx);
        }
        let end = tx.rb.len();
        tx.body_at = end;
        tx.body_read += (end - head) as u64;
        Poll::Ready(Ok(Some(head..end)))
    }

    /// Takes the trailers of a stream, under the rules and limits for those of a chunked body, in whose form they go on.
    fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Range<usize>>, ClientError>> {
        let crate::io::Io::Stream(stream) = &self.io else {
            return Poll::Ready(Ok(None));
        };
        let mut last = b"0\r\n".to_vec();
        ready!(stream.poll_trailers(cx, &mut last))?;
        self.body.ended = true;
        if self.body.framing != Framing::Chunked || last.len() == 3 {
            return Poll::Ready(Ok(None));
        }
        last.extend_from_slice(b"\r\n");
        let mut at = 0;
        while let Some(rest) = last.get(at..).filter(|rest| !rest.is_empty()) {
            let decoded = self.body.decoder.decode(rest).map_err(ClientError::Body)?;
            if decoded.consumed == 0 {
                break;
            }
            at += decoded.consumed;
        }
        Poll::Ready(Ok(None))
    }

    /// Whether what is left of the body is so little that the connection goes on behind it. A client that still waits for
    /// 100 will not send the body now.
    pub fn may_drain(&self) -> bool {
        let left = self.body.decoder.remaining_hint();
        self.body.is_done() || (!self.body.expect && left.is_some_and(|n| n <= DRAIN_BYTES))
    }

    /// Reads what is left of the body. False if the connection cannot go on.
    pub(super) async fn finish_body(&mut self, tx: &mut Tx) -> bool {
        if !self.keep_alive {
            return false;
        }
        if self.body.is_done() {
            return true;
        }
        if !self.may_drain() {
            return false;
        }
        loop {
            match self.next_chunk(tx).await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}
