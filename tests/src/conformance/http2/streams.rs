//! The states of streams (RFC 9113 §5.1), their identifiers and how many there may be.

use super::{
    Case, Outcome, POST, PROTOCOL, REQUEST, STREAM_CLOSED, STREAM_PROTOCOL, case, code,
    served_first,
};
use crate::http2::{frame::*, hpack::block};

/// A frame on a stream that was reset just now may have crossed our RST_STREAM: it may be ignored for a while.
const AFTER_RESET: &[Outcome] = &[
    Outcome::Reset(code::STREAM_CLOSED),
    Outcome::GoAway(code::STREAM_CLOSED),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
    Outcome::Ignored,
];

pub(super) const CASES: &[Case] = &[
    case("DATA on an idle stream", "RFC 9113 5.1", PROTOCOL, |c| {
        c.send(data(1, END_STREAM, b"x"));
    }),
    case(
        "WINDOW_UPDATE on an idle stream",
        "RFC 9113 5.1",
        PROTOCOL,
        |c| {
            c.send(window_update(1, 100));
        },
    ),
    case(
        "CONTINUATION on an idle stream",
        "RFC 9113 5.1",
        PROTOCOL,
        |c| {
            c.send(frame(CONTINUATION, END_HEADERS, 1, &block(REQUEST)));
        },
    ),
    case(
        "DATA after END_STREAM",
        "RFC 9113 5.1",
        STREAM_CLOSED,
        |c| {
            served_first(c);
            c.send(data(1, END_STREAM, b"x"));
        },
    ),
    case(
        "HEADERS after END_STREAM",
        "RFC 9113 5.1",
        STREAM_CLOSED,
        |c| {
            served_first(c);
            c.send(get(1, &block(REQUEST)));
        },
    ),
    case(
        "CONTINUATION after END_STREAM",
        "RFC 9113 5.1",
        STREAM_CLOSED,
        |c| {
            served_first(c);
            c.send(frame(CONTINUATION, END_HEADERS, 1, &block(REQUEST)));
        },
    ),
    case(
        "DATA on a half-closed stream",
        "RFC 9113 5.1",
        STREAM_CLOSED,
        |c| {
            c.send(
                [
                    get(
                        1,
                        &block(&[
                            (":method", "GET"),
                            (":scheme", "http"),
                            (":authority", "a.test"),
                            (":path", "/half"),
                        ]),
                    ),
                    data(1, END_STREAM, b"x"),
                ]
                .concat(),
            );
        },
    ),
    case(
        "HEADERS on a half-closed stream",
        "RFC 9113 5.1",
        STREAM_CLOSED,
        |c| {
            let half = block(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/half"),
            ]);
            c.send([get(1, &half), get(1, &half)].concat());
        },
    ),
    case(
        "DATA on a stream we reset",
        "RFC 9113 5.1",
        AFTER_RESET,
        |c| {
            c.send(post(1, &block(POST))).send(reset(1, 8));
            c.send(data(1, END_STREAM, b"x"));
        },
    ),
    case(
        "HEADERS on a stream we reset",
        "RFC 9113 5.1",
        AFTER_RESET,
        |c| {
            c.send(post(1, &block(POST))).send(reset(1, 8));
            c.send(get(1, &block(REQUEST)));
        },
    ),
    case(
        "WINDOW_UPDATE on a closed stream",
        "RFC 9113 5.1",
        &[Outcome::Ignored],
        |c| {
            served_first(c);
            c.send(window_update(1, 100));
        },
    ),
    case(
        "RST_STREAM on a closed stream",
        "RFC 9113 5.1",
        &[
            Outcome::Ignored,
            Outcome::Reset(code::STREAM_CLOSED),
            Outcome::GoAway(code::STREAM_CLOSED),
        ],
        |c| {
            served_first(c);
            c.send(reset(1, 8));
        },
    ),
    case(
        "a request on an even stream",
        "RFC 9113 5.1.1",
        PROTOCOL,
        |c| {
            c.send(get(2, &block(REQUEST)));
        },
    ),
    case(
        "a request on a lower stream than one before",
        "RFC 9113 5.1.1",
        &[
            Outcome::GoAway(code::PROTOCOL),
            Outcome::GoAway(code::STREAM_CLOSED),
            Outcome::Reset(code::STREAM_CLOSED),
            Outcome::Closed,
        ],
        |c| {
            c.send(get(
                5,
                &block(&[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "/before"),
                ]),
            ));
            c.until_ended(5);
            c.send(get(3, &block(REQUEST)));
        },
    ),
    case(
        "a stream that depends on itself, in HEADERS",
        "RFC 7540 5.3.1",
        WITH_ITSELF,
        |c| {
            let mut own = vec![0, 0, 0, 1, 15];
            own.extend(block(REQUEST));
            c.send(frame(
                HEADERS,
                WITH_PRIORITY | END_STREAM | END_HEADERS,
                1,
                &own,
            ));
        },
    ),
    case(
        "a stream that depends on itself, in PRIORITY",
        "RFC 7540 5.3.1",
        WITH_ITSELF_LATER,
        |c| {
            c.send(priority(1, 1));
        },
    ),
    case(
        "more streams than allowed",
        "RFC 9113 5.1.2",
        &[
            Outcome::Reset(code::REFUSED_STREAM),
            Outcome::Reset(code::PROTOCOL),
            Outcome::GoAway(code::PROTOCOL),
            Outcome::GoAway(code::CALM),
            Outcome::Closed,
        ],
        |c| {
            let held = block(&[
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/held"),
            ]);
            let all: Vec<u8> = (0..400).flat_map(|n| post(n * 2 + 1, &held)).collect();
            c.send(all);
        },
    ),
];

/// RFC 9113 took priorities out; what is left of them may be ignored.
const WITH_ITSELF: &[Outcome] = &[
    Outcome::Reset(code::PROTOCOL),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
    Outcome::Passed,
];
const WITH_ITSELF_LATER: &[Outcome] = &[
    STREAM_PROTOCOL[0],
    STREAM_PROTOCOL[1],
    Outcome::Closed,
    Outcome::Ignored,
];
