//! Field lines: names, values, endings, how many.

use super::{BAD, BAD_OR_CLOSED, BAD_OR_PASS, Case, Outcome, PASS, broken, case, made};
use Outcome::{Passed, Refused};

const TOO_LARGE: &[Outcome] = &[Refused(400), Refused(431)];
const TOO_MANY: &[Outcome] = &[Refused(400), Refused(431), Passed(1)];

pub(super) const CASES: &[Case] = &[
    case(
        "a space before the colon",
        "RFC 9112 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n",
        BAD,
    ),
    case(
        "a tab before the colon",
        "RFC 9112 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX\t: y\r\n\r\n",
        BAD,
    ),
    case(
        "a space before the colon of Host",
        "RFC 9112 5.1",
        b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a space before the colon of Content-Length",
        "RFC 9112 5.1",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length : 5\r\n\r\nhello",
        BAD,
    ),
    case(
        "a space before the colon of Transfer-Encoding",
        "RFC 9112 5.1",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        BAD,
    ),
    case(
        "a first field that begins with a space",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\n X: y\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a folded line",
        "RFC 9112 5.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a line folded with a tab",
        "RFC 9112 5.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n\tb\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a folded Transfer-Encoding",
        "RFC 9112 5.2",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a folded Content-Length",
        "RFC 9112 5.2",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n 5\r\n\r\nhello",
        BAD_OR_PASS,
    ),
    case(
        "a folded line of nothing",
        "RFC 9112 5.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n \r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a line without a colon",
        "RFC 9112 5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nnothing\r\n\r\n",
        BAD,
    ),
    case(
        "a line that is a colon",
        "RFC 9112 5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n:\r\n\r\n",
        BAD,
    ),
    case(
        "an empty name",
        "RFC 9112 5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n: y\r\n\r\n",
        BAD,
    ),
    case(
        "a name with a space",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX Y: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with an at sign",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX@Y: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with a slash",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX/Y: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name in quotes",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\"X\": z\r\n\r\n",
        BAD,
    ),
    case(
        "a name in brackets",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n(X): z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with a byte above 127",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX\xe9: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with NUL",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX\0: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with DEL",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX\x7f: z\r\n\r\n",
        BAD,
    ),
    case(
        "a name with a vertical tab",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX\x0b: z\r\n\r\n",
        BAD,
    ),
    case(
        "Transfer-Encoding after a vertical tab",
        "RFC 9110 5.1",
        b"POST / HTTP/1.1\r\nHost: a.test\r\n\x0bTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
    ),
    case(
        "a bare CR in a value",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
        BAD,
    ),
    case(
        "a bare CR before a hidden field",
        "RFC 9110 5.5",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n",
        BAD,
    ),
    case(
        "a CR at the end of a value",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\n\r\n",
        BAD,
    ),
    case(
        "NUL in a value",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        BAD,
    ),
    case(
        "a control character in a value",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x01b\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "DEL in a value",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a field that ends in LF alone",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\nZ: w\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "Transfer-Encoding after LF alone",
        "RFC 9112 2.2",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a head that ends in LF LF",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a.test\n\n",
        BAD_OR_PASS,
    ),
    case(
        "a head that ends in CR LF LF",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        BAD_OR_PASS,
    ),
    case(
        "a head that ends in LF CR LF",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a.test\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a value of nothing",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\r\n",
        PASS,
    ),
    case(
        "a value without a space before it",
        "RFC 9112 5",
        b"GET / HTTP/1.1\r\nHost:a.test\r\nX:y\r\n\r\n",
        PASS,
    ),
    case(
        "a value above 127",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \xe9\r\n\r\n",
        PASS,
    ),
    case(
        "a name of every token character",
        "RFC 9110 5.6.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX!#$%&'*+-.^`|~9: y\r\n\r\n",
        PASS,
    ),
    case(
        "a name with an underscore",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Y: z\r\n\r\n",
        PASS,
    ),
    case(
        "Content_Length is not Content-Length",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent_Length: 50\r\n\r\n",
        PASS,
    ),
    case(
        "Transfer_Encoding is not Transfer-Encoding",
        "RFC 9110 5.1",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nTransfer_Encoding: chunked\r\n\r\n",
        PASS,
    ),
    made(
        "a name of 10,000 letters",
        "RFC 9110 5.4",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: a.test\r\n",
                b"a".repeat(10_000).as_slice(),
                b": x\r\n\r\n",
            ]
            .concat()
        },
        TOO_MANY,
    ),
    made(
        "a value of 200,000 bytes",
        "RFC 6585 5",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ",
                b"a".repeat(200_000).as_slice(),
                b"\r\n\r\n",
            ]
            .concat()
        },
        TOO_LARGE,
    ),
    made(
        "20,000 fields",
        "RFC 6585 5",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: a.test\r\n",
                b"X: y\r\n".repeat(20_000).as_slice(),
                b"\r\n",
            ]
            .concat()
        },
        TOO_LARGE,
    ),
    made(
        "100 fields",
        "RFC 9110 5.4",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: a.test\r\n",
                b"X: y\r\n".repeat(100).as_slice(),
                b"\r\n",
            ]
            .concat()
        },
        TOO_MANY,
    ),
    made(
        "300 fields",
        "RFC 6585 5",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: a.test\r\n",
                b"X: y\r\n".repeat(300).as_slice(),
                b"\r\n",
            ]
            .concat()
        },
        TOO_MANY,
    ),
    broken(
        "a head that breaks off in a name",
        "RFC 9112 8",
        b"GET / HTTP/1.1\r\nHos",
        BAD_OR_CLOSED,
    ),
    broken(
        "a head that breaks off before its end",
        "RFC 9112 8",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n",
        BAD_OR_CLOSED,
    ),
    broken(
        "a head that breaks off in its last CR",
        "RFC 9112 8",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r",
        BAD_OR_CLOSED,
    ),
];
