//! Frames as such: lengths, streams they may not have, padding, types and flags nobody knows.

use super::{
    Case, IGNORED, Outcome, PASSED, POST, PROTOCOL, REQUEST, STREAM_SIZE, case, code, served_first,
};
use crate::http2::{frame::*, hpack::block};

const SIZE_OR_PROTOCOL: &[Outcome] = &[
    Outcome::GoAway(code::FRAME_SIZE),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
];

pub(super) const CASES: &[Case] = &[
    case("a frame of an unknown type", "RFC 9113 4.1", IGNORED, |c| {
        c.send(frame(0x42, 0, 0, b"what"));
    }),
    case(
        "a frame of an unknown type on a stream",
        "RFC 9113 5.5",
        PASSED,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(frame(0x42, 0xff, 1, b"what"));
            c.send(data(1, END_STREAM, b"x"));
        },
    ),
    case("flags that nobody knows", "RFC 9113 4.1", IGNORED, |c| {
        c.send(frame(PING, 0xfe & !ACK, 0, &[0; 8]));
    }),
    case(
        "the reserved bit of the stream identifier",
        "RFC 9113 4.1",
        PASSED,
        |c| {
            c.send(get(0x8000_0001, &block(REQUEST)));
        },
    ),
    case(
        "DATA longer than allowed",
        "RFC 9113 4.2",
        STREAM_SIZE,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(data(1, END_STREAM, &[b'x'; 16_385]));
        },
    ),
    case(
        "HEADERS longer than allowed",
        "RFC 9113 4.2",
        SIZE_OR_PROTOCOL,
        |c| {
            let mut long = block(REQUEST);
            long.extend(crate::http2::hpack::field("x", [b'y'; 16_400]));
            c.send(get(1, &long));
        },
    ),
    case(
        "an unknown frame longer than allowed",
        "RFC 9113 4.2",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(0x42, 0, 0, &[0; 16_385]));
        },
    ),
    case(
        "PING longer than allowed",
        "RFC 9113 4.2",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(PING, 0, 0, &[0; 16_385]));
        },
    ),
    case("DATA on stream 0", "RFC 9113 6.1", PROTOCOL, |c| {
        c.send(data(0, END_STREAM, b"x"));
    }),
    case(
        "DATA whose padding is longer than it",
        "RFC 9113 6.1",
        PROTOCOL,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(data(1, PADDED | END_STREAM, b"\x06abcde"));
        },
    ),
    case("DATA that is padding alone", "RFC 9113 6.1", PASSED, |c| {
        c.send(post(1, &block(POST)));
        c.send(data(1, PADDED | END_STREAM, b"\x05\0\0\0\0\0"));
    }),
    case(
        "padded DATA without a length of padding",
        "RFC 9113 6.1",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(data(1, PADDED | END_STREAM, b""));
        },
    ),
    case("HEADERS on stream 0", "RFC 9113 6.2", PROTOCOL, |c| {
        c.send(get(0, &block(REQUEST)));
    }),
    case(
        "HEADERS whose padding is longer than it",
        "RFC 9113 6.2",
        PROTOCOL,
        |c| {
            let mut padded = vec![200];
            padded.extend(block(REQUEST));
            c.send(frame(
                HEADERS,
                PADDED | END_STREAM | END_HEADERS,
                1,
                &padded,
            ));
        },
    ),
    case("HEADERS with padding", "RFC 9113 6.2", PASSED, |c| {
        let mut padded = vec![3];
        padded.extend(block(REQUEST));
        padded.extend([0; 3]);
        c.send(frame(
            HEADERS,
            PADDED | END_STREAM | END_HEADERS,
            1,
            &padded,
        ));
    }),
    case("HEADERS with a priority", "RFC 9113 6.2", PASSED, |c| {
        let mut block_of = vec![0, 0, 0, 0, 15];
        block_of.extend(block(REQUEST));
        c.send(frame(
            HEADERS,
            WITH_PRIORITY | END_STREAM | END_HEADERS,
            1,
            &block_of,
        ));
    }),
    case(
        "HEADERS too short for its priority",
        "RFC 9113 6.2",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(
                HEADERS,
                WITH_PRIORITY | END_STREAM | END_HEADERS,
                1,
                b"\0\0\0",
            ));
        },
    ),
    case("PRIORITY on stream 0", "RFC 9113 6.3", PROTOCOL, |c| {
        c.send(priority(0, 1));
    }),
    case("PRIORITY of four bytes", "RFC 9113 6.3", STREAM_SIZE, |c| {
        c.send(frame(PRIORITY, 0, 1, &[0; 4]));
    }),
    case("PRIORITY of six bytes", "RFC 9113 6.3", STREAM_SIZE, |c| {
        c.send(frame(PRIORITY, 0, 1, &[0; 6]));
    }),
    case(
        "PRIORITY of a stream that is idle",
        "RFC 9113 5.1",
        IGNORED,
        |c| {
            c.send(priority(9, 0));
        },
    ),
    case(
        "PRIORITY of a stream that is closed",
        "RFC 9113 5.1",
        IGNORED,
        |c| {
            served_first(c);
            c.send(priority(1, 0));
        },
    ),
    case("RST_STREAM on stream 0", "RFC 9113 6.4", PROTOCOL, |c| {
        c.send(reset(0, 8));
    }),
    case(
        "RST_STREAM of a stream that is idle",
        "RFC 9113 6.4",
        PROTOCOL,
        |c| {
            c.send(reset(1, 8));
        },
    ),
    case(
        "RST_STREAM of three bytes",
        "RFC 9113 6.4",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(frame(RST_STREAM, 0, 1, &[0; 3]));
        },
    ),
    case(
        "RST_STREAM of five bytes",
        "RFC 9113 6.4",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(frame(RST_STREAM, 0, 1, &[0; 5]));
        },
    ),
    case(
        "RST_STREAM with an unknown code",
        "RFC 9113 7",
        IGNORED,
        |c| {
            c.send(post(1, &block(POST)));
            c.send(reset(1, 0xdead));
        },
    ),
    case(
        "PUSH_PROMISE from a client",
        "RFC 9113 8.4",
        PROTOCOL,
        |c| {
            let mut promise = 2u32.to_be_bytes().to_vec();
            promise.extend(block(REQUEST));
            c.send(frame(PUSH_PROMISE, END_HEADERS, 1, &promise));
        },
    ),
    case("PING on a stream", "RFC 9113 6.7", PROTOCOL, |c| {
        c.send(frame(PING, 0, 1, &[0; 8]));
    }),
    case(
        "PING of seven bytes",
        "RFC 9113 6.7",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(PING, 0, 0, &[0; 7]));
        },
    ),
    case(
        "PING of nine bytes",
        "RFC 9113 6.7",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(PING, 0, 0, &[0; 9]));
        },
    ),
    case(
        "an answer to a PING nobody sent",
        "RFC 9113 6.7",
        IGNORED,
        |c| {
            c.send(frame(PING, ACK, 0, &[7; 8]));
        },
    ),
    case("GOAWAY on a stream", "RFC 9113 6.8", PROTOCOL, |c| {
        c.send(frame(GOAWAY, 0, 1, &[0; 8]));
    }),
    case(
        "GOAWAY of seven bytes",
        "RFC 9113 4.2",
        SIZE_OR_PROTOCOL,
        |c| {
            c.send(frame(GOAWAY, 0, 0, &[0; 7]));
        },
    ),
    case(
        "GOAWAY",
        "RFC 9113 6.8",
        &[
            Outcome::Ignored,
            Outcome::Closed,
            Outcome::GoAway(code::NO_ERROR),
        ],
        |c| {
            c.send(frame(GOAWAY, 0, 0, &[0; 8]));
        },
    ),
];
