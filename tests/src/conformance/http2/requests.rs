//! What makes a request (RFC 9113 §8.1, §8.3): pseudo-header fields, hosts, lengths, trailers.

use super::{Case, MALFORMED, Outcome, PASSED, POST, REQUEST, STREAM_PROTOCOL, case, code};
use crate::http2::{
    Connection,
    frame::*,
    hpack::{block, field},
};

fn asks(connection: &mut Connection, fields: &[(&str, &str)]) {
    connection.send(get(1, &block(fields)));
}

/// A request with one field more.
fn with(connection: &mut Connection, name: &str, value: &str) {
    let mut fields = block(REQUEST);
    fields.extend(field(name, value));
    connection.send(get(1, &fields));
}

/// A POST with a length, its DATA and nothing else.
fn sends(connection: &mut Connection, length: &str, pieces: &[&[u8]]) {
    let mut fields = block(POST);
    fields.extend(field("content-length", length));
    connection.send(post(1, &fields));
    for (at, piece) in pieces.iter().enumerate() {
        let end = if at + 1 == pieces.len() {
            END_STREAM
        } else {
            0
        };
        connection.send(data(1, end, piece));
    }
}

/// A name that no site has, or none at all.
const NO_HOST: &[Outcome] = &[
    MALFORMED[0],
    MALFORMED[1],
    MALFORMED[2],
    MALFORMED[3],
    Outcome::Refused(421),
    Outcome::Refused(404),
];
/// A pseudo-header field has no place in trailers; it may also be left out, for it goes nowhere.
const LEFT_OUT: &[Outcome] = &[
    STREAM_PROTOCOL[0],
    STREAM_PROTOCOL[1],
    STREAM_PROTOCOL[2],
    Outcome::Passed,
];
/// Passed on in a clean form, or refused.
const CLEAN: &[Outcome] = &[
    Outcome::Passed,
    MALFORMED[0],
    MALFORMED[1],
    MALFORMED[2],
    MALFORMED[3],
];
const REFUSED: &[Outcome] = &[
    MALFORMED[0],
    MALFORMED[1],
    MALFORMED[2],
    MALFORMED[3],
    Outcome::Refused(405),
    Outcome::Refused(501),
    Outcome::Refused(502),
    Outcome::Refused(503),
    Outcome::Reset(code::REFUSED_STREAM),
];

