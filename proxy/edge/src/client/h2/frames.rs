//! The client's frames one by one: what each does to its stream and to the connection (RFC 9113 §5, §6).

use super::{
    hub::Hub,
    request,
    session::Session,
    task::{Job, Place},
    watch::{Flood, Stop, Watch},
};
use crate::log_error;
use seawall_http::http2::{
    Changes, Code, FRAME_BYTES, FrameHead, Of, Section, acknowledge, flag, goaway, hpack, kind,
    ping, unpadded,
};
use std::rc::Rc;

/// What our own PING carries: its answer says that the client has seen our GOAWAY.
const LEAVING: [u8; 8] = *b"seawall!";
/// Capacity for a head in pieces that is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Why the connection ends.
pub(super) enum Fault {
    /// A violation of the protocol.
    Broken(Code, &'static str),
    /// A limit was passed.
    Stop(Stop),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Fault::Stop(stop)
    }
}

/// A violation without a code of its own.
fn protocol(what: &'static str) -> Fault {
    Fault::Broken(Code::PROTOCOL_ERROR, what)
}

fn size(what: &'static str) -> Fault {
    Fault::Broken(Code::FRAME_SIZE_ERROR, what)
}

/// A priority must not make a stream depend on itself (RFC 7540 §5.3.1).
fn stands_alone(stream: u32, priority: &[u8]) -> Result<(), Fault> {
    match priority {
        &[a, b, c, d, _] if u32::from_be_bytes([a & 0x7f, b, c, d]) == stream => {
            Err(protocol("a stream that depends on itself"))
        }
        _ => Ok(()),
    }
}

/// A head that goes on in CONTINUATION.
struct Begun {
    stream: u32,
    last: bool,
}

/// How far the client has been led away (RFC 9113 §6.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// It was told that no more than what is on its way will be taken.
    Told,
    /// And up to which stream.
    Since(u32),
}

/// The reader of a connection's frames.
pub(super) struct Frames {
    pub(super) hub: Rc<Hub>,
    pub(super) session: Rc<Session>,
    pub(super) watch: Watch,
    decoder: hpack::Decoder,
    section: Section,
    /// The bytes of the head that has begun.
    block: Vec<u8>,
    begun: Option<Begun>,
    /// The highest stream that the client has opened.
    last: u32,
    leaving: Leaving,
    /// The longest list of fields.
    list_bytes: usize,
}

impl Frames {
    pub(super) fn new(hub: Rc<Hub>, watch: Watch, list_bytes: usize) -> Self {
        Self {
            session: hub.session.clone(),
            hub,
            watch,
            decoder: hpack::Decoder::new(),
            section: Section::default(),
            block: Vec::new(),
            begun: None,
            last: 0,
            leaving: Leaving::No,
            list_bytes,
        }
    }

    /// Whether a head has begun and not ended.
    pub(super) fn in_head(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether the client knows up to which stream it is served.
    pub(super) fn has_led_away(&self) -> bool {
        matches!(self.leaving, Leaving::Since(_))
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.section.shrink();
        self.block = Vec::new();
    }

    /// Ends the connection with a word.
    pub(super) fn say_goaway(&self, code: Code) {
        goaway(self.last, code, &mut self.session.out.borrow_mut().bytes);
    }

    /// Says that the connection will end, and asks for a sign that this was heard: until then requests may be on their way.
    pub(super) fn lead_away(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Told;
            let mut out = self.session.out.borrow_mut();
            goaway((1 << 31) - 1, Code::NO_ERROR, &mut out.bytes);
            ping(0, LEAVING, &mut out.bytes);
        }
    }

    /// A frame begins: it is counted, and must not be too long.
    pub(super) fn begin(&mut self, head: &FrameHead) -> Result<(), Fault> {
        self.watch.frame(head, &crate::clock::now_ms)?;
        match head.len > FRAME_BYTES {
            true => Err(size("a frame longer than allowed")),
            false => Ok(()),
        }
    }

    /// Takes a whole frame.
    pub(super) fn frame(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if let Some(begun) = &self.begun
            && (head.kind != kind::CONTINUATION || head.stream != begun.stream)
        {
            return Err(protocol("another frame in the middle of a head"));
        }
        match head.kind {
            kind::DATA => self.data(head, payload),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::RST_STREAM => self.reset(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => self.ping(head, payload),
            kind::PRIORITY if head.stream == 0 => Err(protocol("PRIORITY on the connection")),
            kind::PRIORITY if head.len != 5 => Err(size("PRIORITY that is not five bytes")),
            kind::PRIORITY => stands_alone(head.stream, payload),
            kind::GOAWAY if head.stream != 0 => Err(protocol("GOAWAY on a stream")),
            kind::GOAWAY if head.len < 8 => Err(size("GOAWAY of less than eight bytes")),
            kind::PUSH_PROMISE => Err(protocol("PUSH_PROMISE from a client")),
            _ => Ok(()),
        }
    }

    /// Whether a stream was never opened: even ones are ours, and we open none.
    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last || stream.is_multiple_of(2)
    }

