//! Host: exactly one, and a name.

use super::{BAD, Case, Outcome, PASS, case, made};
use Outcome::{Answered, Passed, Refused};

const BAD_NAME: &[Outcome] = &[Refused(400), Refused(404), Refused(421)];
const ODD_NAME: &[Outcome] = &[
    Refused(400),
    Refused(404),
    Refused(421),
    Passed(1),
    Answered(1),
];

pub(super) const CASES: &[Case] = &[
    case("no Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\n\r\n", BAD),
    case(
        "no Host but X-Forwarded-Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nX-Forwarded-Host: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "two equal Hosts",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
        BAD,
    ),
    case(
        "two different Hosts",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        BAD,
    ),
    case(
        "a second Host in other case",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nhOST: b.test\r\n\r\n",
        BAD,
    ),
    case(
        "a second, empty Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nHost:\r\n\r\n",
        BAD,
    ),
    case(
        "two names in one Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a space",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a path",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test/evil\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a user",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a question mark",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test?x\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a scheme",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: http://a.test\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with a backslash",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a.test\\b\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with NUL",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost: a.test\0.b\r\n\r\n",
        BAD,
    ),
    case(
        "a Host with a byte above 127",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: \xe4.test\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host that is a port",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
        ODD_NAME,
    ),
    case(
        "a Host with a port that is no number",
        "RFC 3986 3.2.3",
        b"GET / HTTP/1.1\r\nHost: a.test:8o\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "a Host with an empty port",
        "RFC 3986 3.2.3",
        b"GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n",
        ODD_NAME,
    ),
    case(
        "a Host with two ports",
        "RFC 3986 3.2.3",
        b"GET / HTTP/1.1\r\nHost: a.test:80:81\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "an address of IPv6 that is not closed",
        "RFC 3986 3.2.2",
        b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "an address of IPv6 without brackets",
        "RFC 3986 3.2.2",
        b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n",
        BAD_NAME,
    ),
    case(
        "an empty Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        ODD_NAME,
    ),
    case(
        "a Host in capitals is the same",
        "RFC 3986 3.2.2",
        b"GET / HTTP/1.1\r\nHost: A.TEST\r\n\r\n",
        PASS,
    ),
    case(
        "a Host with its port",
        "RFC 9110 7.2",
        b"GET / HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
        PASS,
    ),
    case(
        "a Host with spaces around it",
        "RFC 9110 5.5",
        b"GET / HTTP/1.1\r\nHost:  \t a.test \t\r\n\r\n",
        PASS,
    ),
    made(
        "a Host of 10,000 letters",
        "RFC 9112 3.2",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: ",
                b"a".repeat(10_000).as_slice(),
                b"\r\n\r\n",
            ]
            .concat()
        },
        &[
            Refused(400),
            Refused(404),
            Refused(414),
            Refused(421),
            Refused(431),
            Passed(1),
        ],
    ),
    case(
        "HTTP/1.0 without Host",
        "RFC 9112 3.2",
        b"GET / HTTP/1.0\r\n\r\n",
        ODD_NAME,
    ),
];
