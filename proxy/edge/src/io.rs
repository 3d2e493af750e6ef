//! A client's connection: TCP, unix socket or TLS, behind one enum and no box.

use crate::accept::Wire;
use crate::client::Stream;
use seawall_http::Range32;
use seawall_sys::{beneath, splice::Pipe};
use std::{
    fs::File,
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf as TokioBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// A client's connection.
pub enum Io {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over either.
    Tls(Box<TlsStream<Wire>>),
    /// A stream of an HTTP/2 connection: the body of its request in, that of its response out.
    Stream(Rc<Stream>),
}

impl Io {
    /// Reads into the free part of `buf`. `Ok(0)` is the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        if let Io::Stream(s) = self {
            return s.poll_read(cx, buf);
        }
        let mut free = TokioBuf::new(buf.free());
        ready!(self.poll_read_into(cx, &mut free))?;
        let n = free.filled().len();
        buf.filled(n);
        Poll::Ready(Ok(n))
    }

    /// Reads into tokio's kind of buffer. Of a socket only: a stream's bytes come by [`Io::poll_read`].
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        free: &mut TokioBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(s) => Pin::new(s).poll_read(cx, free),
            Io::Unix(s) => Pin::new(s).poll_read(cx, free),
            Io::Tls(s) => Pin::new(s).poll_read(cx, free),
            Io::Stream(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Whether ALPN agreed on HTTP/2.
    pub fn agreed_on_http2(&self) -> bool {
        matches!(self, Io::Tls(s) if s.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// Whether it is a stream of a connection, not a connection.
    pub fn is_stream(&self) -> bool {
        matches!(self, Io::Stream(_))
    }

    /// Writes as many bytes as are taken.
    pub fn poll_write_some(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Io::Unix(s) => Pin::new(s).poll_write(cx, bytes),
            Io::Tls(s) => Pin::new(s).poll_write(cx, bytes),
            Io::Stream(s) => s.poll_write(cx, bytes, false),
        }
    }

    /// Sends what TLS holds back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tls(s) => Pin::new(s).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Tcp(s) => Pin::new(s).poll_write_vectored(cx, parts),
            Io::Unix(s) => Pin::new(s).poll_write_vectored(cx, parts),
            Io::Tls(s) => Pin::new(s.as_mut()).poll_write_vectored(cx, parts),
            Io::Stream(s) => s.poll_write(cx, parts.first().map_or(&[][..], |p| p), false),
        }
    }

    /// Writes two parts one after the other, together where they fit, and flushes.
    pub fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        cursor: &mut usize,
        a: &[u8],
        b: &[u8],
    ) -> Poll<io::Result<()>> {
        let total = a.len() + b.len();
        while *cursor < total {
            let n = if b.is_empty() {
                // One part is a plain send, which is cheaper than a vector of one.
                let rest = a.get(*cursor..).unwrap_or_default();
                ready!(match self {
                    Io::Tcp(s) => Pin::new(s).poll_write(cx, rest),
                    Io::Unix(s) => Pin::new(s).poll_write(cx, rest),
                    Io::Tls(s) => Pin::new(s).poll_write(cx, rest),
                    Io::Stream(s) => s.poll_write(cx, rest, false),
                })?
            } else if *cursor < a.len() {
                let head = a.get(*cursor..).unwrap_or_default();
                ready!(self.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(b)]))?
            } else {
                let rest = b.get(*cursor - a.len()..).unwrap_or_default();
                ready!(self.poll_write_vectored(cx, &[IoSlice::new(rest)]))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *cursor += n;
        }
        match self {
            Io::Tls(s) => Pin::new(s).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether it is a plain TCP socket, into which the kernel can send a file by itself.
    pub fn is_plain_tcp(&self) -> bool {
        matches!(self, Io::Tcp(_))
    }

    /// Does this with the plain TCP socket as soon as it takes bytes.
    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Io::Tcp(socket) = self else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        loop {
            match socket.try_io(Interest::WRITABLE, || call(socket.as_fd())) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_write_ready(cx))?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether a plain TCP socket is known to take bytes. Costs no system call.
    pub fn is_writable(&self, cx: &mut Context<'_>) -> bool {
        matches!(self, Io::Tcp(socket) if socket.poll_write_ready(cx).is_ready())
    }

    /// Moves what a pipe holds into a plain TCP socket; gives how much it took.
    pub fn poll_pour(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        self.poll_socket(cx, |socket| pipe.pour(socket))
    }

    /// Writes bytes that more will follow into a plain TCP socket.
    pub fn poll_write_more(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_socket(cx, |socket| beneath::send_more(socket, bytes))
    }

    /// Lets the kernel send a part of a file into a plain TCP socket; gives how much it took.
    pub fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll_socket(cx, |socket| beneath::send_file(socket, file, offset, count))
    }

    /// Ready when there is something to read (or the end): a parked connection waits here without a buffer.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(s) => s.poll_read_ready(cx),
            Io::Unix(s) => s.poll_read_ready(cx),
            // What TLS has decrypted already is read before parking; only new bytes on the socket matter.
            Io::Tls(s) => s.get_ref().0.poll_read_ready(cx),
            Io::Stream(_) => Poll::Ready(Ok(())),
        }
    }

    /// Says goodbye: close_notify for TLS, FIN for all.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Io::Unix(s) => Pin::new(s).poll_shutdown(cx),
            Io::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Io::Stream(s) => Poll::Ready(s.finish()),
        }
    }
}

