//! A tunnel: after a 101 bytes go both ways, unread, until both ends are done.
//!
//! An idle tunnel holds two sockets and no buffer. What one side sends is read into a buffer that all tunnels of the
//! thread share and written on at once; only what the other side does not take is kept, at most [`PENDING_BYTES`] a
//! direction, and until it is gone nothing more is read from that side: the pace is the slower one's.
//!
//! Either end may finish its own direction and go on reading (half-closed). A tunnel without a byte for
//! `timeouts.tunnel_idle` is closed; one that is half-closed, for `timeouts.between_bytes`. When the daemon stops, a
//! tunnel may go on until the end of the drain, where both sides are told that it is over (close_notify under TLS).

use super::{answer::Answer, io::OriginIo};
use crate::{
    client::{Client, Duplex},
    io::ReadBuffer,
    local::Local,
    timer::Timer,
    tx::Tx,
};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at a time, and therefore the most that waits for a side that does not take them.
pub const PENDING_BYTES: usize = 64 * 1024;
/// Reads of one direction before the other connections of the thread have their turn.
const TURNS: usize = 16;

/// Bytes that went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moved {
    /// From the client.
    pub up: u64,
    /// To the client.
    pub down: u64,
}

/// How a tunnel ended.
pub struct Ended {
    /// What went through it.
    pub moved: Moved,
    /// In words, for the log.
    pub why: String,
}

/// One of the two directions.
#[derive(Default)]
struct Way {
    pending: Vec<u8>,
    at: usize,
    ended: bool,
    shut: bool,
    moved: u64,
}

/// A side of the tunnel, so that both directions are one piece of code.
trait Side {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuffer)
    -> Poll<io::Result<usize>>;
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Side for Duplex<'_> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        Duplex::poll_read(self, cx, into)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Duplex::poll_write(self, cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Duplex::poll_flush(self, cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Duplex::poll_shutdown(self, cx)
    }
}

impl Side for OriginIo {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        let mut free = ReadBuf::new(into.free());
        ready!(AsyncRead::poll_read(Pin::new(self), cx, &mut free))?;
        let n = free.filled().len();
        into.filled(n);
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(self), cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(self), cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }
}

impl Way {
    fn starting_with(pending: Vec<u8>) -> Self {
        Self {
            pending,
            ..Self::default()
        }
    }

    /// Moves what can be moved. Ready when this direction is over.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Side,
        to: &mut dyn Side,
        shared: &mut ReadBuffer,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURNS {
            ready!(self.poll_pending(cx, to))?;
            if self.ended {
                if !self.shut {
                    // Who is gone already need not be told.
                    let _ = ready!(to.poll_shutdown(cx));
                    self.shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            shared.clear();
            shared.reserve(PENDING_BYTES);
            let n = match from.poll_read(cx, shared) {
                Poll::Ready(n) => n?,
                Poll::Pending => {
                    ready!(to.poll_flush(cx))?;
                    return Poll::Pending;
                }
            };
            if n == 0 {
                self.ended = true;
                continue;
            }
            let read = shared.bytes();
            let taken = match to.poll_write(cx, read) {
                Poll::Ready(taken) => taken?,
                Poll::Pending => 0,
            };
            self.moved += taken as u64;
            self.pending
                .extend_from_slice(read.get(taken..).unwrap_or_default());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>, to: &mut dyn Side) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.at..).filter(|rest| !rest.is_empty()) {
            let n = ready!(to.poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.at += n;
            self.moved += n as u64;
        }
        // Given back at once: most tunnels are idle most of the time.
        self.pending = Vec::new();
        self.at = 0;
        Poll::Ready(Ok(()))
    }
}

/// Carries bytes between a client and the origin whose 101 is `answer`, until both are done, one of them breaks off or
/// nothing moves for `idle.0` (for `idle.1` once one side is done).
pub async fn tunnel(
    local: &Local,
    client: &mut Client,
    tx: &mut Tx,
    answer: Answer,
    rb: &ReadBuffer,
    idle: (Duration, Duration),
) -> Ended {
    let Some((mut origin, early, lease)) = answer.into_tunnel(rb) else {
        return Ended {
            moved: Moved::default(),
            why: "has no connection of its own".to_owned(),
        };
    };
    let ahead = tx.rb.bytes().get(tx.body_at..).unwrap_or_default().to_vec();
    tx.body_at = tx.rb.len();
    let mut up = Way::starting_with(ahead);
    let mut down = Way::starting_with(early);
    let timer = client.timer.clone();
    let metrics = &local.shared.metrics;
    metrics.tunnels.inc();
    local.tunnels.set(local.tunnels.get() + 1);
    let mut duplex = client.duplex();
    let result = carry(
        local,
        &timer,
        &mut duplex,
        &mut origin,
        (&mut up, &mut down),
        idle,
    )
    .await;
    metrics.tunnels.dec();
    local.tunnels.set(local.tunnels.get().saturating_sub(1));
    metrics.tunnel_bytes_up.inc_by(up.moved);
    metrics.tunnel_bytes_down.inc_by(down.moved);
    drop(lease);
    Ended {
        moved: Moved {
            up: up.moved,
            down: down.moved,
        },
        why: match result {
            Ok(()) => "closed".to_owned(),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => "timed out".to_owned(),
            Err(_) if timer.is_cut() => "cut off at the end of the drain".to_owned(),
            Err(e) => format!("broke off ({e})"),
        },
    }
}

async fn carry(
    local: &Local,
    timer: &Timer,
    client: &mut dyn Side,
    origin: &mut dyn Side,
    (up, down): (&mut Way, &mut Way),
    (idle, half_closed): (Duration, Duration),
) -> io::Result<()> {
    timer.set(idle);
    poll_fn(|cx| {
        let before = (up.moved, down.moved, up.shut, down.shut);
        let polled = local.with_tunnel_buffer(|shared| {
            Ok::<_, io::Error>((
                up.poll(cx, client, origin, shared)?,
                down.poll(cx, origin, client, shared)?,
            ))
        });
        match polled? {
            (Poll::Ready(()), Poll::Ready(())) => return Poll::Ready(Ok(())),
            (a, b) if before != (up.moved, down.moved, up.shut, down.shut) => {
                let half = a.is_ready() || b.is_ready();
                timer.set(if half { half_closed.min(idle) } else { idle });
            }
            _ => {}
        }
        if timer.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        timer
            .poll_elapsed(cx)
            .map(|_| Err(io::ErrorKind::TimedOut.into()))
    })
    .await
}
