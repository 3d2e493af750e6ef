//! The task of one connection: reads frames, writes what was collected, keeps the deadlines.

use super::{
    CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES,
    frames::{Fault, Frames},
    hub::Hub,
    session::{DEFAULT_WINDOW, OUT_BYTES},
    watch::{Flood, Stop, Watch},
};
use crate::{
    io::{Io, ReadBuffer},
    local::Local,
    log_error,
    plan::Plan,
    timer::Timer,
    tx::ConnInfo,
};
use seawall_http::http2::{
    Code, FRAME_BYTES, FrameHead, HEAD_BYTES, PREFACE, announce, kind, setting, window_update,
};
use std::{
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A connection without a request for so long gives its memory back; `keepalive` counts from then.
const PARK_AFTER: Duration = Duration::from_secs(1);
/// How long the last frames of a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Bytes read and dropped after a GOAWAY, so that it reaches the client before a reset does.
const LINGER_BYTES: usize = 256 * 1024;
/// Read size of a connection that asks and does not send.
const READ_BYTES: usize = 4 * 1024;

/// What the connection waits for, and so which deadline it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next request, which may come at once.
    Idle,
    /// The next request, with what it would use given back.
    Parked,
    /// The rest of a header block.
    Head,
    /// Room in the socket, after so many bytes.
    Write(u64),
    /// Its streams, which have deadlines of their own.
    Busy,
}

/// How a connection ended.
enum End {
    /// As both sides wished, or the client simply left.
    Quiet,
    /// It was ended here; the client may still be sending.
    Refused,
}

struct Connection {
    io: Io,
    input: ReadBuffer,
    /// The frame at the front of `input` has been counted.
    counted: bool,
    /// The last read filled its buffer: the client sends much.
    filled: bool,
    /// Bytes written of what is to be written, and of all.
    written: usize,
    total: u64,
    frames: Frames,
    timer: Rc<Timer>,
    phase: Phase,
    /// The deadline set for it.
    limit: Duration,
    head_timeout: Duration,
    drained: bool,
}

/// Serves a connection that speaks HTTP/2, from its preface on; `first` was read already.
pub async fn serve(local: Rc<Local>, io: Io, info: ConnInfo, first: ReadBuffer) {
    local.shared.metrics.http2.connections.inc();
    let mut connection = Connection::new(local, io, info, first);
    // A drain wakes it whatever it waits for.
    connection.timer.set_parked(true);
    let end = match connection.shake_hands().await {
        Some(end) => end,
        None => poll_fn(|cx| connection.poll(cx)).await,
    };
    connection.frames.session.end();
    connection.frames.hub.dismiss();
    connection.goodbye(matches!(end, End::Refused)).await;
}

impl Connection {
    fn new(local: Rc<Local>, io: Io, info: ConnInfo, first: ReadBuffer) -> Self {
        let plan = local.plan();
        let limits = &plan.http2;
        let timer = local.timers.timer();
        // Ours answers 431 with a line in the log; past this the list is not taken.
        let list_bytes = plan.head_limits.head_bytes.saturating_mul(2).min(1 << 24);
        let watch = Watch::new(limits, plan.head_limits.head_bytes, crate::clock::now_ms());
        let hub = Hub::new(
            local.clone(),
            info,
            limits.streams,
            limits.resets,
            plan.head_timeout,
        );
        let mut connection = Self {
            io,
            input: first,
            counted: false,
            filled: false,
            written: 0,
            total: 0,
            frames: Frames::new(Rc::new(hub), watch, list_bytes),
            timer,
            phase: Phase::Busy,
            limit: Timer::FAR,
            head_timeout: plan.head_timeout,
            drained: false,
        };
        connection.announce(&plan, list_bytes);
        connection
    }

