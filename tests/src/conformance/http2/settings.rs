//! SETTINGS (RFC 9113 §6.5).

use super::{Case, FLOW_CONTROL, IGNORED, Outcome, PASSED, PROTOCOL, REQUEST, case, code};
use crate::http2::{frame::*, hpack::block};

const SIZE: &[Outcome] = &[
    Outcome::GoAway(code::FRAME_SIZE),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
];
const FLOW_OR_PROTOCOL: &[Outcome] = &[FLOW_CONTROL[0], PROTOCOL[0], Outcome::Closed];

pub(super) const CASES: &[Case] = &[
    case("SETTINGS on a stream", "RFC 9113 6.5", PROTOCOL, |c| {
        c.send(frame(SETTINGS, 0, 1, b""));
    }),
    case("SETTINGS of five bytes", "RFC 9113 6.5", SIZE, |c| {
        c.send(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0]));
    }),
    case(
        "an acknowledgement with a payload",
        "RFC 9113 6.5",
        SIZE,
        |c| {
            c.send(frame(SETTINGS, ACK, 0, &[0, 3, 0, 0, 0, 1]));
        },
    ),
    case("ENABLE_PUSH of 2", "RFC 9113 6.5.2", PROTOCOL, |c| {
        c.send(settings(&[(2, 2)]));
    }),
    case(
        "INITIAL_WINDOW_SIZE of 2^31",
        "RFC 9113 6.5.2",
        FLOW_OR_PROTOCOL,
        |c| {
            c.send(settings(&[(4, 1 << 31)]));
        },
    ),
    case(
        "INITIAL_WINDOW_SIZE of 2^32 - 1",
        "RFC 9113 6.5.2",
        FLOW_OR_PROTOCOL,
        |c| {
            c.send(settings(&[(4, u32::MAX)]));
        },
    ),
    case(
        "MAX_FRAME_SIZE of 16,383",
        "RFC 9113 6.5.2",
        PROTOCOL,
        |c| {
            c.send(settings(&[(5, 16_383)]));
        },
    ),
    case("MAX_FRAME_SIZE of 2^24", "RFC 9113 6.5.2", PROTOCOL, |c| {
        c.send(settings(&[(5, 1 << 24)]));
    }),
    case(
        "ENABLE_CONNECT_PROTOCOL of 2",
        "RFC 8441 3",
        &[
            Outcome::GoAway(code::PROTOCOL),
            Outcome::Closed,
            Outcome::Ignored,
        ],
        |c| {
            c.send(settings(&[(8, 2)]));
        },
    ),
    case(
        "a setting that nobody knows",
        "RFC 9113 6.5.2",
        IGNORED,
        |c| {
            c.send(settings(&[(0xff, 7)]));
        },
    ),
    case(
        "a setting twice: the last counts",
        "RFC 9113 6.5.3",
        PASSED,
        |c| {
            c.send(settings(&[(4, 0), (4, 100)]))
                .send(get(1, &block(REQUEST)));
        },
    ),
    case("empty SETTINGS", "RFC 9113 6.5", IGNORED, |c| {
        c.send(settings(&[]));
    }),
    case(
        "a thousand SETTINGS",
        "CVE-2019-9515",
        &[
            Outcome::GoAway(code::CALM),
            Outcome::Closed,
            Outcome::Ignored,
        ],
        |c| {
            c.send(settings(&[]).repeat(1000));
        },
    ),
    case(
        "a thousand PINGs",
        "CVE-2019-9512",
        &[
            Outcome::GoAway(code::CALM),
            Outcome::Closed,
            Outcome::Ignored,
        ],
        |c| {
            c.send(frame(PING, 0, 0, &[0; 8]).repeat(1000));
        },
    ),
];