    /// Whether what comes of a stream is passed over: it was reset here, or is past the last that is served.
    fn is_ignored(&self, stream: u32) -> bool {
        let past = matches!(self.leaving, Leaving::Since(last) if stream > last);
        past || self.session.was_reset(stream)
    }

    fn data(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if self.is_idle(head.stream) {
            return Err(protocol("DATA on a stream that is idle"));
        }
        let data =
            unpadded(head, payload).map_err(|code| Fault::Broken(code, "DATA without padding"))?;
        let came = self.session.out.borrow_mut().came(payload.len());
        came.map_err(|code| Fault::Broken(code, "more DATA than the connection's window"))?;
        let Some(stream) = self.session.find(head.stream) else {
            self.session.taken(payload.len());
            return match self.is_ignored(head.stream) {
                true => Ok(()),
                false => self.stream_error(head.stream, Code::STREAM_CLOSED, "DATA behind its end"),
            };
        };
        let padding = payload.len() - data.len();
        let last = head.has(flag::END_STREAM);
        stream.data(data, padding, last).or_else(|code| {
            self.session.taken(payload.len());
            let what = match code {
                Code::PROTOCOL_ERROR => "DATA is not as long as content-length says",
                Code::STREAM_CLOSED => "DATA behind its end",
                _ => "more DATA than the stream's window",
            };
            self.stream_error(head.stream, code, what)
        })
    }

