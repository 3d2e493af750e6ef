//! A response on its way from an HTTP/2 origin, and what is left of its request's body.

use super::{UPLOAD_BYTES, connections::Place, request};
use crate::{
    client::{Client, ClientError},
    io::ReadBuffer,
    origin::exchange::FetchError,
    timer::Timer,
    tx::Tx,
};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use seawall_http::{BodyDecoder, Framing};
use std::{
    future::poll_fn,
    ops::Range,
    task::{Context, Poll, ready},
    time::Duration,
};

/// What follows a response's head.
pub struct Incoming {
    pub(super) recv: RecvStream,
    /// The rest of the request's body, while it is not over.
    pub(super) upload: Option<Upload>,
    pub(super) place: Place,
    pub(super) head_len: usize,
    pub(super) done: bool,
    pub(super) trailers: Vec<u8>,
}

/// A request's body on its way.
pub(super) struct Upload {
    send: SendStream<Bytes>,
    pending: Bytes,
    last: bool,
    limit: Option<u64>,
}

/// Why a body did not go on.
pub(super) enum UploadError {
    Client(ClientError),
    TooLarge,
    /// The origin wants no more of it, or is gone: the response tells.
    Refused,
}

impl Upload {
    pub(super) fn new(send: SendStream<Bytes>, limit: Option<u64>) -> Self {
        Self {
            send,
            pending: Bytes::new(),
            last: false,
            limit,
        }
    }

    /// Hands on bytes that are here already.
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        self.pending = bytes.into();
    }

    /// Passes on what the client sends, as the origin's window takes it. Ready at the end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        tx: &mut Tx,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            if !ready!(self.poll_pending(cx)) {
                return Poll::Ready(Err(UploadError::Refused));
            }
            if self.last {
                let trailers = request::trailers(client.body.trailers());
                let sent = match trailers {
                    Some(fields) => self.send.send_trailers(fields),
                    None => self.send.send_data(Bytes::new(), true),
                };
                return Poll::Ready(sent.map_err(|_| UploadError::Refused));
            }
            let read = ready!(client.poll_chunk(tx, cx));
            match read.map_err(UploadError::Client)? {
                None => self.last = true,
                Some(_) if self.limit.is_some_and(|limit| tx.body_read > limit) => {
                    client.keep_alive = false;
                    return Poll::Ready(Err(UploadError::TooLarge));
                }
                Some(range) => {
                    let data = tx.rb.bytes().get(range).unwrap_or_default();
                    self.pending = Bytes::copy_from_slice(data);
                }
            }
        }
    }

    /// Ready when nothing waits any more; false when the origin takes no more.
    pub(super) fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while !self.pending.is_empty() {
            self.send
                .reserve_capacity(self.pending.len().min(UPLOAD_BYTES));
            let mut room = self.send.capacity();
            while room == 0 {
                match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(n)) => room = n,
                    Some(Err(_)) | None => return Poll::Ready(false),
                }
            }
            let piece = self.pending.split_to(room.min(self.pending.len()));
            if self.send.send_data(piece, false).is_err() {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    }

    /// Ends the body, when all of it was handed over by [`push`](Self::push).
    pub(super) fn end(&mut self) -> bool {
        self.send.send_data(Bytes::new(), true).is_ok()
    }
}

/// A head as text, for the parser that judges every origin's.
pub(super) fn head_text(response: &Response<()>, rb: &mut ReadBuffer) {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(response.status().as_str().as_bytes());
    head.extend_from_slice(b" \r\n");
    push_lines(response.headers(), &mut head);
    head.extend_from_slice(b"\r\n");
    rb.clear();
    rb.extend(&head);
}

fn push_lines(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes().trim_ascii());
        out.extend_from_slice(b"\r\n");
    }
}

/// Trailers under the rules and limits for those of a chunked body.
fn judged(fields: &HeaderMap) -> Result<Vec<u8>, FetchError> {
    let mut last = b"0\r\n".to_vec();
    push_lines(fields, &mut last);
    last.extend_from_slice(b"\r\n");
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let mut at = 0;
    while let Some(rest) = last.get(at..).filter(|rest| !rest.is_empty()) {
        let decoded = decoder
            .decode(rest)
            .map_err(|e| FetchError::Invalid(e.as_str()))?;
        if decoded.consumed == 0 {
            break;
        }
        at += decoded.consumed;
    }
    Ok(decoder.trailers().to_vec())
}

fn failed(e: &h2::Error) -> FetchError {
    match e.reason() {
        Some(Reason::NO_ERROR) | None => {
            FetchError::Failed("upstream prematurely closed connection".into())
        }
        Some(reason) => FetchError::Failed(format!("upstream reset the stream: {reason}")),
    }
}

impl Incoming {
    /// Whether the body has been read to its end.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the request's body is still on its way.
    pub fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    /// Bytes of the head at the beginning of the buffer.
    pub fn head_len(&self) -> usize {
        self.head_len
    }

    /// The trailers, once the body is done.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// The next piece as a range of `rb`, where it replaces the piece before; `None` at the end.
    pub async fn next(
        &mut self,
        timer: &Timer,
        between_bytes: Duration,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        timer.set(between_bytes);
        let polled = timer.guard(poll_fn(|cx| self.poll_next(cx, rb))).await;
        polled.unwrap_or_else(|_| {
            self.place.spend();
            Err(FetchError::TimedOut)
        })
    }

    /// As [`next`](Self::next), while the rest of the request's body goes the other way.
    pub async fn next_both_ways(
        &mut self,
        client: &mut Client,
        tx: &mut Tx,
        between_bytes: Duration,
        rb: &mut ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        let timer = client.timer.clone();
        timer.set(between_bytes);
        let polled = timer
            .guard(poll_fn(|cx| {
                if let Some(upload) = &mut self.upload {
                    let before = tx.body_read;
                    match upload.poll(cx, client, tx) {
                        Poll::Ready(Ok(()) | Err(UploadError::Refused)) => self.upload = None,
                        Poll::Ready(Err(UploadError::Client(e))) => {
                            return Poll::Ready(Err(FetchError::Client(e)));
                        }
                        Poll::Ready(Err(UploadError::TooLarge)) => {
                            return Poll::Ready(Err(FetchError::TooLarge));
                        }
                        Poll::Pending if tx.body_read != before => timer.set(between_bytes),
                        Poll::Pending => {}
                    }
                }
                self.poll_next(cx, rb)
            }))
            .await;
        polled.unwrap_or(Err(FetchError::TimedOut))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        rb: &mut ReadBuffer,
    ) -> Poll<Result<Option<Range<usize>>, FetchError>> {
        while !self.done {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    // Taken: the origin may send as much again.
                    let _ = self.recv.flow_control().release_capacity(bytes.len());
                    if self.recv.is_end_stream() {
                        self.done = true;
                    }
                    if bytes.is_empty() {
                        continue;
                    }
                    rb.truncate(self.head_len);
                    rb.extend(&bytes);
                    return Poll::Ready(Ok(Some(self.head_len..rb.len())));
                }
                Some(Err(e)) => return Poll::Ready(Err(failed(&e))),
                None => {
                    let trailers = ready!(self.recv.poll_trailers(cx));
                    match trailers {
                        Ok(Some(fields)) => self.trailers = judged(&fields)?,
                        Ok(None) => {}
                        Err(e) => return Poll::Ready(Err(failed(&e))),
                    }
                    self.done = true;
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}