    /// Our SETTINGS, which need not wait for the client's preface.
    fn announce(&mut self, plan: &Plan, list_bytes: usize) {
        let settings = [
            (setting::MAX_CONCURRENT_STREAMS, plan.http2.streams),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES),
            (setting::MAX_HEADER_LIST_SIZE, list_bytes as u32),
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
        ];
        announce(&settings, &mut self.frames.session.out.borrow_mut().bytes);
    }

    /// Sends our SETTINGS and reads the preface. An end if it is another, or does not come in time.
    async fn shake_hands(&mut self) -> Option<End> {
        let timer = self.timer.clone();
        timer.set(self.head_timeout);
        let read = timer
            .guard(poll_fn(|cx| {
                // An error shows with the next read.
                let _ = self.drain(cx);
                while self.input.len() < PREFACE.len() {
                    if !PREFACE.starts_with(self.input.bytes()) {
                        return Poll::Ready(Ok(false));
                    }
                    if ready!(self.poll_input(cx))? == 0 {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                Poll::Ready(Ok::<_, io::Error>(self.input.bytes().starts_with(PREFACE)))
            }))
            .await;
        let shared = self.frames.hub.local.shared.clone();
        let info = self.frames.hub.info();
        match read {
            Ok(Ok(true)) => {
                self.input.consume(PREFACE.len());
                let more = CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW as u32;
                window_update(0, more, &mut self.frames.session.out.borrow_mut().bytes);
                return None;
            }
            Ok(Ok(false)) => {
                shared.metrics.http2.errors.inc();
                let who = &info.peer_text;
                log_error!(
                    shared,
                    Info,
                    info.serial,
                    "client sent no HTTP/2 preface, client: {who}"
                );
                self.frames.say_goaway(Code::PROTOCOL_ERROR);
            }
            Ok(Err(e)) => {
                shared.metrics.http2.errors.inc();
                let who = &info.peer_text;
                log_error!(
                    shared,
                    Info,
                    info.serial,
                    "client sent no HTTP/2 preface: {e}, client: {who}"
                );
            }
            Err(_) => {
                shared.metrics.timeouts.head.inc();
                let who = &info.peer_text;
                log_error!(
                    shared,
                    Info,
                    info.serial,
                    "client timed out before the HTTP/2 preface, client: {who}"
                );
                return Some(End::Quiet);
            }
        }
        Some(End::Refused)
    }

    /// Says goodbye, and lets the client read what was said before the socket closes over what it still sends.
    async fn goodbye(&mut self, lingers: bool) {
        let timer = self.timer.clone();
        timer.set(GOODBYE);
        let _ = timer.guard(poll_fn(|cx| self.drain(cx))).await;
        let _ = timer.guard(poll_fn(|cx| self.io.poll_shutdown(cx))).await;
        let mut left = if lingers { LINGER_BYTES } else { 0 };
        while left > 0 {
            self.input.clear();
            match timer.guard(poll_fn(|cx| self.poll_input(cx))).await {
                Ok(Ok(n)) if n > 0 => left = left.saturating_sub(n),
                _ => break,
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.frames.session.register(cx);
        if (self.frames.hub.retires.take() || self.timer.is_draining()) && !self.drained {
            self.drained = true;
            self.frames.lead_away();
        }
        if let Poll::Ready(end) = self.poll_frames(cx) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(Err(_)) = self.drain(cx) {
            return Poll::Ready(End::Quiet);
        }
        if self.frames.has_led_away()
            && self.frames.hub.running() == 0
            && self.frames.session.out.borrow().bytes.is_empty()
        {
            return Poll::Ready(End::Quiet);
        }
        self.poll_deadline(cx)
    }

    /// Reads frames until there are no more, or too much waits to be written.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Err(fault) = self.take_frames() {
                return Poll::Ready(self.ended(fault));
            }
            let has_room = self.frames.session.out.borrow().has_room();
            if !has_room && ready!(self.drain(cx)).is_err() {
                return Poll::Ready(End::Quiet);
            }
            match ready!(self.poll_input(cx)) {
                Ok(n) if n > 0 => {}
                _ => return Poll::Ready(End::Quiet),
            }
        }
    }

    /// Takes every whole frame that was read.
    fn take_frames(&mut self) -> Result<(), Fault> {
        while let Some(head) = FrameHead::parse(self.input.bytes()) {
            if !std::mem::replace(&mut self.counted, true) {
                self.frames.begin(&head)?;
            }
            let end = HEAD_BYTES + head.len;
            let Some(payload) = self.input.bytes().get(HEAD_BYTES..end) else {
                break;
            };
            self.frames.frame(&head, payload)?;
            self.input.consume(end);
            self.counted = false;
        }
        Ok(())
    }

    /// Reads more behind what is there.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.phase == Phase::Parked && self.input.capacity() == 0 {
            // An idle connection waits without a buffer. What TLS had decrypted was read before.
            ready!(self.io.poll_readable(cx))?;
        }
        let whole = FrameHead::parse(self.input.bytes()).map_or(0, |head| HEAD_BYTES + head.len);
        let wanted = if self.filled {
            HEAD_BYTES + FRAME_BYTES
        } else {
            READ_BYTES
        };
        self.input
            .reserve(whole.saturating_sub(self.input.len()).max(wanted));
        let room = self.input.free().len();
        let n = ready!(self.io.poll_read(cx, &mut self.input))?;
        self.filled = n == room;
        Poll::Ready(Ok(n))
    }

    /// Writes what was collected. Pending while some is left.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.frames.session.out.borrow_mut();
        if out.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.written;
        let drained = self
            .io
            .poll_write_all(cx, &mut self.written, &out.bytes, b"");
        let wrote = self.written - before;
        self.total += wrote as u64;
        self.frames.watch.wrote(wrote);
        ready!(drained)?;
        self.written = 0;
        out.bytes.clear();
        out.bytes.shrink_to(2 * OUT_BYTES);
        out.wake_waiting();
        Poll::Ready(Ok(()))
    }

    /// Ends the connection over what was read.
    fn ended(&mut self, fault: Fault) -> End {
        let code = match fault {
            Fault::Stop(Stop::Flood(flood)) => {
                self.note_flood(flood);
                Code::ENHANCE_YOUR_CALM
            }
            Fault::Stop(Stop::NoSettings) => {
                self.note_error("the first frame is not SETTINGS", Code::PROTOCOL_ERROR)
            }
            Fault::Broken(code, what) => self.note_error(what, code),
        };
        self.frames.say_goaway(code);
        End::Refused
    }

    fn note_flood(&self, flood: Flood) {
        let shared = &self.frames.hub.local.shared;
        let info = self.frames.hub.info();
        shared.metrics.http2.flood(flood);
        log_error!(
            shared,
            Warn,
            info.serial,
            "HTTP/2 flood: limit \"{}\" passed, client: {}",
            flood.as_str(),
            info.peer_text
        );
    }

    fn note_error(&self, what: &str, code: Code) -> Code {
        let shared = &self.frames.hub.local.shared;
        let info = self.frames.hub.info();
        shared.metrics.http2.errors.inc();
        log_error!(
            shared,
            Info,
            info.serial,
            "HTTP/2 connection error: {what}, {code}, client: {}",
            info.peer_text
        );
        code
    }

    fn note_timeout(&self, what: &str) {
        let shared = &self.frames.hub.local.shared;
        let info = self.frames.hub.info();
        log_error!(
            shared,
            Info,
            info.serial,
            "client timed out: waited for {what}, client: {}",
            info.peer_text
        );
    }

    /// Whether a head has begun, in a frame or in several, and not ended.
    fn in_head(&self) -> bool {
        let begun = FrameHead::parse(self.input.bytes())
            .is_some_and(|head| matches!(head.kind, kind::HEADERS | kind::CONTINUATION));
        begun || self.frames.in_head()
    }

    fn phase(&self) -> Phase {
        if self.in_head() {
            Phase::Head
        } else if !self.frames.session.out.borrow().bytes.is_empty() {
            Phase::Write(self.total)
        } else if self.frames.hub.running() > 0 {
            Phase::Busy
        } else if self.phase == Phase::Parked {
            Phase::Parked
        } else {
            Phase::Idle
        }
    }

    /// Keeps the deadline of what the connection waits for.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let phase = self.phase();
        let limit = match phase {
            // The client was told that the connection ends; it need not say that it heard it.
            Phase::Idle | Phase::Parked if self.drained => GOODBYE,
            Phase::Idle => PARK_AFTER,
            Phase::Parked => self.frames.hub.idle.get(),
            Phase::Head => self.head_timeout,
            Phase::Write(_) => self.frames.hub.timeout.get(),
            Phase::Busy => Timer::FAR,
        };
        // A route may say another limit while the connection waits.
        if (phase, limit) != (self.phase, self.limit) {
            (self.phase, self.limit) = (phase, limit);
            self.timer.set(limit);
        }
        ready!(self.timer.poll_elapsed(cx));
        match phase {
            Phase::Idle if !self.drained => {
                self.park();
                return self.timer.poll_elapsed(cx).map(|_| End::Quiet);
            }
            Phase::Idle | Phase::Parked => self.frames.say_goaway(Code::NO_ERROR),
            Phase::Head => {
                self.frames.hub.local.shared.metrics.timeouts.head.inc();
                self.note_timeout("a request head");
                self.frames.say_goaway(Code::ENHANCE_YOUR_CALM);
                return Poll::Ready(End::Refused);
            }
            Phase::Write(_) => {
                self.frames.hub.local.shared.metrics.timeouts.write.inc();
                self.note_timeout("room to write");
            }
            Phase::Busy => {
                self.timer.set(Timer::FAR);
                return self.timer.poll_elapsed(cx).map(|_| End::Quiet);
            }
        }
        Poll::Ready(End::Quiet)
    }

    /// Gives back what an idle connection does not need.
    fn park(&mut self) {
        self.phase = Phase::Parked;
        self.limit = self.frames.hub.idle.get();
        self.timer.set(self.limit);
        self.frames.hub.dismiss();
        self.frames.session.shrink();
        self.frames.shrink();
        if self.input.is_empty() {
            self.input = ReadBuffer::new();
        }
    }
}
