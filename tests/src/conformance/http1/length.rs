//! Content-Length: one, of digits, and not beside a coding.

use super::{BAD, BAD_OR_CLOSED, BAD_OR_PASS, Case, Outcome, PASS, broken, case, made};
use Outcome::{Passed, Refused};

const TOO_LARGE: &[Outcome] = &[Refused(400), Refused(413)];

pub(super) const CASES: &[Case] = &[
    case("two equal lengths", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("two different lengths", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", BAD),
    case("two different lengths, the smaller last", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50\r\nContent-Length: 0\r\n\r\n", BAD),
    case("a list of equal lengths", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 5\r\n\r\nhello", BAD_OR_PASS),
    case("a list of different lengths", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 6\r\n\r\nhello", BAD),
    case("a list with an empty member", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5,\r\n\r\nhello", BAD_OR_PASS),
    case("an empty length", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\n", BAD),
    case("a length with a plus sign", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello", BAD),
    case("a negative length", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -5\r\n\r\nhello", BAD),
    case("minus zero", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -0\r\n\r\n", BAD),
    case("a length in hexadecimals", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5\r\n\r\nhello", BAD),
    case("a length with a letter", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5a\r\n\r\nhello", BAD),
    case("a length with a space in it", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1 0\r\n\r\nhello12345", BAD),
    case("a length with a fraction", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5.0\r\n\r\nhello", BAD),
    case("a length with an exponent", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5e0\r\n\r\nhello", BAD),
    case("a length in quotes", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \"5\"\r\n\r\nhello", BAD),
    case("a length with an underscore", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1_0\r\n\r\nhello12345", BAD),
    case("a length in Arabic digits", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \xd9\xa5\r\n\r\nhello", BAD),
    case("a length with NUL", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\0\r\n\r\nhello", BAD),
    case("a length after a vertical tab", "RFC 9110 5.6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \x0b5\r\n\r\nhello", BAD),
    case("a length past 64 bits", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551621\r\n\r\nhello", TOO_LARGE),
    case("a length past 63 bits", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9223372036854775813\r\n\r\nhello", TOO_LARGE),
    case("a length past 32 bits", "RFC 9110 15.5.14", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4294967301\r\n\r\nhello", TOO_LARGE),
    made("a length of a thousand digits", "RFC 9110 8.6", || [b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ", b"9".repeat(1000).as_slice(), b"\r\n\r\n"].concat(), TOO_LARGE),
    case("leading zeros", "RFC 9110 8.6", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0005\r\n\r\nhello", BAD_OR_PASS),
    case("length with coding", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    case("coding with length", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", BAD),
    case("a request hidden behind length and coding", "RFC 9112 11.2", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n", BAD),
    case("a length of zero with a coding", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    case("a bad length with a coding", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    case("a body with GET", "RFC 9110 9.3.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("a body with DELETE", "RFC 9110 9.3.5", b"DELETE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("a body with HEAD", "RFC 9110 9.3.2", b"HEAD / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("POST without a length has no body", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(1), Refused(411)]),
    case("a length of zero", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", PASS),
    case("a whole body", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", PASS),
    case("a body that looks like a request", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n", PASS),
    broken("a body that breaks off", "RFC 9112 8", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50\r\n\r\nhello", BAD_OR_CLOSED),
];
