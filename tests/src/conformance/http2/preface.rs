//! What a connection begins with.

use super::{Case, Outcome, PASSED, PROTOCOL, REQUEST, code, silent};
use crate::http2::{frame::*, hpack::block};

/// A server need not say more to a client that does not speak HTTP/2; one of HTTP/1 may answer in its own way.
const NO_HTTP2: &[Outcome] = &[
    Outcome::GoAway(code::PROTOCOL),
    Outcome::Closed,
    Outcome::Refused(400),
];

pub(super) const CASES: &[Case] = &[
    silent(
        "a preface that breaks off into other bytes",
        "RFC 9113 3.4",
        NO_HTTP2,
        |c| {
            c.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
            c.send(settings(&[]));
        },
    ),
    silent(
        "a preface without SETTINGS behind it",
        "RFC 9113 3.4",
        PROTOCOL,
        |c| {
            c.send(PREFACE).send(get(1, &block(REQUEST)));
        },
    ),
    silent(
        "a preface with PING behind it",
        "RFC 9113 3.4",
        PROTOCOL,
        |c| {
            c.send(PREFACE).send(frame(PING, 0, 0, &[0; 8]));
        },
    ),
    silent(
        "a preface with an acknowledgement behind it",
        "RFC 9113 3.4",
        PROTOCOL,
        |c| {
            c.send(PREFACE).send(frame(SETTINGS, ACK, 0, b""));
        },
    ),
    silent(
        "a preface twice",
        "RFC 9113 3.4",
        &[
            Outcome::GoAway(code::PROTOCOL),
            Outcome::GoAway(code::FRAME_SIZE),
            Outcome::Closed,
        ],
        |c| {
            c.send(PREFACE).send(PREFACE).send(settings(&[]));
        },
    ),
    silent(
        "a request before our SETTINGS were seen",
        "RFC 9113 3.4",
        PASSED,
        |c| {
            c.send(PREFACE)
                .send(settings(&[(1, 0)]))
                .send(get(1, &block(REQUEST)));
        },
    ),
    silent("a preface byte by byte", "RFC 9113 3.4", PASSED, |c| {
        for byte in PREFACE {
            c.send([*byte]);
        }
        c.send(settings(&[(1, 0)])).send(get(1, &block(REQUEST)));
    }),
];
