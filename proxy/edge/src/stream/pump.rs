//! Bytes both ways until both ends have said that no more will come.
//!
//! A read goes into the scratch buffer of the thread and is written on at once; only what the other side does not take
//! is copied, and that side is not read for again until it is gone. An idle connection therefore holds no buffer, and
//! a fast sender is held back by a slow reader through TCP itself. The end of one direction is passed on (half-close)
//! and leaves the other as it is.

use crate::timer::Timer;
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read in one go, and the most that waits in one direction.
pub const PIECE_BYTES: usize = 64 * 1024;
/// Pieces moved in one direction before others have their turn.
const TURN_PIECES: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a session ended.
#[derive(Debug)]
pub enum End {
    /// Both ends were done.
    Done,
    /// No byte came in time.
    Idle,
    /// A socket failed.
    Broken(io::Error),
}

/// One direction.
#[derive(Default)]
struct Way {
    waiting: Vec<u8>,
    at: usize,
    ended: bool,
    done: bool,
    moved: u64,
}

/// Carries bytes between `client` and `server`, and counts them: from the client, to the client.
pub async fn pump<A, B>(
    client: &mut A,
    server: &mut B,
    timer: &Timer,
    idle: Duration,
    (received, sent): (&mut u64, &mut u64),
) -> End
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Way::default(), Way::default());
    timer.set(idle);
    let end = poll_fn(|cx| {
        let before = up.moved + down.moved;
        let polled = SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(PIECE_BYTES, 0);
            let first = up.poll(cx, client, server, scratch)?;
            let second = down.poll(cx, server, client, scratch)?;
            Ok(first.is_ready() && second.is_ready())
        });
        match polled {
            Ok(true) => return Poll::Ready(End::Done),
            Ok(false) => {}
            Err(e) => return Poll::Ready(End::Broken(e)),
        }
        if up.moved + down.moved != before {
            timer.set(idle);
        }
        timer.poll_elapsed(cx).map(|_| End::Idle)
    })
    .await;
    *received += up.moved;
    *sent += down.moved;
    end
}

impl Way {
    /// `Ok(Ready)` when the end was read and passed on.
    fn poll<A, B>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut A,
        to: &mut B,
        scratch: &mut [u8],
    ) -> io::Result<Poll<()>>
    where
        A: AsyncRead + Unpin,
        B: AsyncWrite + Unpin,
    {
        for _ in 0..TURN_PIECES {
            match self.piece(cx, from, to, scratch) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Ready(Ok(())) if self.done => return Ok(Poll::Ready(())),
                Poll::Ready(Ok(())) => {}
            }
        }
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    fn piece<A, B>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut A,
        to: &mut B,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        A: AsyncRead + Unpin,
        B: AsyncWrite + Unpin,
    {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.waiting.get(self.at..).filter(|r| !r.is_empty()) {
            let n = written(ready!(Pin::new(&mut *to).poll_write(cx, rest))?)?;
            self.at += n;
            self.moved += n as u64;
        }
        self.waiting = Vec::new();
        self.at = 0;
        if self.ended {
            // A reader that has gone already is told by its own direction.
            let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
            self.done = true;
            return Poll::Ready(Ok(()));
        }
        let mut free = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut free))?;
        let piece = free.filled();
        if piece.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let taken = match Pin::new(&mut *to).poll_write(cx, piece) {
            Poll::Ready(n) => written(n?)?,
            Poll::Pending => 0,
        };
        self.moved += taken as u64;
        self.waiting = piece.get(taken..).unwrap_or_default().to_vec();
        Poll::Ready(Ok(()))
    }
}

fn written(n: usize) -> io::Result<usize> {
    match n {
        0 => Err(io::ErrorKind::WriteZero.into()),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::Timers;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn both_ways_are_whole_and_the_end_of_one_leaves_the_other() {
        let timer = Timers::new().timer();
        // Small pipes: every write is taken in parts.
        let ((mut near, mut client), (mut far, mut server)) = (duplex(100), duplex(777));
        let request: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let (mut received, mut sent) = (0, 0);
        let carried = pump(
            &mut client,
            &mut server,
            &timer,
            HOUR,
            (&mut received, &mut sent),
        );
        let asking = async {
            near.write_all(&request).await.unwrap();
            near.shutdown().await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answering = async {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert!(all == request);
            // After the client's end, the answer still goes through.
            far.write_all(b"answer").await.unwrap();
            far.shutdown().await.unwrap();
        };
        let (end, answer, ()) = tokio::join!(carried, asking, answering);
        assert!(matches!(end, End::Done), "{end:?}");
        assert_eq!((answer, received, sent), (b"answer".to_vec(), 200_000, 6));
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_holds_the_sender_back() {
        let timer = Timers::new().timer();
        let ((mut near, mut client), (far, mut server)) = (duplex(1024), duplex(1024));
        let (mut received, mut sent) = (0, 0);
        let carried = pump(
            &mut client,
            &mut server,
            &timer,
            HOUR,
            (&mut received, &mut sent),
        );
        let flood = async {
            let mut total = 0;
            let piece = [0; 1024];
            while let Ok(n) =
                tokio::time::timeout(Duration::from_millis(200), near.write(&piece)).await
            {
                total += n.unwrap();
            }
            total
        };
        let total = tokio::select! {
            _ = carried => unreachable!("nothing ended"),
            total = flood => total,
        };
        assert!(total <= PIECE_BYTES + 4096, "{total} bytes were taken");
        drop(far);
    }
}
