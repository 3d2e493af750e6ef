//! Transfer-Encoding: `chunked`, once, last, and of HTTP/1.1.

use super::{BAD, BAD_OR_PASS, Case, Outcome, PASS, case};
use Outcome::{Passed, Refused};

const UNKNOWN: &[Outcome] = &[Refused(400), Refused(501)];
const UNKNOWN_OR_PASS: &[Outcome] = &[Refused(400), Refused(501), Passed(1)];

pub(super) const CASES: &[Case] = &[
    case("an unknown coding", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: frob\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("identity, which is no coding any more", "RFC 9112 7", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\n\r\n", UNKNOWN),
    case("identity with a length", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", UNKNOWN),
    case("gzip, then chunked", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked, then gzip", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked, then identity", "RFC 9112 6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked twice in one field", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked twice in two fields", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked and identity in two fields", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("identity and chunked in two fields", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("a second field in other case", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("an empty coding", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n", UNKNOWN_OR_PASS),
    case("an empty coding with a length", "RFC 9112 6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello", UNKNOWN),
    case("an empty first member", "RFC 9110 5.6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", UNKNOWN_OR_PASS),
    case("an empty last member", "RFC 9110 5.6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", UNKNOWN_OR_PASS),
    case("chunked with a parameter", "RFC 9112 7.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked in quotes", "RFC 9112 7", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked with a letter too many", "RFC 9112 7", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked with a letter less", "RFC 9112 7", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunke\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked after a vertical tab", "RFC 9110 5.6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked before a vertical tab", "RFC 9110 5.6.3", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked before NUL", "RFC 9110 5.5", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked with a bare CR", "RFC 9110 5.5", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \rchunked\r\n\r\n0\r\n\r\n", UNKNOWN),
    case("chunked of HTTP/1.0", "RFC 9112 6.1", b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_OR_PASS),
    case("chunked and length of HTTP/1.0", "RFC 9112 6.1", b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", BAD),
    case("chunked with GET", "RFC 9110 9.3.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_OR_PASS),
    case("CHUNKED in capitals is the same", "RFC 9112 7", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", BAD_OR_PASS),
    case("chunked with spaces around it", "RFC 9110 5.5", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \t chunked \t\r\n\r\n0\r\n\r\n", PASS),
    case("a length named in Connection", "RFC 9110 7.6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("a coding named in Connection", "RFC 9110 7.6.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_OR_PASS),
    case("Host named in Connection", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Host\r\n\r\n", BAD_OR_PASS),
];
