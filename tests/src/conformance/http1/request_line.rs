//! The request line: method, spaces, version, what comes before it.

use super::{BAD, BAD_OR_CLOSED, BAD_OR_PASS, Case, Outcome, PASS, broken, case, made};
use Outcome::{Closed, Passed, Refused};

const VERSION: &[Outcome] = &[Refused(400), Refused(505)];
const METHOD: &[Outcome] = &[Refused(400), Refused(405), Refused(501)];

pub(super) const CASES: &[Case] = &[
    case(
        "one empty line before the request",
        "RFC 9112 2.2",
        b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "three empty lines before the request",
        "RFC 9112 2.2",
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a space before the method",
        "RFC 9112 2.2",
        b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a tab before the method",
        "RFC 9112 2.2",
        b"\tGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "NUL before the method",
        "RFC 9112 2.2",
        b"\0GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a byte order mark before the method",
        "RFC 9112 3",
        b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "two spaces after the method",
        "RFC 9112 3",
        b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "two spaces before the version",
        "RFC 9112 3",
        b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a tab after the method",
        "RFC 9112 3",
        b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a tab before the version",
        "RFC 9112 3",
        b"GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a vertical tab before the version",
        "RFC 9112 3",
        b"GET /\x0bHTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a form feed before the version",
        "RFC 9112 3",
        b"GET /\x0cHTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a bare CR for a space",
        "RFC 9112 2.2",
        b"GET\r/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a space after the version",
        "RFC 9112 3",
        b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "text after the version",
        "RFC 9112 3",
        b"GET / HTTP/1.1 x\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a second version",
        "RFC 9112 3",
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "no target",
        "RFC 9112 3",
        b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    case(
        "an empty target",
        "RFC 9112 3",
        b"GET  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    case(
        "no version",
        "RFC 9112 3",
        b"GET /\r\nHost: a.test\r\n\r\n",
        &[Refused(400), Closed, Refused(505)],
    ),
    broken(
        "a request of HTTP/0.9",
        "RFC 9112 3",
        b"GET /\r\n",
        &[Refused(400), Closed, Refused(505)],
    ),
    case(
        "the method alone",
        "RFC 9112 3",
        b"GET\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    case(
        "version 1.2",
        "RFC 9110 2.5",
        b"GET / HTTP/1.2\r\nHost: a.test\r\n\r\n",
        &[Refused(400), Refused(505), Passed(1)],
    ),
    case(
        "version 2.0",
        "RFC 9110 15.6.6",
        b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "version 3.0",
        "RFC 9110 15.6.6",
        b"GET / HTTP/3.0\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "version 0.9 said",
        "RFC 9110 15.6.6",
        b"GET / HTTP/0.9\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "version 9.9",
        "RFC 9110 15.6.6",
        b"GET / HTTP/9.9\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a version of three digits",
        "RFC 9112 2.3",
        b"GET / HTTP/1.10\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a version with a leading zero",
        "RFC 9112 2.3",
        b"GET / HTTP/01.1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a version without its minor",
        "RFC 9112 2.3",
        b"GET / HTTP/1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a version with a letter",
        "RFC 9112 2.3",
        b"GET / HTTP/1.x\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a version with a sign",
        "RFC 9112 2.3",
        b"GET / HTTP/1.-1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "the version's name in lower case",
        "RFC 9112 2.3",
        b"GET / http/1.1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "another protocol's name",
        "RFC 9112 2.3",
        b"GET / HTTPS/1.1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a space within the version",
        "RFC 9112 2.3",
        b"GET / HTTP/ 1.1\r\nHost: a.test\r\n\r\n",
        VERSION,
    ),
    case(
        "a method with an at sign",
        "RFC 9110 5.6.2",
        b"G@T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        METHOD,
    ),
    case(
        "a method with a colon",
        "RFC 9110 5.6.2",
        b"GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        METHOD,
    ),
    case(
        "a method in brackets",
        "RFC 9110 5.6.2",
        b"(GET) / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        METHOD,
    ),
    case(
        "a method with a byte above 127",
        "RFC 9110 5.6.2",
        b"G\xc9T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        METHOD,
    ),
    case(
        "a method with NUL",
        "RFC 9110 5.6.2",
        b"G\0T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        METHOD,
    ),
    case(
        "an unknown method of sound form",
        "RFC 9110 9.1",
        b"FROB / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[Passed(1), Refused(400), Refused(405), Refused(501)],
    ),
    case(
        "a method in lower case is another method",
        "RFC 9110 9.1",
        b"get / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[Passed(1), Refused(400), Refused(405), Refused(501)],
    ),
    case(
        "the preface of HTTP/2 in the middle of HTTP/1",
        "RFC 9113 3.4",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[
            Outcome::Then(1, 400),
            Outcome::Then(1, 505),
            Outcome::Then(1, 405),
            Passed(1),
        ],
    ),
    made(
        "a method of 10,000 letters",
        "RFC 9112 3",
        || {
            [
                b"A".repeat(10_000).as_slice(),
                b" / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            ]
            .concat()
        },
        &[
            Refused(400),
            Refused(405),
            Refused(414),
            Refused(431),
            Refused(501),
            Passed(1),
        ],
    ),
    case(
        "a line that ends in LF alone",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a whole head in LF alone",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\nHost: a.test\n\n",
        BAD_OR_PASS,
    ),
    case(
        "a line that ends in CR CR LF",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a line that ends in CR alone",
        "RFC 9112 2.2",
        b"GET / HTTP/1.1\rHost: a.test\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    broken(
        "a TLS hello on a plain port",
        "RFC 9112 3",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    broken(
        "a hello of SOCKS",
        "RFC 9112 3",
        b"\x05\x01\x00\r\n\r\n",
        BAD_OR_CLOSED,
    ),
    broken(
        "a status line",
        "RFC 9112 3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        &[
            Refused(400),
            Closed,
            Refused(505),
            Refused(501),
            Refused(405),
        ],
    ),
    case(
        "the plain request",
        "RFC 9112 3",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        PASS,
    ),
    case(
        "a plain request of HTTP/1.0 with Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
        PASS,
    ),
];
