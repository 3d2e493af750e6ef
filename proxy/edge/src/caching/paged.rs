//! A stored body in pages, on its way to a client without a copy: the kernel sends them as they lie, as it would a file's.
//!
//! It is left as soon as the client has to be waited for: the rest goes the usual way, so that no pipe waits with a slow client.

use crate::{client::ClientError, pipeline::Cx};
use seawall_cache::Object;
use seawall_sys::{pages::Pages, splice::Pipe};
use std::{
    future::poll_fn,
    task::{Context, Poll},
};

/// The pages of an object, where they may be sent so.
pub fn of<'a>(cx: &Cx<'_>, object: &'a Object) -> Option<&'a Pages> {
    let pages = object.pages()?;
    let may = cx.client.takes_files()
        && !cx.client.bodiless
        && cx.tx.leaves_as_it_is()
        && cx.tx.sent == 0;
    may.then_some(pages)
}

/// Sends the head that waits, then the body, and ends the response.
pub async fn send(cx: &mut Cx<'_>, pages: &Pages) -> Result<(), ClientError> {
    let bytes: &[u8] = pages.as_ref();
    let writable = poll_fn(|task| Poll::Ready(cx.client.io.is_writable(task))).await;
    let pipe = if writable { cx.local.take_pipe() } else { None };
    let Some(pipe) = pipe else {
        return cx.client.last(cx.tx, bytes).await;
    };
    cx.client.begin_more(cx.tx, b"").await?;
    let sent = lend(cx, pages, pipe).await?;
    let rest = bytes.get(sent..).unwrap_or_default();
    cx.client.last(cx.tx, rest).await
}

/// Sends as much as the socket takes at once; how much.
async fn lend(cx: &mut Cx<'_>, pages: &Pages, mut pipe: Pipe) -> Result<usize, ClientError> {
    let length = pages.as_ref().len();
    let mut sent = 0;
    while sent < length {
        // Where the kernel lends nothing, the rest is copied.
        if pipe.lend(pages, sent).is_err() {
            break;
        }
        if !pour(cx, &mut pipe, &mut sent).await? {
            // What the pipe holds goes with it.
            return Ok(sent);
        }
    }
    cx.local.give_pipe(pipe);
    Ok(sent)
}

/// Sends what the pipe holds; false if the client has to be waited for.
async fn pour(cx: &mut Cx<'_>, pipe: &mut Pipe, sent: &mut usize) -> Result<bool, ClientError> {
    while pipe.held() > 0 {
        let poured =
            poll_fn(|task: &mut Context<'_>| Poll::Ready(cx.client.io.poll_pour(task, pipe)));
        let Poll::Ready(n) = poured.await else {
            return Ok(false);
        };
        let n = n?;
        *sent += n;
        cx.tx.sent += n as u64;
        cx.tx.body_sent += n as u64;
    }
    Ok(true)
}
