//! Header blocks over several frames (RFC 9113 §4.3, §6.10), and heads without end.

use super::{Case, Outcome, PASSED, PROTOCOL, REQUEST, case, code, served_first};
use crate::http2::{frame::*, hpack, hpack::block};

const CALM: &[Outcome] = &[
    Outcome::GoAway(code::CALM),
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
    Outcome::Refused(431),
];

/// HEADERS that another frame must follow.
fn begun() -> Vec<u8> {
    frame(HEADERS, END_STREAM, 1, &block(REQUEST))
}

pub(super) const CASES: &[Case] = &[
    case("a head in three frames", "RFC 9113 6.10", PASSED, |c| {
        c.send(begun());
        c.send(frame(CONTINUATION, 0, 1, &hpack::field("x", "y")));
        c.send(frame(CONTINUATION, END_HEADERS, 1, &hpack::field("z", "y")));
    }),
    case(
        "a head cut in the middle of a field",
        "RFC 9113 6.10",
        PASSED,
        |c| {
            let whole = block(REQUEST);
            let (first, rest) = whole.split_at(13);
            c.send(frame(HEADERS, END_STREAM, 1, first));
            c.send(frame(CONTINUATION, END_HEADERS, 1, rest));
        },
    ),
    case(
        "an empty CONTINUATION at the end",
        "RFC 9113 6.10",
        PASSED,
        |c| {
            c.send(begun())
                .send(frame(CONTINUATION, END_HEADERS, 1, b""));
        },
    ),
    case(
        "CONTINUATION behind a head that has ended",
        "RFC 9113 6.10",
        PROTOCOL,
        |c| {
            c.send(
                [
                    post(1, &block(super::POST)),
                    frame(CONTINUATION, END_HEADERS, 1, &hpack::field("x", "y")),
                ]
                .concat(),
            );
        },
    ),
    case("CONTINUATION on stream 0", "RFC 9113 6.10", PROTOCOL, |c| {
        c.send(begun())
            .send(frame(CONTINUATION, END_HEADERS, 0, b""));
    }),
    case(
        "CONTINUATION on another stream",
        "RFC 9113 6.2",
        PROTOCOL,
        |c| {
            c.send(begun())
                .send(frame(CONTINUATION, END_HEADERS, 3, b""));
        },
    ),
    case("CONTINUATION behind DATA", "RFC 9113 6.10", PROTOCOL, |c| {
        c.send(
            [
                post(1, &block(super::POST)),
                data(1, 0, b"x"),
                frame(CONTINUATION, END_HEADERS, 1, b""),
            ]
            .concat(),
        );
    }),
    case(
        "DATA in the middle of a head",
        "RFC 9113 6.2",
        PROTOCOL,
        |c| {
            c.send(begun()).send(data(1, END_STREAM, b"x"));
        },
    ),
    case(
        "HEADERS in the middle of a head",
        "RFC 9113 6.2",
        PROTOCOL,
        |c| {
            c.send(begun()).send(get(3, &block(REQUEST)));
        },
    ),
    case(
        "PRIORITY in the middle of a head",
        "RFC 9113 6.2",
        PROTOCOL,
        |c| {
            c.send(begun()).send(priority(1, 0));
        },
    ),
    case(
        "PING in the middle of a head",
        "RFC 9113 4.3",
        PROTOCOL,
        |c| {
            c.send(begun()).send(frame(PING, 0, 0, &[0; 8]));
        },
    ),
    case(
        "SETTINGS in the middle of a head",
        "RFC 9113 4.3",
        PROTOCOL,
        |c| {
            c.send(begun()).send(settings(&[]));
        },
    ),
    case(
        "WINDOW_UPDATE in the middle of a head",
        "RFC 9113 4.3",
        PROTOCOL,
        |c| {
            c.send(begun()).send(window_update(0, 1));
        },
    ),
    case(
        "an unknown frame in the middle of a head",
        "RFC 9113 5.5",
        PROTOCOL,
        |c| {
            c.send(begun()).send(frame(0x42, 0, 0, b""));
        },
    ),
    case("a head of a hundred frames", "CVE-2024-27316", CALM, |c| {
        c.send(begun());
        for _ in 0..100 {
            c.send(frame(CONTINUATION, 0, 1, &hpack::field("x", "y")));
        }
        c.send(frame(CONTINUATION, END_HEADERS, 1, b""));
    }),
    case(
        "a hundred empty CONTINUATIONs",
        "CVE-2019-9516",
        CALM,
        |c| {
            c.send(begun());
            c.send(frame(CONTINUATION, 0, 1, b"").repeat(100));
            c.send(frame(CONTINUATION, END_HEADERS, 1, b""));
        },
    ),
    case("a head of 200 KiB", "RFC 9113 10.5.1", CALM, |c| {
        c.send(begun());
        for n in 0..20 {
            let large = hpack::field(format!("x-{n}"), [b'y'; 10_000]);
            c.send(frame(CONTINUATION, 0, 1, &large));
        }
        c.send(frame(CONTINUATION, END_HEADERS, 1, b""));
    }),
    case(
        "a head of five thousand fields",
        "RFC 9113 10.5.1",
        CALM,
        |c| {
            let mut many = block(REQUEST);
            many.extend(hpack::field("a", "").repeat(3000));
            c.send(get(1, &many));
        },
    ),
    case(
        "a field that is named ten thousand times",
        "RFC 7541 7.3",
        CALM,
        |c| {
            served_first(c);
            let mut bomb = block(REQUEST);
            bomb.extend(hpack::indexed_field("x", [b'y'; 3000]));
            bomb.extend([0xbe; 10_000]);
            c.send(get(3, &bomb));
        },
    ),
];