/// A reused read buffer: bytes `start..end` of `data` are unread.
pub struct ReadBuffer {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl ReadBuffer {
    /// Large sizes are multiples of this.
    const GRAIN_BYTES: usize = 4 * 1024;
    /// First size: a browser's head fits.
    pub const INITIAL_BYTES: usize = 2 * 1024;
    /// The largest size kept for reuse: a head and a body of 64 KiB in one read. At that size the number of reads is
    /// everything, so a buffer that has held such a response reads the next one at once.
    pub const KEPT_BYTES: usize = 72 * 1024;

    /// An empty buffer that allocates when first read into.
    pub fn new() -> Self {
        Self {
            data: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// The unread bytes.
    pub fn bytes(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// How many are unread.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `n` bytes from the front.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Keeps the first `n` unread bytes only.
    pub fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Makes room for at least `n` more bytes, moving the unread ones to the front where that is enough.
    pub fn reserve(&mut self, n: usize) {
        if self.data.len() - self.end >= n {
            return;
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.data.len() - self.end < n {
            let needed = self.end + n;
            // Doubling past what is kept would throw the buffer away after each response.
            let size = if needed <= Self::KEPT_BYTES / 2 {
                needed.next_power_of_two().max(Self::INITIAL_BYTES)
            } else {
                needed.next_multiple_of(Self::GRAIN_BYTES)
            };
            self.data.resize(size, 0);
        }
    }

    /// Gives back memory beyond what is kept for reuse.
    pub fn shrink(&mut self) {
        if self.is_empty() && self.data.len() > Self::KEPT_BYTES {
            self.data = Vec::new();
        }
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        if let Some(to) = self.free().get_mut(..bytes.len()) {
            to.copy_from_slice(bytes);
            self.filled(bytes.len());
        }
    }

    /// The unread bytes, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// The writable part.
    pub fn free(&mut self) -> &mut [u8] {
        self.data.get_mut(self.end..).unwrap_or_default()
    }

    /// `n` bytes were written to the free part.
    pub fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
    }

    /// The whole size.
    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    /// The bytes of a range counted from the first unread byte.
    pub fn slice(&self, range: Range32) -> &[u8] {
        range.of(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buf: &mut ReadBuffer, bytes: &[u8]) {
        buf.reserve(bytes.len());
        buf.free()[..bytes.len()].copy_from_slice(bytes);
        buf.filled(bytes.len());
    }

    #[test]
    fn what_is_unread_survives_growth_and_moves() {
        let mut buf = ReadBuffer::new();
        put(&mut buf, b"abcdef");
        buf.consume(4);
        put(&mut buf, &vec![b'x'; ReadBuffer::INITIAL_BYTES]);
        assert_eq!(&buf.bytes()[..3], b"efx");
        assert_eq!(buf.len(), 2 + ReadBuffer::INITIAL_BYTES);
        buf.consume(usize::MAX / 2);
        assert!(buf.is_empty());
    }

    #[test]
    fn a_buffer_that_held_a_head_and_64_kib_is_kept() {
        let mut buf = ReadBuffer::new();
        put(&mut buf, &[0; 300]);
        buf.reserve(64 * 1024);
        assert!(buf.free().len() >= 64 * 1024);
        buf.clear();
        buf.shrink();
        assert!(buf.capacity() >= 64 * 1024 + 300, "{}", buf.capacity());
    }

    #[test]
    fn a_large_buffer_is_given_back_once_empty() {
        let mut buf = ReadBuffer::new();
        put(&mut buf, &vec![0; ReadBuffer::KEPT_BYTES + 1]);
        buf.shrink();
        assert!(
            buf.capacity() > ReadBuffer::KEPT_BYTES,
            "unread bytes are kept"
        );
        buf.clear();
        buf.shrink();
        assert_eq!(buf.capacity(), 0);
    }
}
