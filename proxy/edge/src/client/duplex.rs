//! A client's side of a tunnel.
//!
//! After an upgrade nobody speaks HTTP any more: bytes go both ways until both ends are done. [`Duplex`] is all that a
//! tunnel needs of its client, whatever carries it: for HTTP/1 the connection itself, for HTTP/2 a stream opened by an
//! extended CONNECT (RFC 8441); [`Io`] is either. [`Client::switch`] announces the switch in the client's own words: 101
//! there, 200 here. The request itself comes with `tx.head.upgrade` set, its method GET and an `Upgrade` field, whichever
//! way the client asked.
//!
//! Reads and writes take what they can and are polled; a write of nothing is never asked for. `poll_shutdown` ends the
//! client's reading side alone: the other direction goes on (a half-closed tunnel).

use super::{Client, ClientError, remove_lines};
use crate::{
    io::{Io, ReadBuffer},
    local::Local,
    plan::{RoutePlan, SitePlan},
    tx::Tx,
};
use seawall_http::encode;
use std::{
    io,
    task::{Context, Poll},
};

/// A client's side of a tunnel.
pub enum Duplex<'a> {
    /// A connection, or a stream of one.
    Io(&'a mut Io),
}

impl Duplex<'_> {
    /// Bytes from the client, into the free part of `into`; 0 is its end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        match self {
            Duplex::Io(io) => io.poll_read(cx, into),
        }
    }

    /// Bytes to the client, as many as it takes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Duplex::Io(io) => io.poll_write_some(cx, bytes),
        }
    }

    /// Sends what is held back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Duplex::Io(io) => io.poll_flush(cx),
        }
    }

    /// Tells the client that nothing more comes.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Duplex::Io(io) => io.poll_shutdown(cx),
        }
    }
}

impl Client {
    /// Answers with 101 and the lines in `tx.lines`, `Connection` and `Upgrade` among them; from here on the connection
    /// is another protocol's. Bytes that the client sent ahead stand in `tx.rb` from `tx.body_at` on.
    pub async fn switch(
        &mut self,
        local: &Local,
        tx: &mut Tx,
        site: &SitePlan,
        route: &RoutePlan,
    ) -> Result<(), ClientError> {
        let status = if self.io.is_stream() { 200 } else { 101 };
        self.apply_policy(local, tx, Some(site), Some(route), status);
        tx.status = status;
        tx.out.clear();
        encode::status_line(&mut tx.out, status);
        tx.out.extend_from_slice(&tx.lines);
        tx.out.extend_from_slice(b"\r\n");
        tx.out_head = tx.out.len();
        self.keep_alive = false;
        if let Io::Stream(stream) = &self.io {
            for name in [&b"connection"[..], b"upgrade", b"sec-websocket-accept"] {
                remove_lines(&mut tx.lines, name);
            }
            stream.respond(status, &tx.lines, false)?;
            tx.sent += tx.out_head as u64;
            return Ok(());
        }
        let head = std::mem::take(&mut tx.out);
        let sent = self.write(&head, b"").await;
        tx.sent += head.len() as u64;
        tx.out = head;
        sent
    }

    /// The client's side of a tunnel, after [`switch`](Self::switch).
    pub fn duplex(&mut self) -> Duplex<'_> {
        Duplex::Io(&mut self.io)
    }
}
