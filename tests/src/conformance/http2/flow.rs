//! Flow control (RFC 9113 §5.2, §6.9).

use super::{
    Case, FLOW_CONTROL, Outcome, PASSED, POST, PROTOCOL, REQUEST, STREAM_FLOW, STREAM_PROTOCOL,
    case, code,
};
use crate::http2::{frame::*, hpack::block};

const SIZE: &[Outcome] = &[
    Outcome::GoAway(code::FRAME_SIZE),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
];
const MOST: u32 = (1 << 31) - 1;

pub(super) const CASES: &[Case] = &[
    case(
        "a window that grows by nothing",
        "RFC 9113 6.9",
        PROTOCOL,
        |c| {
            c.send(window_update(0, 0));
        },
    ),
    case(
        "a stream's window that grows by nothing",
        "RFC 9113 6.9",
        STREAM_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST))).send(window_update(1, 0));
        },
    ),
    case("WINDOW_UPDATE of three bytes", "RFC 9113 6.9", SIZE, |c| {
        c.send(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]));
    }),
    case("WINDOW_UPDATE of five bytes", "RFC 9113 6.9", SIZE, |c| {
        c.send(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0, 1]));
    }),
    case(
        "the connection's window past 2^31 - 1",
        "RFC 9113 6.9.1",
        FLOW_CONTROL,
        |c| {
            c.send(window_update(0, MOST)).send(window_update(0, MOST));
        },
    ),
    case(
        "a stream's window past 2^31 - 1",
        "RFC 9113 6.9.1",
        STREAM_FLOW,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(window_update(1, MOST)).send(window_update(1, MOST));
        },
    ),
    case(
        "a stream's window past 2^31 - 1 by SETTINGS",
        "RFC 9113 6.9.2",
        FLOW_CONTROL,
        |c| {
            c.send(post(1, &block(POST)))
                .send(window_update(1, MOST - 65_535));
            c.send(settings(&[(4, MOST)]));
        },
    ),
    case(
        "a window that SETTINGS make negative",
        "RFC 9113 6.9.2",
        PASSED,
        |c| {
            c.send(settings(&[(4, 3)])).send(post(1, &block(POST)));
            c.send(settings(&[(4, 0)])).send(data(1, END_STREAM, b"x"));
            c.send(window_update(1, 1000));
        },
    ),
    case("a window of one byte", "RFC 9113 6.9", PASSED, |c| {
        c.send(settings(&[(4, 1)])).send(get(1, &block(REQUEST)));
    }),
    case(
        "the reserved bit of a window's growth",
        "RFC 9113 6.9",
        PASSED,
        |c| {
            c.send(window_update(0, 0x8000_0001))
                .send(get(1, &block(REQUEST)));
        },
    ),
    case(
        "more DATA than the stream's window",
        "RFC 9113 6.9.1",
        &[
            Outcome::Reset(code::FLOW_CONTROL),
            Outcome::GoAway(code::FLOW_CONTROL),
            Outcome::Closed,
            // A server that gives more room as it reads may take it all.
            Outcome::Passed,
        ],
        |c| {
            c.send(post(1, &block(POST)));
            let all: Vec<u8> = (0..200).flat_map(|_| data(1, 0, &[b'x'; 16_384])).collect();
            c.send(all);
            c.send(data(1, END_STREAM, b""));
        },
    ),
];