    fn headers(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream.is_multiple_of(2) {
            return Err(protocol("HEADERS on a stream that is no client's"));
        }
        let mut block = unpadded(head, payload)
            .map_err(|code| Fault::Broken(code, "HEADERS without padding"))?;
        if head.has(flag::PRIORITY) {
            // RFC 9113 §5.3.2: what it says is not looked at, but for what was never allowed.
            let (priority, rest) = block
                .split_at_checked(5)
                .ok_or(size("HEADERS without priority"))?;
            stands_alone(head.stream, priority)?;
            block = rest;
        }
        let last = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.section(head.stream, last, block);
        }
        self.block.extend_from_slice(block);
        self.begun = Some(Begun {
            stream: head.stream,
            last,
        });
        Ok(())
    }

    fn continuation(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if self.begun.is_none() {
            return Err(protocol("CONTINUATION without HEADERS"));
        }
        self.block.extend_from_slice(payload);
        if head.has(flag::END_HEADERS)
            && let Some(begun) = self.begun.take()
        {
            let mut block = std::mem::take(&mut self.block);
            self.section(begun.stream, begun.last, &block)?;
            block.clear();
            block.shrink_to(KEPT_BYTES);
            self.block = block;
        }
        Ok(())
    }

    /// A whole field block: a request, or trailers.
    fn section(&mut self, id: u32, last: bool, block: &[u8]) -> Result<(), Fault> {
        let open = self.session.find(id);
        let of = match &open {
            Some(_) => Of::Trailers,
            None if self.is_idle(id) => Of::Request,
            None => Of::Nobody,
        };
        self.section.begin(of, self.list_bytes);
        match self.decoder.decode(block, &mut self.section) {
            Ok(()) => {}
            Err(hpack::HpackError::TooMuch) => return Err(Stop::Flood(Flood::Codec).into()),
            Err(_) => {
                let what = "a field block that cannot be decoded";
                return Err(Fault::Broken(Code::COMPRESSION_ERROR, what));
            }
        }
        match open {
            Some(stream) if stream.has_received() => {
                self.stream_error(id, Code::STREAM_CLOSED, "HEADERS behind its end")
            }
            Some(_) if !last => self.malformed(id, "HEADERS behind a request that end nothing"),
            Some(_) if self.section.is_over() => self.malformed(id, "trailers past the limit"),
            Some(stream) => {
                if let Some(what) = self.section.fault() {
                    return self.malformed(id, what);
                }
                let taken = stream.trailers(self.section.lines());
                taken.or_else(|_| self.malformed(id, "less DATA than content-length says"))
            }
            None if of == Of::Request => self.request(id, last),
            None if self.is_ignored(id) => Ok(()),
            None => Err(Fault::Broken(
                Code::STREAM_CLOSED,
                "HEADERS on a stream that is closed",
            )),
        }
    }

    /// A new request: served, or refused where too many run or were reset.
    fn request(&mut self, id: u32, whole: bool) -> Result<(), Fault> {
        self.last = id;
        if self.is_ignored(id) {
            return Ok(());
        }
        if let Some(what) = self.section.fault() {
            return self.malformed(id, what);
        }
        if !self.hub.begin() {
            return self.refuse(id);
        }
        let local = &self.hub.local;
        let slot = self.hub.slot();
        let place = Place::new(self.hub.clone(), slot.stream.clone());
        let plan = local.plan();
        let mut tx = local.take_tx();
        tx.started_ms = crate::clock::now_ms();
        tx.now_ms = tx.started_ms;
        let read = request::read(
            &self.section,
            whole,
            || local.random_id(),
            plan.policy,
            &plan.head_limits,
            &mut tx,
        );
        let (length, composed) = match read {
            Ok(length) => (length, Ok(())),
            Err(refusal) => (None, Err(refusal)),
        };
        if whole && length.is_some_and(|n| n > 0) {
            local.give_tx(tx);
            drop(place);
            self.hub.keep(&slot);
            return self.malformed(id, "content-length and no DATA");
        }
        slot.stream.open(&self.session, id, whole, length);
        self.session.insert(id, slot.stream.clone());
        let job = Job {
            tx,
            plan,
            composed,
            place,
        };
        self.hub.serve(&slot, job);
        Ok(())
    }

    fn refuse(&mut self, id: u32) -> Result<(), Fault> {
        let info = self.hub.info();
        self.hub.local.shared.metrics.http2.refused.inc();
        log_error!(
            self.hub.local.shared,
            Info,
            info.serial,
            "stream refused: limits.http2.streams run or were reset lately, client: {}",
            info.peer_text
        );
        self.session.reset(id, Code::REFUSED_STREAM);
        // A client that asks for more at once than it was told it may is counted; one that was reset lately is not at fault.
        match self.hub.is_full() {
            true => Ok(self.watch.fault(&crate::clock::now_ms)?),
            false => Ok(()),
        }
    }

    /// A stream's request is malformed (RFC 9113 §8.1.1).
    fn malformed(&mut self, id: u32, what: &'static str) -> Result<(), Fault> {
        self.stream_error(id, Code::PROTOCOL_ERROR, what)
    }

    /// Ends a stream over what came for it (RFC 9113 §5.4.2).
    fn stream_error(&mut self, id: u32, code: Code, what: &'static str) -> Result<(), Fault> {
        let info = self.hub.info();
        self.hub.local.shared.metrics.http2.malformed.inc();
        log_error!(
            self.hub.local.shared,
            Error,
            info.serial,
            "client sent a malformed HTTP/2 request: {what}, client: {}",
            info.peer_text
        );
        if let Some(stream) = self.session.find(id) {
            stream.lose();
        }
        self.session.reset(id, code);
        Ok(self.watch.fault(&crate::clock::now_ms)?)
    }

    fn reset(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 4 {
            return Err(size("RST_STREAM that is not four bytes"));
        }
        if self.is_idle(head.stream) {
            return Err(protocol("RST_STREAM on a stream that is idle"));
        }
        match self.session.find(head.stream) {
            Some(stream) => {
                self.session.remove(head.stream);
                stream.lose();
            }
            None if self.session.was_reset(head.stream) => {}
            None => self.hub.reset_late(),
        }
        Ok(())
    }

    fn window_update(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        let &[a, b, c, d] = payload else {
            return Err(size("WINDOW_UPDATE that is not four bytes"));
        };
        let by = u32::from_be_bytes([a & 0x7f, b, c, d]);
        if head.stream == 0 {
            if by == 0 {
                return Err(protocol("a window that grows by nothing"));
            }
            let widened = self.session.out.borrow_mut().widen(by);
            return widened.map_err(|code| Fault::Broken(code, "a window past its maximum"));
        }
        if self.is_idle(head.stream) {
            return Err(protocol("WINDOW_UPDATE on a stream that is idle"));
        }
        let Some(stream) = self.session.find(head.stream) else {
            return Ok(());
        };
        if by == 0 {
            return self.malformed(head.stream, "a window that grows by nothing");
        }
        let widened = stream.widen(by.into());
        widened.or_else(|code| self.stream_error(head.stream, code, "a window past its maximum"))
    }

    fn settings(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            return match payload.is_empty() {
                true => Ok(()),
                false => Err(size("an acknowledgement of SETTINGS with a payload")),
            };
        }
        let invalid = |code| Fault::Broken(code, "SETTINGS that are invalid");
        let changes = Changes::parse(payload).map_err(invalid)?;
        let mut out = self.session.out.borrow_mut();
        acknowledge(&mut out.bytes);
        if let Some(bytes) = changes.table_size {
            out.shrink_table(bytes);
        }
        if let Some(window) = changes.initial_window {
            let by = out.change_first_window(window);
            drop(out);
            let widened = self.session.each(|stream| stream.widen(by));
            widened.map_err(|code| Fault::Broken(code, "a window past its maximum"))?;
        }
        Ok(())
    }

    fn ping(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(protocol("PING on a stream"));
        }
        let payload =
            *<&[u8; 8]>::try_from(payload).map_err(|_| size("PING that is not eight bytes"))?;
        if !head.has(flag::ACK) {
            ping(flag::ACK, payload, &mut self.session.out.borrow_mut().bytes);
        } else if payload == LEAVING && self.leaving == Leaving::Told {
            self.leaving = Leaving::Since(self.last);
            self.say_goaway(Code::NO_ERROR);
        }
        Ok(())
    }
}
