//! HTTP/2: more than a hundred violations of RFC 9113 and RFC 7541, and what is merely unusual beside them.
//!
//! A case plays frames on a connection whose preface and SETTINGS have been exchanged (or, where it is about them, on a
//! silent one), and the first thing that the server then says of the stream or the connection is its outcome. A rule that
//! asks for an error of a stream also allows one of the connection (RFC 9113 §5.4.2), and of a connection its end.

mod fields;
mod flow;
mod frames;
mod headers;
mod hpack;
mod preface;
mod requests;
mod run;
mod settings;
mod streams;

use crate::http2::{Connection, frame::get, hpack::block};
pub use run::run;

/// What may become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// GOAWAY with this code.
    GoAway(u32),
    /// RST_STREAM with this code.
    Reset(u32),
    /// An answer of the server itself: a status from 400 on.
    Refused(u16),
    /// An answer that is a success.
    Passed,
    /// Nothing: the connection goes on as if nothing had been sent.
    Ignored,
    /// The connection is closed without a word.
    Closed,
}

impl Outcome {
    /// Whether the server took what was sent.
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Passed | Outcome::Ignored)
    }
}

/// One violation, or something that is none and looks like one.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is wrong or unusual about it.
    pub name: &'static str,
    /// Where that is ruled on.
    pub section: &'static str,
    /// Whether preface and SETTINGS are left to the case.
    silent: bool,
    play: fn(&mut Connection),
    /// Every outcome allowed.
    pub allowed: &'static [Outcome],
}

const fn case(
    name: &'static str,
    section: &'static str,
    allowed: &'static [Outcome],
    play: fn(&mut Connection),
) -> Case {
    Case {
        name,
        section,
        silent: false,
        play,
        allowed,
    }
}

const fn silent(
    name: &'static str,
    section: &'static str,
    allowed: &'static [Outcome],
    play: fn(&mut Connection),
) -> Case {
    Case {
        silent: true,
        ..case(name, section, allowed, play)
    }
}

/// Error codes (RFC 9113 §7).
mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL: u32 = 1;
    pub const FLOW_CONTROL: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const COMPRESSION: u32 = 9;
    pub const CALM: u32 = 11;
}

use Outcome::{Closed, GoAway, Ignored, Passed, Refused, Reset};

/// An error of the connection.
const PROTOCOL: &[Outcome] = &[GoAway(code::PROTOCOL), Closed];
const FLOW_CONTROL: &[Outcome] = &[GoAway(code::FLOW_CONTROL), Closed];
/// HPACK cannot go on (RFC 9113 §4.3). The general code is what a decoder says that does not tell its errors apart.
const COMPRESSION: &[Outcome] = &[GoAway(code::COMPRESSION), GoAway(code::PROTOCOL), Closed];
/// An error of the stream, or of the connection.
const STREAM_PROTOCOL: &[Outcome] = &[Reset(code::PROTOCOL), GoAway(code::PROTOCOL), Closed];
const STREAM_FLOW: &[Outcome] = &[
    Reset(code::FLOW_CONTROL),
    GoAway(code::FLOW_CONTROL),
    Closed,
];
const STREAM_SIZE: &[Outcome] = &[
    Reset(code::FRAME_SIZE),
    GoAway(code::FRAME_SIZE),
    GoAway(code::PROTOCOL),
    Closed,
];
/// A frame on a stream that is closed, or that was never opened.
const STREAM_CLOSED: &[Outcome] = &[
    Reset(code::STREAM_CLOSED),
    GoAway(code::STREAM_CLOSED),
    GoAway(code::PROTOCOL),
    Closed,
];
/// A malformed request: an error of its stream, which an answer may go before (RFC 9113 §8.1.1).
const MALFORMED: &[Outcome] = &[
    Reset(code::PROTOCOL),
    GoAway(code::PROTOCOL),
    Closed,
    Refused(400),
];
const IGNORED: &[Outcome] = &[Ignored];
const PASSED: &[Outcome] = &[Passed];

/// The fields of a request for `/case`.
const REQUEST: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a.test"),
    (":path", "/case"),
];
/// The same for POST.
const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "a.test"),
    (":path", "/case"),
];

/// A request for another path that is served before the violation.
fn served_first(connection: &mut Connection) {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/before"),
    ];
    connection.send(get(1, &block(&fields)));
    connection.until_ended(1);
}

/// Every case, room by room.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        preface::CASES,
        frames::CASES,
        streams::CASES,
        headers::CASES,
        settings::CASES,
        flow::CASES,
        fields::CASES,
        requests::CASES,
        hpack::CASES,
    ]
    .into_iter()
    .flatten()
}
