//! The connection: pipelining, Expect, Upgrade, TE, what concerns one hop.

use super::{BAD, BAD_OR_PASS, Case, Outcome, PASS, case, made};
use Outcome::{Closed, Passed, Refused, Then};

const SECOND_BAD: &[Outcome] = &[Then(1, 400), Passed(1)];
const EXPECT: &[Outcome] = &[Refused(400), Refused(417), Passed(1)];

pub(super) const CASES: &[Case] = &[
    case("two requests in one piece", "RFC 9112 9.3.2", b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(2)]),
    made("fifty requests in one piece", "RFC 9112 9.3.2", || b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(50), &[Passed(50)]),
    case("a body and a request in one piece", "RFC 9112 9.3.2", b"POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(2)]),
    case("chunks and a request in one piece", "RFC 9112 9.3.2", b"POST /1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(2)]),
    case("an empty line between two requests", "RFC 9112 2.2", b"POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(2), Then(1, 400)]),
    case("rubbish behind a request", "RFC 9112 2.2", b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nrubbish\r\n\r\n", SECOND_BAD),
    case("a body that was not announced", "RFC 9112 6.3", b"POST /1 HTTP/1.1\r\nHost: a.test\r\n\r\nhello=1&you=2 HTTP/1.1\r\n\r\n", &[Then(1, 400), Then(1, 405), Then(1, 501), Passed(1), Refused(411)]),
    case("a bad request behind a good one", "RFC 9112 2.2", b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", SECOND_BAD),
    case("a request behind Connection: close", "RFC 9112 9.6", b"GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", PASS),
    case("a request behind one of HTTP/1.0", "RFC 9112 9.3", b"GET /1 HTTP/1.0\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", PASS),
    case("close and keep-alive together", "RFC 9112 9.3", b"GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", PASS),
    case("close in a second field", "RFC 9110 7.6.1", b"GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", PASS),
    case("an unknown expectation", "RFC 9110 10.1.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: coffee\r\nContent-Length: 5\r\n\r\nhello", EXPECT),
    case("two expectations", "RFC 9110 10.1.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue, coffee\r\nContent-Length: 5\r\n\r\nhello", EXPECT),
    case("100-continue without a body", "RFC 9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n", BAD_OR_PASS),
    case("100-continue with its body at once", "RFC 9110 10.1.1", b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", PASS),
    case("100-continue of HTTP/1.0", "RFC 9110 10.1.1", b"POST / HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", BAD_OR_PASS),
    case("Upgrade without Connection", "RFC 9110 7.8", b"GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n", BAD_OR_PASS),
    case("Upgrade to h2c is not taken up", "RFC 9113 3.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", BAD_OR_PASS),
    case("Upgrade of HTTP/1.0", "RFC 9110 7.8", b"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", BAD_OR_PASS),
    case("an upgrade that the origin does not take, then a request", "RFC 9110 7.8", b"GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Passed(1), Passed(2), Then(1, 400)]),
    case("TE: chunked is said to nobody", "RFC 9110 10.1.4", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: chunked\r\n\r\n", BAD_OR_PASS),
    case("Proxy-Connection", "RFC 9112 C.2.2", b"GET / HTTP/1.1\r\nHost: a.test\r\nProxy-Connection: keep-alive\r\n\r\n", PASS),
    case("a Connection that names Cookie", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Cookie\r\nCookie: a=b\r\n\r\n", BAD_OR_PASS),
    case("a Connection that is no list of tokens", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: @\r\n\r\n", BAD_OR_PASS),
    case("Max-Forwards of zero", "RFC 9110 7.6.2", b"GET / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n", PASS),
    case("TRACE", "RFC 9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", &[Refused(405), Refused(501), Refused(400), Passed(1)]),
    case("TRACE with a body", "RFC 9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", &[Refused(405), Refused(501), Refused(400)]),
    case("a range that is no range", "RFC 9110 14.2", b"GET / HTTP/1.1\r\nHost: a.test\r\nRange: bytes=9-1\r\n\r\n", PASS),
    case("an empty connection", "RFC 9112 9", b"\r\n\r\n", &[Passed(0), Refused(400), Closed]),
    case("a PROXY line where none is expected", "RFC 9112 3", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", BAD),
];
