//! One stream: bytes of the request's body in, the response's head and bytes out, within the client's windows.

use super::response;
use crate::io::ReadBuffer;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use std::{
    cell::RefCell,
    io,
    task::{Context, Poll, ready},
};

/// A stream, shared by the request that uses it and the task that looks whether the client has reset it.
///
/// It is empty between two requests, so that a connection's streams can use its memory one after the other.
#[derive(Default)]
pub struct Stream {
    inner: RefCell<Option<Inner>>,
}

struct Inner {
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    body: RecvStream,
    ended: bool,
}

/// What h2 says, as a socket would.
fn broken(e: &h2::Error) -> io::Error {
    if e.is_io() || e.is_remote() {
        return io::ErrorKind::ConnectionReset.into();
    }
    io::Error::other(e.to_string())
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Stream {
    /// Begins with a request.
    pub(super) fn open(&self, respond: SendResponse<Bytes>, body: RecvStream) {
        *self.inner.borrow_mut() = Some(Inner {
            respond,
            send: None,
            body,
            ended: false,
        });
    }

    /// Lets go of the stream: a response that is not whole, or a body that was not read, resets it.
    pub(super) fn close(&self) {
        *self.inner.borrow_mut() = None;
    }

    /// Ends it with an error, if it has not ended.
    pub(super) fn reset(&self, reason: Reason) {
        if let Some(inner) = self.inner.borrow_mut().as_mut().filter(|i| !i.ended) {
            inner.ended = true;
            inner.respond.send_reset(reason);
        }
    }

    /// Ready when the client has reset the stream or its connection is over.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.inner.borrow_mut().as_mut() {
            Some(Inner { ended: true, .. }) | None => Poll::Pending,
            Some(inner) => match &mut inner.send {
                Some(send) => send.poll_reset(cx).map(|_| ()),
                None => inner.respond.poll_reset(cx).map(|_| ()),
            },
        }
    }

    /// Bytes of the request's body, appended to `buf`; 0 at its end.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuffer) -> Poll<io::Result<usize>> {
        let mut inner = self.inner.borrow_mut();
        let Some(inner) = inner.as_mut() else {
            return Poll::Ready(Err(gone()));
        };
        loop {
            let Some(read) = ready!(inner.body.poll_data(cx)) else {
                return Poll::Ready(Ok(0));
            };
            let bytes = read.map_err(|e| broken(&e))?;
            // Taken: the client may send as much again.
            let _ = inner.body.flow_control().release_capacity(bytes.len());
            if !bytes.is_empty() {
                buf.extend(&bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
        }
    }

    /// The trailers behind the request's body, which was read to its end: field lines, appended to `lines`.
    pub(in crate::client) fn poll_trailers(
        &self,
        cx: &mut Context<'_>,
        lines: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner.borrow_mut();
        let Some(inner) = inner.as_mut() else {
            return Poll::Ready(Err(gone()));
        };
        let trailers = ready!(inner.body.poll_trailers(cx)).map_err(|e| broken(&e))?;
        for (name, value) in trailers.iter().flatten() {
            seawall_http::encode::field(lines, name.as_str().as_bytes(), value.as_bytes());
        }
        Poll::Ready(Ok(()))
    }

    /// Sends an interim response (RFC 9110 §15.2): a status and its field lines.
    pub fn interim(&self, status: u16, lines: &[u8]) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        let inner = inner.as_mut().ok_or_else(gone)?;
        if inner.send.is_some() {
            return Ok(());
        }
        let interim = response::of(status, lines);
        inner
            .respond
            .send_informational(interim)
            .map_err(|e| broken(&e))
    }

    /// Sends the response's head: its field lines, and whether nothing follows.
    pub fn respond(&self, status: u16, lines: &[u8], last: bool) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        let inner = inner.as_mut().ok_or_else(gone)?;
        let sent = inner
            .respond
            .send_response(response::of(status, lines), last);
        inner.send = Some(sent.map_err(|e| broken(&e))?);
        inner.ended = last;
        Ok(())
    }

    /// Sends bytes, as many as the client's windows and [`super::STREAM_BUFFER_BYTES`] take; with the last of them the
    /// end, where `last` says so.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.inner.borrow_mut();
        let Some(inner) = inner.as_mut() else {
            return Poll::Ready(Err(gone()));
        };
        let Some(send) = &mut inner.send else {
            return Poll::Ready(Err(gone()));
        };
        send.reserve_capacity(data.len());
        let mut room = send.capacity();
        while room == 0 {
            room = match ready!(send.poll_capacity(cx)) {
                Some(Ok(room)) => room,
                Some(Err(e)) => return Poll::Ready(Err(broken(&e))),
                None => return Poll::Ready(Err(gone())),
            };
        }
        let n = room.min(data.len());
        let ends = last && n == data.len();
        let piece = Bytes::copy_from_slice(data.get(..n).unwrap_or_default());
        send.send_data(piece, ends).map_err(|e| broken(&e))?;
        inner.ended = ends;
        Poll::Ready(Ok(n))
    }

    /// Ends the response, with these trailer lines if there are any.
    pub fn end(&self, trailers: &[u8]) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        let inner = inner.as_mut().ok_or_else(gone)?;
        let Some(send) = inner.send.as_mut().filter(|_| !inner.ended) else {
            return Ok(());
        };
        let sent = if trailers.is_empty() {
            send.send_data(Bytes::new(), true)
        } else {
            send.send_trailers(response::fields(trailers))
        };
        inner.ended = true;
        sent.map_err(|e| broken(&e))
    }

    /// Ends what is sent, as the end of a connection would.
    pub fn finish(&self) -> io::Result<()> {
        self.end(b"")
    }
}