pub(super) const CASES: &[Case] = &[
    case("no :method", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("no :scheme", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("no :path", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
            ],
        );
    }),
    case("an empty :path", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", ""),
            ],
        );
    }),
    case("an empty :method", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", ""),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("an empty block", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(c, &[])
    }),
    case("two :method", "RFC 9113 8.3", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("two :scheme", "RFC 9113 8.3", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":scheme", "https"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("two :path", "RFC 9113 8.3", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
                (":path", "/other"),
            ],
        );
    }),
    case("two :authority", "RFC 9113 8.3", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":authority", "b.test"),
                (":path", "/case"),
            ],
        );
    }),
    case(
        "an unknown pseudo-header field",
        "RFC 9113 8.3",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "/case"),
                    (":test", "x"),
                ],
            );
        },
    ),
    case(":status in a request", "RFC 9113 8.3", MALFORMED, |c| {
        asks(
            c,
            &[
                (":status", "200"),
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case(
        "a pseudo-header field behind a field",
        "RFC 9113 8.3",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    ("x", "y"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case(
        "a :path that is no path",
        "RFC 9113 8.3.1",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "case"),
                ],
            );
        },
    ),
    case(
        "a :path in absolute form",
        "RFC 9113 8.3.1",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "http://b.test/case"),
                ],
            );
        },
    ),
    case("a :path of * for GET", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "*"),
            ],
        );
    }),
    case("a space in :path", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case HTTP/1.1"),
            ],
        );
    }),
    case("CR LF in :path", "RFC 9113 8.2.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case\r\nx: y"),
            ],
        );
    }),
    case("NUL in :path", "RFC 9113 8.2.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case\0"),
            ],
        );
    }),
    case("a space in :method", "RFC 9113 8.3.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET /other"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("CR LF in :method", "RFC 9113 8.2.1", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET\r\n"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case(
        "a :scheme that is no scheme",
        "RFC 9113 8.3.1",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "ht tp"),
                    (":authority", "a.test"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case(
        "a :scheme with a host in it",
        "RFC 9113 8.3.1",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http://b.test/?"),
                    (":authority", "a.test"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case(
        "a :scheme of another protocol",
        "RFC 9113 8.3.1",
        NO_HOST,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "ftp"),
                    (":authority", "a.test"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case(
        "neither :authority nor host",
        "RFC 9113 8.3.1",
        NO_HOST,
        |c| {
            asks(
                c,
                &[(":method", "GET"), (":scheme", "http"), (":path", "/case")],
            );
        },
    ),
    case(
        "host in place of :authority",
        "RFC 9113 8.3.1",
        PASSED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":path", "/case"),
                    ("host", "a.test"),
                ],
            );
        },
    ),
    case(
        "host that repeats :authority",
        "RFC 9113 8.3.1",
        PASSED,
        |c| with(c, "host", "a.test"),
    ),
    case(
        "host that contradicts :authority",
        "RFC 9113 8.3.1",
        MALFORMED,
        |c| with(c, "host", "b.test"),
    ),
    case("two hosts", "RFC 9112 3.2", MALFORMED, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/case"),
                ("host", "a.test"),
                ("host", "b.test"),
            ],
        );
    }),
    case("an empty :authority", "RFC 9113 8.3.1", NO_HOST, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", ""),
                (":path", "/case"),
            ],
        );
    }),
    case("userinfo in :authority", "RFC 9113 8.3.1", NO_HOST, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "u:p@a.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("a path in :authority", "RFC 9113 8.3.1", NO_HOST, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test/x"),
                (":path", "/case"),
            ],
        );
    }),
    case("a space in :authority", "RFC 9113 8.3.1", NO_HOST, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test b.test"),
                (":path", "/case"),
            ],
        );
    }),
    case("CR LF in :authority", "RFC 9113 8.2.1", NO_HOST, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test\r\nx: y"),
                (":path", "/case"),
            ],
        );
    }),
    case(
        "CONNECT with :path and :scheme",
        "RFC 9113 8.5",
        REFUSED,
        |c| {
            asks(
                c,
                &[
                    (":method", "CONNECT"),
                    (":scheme", "http"),
                    (":authority", "a.test:80"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case("CONNECT", "RFC 9113 8.5", REFUSED, |c| {
        asks(c, &[(":method", "CONNECT"), (":authority", "a.test:80")]);
    }),
    case("CONNECT without :authority", "RFC 9113 8.5", REFUSED, |c| {
        asks(c, &[(":method", "CONNECT")])
    }),
    case(
        ":protocol on a request that is no CONNECT",
        "RFC 8441 4",
        MALFORMED,
        |c| {
            asks(
                c,
                &[
                    (":method", "GET"),
                    (":protocol", "websocket"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "/case"),
                ],
            );
        },
    ),
    case(
        "less DATA than content-length",
        "RFC 9113 8.1.1",
        MALFORMED,
        |c| sends(c, "10", &[b"123"]),
    ),
    case(
        "more DATA than content-length",
        "RFC 9113 8.1.1",
        MALFORMED,
        |c| sends(c, "1", &[b"123"]),
    ),
    case(
        "less DATA than content-length in two frames",
        "RFC 9113 8.1.1",
        MALFORMED,
        |c| sends(c, "10", &[b"123", b"456"]),
    ),
    case(
        "more DATA than content-length in two frames",
        "RFC 9113 8.1.1",
        MALFORMED,
        |c| sends(c, "5", &[b"123", b"456"]),
    ),
    case(
        "content-length and no DATA",
        "RFC 9113 8.1.1",
        MALFORMED,
        |c| {
            let mut fields = block(POST);
            fields.extend(field("content-length", "3"));
            c.send(get(1, &fields));
        },
    ),
    case(
        "content-length that is right",
        "RFC 9113 8.1.1",
        PASSED,
        |c| sends(c, "6", &[b"123", b"456"]),
    ),
    case("two content-lengths", "RFC 9110 8.6", MALFORMED, |c| {
        let mut fields = block(POST);
        fields.extend(field("content-length", "3"));
        fields.extend(field("content-length", "4"));
        c.send(post(1, &fields)).send(data(1, END_STREAM, b"123"));
    }),
    case(
        "a negative content-length",
        "RFC 9110 8.6",
        MALFORMED,
        |c| sends(c, "-1", &[b"123"]),
    ),
    case(
        "a content-length with a sign",
        "RFC 9110 8.6",
        MALFORMED,
        |c| sends(c, "+3", &[b"123"]),
    ),
    case(
        "a content-length past 2^64",
        "RFC 9110 8.6",
        MALFORMED,
        |c| sends(c, "18446744073709551619", &[b"123"]),
    ),
    case(
        "a list of content-lengths",
        "RFC 9110 8.6",
        MALFORMED,
        |c| sends(c, "3, 3", &[b"123"]),
    ),
    case("an empty content-length", "RFC 9110 8.6", MALFORMED, |c| {
        sends(c, "", &[b"123"])
    }),
    case(
        "a second HEADERS that does not end the stream",
        "RFC 9113 8.1",
        STREAM_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST))).send(data(1, 0, b"x"));
            c.send(post(1, &field("x", "y")));
        },
    ),
    case(
        "a pseudo-header field in trailers",
        "RFC 9113 8.1",
        LEFT_OUT,
        |c| {
            c.send(post(1, &block(POST))).send(data(1, 0, b"x"));
            c.send(get(1, &field(":path", "/other")));
        },
    ),
    case("trailers", "RFC 9113 8.1", PASSED, |c| {
        c.send(post(1, &block(POST))).send(data(1, 0, b"x"));
        c.send(get(1, &field("x-sum", "y")));
    }),
    case("trailers that frame", "RFC 9110 6.5.1", CLEAN, |c| {
        c.send(post(1, &block(POST))).send(data(1, 0, b"x"));
        c.send(get(1, &field("content-length", "77")));
    }),
    case(
        "a connection field in trailers",
        "RFC 9113 8.2.2",
        STREAM_PROTOCOL,
        |c| {
            c.send(post(1, &block(POST))).send(data(1, 0, b"x"));
            c.send(get(1, &field("transfer-encoding", "chunked")));
        },
    ),
    case(
        "OPTIONS *",
        "RFC 9113 8.3.1",
        &[
            Outcome::Passed,
            Outcome::Refused(400),
            Outcome::Refused(404),
            Outcome::Refused(405),
        ],
        |c| {
            asks(
                c,
                &[
                    (":method", "OPTIONS"),
                    (":scheme", "http"),
                    (":authority", "a.test"),
                    (":path", "*"),
                ],
            );
        },
    ),
    case("a fragment in :path", "RFC 9113 8.3.1", CLEAN, |c| {
        asks(
            c,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a.test"),
                (":path", "/case#x"),
            ],
        );
    }),
];
