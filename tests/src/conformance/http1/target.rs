//! The request target: its four forms, its bytes, what a path may do.

use super::{BAD, BAD_OR_PASS, Case, Outcome, PASS, case, made};
use Outcome::{Answered, Passed, Refused};

const CONNECT: &[Outcome] = &[Refused(400), Refused(405), Refused(501)];
const HOSTILE_PATH: &[Outcome] = &[Refused(400), Refused(403), Refused(404), Passed(1)];
const STAR: &[Outcome] = &[
    Refused(400),
    Refused(404),
    Refused(405),
    Passed(1),
    Answered(1),
];

pub(super) const CASES: &[Case] = &[
    case(
        "absolute form",
        "RFC 9112 3.2.2",
        b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        PASS,
    ),
    case(
        "absolute form without a path",
        "RFC 9112 3.2.2",
        b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        PASS,
    ),
    case(
        "absolute form with a query and no path",
        "RFC 9112 3.2.2",
        b"GET http://a.test?x=1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "absolute form with another Host: the target counts",
        "RFC 9112 3.2.2",
        b"GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "absolute form without Host",
        "RFC 9112 3.2",
        b"GET http://a.test/x HTTP/1.1\r\n\r\n",
        BAD,
    ),
    case(
        "absolute form with user and password",
        "RFC 9110 4.2.4",
        b"GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "absolute form of an unknown scheme",
        "RFC 9110 4.2",
        b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[Refused(400), Refused(421), Refused(404), Refused(501)],
    ),
    case(
        "absolute form without an authority",
        "RFC 9110 4.2.1",
        b"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "absolute form with one slash",
        "RFC 9112 3.2",
        b"GET http:/a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "absolute form with a port that is no number",
        "RFC 3986 3.2.3",
        b"GET http://a.test:8x/ HTTP/1.1\r\nHost: a.test:8x\r\n\r\n",
        BAD,
    ),
    case(
        "absolute form with a port past 65535",
        "RFC 3986 3.2.3",
        b"GET http://a.test:99999/ HTTP/1.1\r\nHost: a.test:99999\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "absolute form with a fragment",
        "RFC 9112 3.2",
        b"GET http://a.test/#x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "authority form with GET",
        "RFC 9112 3.2.3",
        b"GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "CONNECT to a reverse proxy",
        "RFC 9110 9.3.6",
        b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
        CONNECT,
    ),
    case(
        "CONNECT with a path",
        "RFC 9112 3.2.3",
        b"CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        CONNECT,
    ),
    case(
        "CONNECT without a port",
        "RFC 9112 3.2.3",
        b"CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        CONNECT,
    ),
    case(
        "OPTIONS with an asterisk",
        "RFC 9112 3.2.4",
        b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        STAR,
    ),
    case(
        "GET with an asterisk",
        "RFC 9112 3.2.4",
        b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        &[Refused(400), Refused(404), Refused(405)],
    ),
    case(
        "a target without a slash",
        "RFC 9112 3.2.1",
        b"GET x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a target that begins with a question mark",
        "RFC 9112 3.2.1",
        b"GET ?x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a target of one dot",
        "RFC 9112 3.2.1",
        b"GET . HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a backslash first",
        "RFC 9112 3.2.1",
        b"GET \\x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a space in the target",
        "RFC 9112 3.2",
        b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a tab in the target",
        "RFC 9112 3.2",
        b"GET /a\tb HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "NUL in the target",
        "RFC 9112 3.2",
        b"GET /a\0b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "DEL in the target",
        "RFC 3986 2",
        b"GET /a\x7fb HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a bare CR in the target",
        "RFC 9112 2.2",
        b"GET /a\rb HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "a byte above 127 in the target",
        "RFC 3986 2",
        b"GET /\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "UTF-8 in the target",
        "RFC 3986 2",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a fragment in the target",
        "RFC 9112 3.2",
        b"GET /#x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a quote and angle brackets in the query",
        "RFC 3986 2",
        b"GET /?q=\"<x>\" HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a percent sign without digits",
        "RFC 3986 2.1",
        b"GET /% HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a percent sign with one digit",
        "RFC 3986 2.1",
        b"GET /%4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "a percent sign with no hexadecimals",
        "RFC 3986 2.1",
        b"GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "an encoded NUL",
        "RFC 3986 7.3",
        b"GET /%00 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "an encoded CR LF and a header",
        "RFC 3986 7.3",
        b"GET /%0d%0aX:%20y HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "dots that climb above the root",
        "RFC 3986 5.2.4",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n",
        HOSTILE_PATH,
    ),
    case(
        "encoded dots that climb above the root",
        "RFC 3986 5.2.4",
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n",
        HOSTILE_PATH,
    ),
    case(
        "dots after an encoded slash",
        "RFC 3986 2.2",
        b"GET /x%2f..%2f..%2fetc HTTP/1.1\r\nHost: a.test\r\n\r\n",
        HOSTILE_PATH,
    ),
    case(
        "two slashes first",
        "RFC 3986 3.3",
        b"GET //b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        BAD_OR_PASS,
    ),
    case(
        "an empty query",
        "RFC 3986 3.4",
        b"GET /? HTTP/1.1\r\nHost: a.test\r\n\r\n",
        PASS,
    ),
    case(
        "two question marks",
        "RFC 3986 3.4",
        b"GET /?a?b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        PASS,
    ),
    made(
        "a target of 100,000 bytes",
        "RFC 9110 15.5.15",
        || {
            [
                b"GET /",
                b"a".repeat(100_000).as_slice(),
                b" HTTP/1.1\r\nHost: a.test\r\n\r\n",
            ]
            .concat()
        },
        &[Refused(400), Refused(414), Refused(431)],
    ),
    made(
        "a query of 7,000 bytes",
        "RFC 9112 3",
        || {
            [
                b"GET /?",
                b"a".repeat(7_000).as_slice(),
                b" HTTP/1.1\r\nHost: a.test\r\n\r\n",
            ]
            .concat()
        },
        &[Passed(1), Refused(414)],
    ),
    made(
        "a path of 500 dot segments",
        "RFC 3986 5.2.4",
        || {
            [
                b"GET /",
                b"../".repeat(500).as_slice(),
                b" HTTP/1.1\r\nHost: a.test\r\n\r\n",
            ]
            .concat()
        },
        HOSTILE_PATH,
    ),
];
