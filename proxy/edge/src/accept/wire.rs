//! A client's socket, with what was read of it before its reader.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A client's socket.
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A socket whose first bytes may have been read already, to choose who reads it.
pub struct Wire {
    socket: Socket,
    ahead: Option<Box<Ahead>>,
}

struct Ahead {
    bytes: Vec<u8>,
    at: usize,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(s) => s.as_fd(),
            Socket::Unix(s) => s.as_fd(),
        }
    }
}

impl Socket {
    /// Ready when there is something to read, or the end.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => s.poll_read_ready(cx),
            Socket::Unix(s) => s.poll_read_ready(cx),
        }
    }

    /// Copies what has come and leaves it there.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_io(Interest::READABLE, || seawall_sys::peek(s, buf)),
            Socket::Unix(s) => s.try_io(Interest::READABLE, || seawall_sys::peek(s, buf)),
        }
    }

    /// Takes what has come.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_read(buf),
            Socket::Unix(s) => s.try_read(buf),
        }
    }
}

impl Wire {
    /// A socket of which `ahead` was read.
    pub fn new(socket: Socket, ahead: Vec<u8>) -> Self {
        let ahead = (!ahead.is_empty()).then(|| {
            Box::new(Ahead {
                bytes: ahead,
                at: 0,
            })
        });
        Self { socket, ahead }
    }

    /// Ready when there is something to read, or the end.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ahead {
            Some(_) => Poll::Ready(Ok(())),
            None => self.socket.poll_read_ready(cx),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(ahead) = &mut this.ahead {
            let rest = ahead.bytes.get(ahead.at..).unwrap_or_default();
            let taken = rest.get(..buf.remaining()).unwrap_or(rest);
            buf.put_slice(taken);
            ahead.at += taken.len();
            if ahead.at >= ahead.bytes.len() {
                this.ahead = None;
            }
            return Poll::Ready(Ok(()));
        }
        match &mut this.socket {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(s) => Pin::new(s).poll_write_vectored(cx, parts),
            Socket::Unix(s) => Pin::new(s).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets keep nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_was_read_ahead_comes_first() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(Socket::Unix(near), b"abc".to_vec());
        far.write_all(b"def").await.unwrap();
        far.shutdown().await.unwrap();
        let mut two = [0; 2];
        wire.read_exact(&mut two).await.unwrap();
        let mut rest = String::new();
        wire.read_to_string(&mut rest).await.unwrap();
        assert_eq!((&two, rest.as_str()), (b"ab", "cdef"));
    }
}
