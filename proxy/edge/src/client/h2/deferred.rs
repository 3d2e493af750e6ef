//! The socket as h2 sees it: reads are watched, writes are collected until the connection's task drains them.

use super::watch::{Stop, Watch};
use crate::io::{Io, ReadBuffer};
use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes collected before h2 is made to wait; one more frame may go past it.
pub(super) const OUT_BYTES: usize = 64 * 1024;
/// Capacity kept while there is nothing to write.
const KEPT_BYTES: usize = 16 * 1024;

/// The socket, with what was read before HTTP/2 was known to be spoken and what waits to be written.
pub(super) struct Socket {
    io: Io,
    first: ReadBuffer,
    out: Vec<u8>,
    written: usize,
    /// Bytes written since the start.
    pub(super) total: u64,
    watch: Watch,
    /// h2 found no room: it must be asked again once there is.
    blocked: bool,
}

/// A handle on the socket: one is h2's, one the task's.
#[derive(Clone)]
pub(super) struct Deferred(Rc<RefCell<Socket>>);

impl Deferred {
    pub(super) fn new(io: Io, first: ReadBuffer, watch: Watch) -> Self {
        Self(Rc::new(RefCell::new(Socket {
            io,
            first,
            out: Vec::new(),
            written: 0,
            total: 0,
            watch,
            blocked: false,
        })))
    }

    /// Writes what was collected. Pending while some is left.
    pub(super) fn drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.borrow_mut();
        let drained = socket.drain(cx);
        if drained.is_ready() && std::mem::take(&mut socket.blocked) {
            cx.waker().wake_by_ref();
        }
        drained
    }

    /// Whether something waits to be written.
    pub(super) fn is_waiting(&self) -> bool {
        !self.0.borrow().out.is_empty()
    }

    /// Bytes written since the start.
    pub(super) fn total(&self) -> u64 {
        self.0.borrow().total
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        self.0.borrow().watch.in_head()
    }

    /// Resets that are remembered, and how many may be.
    pub(super) fn resets(&self) -> (u32, u32) {
        self.0.borrow_mut().watch.resets(&crate::clock::now_ms)
    }

    /// Why no more is read.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.0.borrow().watch.stop()
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn shrink(&self) {
        let mut socket = self.0.borrow_mut();
        if socket.out.is_empty() && socket.out.capacity() > 0 {
            socket.out = Vec::new();
        }
    }

    /// Reads and drops bytes, so that what was said reaches the client before a reset does. Ready at the end.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; 4096];
        let mut buf = ReadBuf::new(&mut bytes);
        ready!(self.0.borrow_mut().io.poll_read_into(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Says goodbye.
    pub(super) fn poll_goodbye(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().io.poll_shutdown(cx)
    }
}

impl Socket {
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.written;
        let drained = self
            .io
            .poll_write_all(cx, &mut self.written, &self.out, b"");
        let wrote = self.written - before;
        self.total += wrote as u64;
        self.watch.wrote(wrote);
        ready!(drained)?;
        self.written = 0;
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES.max(OUT_BYTES));
        Poll::Ready(Ok(()))
    }

    /// Ready when there is room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() < OUT_BYTES {
            return Poll::Ready(Ok(()));
        }
        let drained = self.drain(cx);
        self.blocked = drained.is_pending();
        drained
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.watch.stop().is_some() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if self.first.is_empty() {
            ready!(self.io.poll_read_into(cx, buf))?;
        } else {
            let n = self.first.len().min(buf.remaining());
            buf.put_slice(self.first.bytes().get(..n).unwrap_or_default());
            self.first.consume(n);
            self.first.shrink();
        }
        let new = buf.filled().get(before..).unwrap_or_default();
        if let Err(n) = self.watch.read(new, &crate::clock::now_ms) {
            buf.set_filled(before + n);
            // The task that polls h2 looks at the reason when h2 has nothing more to do.
            if n == 0 {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Deferred {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Deferred {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.0.borrow_mut();
        ready!(socket.poll_room(cx))?;
        socket.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.0.borrow_mut();
        ready!(socket.poll_room(cx))?;
        let mut n = 0;
        for part in parts {
            socket.out.extend_from_slice(part);
            n += part.len();
        }
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.borrow_mut();
        ready!(socket.drain(cx))?;
        socket.io.poll_shutdown(cx)
    }
}
