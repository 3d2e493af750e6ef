//! What a connection's task and its streams share of the protocol: the streams that are open, and what is to be written.

use super::{CONNECTION_WINDOW_BYTES, Stream};
use seawall_http::http2::{
    Code, FRAME_BYTES, FrameHead, HEAD_BYTES, MOST_WINDOW, flag, hpack, kind, reset, window_update,
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Context, Waker},
};

/// Bytes that wait for the socket before streams are made to wait; one more frame may go past it.
pub(super) const OUT_BYTES: usize = 64 * 1024;
/// Streams reset here whose late frames are known for what they are (RFC 9113 §5.1).
const RESETS_KEPT: usize = 128;
/// Every window before it is changed (RFC 9113 §6.9.2).
pub(super) const DEFAULT_WINDOW: i64 = 65_535;

/// What a connection's task and its streams share of the protocol.
pub(super) struct Session {
    pub(super) out: RefCell<Out>,
    /// Streams that are not closed, in the order of their identifiers.
    streams: RefCell<Vec<(u32, Rc<Stream>)>>,
    reset: RefCell<VecDeque<u32>>,
    waker: RefCell<Option<Waker>>,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            out: RefCell::new(Out::new()),
            streams: RefCell::default(),
            reset: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// The connection's task wants to know when there is something to write.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *slot = Some(cx.waker().clone());
        }
    }

    /// Tells the connection's task.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Adds a stream, whose identifier is the highest so far.
    pub(super) fn insert(&self, id: u32, stream: Rc<Stream>) {
        self.streams.borrow_mut().push((id, stream));
    }

    /// The stream of an identifier, unless it is closed.
    pub(super) fn find(&self, id: u32) -> Option<Rc<Stream>> {
        let streams = self.streams.borrow();
        let at = streams.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        streams.get(at).map(|(_, stream)| stream.clone())
    }

    /// Forgets a stream: it is closed.
    pub(super) fn remove(&self, id: u32) {
        let mut streams = self.streams.borrow_mut();
        if let Ok(at) = streams.binary_search_by_key(&id, |(id, _)| *id) {
            streams.remove(at);
        }
    }

    /// Does this with every open stream.
    pub(super) fn each(&self, mut f: impl FnMut(&Stream) -> Result<(), Code>) -> Result<(), Code> {
        self.streams.borrow().iter().try_for_each(|(_, s)| f(s))
    }

    /// All streams are over, and the connection with them.
    pub(super) fn end(&self) {
        for (_, stream) in self.streams.take() {
            stream.lose();
        }
        self.out.borrow_mut().waiting.clear();
    }

    /// Resets a stream, open or not: RST_STREAM is written, and what still comes of it is passed over.
    pub(super) fn reset(&self, id: u32, code: Code) {
        self.remove(id);
        let mut resets = self.reset.borrow_mut();
        if resets.len() >= RESETS_KEPT {
            resets.pop_front();
        }
        resets.push_back(id);
        reset(id, code, &mut self.out.borrow_mut().bytes);
        self.wake();
    }

    /// Whether a stream was reset here lately.
    pub(super) fn was_reset(&self, id: u32) -> bool {
        self.reset.borrow().contains(&id)
    }

    /// Bytes of DATA have been taken: the client may send as many again.
    pub(super) fn taken(&self, bytes: usize) {
        if self.out.borrow_mut().taken(bytes) {
            self.wake();
        }
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn shrink(&self) {
        let mut out = self.out.borrow_mut();
        if out.bytes.is_empty() {
            out.bytes = Vec::new();
        }
        out.waiting = Vec::new();
        self.streams.borrow_mut().shrink_to_fit();
        self.reset.borrow_mut().shrink_to_fit();
    }
}

/// Frames on their way to the client, and the windows of the connection.
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    /// Bytes of DATA that the client takes on all streams.
    window: i64,
    /// Those that it takes on a new stream.
    first_window: i64,
    /// Bytes of DATA that the client may still send.
    left: i64,
    /// Bytes of DATA that have been taken and not been given back to it.
    credit: u32,
    /// The client shrank the table of our compression, which it must be told is empty.
    empties: bool,
    /// Streams that wait for room or for the connection's window, in the order in which they came.
    waiting: Vec<Rc<Stream>>,
}

