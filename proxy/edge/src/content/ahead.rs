//! A response read ahead of a client that takes it slowly (nginx: `proxy_buffering`).
//!
//! Only a write that has to wait leads here: while the client keeps up, nothing of this happens. From then on both ends
//! are polled together: what the origin gives goes to a [`Backlog`], and once that is all the origin's connection is free
//! for others, however slow the client is. With the backlog full the origin waits for the client. A client that has
//! caught up gets the rest as it comes.

use crate::{
    backlog::Backlog,
    client::ClientError,
    io::ReadBuffer,
    local::Local,
    origin::{Answer, FetchError},
    pipeline::Cx,
    plan::RoutePlan,
    timer::Timer,
    tx::OriginScratch,
};
use seawall_conf::model::ResponseBuffering;
use seawall_http::Name;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

/// How far this response is read ahead. The origin may say that it is not to be (`X-Accel-Buffering: no`); events and
/// messages are of no use later.
pub fn wanted(
    route: &RoutePlan,
    answer: &Answer,
    scratch: &OriginScratch,
) -> Option<ResponseBuffering> {
    let wanted = route.response_buffering?;
    let fields = scratch.head.as_ref()?.fields(scratch.rb.bytes());
    let refused = fields
        .get(Name::XAccelBuffering)
        .is_some_and(|v| v.eq_ignore_ascii_case(b"no"));
    let kind = fields.get(Name::ContentType).unwrap_or_default();
    let is_live = [&b"text/event-stream"[..], b"application/grpc"]
        .iter()
        .any(|live| {
            kind.get(..live.len())
                .is_some_and(|k| k.eq_ignore_ascii_case(live))
        });
    (!refused && !is_live && !answer.is_uploading()).then_some(wanted)
}

/// A response that is ahead of its client.
pub struct Ahead {
    /// `None` when its body was read to the end, or failed.
    answer: Option<Answer>,
    rb: ReadBuffer,
    /// The origin's deadline; the client's own timer bounds its writes.
    timer: Rc<Timer>,
    backlog: Backlog,
    trailers: Vec<u8>,
    pass_trailers: bool,
    error: Option<FetchError>,
}

impl Ahead {
    /// Takes over a response whose bytes so far, in `rb`, are on their way to the client.
    pub fn begin(
        local: &Local,
        mut answer: Answer,
        rb: &ReadBuffer,
        bounds: ResponseBuffering,
        pass_trailers: bool,
    ) -> Self {
        Self {
            rb: answer.move_unread(rb),
            answer: Some(answer),
            timer: local.timers.timer(),
            backlog: Backlog::new(bounds.memory, bounds.disk),
            trailers: Vec::new(),
            pass_trailers,
            error: None,
        }
    }

    /// Completes a write to the client, reading ahead while it waits.
    pub async fn while_sending(
        &mut self,
        local: &Local,
        mut sending: Pin<&mut impl Future<Output = Result<(), ClientError>>>,
    ) -> Result<(), ClientError> {
        poll_fn(|cx| {
            let sent = sending.as_mut().poll(cx);
            if sent.is_pending() {
                self.read(cx, local);
            }
            sent
        })
        .await
    }

    /// Sends what is ahead. Gives the response back when the client has caught up with it, `None` at its end.
    pub async fn drain(
        mut self,
        cx: &mut Cx<'_>,
    ) -> Result<Option<(Answer, ReadBuffer)>, FetchError> {
        let local = cx.local;
        loop {
            let over = self.answer.is_none() && self.error.is_none();
            if let Some(piece) = self.backlog.take() {
                if over && self.backlog.is_empty() {
                    let trailers = std::mem::take(&mut self.trailers);
                    let last = cx.client.last_with_trailers(cx.tx, &piece, &trailers);
                    return last.await.map(|()| None).map_err(FetchError::Client);
                }
                let sending = pin!(cx.client.send(cx.tx, &piece));
                self.while_sending(local, sending).await?;
                continue;
            }
            if !self.backlog.is_empty() {
                // Its bytes are on their way from the file.
                poll_fn(|cx| {
                    self.read(cx, local);
                    match self.backlog.is_ready() || self.backlog.is_empty() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
                .await;
                continue;
            }
            return match (self.answer.take(), self.error.take()) {
                (_, Some(error)) => Err(error),
                (Some(answer), None) => Ok(Some((answer, self.rb))),
                (None, None) => {
                    let last = cx.client.last_with_trailers(cx.tx, b"", &self.trailers);
                    last.await.map(|()| None).map_err(FetchError::Client)
                }
            };
        }
    }

    /// Reads what the origin gives and the backlog takes, without waiting.
    ///
    /// The future that reads is made anew each time: what it has read is in the buffer, not in it.
    fn read(&mut self, cx: &mut Context<'_>, local: &Local) {
        loop {
            if let Err(e) = self.backlog.poll(cx) {
                self.fail(FetchError::Failed(format!(
                    "reading back the response failed ({e})"
                )));
                self.backlog = Backlog::new(0, 0);
                return;
            }
            if !self.backlog.has_room() {
                return;
            }
            let Some(answer) = &mut self.answer else {
                return;
            };
            let polled = {
                let next = pin!(answer.next(&self.timer, &mut self.rb));
                next.poll(cx)
            };
            match polled {
                Poll::Pending => return,
                Poll::Ready(Err(e)) => self.fail(e),
                Poll::Ready(Ok(None)) => self.release(local),
                Poll::Ready(Ok(Some(range))) => {
                    self.backlog
                        .push(self.rb.bytes().get(range).unwrap_or_default());
                    if answer.is_done() {
                        self.release(local);
                    }
                }
            }
        }
    }

    /// What came before is still sent.
    fn fail(&mut self, error: FetchError) {
        self.answer = None;
        self.error = Some(error);
    }

    /// The response is whole: its connection can be another's.
    fn release(&mut self, local: &Local) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        if self.pass_trailers {
            self.trailers.extend_from_slice(answer.trailers());
        }
        answer.finish(local, &self.rb);
        self.rb = ReadBuffer::new();
    }
}
