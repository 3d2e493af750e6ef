//! A connection to an origin: TCP or a unix socket, plain or under TLS, behind one enum and no box on the plain path.

use super::fastcgi::{FastCgiIo, Told};
use crate::{
    plan::{OriginPeer, PeerAddress},
    shared::Shared,
};
use seawall_sys::splice::Pipe;
use std::{
    io::{self, IoSlice},
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// What TLS runs over.
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A connection to an origin.
pub enum OriginIo {
    /// As it is.
    Plain(Socket),
    /// Under TLS.
    Tls(Box<TlsStream<Socket>>),
    /// Records beneath, HTTP/1 to whoever reads.
    FastCgi(Box<FastCgiIo<Socket>>),
}

impl OriginIo {
    /// Connects, and sends `preface` (a PROXY header) before all else, TLS included. The error says which step failed
    /// and why.
    pub async fn connect(peer: &OriginPeer, preface: &[u8]) -> Result<Self, String> {
        let mut socket = match &peer.address {
            PeerAddress::Inet(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.map_err(|e| format!("connect() failed ({e})"))?;
                // Heads and bodies are written in pieces that are whole already: nothing is gained by waiting for more.
                let _ = stream.set_nodelay(true);
                Socket::Tcp(stream)
            }
            PeerAddress::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                Socket::Unix(stream.map_err(|e| format!("connect() failed ({e})"))?)
            }
        };
        if !preface.is_empty() {
            let sent = socket.write_all(preface).await;
            sent.map_err(|e| format!("sending the PROXY header failed ({e})"))?;
        }
        let Some(tls) = &peer.tls else {
            return Ok(OriginIo::Plain(socket));
        };
        let connector = TlsConnector::from(tls.config.clone());
        match connector.connect(tls.name.clone(), socket).await {
            Ok(stream) => Ok(OriginIo::Tls(Box::new(stream))),
            Err(e) => Err(format!(
                "TLS handshake for \"{}\" failed ({e})",
                tls.name.to_str()
            )),
        }
    }

    /// As a connection to an application; one that was used for that before is one already.
    pub fn fastcgi(self, shared: &Shared) -> Self {
        match self {
            OriginIo::Plain(socket) => {
                OriginIo::FastCgi(Box::new(FastCgiIo::new(socket, Told::of(shared))))
            }
            other => other,
        }
    }

    /// Whether nobody looks at its bytes on the way: no TLS, no records.
    pub fn is_plain(&self) -> bool {
        matches!(self, OriginIo::Plain(_))
    }

    /// Moves at most `most` bytes into an empty pipe; 0 is the end. Of a plain connection only.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let OriginIo::Plain(socket) = self else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        loop {
            let read = match socket {
                Socket::Tcp(s) => s.try_io(Interest::READABLE, || pipe.fill(s.as_fd(), most)),
                Socket::Unix(s) => s.try_io(Interest::READABLE, || pipe.fill(s.as_fd(), most)),
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(match socket {
                    Socket::Tcp(s) => s.poll_read_ready(cx),
                    Socket::Unix(s) => s.poll_read_ready(cx),
                })?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether nothing has come since the last response, not even the end: whoever is silent may be asked again.
    ///
    /// Costs no system call unless the reactor has seen something.
    pub fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut cx, &mut buf).is_pending()
    }

    fn socket(&self) -> &Socket {
        match self {
            OriginIo::Plain(socket) => socket,
            OriginIo::Tls(stream) => stream.get_ref().0,
            OriginIo::FastCgi(stream) => stream.inner(),
        }
    }

    /// As [`is_silent`](Self::is_silent), but the kernel is asked: what the reactor has not heard of yet counts too.
    pub fn is_silent_now(&mut self) -> bool {
        let fd = match self.socket() {
            Socket::Tcp(s) => s.as_fd(),
            Socket::Unix(s) => s.as_fd(),
        };
        seawall_sys::peer::is_silent(fd) && self.is_silent()
    }

    /// The protocol that was agreed on in the handshake.
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            OriginIo::Plain(_) | OriginIo::FastCgi(_) => None,
            OriginIo::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for OriginIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            OriginIo::Plain(s) => Pin::new(s).poll_read(cx, buf),
            OriginIo::Tls(s) => Pin::new(s.as_mut()).poll_read(cx, buf),
            OriginIo::FastCgi(s) => Pin::new(s.as_mut()).poll_read(cx, buf),
        }
    }
}

macro_rules! writes {
    ($name:ident, $($variant:ident),*) => {
        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() { $($name::$variant(s) => Pin::new(s).poll_write(cx, buf),)* }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() { $($name::$variant(s) => Pin::new(s).poll_write_vectored(cx, parts),)* }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $($name::$variant(s) => Pin::new(s).poll_flush(cx),)* }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $($name::$variant(s) => Pin::new(s).poll_shutdown(cx),)* }
            }
        }
    };
}

writes!(Socket, Tcp, Unix);
writes!(OriginIo, Plain, Tls, FastCgi);
