//! Chunks: sizes, extensions, endings, trailers.

use super::{BAD, BAD_OR_CLOSED, BAD_OR_PASS, Case, Outcome, PASS, broken, case, made};
use Outcome::{Passed, Refused};

const TOO_LARGE: &[Outcome] = &[Refused(400), Refused(413)];
const LONG: &[Outcome] = &[Refused(400), Refused(413), Refused(431)];
const LONG_OR_PASS: &[Outcome] = &[Refused(400), Refused(413), Refused(431), Passed(1)];

/// The head before every body here.
macro_rules! body {
    ($text:literal) => {
        concat!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            $text
        )
        .as_bytes()
    };
}

fn after_head(parts: &[&[u8]]) -> Vec<u8> {
    [body!(""), &parts.concat()].concat()
}

pub(super) const CASES: &[Case] = &[
    case(
        "two chunks",
        "RFC 9112 7.1",
        body!("5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"),
        PASS,
    ),
    case("an empty body", "RFC 9112 7.1", body!("0\r\n\r\n"), PASS),
    case(
        "sizes in both cases",
        "RFC 9112 7.1",
        body!("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
        PASS,
    ),
    case(
        "a size with leading zeros",
        "RFC 9112 7.1",
        body!("0005\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a last chunk of many zeros",
        "RFC 9112 7.1",
        body!("5\r\nhello\r\n0000\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "an empty size",
        "RFC 9112 7.1",
        body!("\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size with 0x",
        "RFC 9112 7.1",
        body!("0x5\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size with a plus sign",
        "RFC 9112 7.1",
        body!("+5\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a negative size",
        "RFC 9112 7.1",
        body!("-5\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size with a letter past f",
        "RFC 9112 7.1",
        body!("5g\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size with an underscore",
        "RFC 9112 7.1",
        body!("0_5\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a space before the size",
        "RFC 9112 7.1",
        body!(" 5\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a space after the size",
        "RFC 9112 7.1",
        body!("5 \r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a tab after the size",
        "RFC 9112 7.1",
        body!("5\t\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "NUL after the size",
        "RFC 9112 7.1",
        body!("5\0\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size past 64 bits that wraps to 5",
        "RFC 9112 7.1",
        body!("10000000000000005\r\nhello\r\n0\r\n\r\n"),
        TOO_LARGE,
    ),
    case(
        "a size of 64 bits",
        "RFC 9112 7.1",
        body!("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        TOO_LARGE,
    ),
    case(
        "a size past 32 bits",
        "RFC 9112 7.1",
        body!("100000005\r\nhello\r\n0\r\n\r\n"),
        TOO_LARGE,
    ),
    made(
        "a size of a thousand zeros",
        "RFC 9112 7.1",
        || after_head(&[&b"0".repeat(1000), b"5\r\nhello\r\n0\r\n\r\n"]),
        LONG_OR_PASS,
    ),
    case(
        "an extension",
        "RFC 9112 7.1.1",
        body!("5;a=b\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "an extension in quotes",
        "RFC 9112 7.1.1",
        body!("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "an extension on the last chunk",
        "RFC 9112 7.1.1",
        body!("5\r\nhello\r\n0;a=b\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "an extension of a semicolon",
        "RFC 9112 7.1.1",
        body!("5;\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "an extension that ends in LF alone",
        "RFC 9112 7.1.1",
        body!("5;a\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a bare CR in an extension",
        "RFC 9112 7.1.1",
        body!("5;a\rb\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "NUL in an extension",
        "RFC 9112 7.1.1",
        body!("5;a\0b\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a quoted line feed in an extension",
        "RFC 9112 7.1.1",
        body!("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    made(
        "an extension of 100,000 bytes",
        "RFC 9112 7.1.1",
        || after_head(&[b"5;", &b"a".repeat(100_000), b"\r\nhello\r\n0\r\n\r\n"]),
        LONG_OR_PASS,
    ),
    made(
        "extensions on a thousand chunks of one byte",
        "RFC 9112 7.1.1",
        || {
            after_head(&[
                &[&b"1;"[..], &b"a".repeat(200), b"\r\nx\r\n"]
                    .concat()
                    .repeat(1000),
                b"0\r\n\r\n",
            ])
        },
        LONG_OR_PASS,
    ),
    case(
        "a size line that ends in LF alone",
        "RFC 9112 7.1",
        body!("5\nhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "data that end in LF alone",
        "RFC 9112 7.1",
        body!("5\r\nhello\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "data that end in CR alone",
        "RFC 9112 7.1",
        body!("5\r\nhello\r0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size line that ends in CR alone",
        "RFC 9112 7.1",
        body!("5\rhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a size line that ends in CR X",
        "RFC 9112 7.1",
        body!("5\rXhello\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "a last chunk that ends in LF alone",
        "RFC 9112 7.1",
        body!("5\r\nhello\r\n0\n\r\n"),
        BAD,
    ),
    case(
        "an end of LF alone",
        "RFC 9112 7.1",
        body!("5\r\nhello\r\n0\r\n\n"),
        BAD,
    ),
    case(
        "data longer than their size",
        "RFC 9112 7.1",
        body!("5\r\nhello!\r\n0\r\n\r\n"),
        BAD,
    ),
    case(
        "data shorter than their size",
        "RFC 9112 7.1",
        body!("7\r\nhello\r\n0\r\n\r\n"),
        BAD_OR_CLOSED,
    ),
    case(
        "no CR LF after the data",
        "RFC 9112 7.1",
        body!("5\r\nhello0\r\n\r\n"),
        BAD,
    ),
    case(
        "two bytes that are no CR LF after the data",
        "RFC 9112 7.1",
        body!("5\r\nhelloXX0\r\n\r\n"),
        BAD,
    ),
    case(
        "a request hidden in a chunk's data",
        "RFC 9112 7.1",
        body!("26\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n0\r\n\r\n"),
        PASS,
    ),
    case(
        "a trailer",
        "RFC 9112 7.1.2",
        body!("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a length in the trailer",
        "RFC 9110 6.5.1",
        body!("5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a coding in the trailer",
        "RFC 9110 6.5.1",
        body!("5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "Host in the trailer",
        "RFC 9110 6.5.1",
        body!("5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a trailer without a colon",
        "RFC 9112 7.1.2",
        body!("5\r\nhello\r\n0\r\nnothing\r\n\r\n"),
        BAD,
    ),
    case(
        "a space before the colon in the trailer",
        "RFC 9112 5.1",
        body!("5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
        BAD,
    ),
    case(
        "a folded trailer",
        "RFC 9112 5.2",
        body!("5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n"),
        BAD_OR_PASS,
    ),
    case(
        "a bare CR in the trailer",
        "RFC 9110 5.5",
        body!("5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n"),
        BAD,
    ),
    case(
        "NUL in the trailer",
        "RFC 9110 5.5",
        body!("5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n"),
        BAD,
    ),
    case(
        "a trailer that ends in LF alone",
        "RFC 9112 2.2",
        body!("5\r\nhello\r\n0\r\nX: y\n\r\n"),
        BAD_OR_PASS,
    ),
    made(
        "a trailer of 200,000 bytes",
        "RFC 6585 5",
        || after_head(&[b"0\r\nX: ", &b"a".repeat(200_000), b"\r\n\r\n"]),
        LONG,
    ),
    made(
        "a trailer of 20,000 fields",
        "RFC 6585 5",
        || after_head(&[b"0\r\n", &b"X: y\r\n".repeat(20_000), b"\r\n"]),
        LONG,
    ),
    broken(
        "no last chunk",
        "RFC 9112 8",
        body!("5\r\nhello\r\n"),
        BAD_OR_CLOSED,
    ),
    broken(
        "a last chunk without its end",
        "RFC 9112 8",
        body!("5\r\nhello\r\n0\r\n"),
        BAD_OR_CLOSED,
    ),
    broken(
        "a size without its data",
        "RFC 9112 8",
        body!("5\r\n"),
        BAD_OR_CLOSED,
    ),
    broken(
        "nothing after the head",
        "RFC 9112 8",
        body!(""),
        BAD_OR_CLOSED,
    ),
];
