//! A large body that the kernel hands on by itself, from the origin's socket to the client's.
//!
//! Where nobody looks at the bytes (plain TCP to the client, a plain connection to the origin, a length that was said, no
//! filter) copying them in and out is most of what a response of 64 KiB costs. The head and what came with it are sent as
//! ever, the rest goes through a pipe. It is left as soon as the client has to be waited for: what the pipe holds is copied
//! out and the response goes on the usual way, which reads ahead of slow clients (see [`super::ahead`]).

use crate::{
    origin::{Answer, FetchError},
    pipeline::Cx,
    tx::OriginScratch,
};
use seawall_sys::splice::Pipe;
use std::{
    future::poll_fn,
    task::{Context, Poll},
};

/// What must still be to come for a pipe to cost less than copying.
const LEAST_BYTES: u64 = 16 * 1024;

/// What came of it.
pub enum Spliced {
    /// Nothing was done: the body goes the usual way.
    Not,
    /// All of the body has been sent.
    Whole,
    /// The client has to be waited for: these bytes are next, then what the answer still has.
    Left(Vec<u8>),
}

/// Whether a body is handed on so.
pub fn is_worth(cx: &Cx<'_>, answer: &Answer, scratch: &OriginScratch) -> bool {
    answer.ahead_of(&scratch.rb) >= LEAST_BYTES
        && cx.tx.leaves_as_it_is()
        && cx.tx.sent == 0
        && !answer.is_uploading()
        && cx.client.takes_files()
        && !cx.client.bodiless
}

/// Hands on a body that [`is_worth`] it.
pub async fn splice(
    cx: &mut Cx<'_>,
    answer: &mut Answer,
    scratch: &mut OriginScratch,
) -> Result<Spliced, FetchError> {
    let Some(mut pipe) = cx.local.take_pipe() else {
        return Ok(Spliced::Not);
    };
    let spliced = carry(cx, answer, scratch, &mut pipe).await;
    cx.local.give_pipe(pipe);
    spliced
}

async fn carry(
    cx: &mut Cx<'_>,
    answer: &mut Answer,
    scratch: &mut OriginScratch,
    pipe: &mut Pipe,
) -> Result<Spliced, FetchError> {
    let writable = poll_fn(|task| Poll::Ready(cx.client.io.is_writable(task))).await;
    if !writable {
        return Ok(Spliced::Not);
    }
    let here = answer.take_here(&scratch.rb);
    let here = scratch.rb.bytes().get(here).unwrap_or_default();
    let at_once = poll_fn(|task| Poll::Ready(answer.poll_fill(task, pipe))).await;
    match at_once {
        // More follows at once: the kernel need not make a packet of the head.
        Poll::Ready(filled) => {
            filled?;
            cx.client.begin_more(cx.tx, here).await?;
        }
        Poll::Pending => cx.client.send(cx.tx, here).await?,
    }
    let timer = cx.client.timer.clone();
    loop {
        if pipe.held() > 0 && !pour(cx, pipe).await? {
            let left = pipe.take().map_err(|e| FetchError::Failed(e.to_string()))?;
            return Ok(Spliced::Left(left));
        }
        if answer.is_done() {
            return Ok(Spliced::Whole);
        }
        timer.set(answer.between_bytes());
        let filled = timer.guard(poll_fn(|task| answer.poll_fill(task, pipe)));
        let filled = cx.client.unless_left(cx.tx, filled).await?;
        filled.map_err(|_| FetchError::TimedOut)??;
    }
}

/// Sends what the pipe holds; false if the client has to be waited for.
async fn pour(cx: &mut Cx<'_>, pipe: &mut Pipe) -> Result<bool, FetchError> {
    while pipe.held() > 0 {
        let poured =
            poll_fn(|task: &mut Context<'_>| Poll::Ready(cx.client.io.poll_pour(task, pipe)));
        let Poll::Ready(n) = poured.await else {
            return Ok(false);
        };
        let n = n.map_err(|e| FetchError::Client(e.into()))? as u64;
        cx.tx.sent += n;
        cx.tx.body_sent += n;
    }
    Ok(true)
}

/// Whether a response to this request may be handed on so, as far as it can be told before its head is there.
pub fn may(cx: &Cx<'_>, pool: &crate::plan::PoolPlan) -> bool {
    cx.client.io.is_plain_tcp() && !cx.tx.is_head() && pool.is_plain()
}
