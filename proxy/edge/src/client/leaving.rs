//! A client that leaves while its answer is waited for.
//!
//! After a whole request the end of what an HTTP/1 client sends may mean that it has gone, or that it will send no more and
//! still reads. As nginx does (ngx_http_upstream_check_broken_connection), it is taken for gone: 499, and the exchange with
//! the origin is given up, unless the route says otherwise or others wait for the same answer.
//!
//! What is looked at is the client's own socket, polled beside whatever is waited for, and only while that really waits:
//! the reactor says when there is something to read, so that a client that says nothing costs no system call. Requests sent
//! ahead are kept for their turn, up to a bound past which nothing more is looked at. Of a stream of HTTP/2 the task that
//! serves it watches the resets.

use super::{Client, ClientError};
use crate::tx::Tx;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
};

/// Bytes of requests sent ahead that are read while an answer is waited for. A client that sends more has not left.
const AHEAD_BYTES: usize = 16 * 1024;
/// Room for them, made when the buffer has none.
const ROOM_BYTES: usize = 1024;

impl Client {
    /// Ready when the client has closed and its request is to be given up.
    pub fn poll_left(&mut self, tx: &mut Tx, cx: &mut Context<'_>) -> Poll<()> {
        // Before its end the body is what is read, by whoever passes it on.
        if !self.abandons || self.io.is_stream() || !self.body.is_done() {
            return Poll::Pending;
        }
        loop {
            if tx.rb.len() >= tx.body_at + AHEAD_BYTES {
                return Poll::Pending;
            }
            if tx.rb.free().is_empty() {
                tx.rb.reserve(ROOM_BYTES);
            }
            match self.io.poll_read(cx, &mut tx.rb) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Waits for something that is no answer yet, unless the client leaves.
    pub async fn unless_left<F: Future>(
        &mut self,
        tx: &mut Tx,
        waited: F,
    ) -> Result<F::Output, ClientError> {
        let mut waited = pin!(waited);
        poll_fn(|cx| match waited.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_left(tx, cx).map(|()| Err(ClientError::Left)),
        })
        .await
    }
}
