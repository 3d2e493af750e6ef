//! Writing heads and chunks into a caller's buffer. Nothing is allocated but that buffer's growth.

use crate::scan;

/// The line that ends a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk with an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

macro_rules! statuses {
    ($($status:literal $reason:literal,)*) => {
        fn known(status: u16) -> Option<(&'static str, &'static [u8])> {
            match status {
                $($status => Some((
                    $reason,
                    concat!("HTTP/1.1 ", $status, " ", $reason, "\r\n").as_bytes(),
                )),)*
                _ => None,
            }
        }
    };
}

statuses! {
    100 "Continue",
    101 "Switching Protocols",
    102 "Processing",
    103 "Early Hints",
    200 "OK",
    201 "Created",
    202 "Accepted",
    203 "Non-Authoritative Information",
    204 "No Content",
    205 "Reset Content",
    206 "Partial Content",
    207 "Multi-Status",
    208 "Already Reported",
    226 "IM Used",
    300 "Multiple Choices",
    301 "Moved Permanently",
    302 "Found",
    303 "See Other",
    304 "Not Modified",
    305 "Use Proxy",
    307 "Temporary Redirect",
    308 "Permanent Redirect",
    400 "Bad Request",
    401 "Unauthorized",
    402 "Payment Required",
    403 "Forbidden",
    404 "Not Found",
    405 "Method Not Allowed",
    406 "Not Acceptable",
    407 "Proxy Authentication Required",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    412 "Precondition Failed",
    413 "Content Too Large",
    414 "URI Too Long",
    415 "Unsupported Media Type",
    416 "Range Not Satisfiable",
    417 "Expectation Failed",
    421 "Misdirected Request",
    422 "Unprocessable Content",
    423 "Locked",
    424 "Failed Dependency",
    425 "Too Early",
    426 "Upgrade Required",
    428 "Precondition Required",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    451 "Unavailable For Legal Reasons",
    500 "Internal Server Error",
    501 "Not Implemented",
    502 "Bad Gateway",
    503 "Service Unavailable",
    504 "Gateway Timeout",
    505 "HTTP Version Not Supported",
    506 "Variant Also Negotiates",
    507 "Insufficient Storage",
    508 "Loop Detected",
    510 "Not Extended",
    511 "Network Authentication Required",
}

/// The registered reason phrase; empty for other statuses.
pub fn reason(status: u16) -> &'static str {
    known(status).map_or("", |(reason, _)| reason)
}

/// `HTTP/1.1 200 OK` and its line end. A status that is not registered gets an empty reason.
pub fn status_line(out: &mut Vec<u8>, status: u16) {
    if let Some((_, line)) = known(status) {
        out.extend_from_slice(line);
        return;
    }
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits.format(status).as_bytes());
    out.extend_from_slice(b" \r\n");
}

/// `name: value` and its line end. Name and value are trusted: see [`is_token`] and [`is_field_value`].
#[inline]
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_token(name) && value.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `Content-Length: n` and its line end.
pub fn content_length(out: &mut Vec<u8>, n: u64) {
    let mut digits = itoa::Buffer::new();
    field(out, b"Content-Length", digits.format(n).as_bytes());
}

/// The size line of a chunk of `len` bytes. A `len` of 0 would end the body and writes nothing: use [`LAST_CHUNK`].
pub fn chunk_head(out: &mut Vec<u8>, len: usize) {
    if len == 0 {
        return;
    }
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for shift in (0..digits).rev() {
        let digit = (len >> (shift * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether `value` may be written as a field value (RFC 9110 §5.5): no controls but the tab, no white space around it.
pub fn is_field_value(value: &[u8]) -> bool {
    scan::value_end(value, 0) == value.len() && crate::trim(value).len() == value.len()
}

/// Whether `text` is a token (RFC 9110 §5.6.2), as field names and methods are.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && scan::token_end(text, 0) == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn status_lines_carry_the_registered_reason_or_none() {
        assert_eq!(written(|out| status_line(out, 200)), "HTTP/1.1 200 OK\r\n");
        assert_eq!(written(|out| status_line(out, 299)), "HTTP/1.1 299 \r\n");
        assert_eq!(reason(418), "");
        assert_eq!(reason(404), "Not Found");
    }

    #[test]
    fn fields_and_chunk_heads_read_as_on_the_wire() {
        assert_eq!(
            written(|out| field(out, b"Via", b"1.1 a")),
            "Via: 1.1 a\r\n"
        );
        assert_eq!(
            written(|out| content_length(out, u64::MAX)),
            "Content-Length: 18446744073709551615\r\n"
        );
        for (len, head) in [
            (1, "1\r\n"),
            (15, "f\r\n"),
            (16, "10\r\n"),
            (65_536, "10000\r\n"),
            (0, ""),
        ] {
            assert_eq!(written(|out| chunk_head(out, len)), head);
        }
        assert_eq!(
            written(|out| chunk_head(out, usize::MAX)),
            "ffffffffffffffff\r\n"
        );
    }

    #[test]
    fn values_that_would_break_a_head_are_told_apart() {
        assert!(is_field_value(b"") && is_field_value(b"a\tb \xff"));
        for bad in [&b"a\r\nb"[..], b"a\n", b"\0", b" a", b"a\t", b"\x7f"] {
            assert!(!is_field_value(bad), "{bad:?}");
        }
        assert!(is_token(b"X-A_b!") && !is_token(b"") && !is_token(b"a b") && !is_token(b"a:"));
    }
}
