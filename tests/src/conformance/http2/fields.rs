//! Fields that no request may have (RFC 9113 §8.2).

use super::{Case, MALFORMED, Outcome, PASSED, REQUEST, case};
use crate::http2::{
    Connection,
    frame::get,
    hpack::{block, field},
};

fn with(connection: &mut Connection, name: &[u8], value: &[u8]) {
    let mut fields = block(REQUEST);
    fields.extend(field(name, value));
    connection.send(get(1, &fields));
}

/// Passed on in a clean form, or refused.
const CLEAN: &[Outcome] = &[
    MALFORMED[0],
    MALFORMED[1],
    MALFORMED[2],
    MALFORMED[3],
    Outcome::Passed,
];

pub(super) const CASES: &[Case] = &[
    case(
        "a field name in upper case",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"X-Test", b"y"),
    ),
    case(
        "a field name with one capital at its end",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"x-tesT", b"y"),
    ),
    case("an empty field name", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"", b"y")
    }),
    case(
        "a space in a field name",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"x y", b"z"),
    ),
    case(
        "a colon at the end of a field name",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"x:", b"y"),
    ),
    case(
        "a colon within a field name",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"x:y", b"z"),
    ),
    case("CR LF in a field name", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x\r\ny", b"z")
    }),
    case("NUL in a field name", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x\0y", b"z")
    }),
    case(
        "a byte above 127 in a field name",
        "RFC 9113 8.2.1",
        MALFORMED,
        |c| with(c, b"x\xe9", b"z"),
    ),
    case("DEL in a field name", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x\x7f", b"z")
    }),
    case("CR LF in a value", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x", b"a\r\nb: c")
    }),
    case("LF in a value", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x", b"a\nb: c")
    }),
    case("CR in a value", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x", b"a\rb")
    }),
    case("NUL in a value", "RFC 9113 8.2.1", MALFORMED, |c| {
        with(c, b"x", b"a\0b")
    }),
    case(
        "a value that begins with a space",
        "RFC 9113 8.2.1",
        CLEAN,
        |c| with(c, b"x", b" a"),
    ),
    case(
        "a value that ends with a tab",
        "RFC 9113 8.2.1",
        CLEAN,
        |c| with(c, b"x", b"a\t"),
    ),
    case("an empty value", "RFC 9113 8.2.1", PASSED, |c| {
        with(c, b"x", b"")
    }),
    case("a byte above 127 in a value", "RFC 9110 5.5", CLEAN, |c| {
        with(c, b"x", b"\xe9")
    }),
    case("connection", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"connection", b"close")
    }),
    case(
        "connection that names a field",
        "RFC 9113 8.2.2",
        MALFORMED,
        |c| with(c, b"connection", b"x-secret"),
    ),
    case("keep-alive", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"keep-alive", b"timeout=5")
    }),
    case("proxy-connection", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"proxy-connection", b"keep-alive")
    }),
    case("upgrade", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"upgrade", b"websocket")
    }),
    case(
        "transfer-encoding: chunked",
        "RFC 9113 8.2.2",
        MALFORMED,
        |c| with(c, b"transfer-encoding", b"chunked"),
    ),
    case(
        "transfer-encoding: identity",
        "RFC 9113 8.2.2",
        MALFORMED,
        |c| with(c, b"transfer-encoding", b"identity"),
    ),
    case("te: gzip", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"te", b"gzip")
    }),
    case("te: trailers, deflate", "RFC 9113 8.2.2", MALFORMED, |c| {
        with(c, b"te", b"trailers, deflate")
    }),
    case("te: trailers", "RFC 9113 8.2.2", PASSED, |c| {
        with(c, b"te", b"trailers")
    }),
    case("cookies in crumbs", "RFC 9113 8.2.3", PASSED, |c| {
        let mut fields = block(REQUEST);
        fields.extend(field("cookie", "a=1"));
        fields.extend(field("cookie", "b=2"));
        c.send(get(1, &fields));
    }),
];