impl Out {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            window: DEFAULT_WINDOW,
            first_window: DEFAULT_WINDOW,
            left: i64::from(CONNECTION_WINDOW_BYTES),
            credit: 0,
            empties: false,
            waiting: Vec::new(),
        }
    }

    /// Whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < OUT_BYTES
    }

    /// Bytes of DATA that go out now.
    pub(super) fn room(&self) -> usize {
        match self.has_room() {
            true => usize::try_from(self.window).unwrap_or(0),
            false => 0,
        }
    }

    pub(super) fn first_window(&self) -> i64 {
        self.first_window
    }

    /// A stream waits for room.
    pub(super) fn wait(&mut self, stream: Rc<Stream>) {
        self.waiting.push(stream);
    }

    /// There may be room for those that wait.
    pub(super) fn wake_waiting(&mut self) {
        for stream in self.waiting.drain(..) {
            stream.has_room();
        }
    }

    /// The client changed the window of all streams; gives by how much.
    pub(super) fn change_first_window(&mut self, window: u32) -> i64 {
        let by = i64::from(window) - self.first_window;
        self.first_window = window.into();
        by
    }

    /// The client takes more on all streams together.
    pub(super) fn widen(&mut self, by: u32) -> Result<(), Code> {
        self.window += i64::from(by);
        if self.window > MOST_WINDOW {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        self.wake_waiting();
        Ok(())
    }

    /// The client said how much our compression may keep.
    pub(super) fn shrink_table(&mut self, bytes: u32) {
        self.empties |= (bytes as usize) < hpack::TABLE_BYTES;
    }

    /// DATA came, so many bytes with their padding.
    pub(super) fn came(&mut self, bytes: usize) -> Result<(), Code> {
        self.left -= bytes as i64;
        match self.left < 0 {
            true => Err(Code::FLOW_CONTROL_ERROR),
            false => Ok(()),
        }
    }

    /// As many were taken. Small amounts are collected; true if a frame was added.
    fn taken(&mut self, bytes: usize) -> bool {
        self.credit = self.credit.saturating_add(bytes as u32);
        if self.credit < CONNECTION_WINDOW_BYTES / 2 {
            return false;
        }
        window_update(0, self.credit, &mut self.bytes);
        self.left += i64::from(self.credit);
        self.credit = 0;
        true
    }

    /// Adds a head or trailers: HEADERS, with CONTINUATION behind it where it is long.
    pub(super) fn head(&mut self, stream: u32, status: Option<u16>, lines: &[u8], last: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        if std::mem::take(&mut self.empties) {
            self.bytes.push(hpack::EMPTY_TABLE);
        }
        if let Some(status) = status {
            hpack::status(status, &mut self.bytes);
        }
        hpack::fields(lines, &mut self.bytes);
        let block = start + HEAD_BYTES;
        let rest = match self.bytes.len() - block > FRAME_BYTES {
            true => self.bytes.split_off(block + FRAME_BYTES),
            false => Vec::new(),
        };
        let end = |over: bool| if over { flag::END_HEADERS } else { 0 };
        let head = FrameHead {
            len: self.bytes.len() - block,
            kind: kind::HEADERS,
            flags: end(rest.is_empty()) | if last { flag::END_STREAM } else { 0 },
            stream,
        };
        if let Some(to) = self.bytes.get_mut(start..block) {
            to.copy_from_slice(&head.bytes());
        }
        let pieces = rest.len().div_ceil(FRAME_BYTES);
        for (n, piece) in rest.chunks(FRAME_BYTES).enumerate() {
            let head = FrameHead {
                len: piece.len(),
                kind: kind::CONTINUATION,
                flags: end(n + 1 == pieces),
                stream,
            };
            head.write(&mut self.bytes);
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Adds DATA, within the window.
    pub(super) fn data(&mut self, stream: u32, data: &[u8], last: bool) {
        let head = FrameHead {
            len: data.len(),
            kind: kind::DATA,
            flags: if last { flag::END_STREAM } else { 0 },
            stream,
        };
        self.window -= data.len() as i64;
        self.bytes.reserve(HEAD_BYTES + data.len());
        head.write(&mut self.bytes);
        self.bytes.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, flags and length of each frame.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, usize)> {
        let mut out = Vec::new();
        while let Some(head) = FrameHead::parse(bytes) {
            out.push((head.kind, head.flags, head.len));
            bytes = &bytes[HEAD_BYTES + head.len..];
        }
        assert!(bytes.is_empty());
        out
    }

    #[test]
    fn a_long_head_goes_on_in_continuations() {
        let mut out = Out::new();
        let lines = format!("X: {}\r\n", "y".repeat(40_000));
        out.head(1, Some(200), lines.as_bytes(), true);
        let rest = 40_000 + 8 - 2 * FRAME_BYTES;
        assert_eq!(
            frames(&out.bytes),
            [(1, 1, FRAME_BYTES), (9, 0, FRAME_BYTES), (9, 4, rest)]
        );
    }

    #[test]
    fn what_was_taken_is_given_back_in_large_pieces() {
        let mut out = Out::new();
        let half = CONNECTION_WINDOW_BYTES as usize / 2;
        out.came(half).unwrap();
        assert!(!out.taken(half - 1));
        assert!(out.taken(1));
        assert_eq!(frames(&out.bytes), [(8, 0, 4)]);
        out.came(2 * half).unwrap();
        assert_eq!(out.came(1), Err(Code::FLOW_CONTROL_ERROR));
    }

    #[test]
    fn an_empty_table_is_said_once() {
        let mut out = Out::new();
        out.shrink_table(4096);
        out.head(1, Some(200), b"", true);
        out.shrink_table(0);
        out.head(3, Some(200), b"", true);
        out.head(5, Some(200), b"", true);
        assert_eq!(frames(&out.bytes), [(1, 5, 1), (1, 5, 2), (1, 5, 1)]);
    }
}
