//! One stream: bytes of the request's body in, the response's head and bytes out, within the client's windows.

use super::{STREAM_WINDOW_BYTES, session::Session};
use crate::io::ReadBuffer;
use seawall_http::http2::{Code, FRAME_BYTES, MOST_WINDOW, window_update};
use std::{
    cell::RefCell,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Capacity for bodies that is kept from one request to the next.
const KEPT_BYTES: usize = 4 * 1024;

/// A stream, shared by the request that uses it and the connection's task (RFC 9113 §5.1).
///
/// It is empty between two requests, so that a connection's streams can use its memory one after the other.
#[derive(Default)]
pub struct Stream {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The connection, as long as a request has the stream.
    session: Option<Rc<Session>>,
    id: u32,
    /// Bytes that the client takes; below 0 after it has shrunk its windows.
    window: i64,
    /// Bytes that it may still send, and those taken that have not been given back to it.
    left: i64,
    credit: u32,
    /// What has come of the request's body.
    body: ReadBuffer,
    /// What must still come, where the head says it.
    remaining: Option<u64>,
    trailers: Vec<u8>,
    /// The client has sent its last.
    received: bool,
    /// The response's head was sent; its last was.
    headed: bool,
    sent: bool,
    /// Reset, by whichever side, or gone with its connection.
    gone: bool,
    /// It is among those that wait for room.
    waits: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    watcher: Option<Waker>,
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}

/// The connection, for something to be sent or read.
fn live(session: &Option<Rc<Session>>, is_gone: bool) -> io::Result<&Rc<Session>> {
    match session {
        Some(_) if is_gone => Err(reset()),
        Some(session) => Ok(session),
        None => Err(gone()),
    }
}

impl State {
    /// Forgets the stream in the connection once both sides have sent their last.
    fn settle(&self) {
        if let Some(session) = &self.session
            && self.sent
            && self.received
        {
            session.remove(self.id);
        }
    }

    fn lose(&mut self) {
        self.gone = true;
        for slot in [&mut self.reader, &mut self.writer, &mut self.watcher] {
            if let Some(waker) = slot.take() {
                waker.wake();
            }
        }
    }
}

/// For the connection's task.
impl Stream {
    /// Begins with a request. `remaining` is the length that its head says.
    pub(super) fn open(&self, session: &Rc<Session>, id: u32, whole: bool, remaining: Option<u64>) {
        let mut state = self.state.borrow_mut();
        let body = std::mem::take(&mut state.body);
        *state = State {
            session: Some(session.clone()),
            id,
            window: session.out.borrow().first_window(),
            left: STREAM_WINDOW_BYTES.into(),
            body,
            remaining,
            received: whole,
            ..State::default()
        };
    }

    /// Takes the payload of DATA; `padding` is what came around it.
    pub(super) fn data(&self, data: &[u8], padding: usize, last: bool) -> Result<(), Code> {
        let mut state = self.state.borrow_mut();
        if state.received {
            return Err(Code::STREAM_CLOSED);
        }
        state.left -= (data.len() + padding) as i64;
        if state.left < 0 {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        if let Some(remaining) = &mut state.remaining {
            *remaining = remaining
                .checked_sub(data.len() as u64)
                .ok_or(Code::PROTOCOL_ERROR)?;
        }
        state.body.extend(data);
        state.credit += padding as u32;
        if let Some(session) = state.session.as_ref().filter(|_| padding > 0) {
            session.taken(padding);
        }
        if last {
            return Self::receive_last(&mut state);
        }
        if let Some(waker) = &state.reader {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// Takes trailers, as lines.
    pub(super) fn trailers(&self, lines: &[u8]) -> Result<(), Code> {
        let mut state = self.state.borrow_mut();
        state.trailers.extend_from_slice(lines);
        Self::receive_last(&mut state)
    }

    fn receive_last(state: &mut State) -> Result<(), Code> {
        if state.remaining.is_some_and(|n| n > 0) {
            return Err(Code::PROTOCOL_ERROR);
        }
        state.received = true;
        state.settle();
        if let Some(waker) = &state.reader {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// Whether the client has sent its last.
    pub(super) fn has_received(&self) -> bool {
        self.state.borrow().received
    }

    /// It was reset, or its connection is over.
    pub(super) fn lose(&self) {
        self.state.borrow_mut().lose();
    }

    /// The client takes more, or less.
    pub(super) fn widen(&self, by: i64) -> Result<(), Code> {
        let mut state = self.state.borrow_mut();
        state.window += by;
        if state.window > MOST_WINDOW {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        if let Some(waker) = state.writer.as_ref().filter(|_| state.window > 0) {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// There may be room to write.
    pub(super) fn has_room(&self) {
        let mut state = self.state.borrow_mut();
        state.waits = false;
        if let Some(waker) = &state.writer {
            waker.wake_by_ref();
        }
    }
}

/// For the request's task.
impl Stream {
    /// Lets go of the stream: a response that is not whole, or a body that was not read, resets it.
    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        let Some(session) = state.session.take() else {
            return;
        };
        if !state.body.is_empty() {
            session.taken(state.body.len());
        }
        let is_whole = state.sent && state.received;
        if !state.gone && !is_whole {
            // RFC 9113 §8.1: a response is whole before its request is.
            let code = if state.sent {
                Code::NO_ERROR
            } else {
                Code::CANCEL
            };
            session.reset(state.id, code);
        }
        let mut body = std::mem::take(&mut state.body);
        body.clear();
        *state = State::default();
        if body.capacity() <= KEPT_BYTES {
            state.body = body;
        }
    }

    /// Ends it with an error, if it has not ended.
    pub(super) fn reset(&self, code: Code) {
        let mut state = self.state.borrow_mut();
        if state.gone || state.sent {
            return;
        }
        state.gone = true;
        if let Some(session) = &state.session {
            session.reset(state.id, code);
        }
    }

    /// Ready when the client has reset the stream or its connection is over, before the response was whole.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.sent || state.session.is_none() {
            return Poll::Pending;
        }
        if state.gone {
            return Poll::Ready(());
        }
        register(&mut state.watcher, cx);
        Poll::Pending
    }

    /// Bytes of the request's body, appended to `buf`; 0 at its end.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuffer) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let session = live(&state.session, state.gone)?;
        if state.body.is_empty() {
            if state.received {
                return Poll::Ready(Ok(0));
            }
            register(&mut state.reader, cx);
            return Poll::Pending;
        }
        let bytes = state.body.bytes();
        let bytes = bytes.get(..FRAME_BYTES).unwrap_or(bytes);
        buf.extend(bytes);
        let n = bytes.len();
        // Taken: the client may send as much again.
        session.taken(n);
        state.credit += n as u32;
        if !state.received && state.credit >= STREAM_WINDOW_BYTES / 2 {
            window_update(state.id, state.credit, &mut session.out.borrow_mut().bytes);
            session.wake();
            state.left += i64::from(state.credit);
            state.credit = 0;
        }
        state.body.consume(n);
        Poll::Ready(Ok(n))
    }

    /// The trailers behind the request's body, which was read to its end: field lines, appended to `lines`.
    pub(in crate::client) fn poll_trailers(
        &self,
        cx: &mut Context<'_>,
        lines: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        live(&state.session, state.gone)?;
        if !state.received {
            register(&mut state.reader, cx);
            return Poll::Pending;
        }
        lines.extend_from_slice(&state.trailers);
        state.trailers.clear();
        Poll::Ready(Ok(()))
    }

    /// Sends an interim response (RFC 9110 §15.2): a status and its field lines.
    pub fn interim(&self, status: u16, lines: &[u8]) -> io::Result<()> {
        let state = self.state.borrow();
        let session = live(&state.session, state.gone)?;
        if !state.headed {
            let mut out = session.out.borrow_mut();
            out.head(state.id, Some(status), lines, false);
            session.wake();
        }
        Ok(())
    }

    /// Sends the response's head: its field lines, and whether nothing follows.
    pub fn respond(&self, status: u16, lines: &[u8], last: bool) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let session = live(&state.session, state.gone)?;
        let mut out = session.out.borrow_mut();
        out.head(state.id, Some(status), lines, last);
        drop(out);
        session.wake();
        state.headed = true;
        state.sent = last;
        state.settle();
        Ok(())
    }

    /// Sends bytes, as many as the client's windows and the room before the socket take; with the last of them the end,
    /// where `last` says so.
    pub fn poll_write(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let session = live(&state.session, state.gone)?;
        if !state.headed || state.sent {
            return Poll::Ready(Err(gone()));
        }
        let mut out = session.out.borrow_mut();
        let mut taken = 0;
        loop {
            let rest = data.get(taken..).unwrap_or_default();
            let window = usize::try_from(state.window).unwrap_or(0);
            let n = rest.len().min(FRAME_BYTES).min(window).min(out.room());
            let ends = last && n == rest.len();
            if n == 0 && !(ends && taken == 0) {
                break;
            }
            out.data(state.id, rest.get(..n).unwrap_or_default(), ends);
            state.window -= n as i64;
            taken += n;
            if ends {
                state.sent = true;
                break;
            }
        }
        if taken == 0 && !state.sent && !data.is_empty() {
            if out.room() == 0 && !std::mem::replace(&mut state.waits, true) {
                out.wait(self.clone());
            }
            register(&mut state.writer, cx);
            return Poll::Pending;
        }
        drop(out);
        session.wake();
        state.settle();
        Poll::Ready(Ok(taken))
    }

    /// Ends the response, with these trailer lines if there are any.
    pub fn end(&self, trailers: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !state.headed || state.sent {
            return live(&state.session, state.gone).map(|_| ());
        }
        let session = live(&state.session, state.gone)?;
        let mut out = session.out.borrow_mut();
        if trailers.is_empty() {
            out.data(state.id, b"", true);
        } else {
            out.head(state.id, None, trailers, true);
        }
        drop(out);
        session.wake();
        state.sent = true;
        state.settle();
        Ok(())
    }

    /// Ends what is sent, as the end of a connection would.
    pub fn finish(&self) -> io::Result<()> {
        self.end(b"")
    }
}
