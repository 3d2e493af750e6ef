//! The head of a CGI response (RFC 3875 §6) as the head of an HTTP/1.1 one.
//!
//! Lines may end with LF alone. `Status` makes the status line; without it a `Location` is a 302, as in nginx, and all
//! else a 200. What frames a message is the gateway's own and is not passed on.

use crate::{Name, encode, scan, trim};
use thiserror::Error;

/// Bytes of a head.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Why a head is not usable.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum CgiError {
    /// Longer than [`HEAD_BYTES`].
    #[error("CGI head too large")]
    TooLarge,
    /// A line that is no `name: value`, or that goes on on the next.
    #[error("malformed line in a CGI head")]
    Line,
    /// A status that is no number from 200 to 599, or a second one.
    #[error("malformed CGI status")]
    Status,
    /// A length that is no number, or two that differ.
    #[error("ambiguous length in a CGI head")]
    Length,
    /// 304 to a request without a condition, or 206 to one without a range.
    #[error("a CGI status that this request cannot have")]
    Unasked,
}

/// What of the request decides about its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgiRequest {
    /// HEAD.
    pub head: bool,
    /// It had a condition.
    pub conditional: bool,
    /// It had a range.
    pub range: bool,
    /// The connection is to be kept.
    pub keep: bool,
}

/// A head that was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgiHead {
    /// Bytes of it, with the empty line.
    pub len: usize,
    /// How the body goes on as HTTP.
    pub framing: CgiFraming,
}

/// How a body is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgiFraming {
    /// It has none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Translates the head at the start of `cgi` into `out`; `None` while it is not whole.
///
/// The connection is said to close where the response ends before the request does (no body): what the application
/// still says would stand before the next answer.
///
/// # Errors
/// Whatever two readers could take differently.
pub fn http_head(
    cgi: &[u8],
    request: &CgiRequest,
    out: &mut Vec<u8>,
) -> Result<Option<CgiHead>, CgiError> {
    let Some(len) = head_end(cgi) else {
        return if cgi.len() >= HEAD_BYTES {
            Err(CgiError::TooLarge)
        } else {
            Ok(None)
        };
    };
    if len > HEAD_BYTES {
        return Err(CgiError::TooLarge);
    }
    let mut fields = Vec::new();
    let (mut status, mut length, mut moved) = (None, None, false);
    for line in cgi.get(..len).unwrap_or_default().split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let at = memchr::memchr(b':', line).ok_or(CgiError::Line)?;
        let (name, value) = line.split_at_checked(at).ok_or(CgiError::Line)?;
        let value = trim(value.get(1..).unwrap_or_default());
        if !encode::is_token(name) || scan::value_end(value, 0) != value.len() {
            return Err(CgiError::Line);
        }
        if name.eq_ignore_ascii_case(b"status") {
            if status.replace(status_of(value)?).is_some() {
                return Err(CgiError::Status);
            }
            continue;
        }
        match Name::lookup(name) {
            Name::ContentLength => {
                let said = length_of(value)?;
                if length.replace(said).is_some_and(|before| before != said) {
                    return Err(CgiError::Length);
                }
            }
            Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::Te
            | Name::Trailer
            | Name::TransferEncoding
            | Name::Upgrade => {}
            known => {
                moved |= known == Name::Location;
                encode::field(&mut fields, name, value);
            }
        }
    }
    let status = status.unwrap_or(if moved { 302 } else { 200 });
    if status == 304 && !request.conditional || status == 206 && !request.range {
        return Err(CgiError::Unasked);
    }
    encode::status_line(out, status);
    out.extend_from_slice(&fields);
    let framing = finish(out, status, length, request);
    Ok(Some(CgiHead { len, framing }))
}

fn finish(out: &mut Vec<u8>, status: u16, length: Option<u64>, request: &CgiRequest) -> CgiFraming {
    let bodiless = request.head || matches!(status, 204 | 304);
    let framing = match length {
        _ if bodiless => CgiFraming::None,
        Some(0) => CgiFraming::None,
        Some(n) => CgiFraming::Length(n),
        None => CgiFraming::Chunked,
    };
    match length {
        Some(n) if status != 204 => encode::content_length(out, n),
        Some(_) => {}
        None if framing == CgiFraming::Chunked => {
            encode::field(out, b"Transfer-Encoding", b"chunked");
        }
        None => {}
    }
    if !request.keep || framing == CgiFraming::None {
        encode::field(out, b"Connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// The end of the empty line behind the head.
fn head_end(cgi: &[u8]) -> Option<usize> {
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', cgi) {
        let line = cgi.get(start..at)?;
        if line.is_empty() || line == b"\r" {
            return Some(at + 1);
        }
        start = at + 1;
        if start > HEAD_BYTES {
            return None;
        }
    }
    None
}

fn status_of(value: &[u8]) -> Result<u16, CgiError> {
    let (digits, rest) = value.split_at_checked(3).ok_or(CgiError::Status)?;
    if !matches!(rest.first(), None | Some(b' ')) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(CgiError::Status);
    }
    let status = digits
        .iter()
        .fold(0, |n, d| n * 10 + u16::from(d.wrapping_sub(b'0')));
    (200..600)
        .contains(&status)
        .then_some(status)
        .ok_or(CgiError::Status)
}

fn length_of(value: &[u8]) -> Result<u64, CgiError> {
    let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|t| t.parse().ok())
        .ok_or(CgiError::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: CgiRequest = CgiRequest {
        head: false,
        conditional: false,
        range: false,
        keep: true,
    };

    fn translate(cgi: &str, request: &CgiRequest) -> Result<Option<(String, CgiHead)>, CgiError> {
        let mut out = Vec::new();
        let head = http_head(cgi.as_bytes(), request, &mut out)?;
        Ok(head.map(|h| (String::from_utf8(out).unwrap(), h)))
    }

    #[test]
    fn statuses_fields_and_framing_are_translated() {
        for (cgi, http) in [
            (
                "Content-Type: text/html\r\n\r\nbody",
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "Status: 404 Not Found\nX: y\n\n",
                "HTTP/1.1 404 Not Found\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "Location: /a\n\n",
                "HTTP/1.1 302 Found\r\nLocation: /a\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "Status: 301\nLocation: http://x/\n\n",
                "HTTP/1.1 301 Moved Permanently\r\nLocation: http://x/\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "Content-Length: 5\nContent-Length: 5\n\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            ),
            (
                "Content-Length: 0\n\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            ),
            (
                "Status: 204 No Content\n\n",
                "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            ),
            (
                "Transfer-Encoding: chunked\nConnection: keep-alive\nUpgrade: x\nA:1\n\n",
                "HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
        ] {
            let (text, head) = translate(cgi, &KEEP).unwrap().unwrap();
            assert_eq!(text, http, "{cgi:?}");
            assert!(cgi[..head.len].ends_with('\n'));
        }
        let once = CgiRequest {
            keep: false,
            ..KEEP
        };
        let (text, _) = translate("A: b\n\n", &once).unwrap().unwrap();
        assert!(text.contains("Connection: close\r\n"));
        let head = CgiRequest { head: true, ..KEEP };
        let (text, framed) = translate("Content-Length: 9\n\n", &head).unwrap().unwrap();
        assert!(text.contains("Content-Length: 9\r\nConnection: close\r\n"));
        assert_eq!(framed.framing, CgiFraming::None);
    }

    #[test]
    fn nonsense_is_refused() {
        for (cgi, error) in [
            ("no colon\n\n", CgiError::Line),
            ("HTTP/1.1 200 OK\r\n\r\n", CgiError::Line),
            (": empty name\n\n", CgiError::Line),
            ("A b: c\n\n", CgiError::Line),
            (" folded: x\n\n", CgiError::Line),
            ("A: b\r\n folded\r\n\r\n", CgiError::Line),
            ("A: b\0c\n\n", CgiError::Line),
            ("A: b\rX: c\n\n", CgiError::Line),
            ("Status: 99\n\n", CgiError::Status),
            ("Status: 100 Continue\n\n", CgiError::Status),
            ("Status: 600\n\n", CgiError::Status),
            ("Status: 2000\n\n", CgiError::Status),
            ("Status: \n\n", CgiError::Status),
            ("Status: 200\nStatus: 200\n\n", CgiError::Status),
            ("Content-Length: 5\nContent-Length: 6\n\n", CgiError::Length),
            ("Content-Length: -1\n\n", CgiError::Length),
            ("Content-Length: 0x5\n\n", CgiError::Length),
            ("Content-Length: 9999999999999999999\n\n", CgiError::Length),
            ("Status: 304\n\n", CgiError::Unasked),
            ("Status: 206\n\n", CgiError::Unasked),
        ] {
            assert_eq!(translate(cgi, &KEEP).unwrap_err(), error, "{cgi:?}");
        }
        let asked = CgiRequest {
            conditional: true,
            range: true,
            ..KEEP
        };
        assert!(translate("Status: 304\n\n", &asked).unwrap().is_some());
        assert!(
            translate("Status: 206\nContent-Range: bytes 0-0/1\n\n", &asked)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_head_is_waited_for_up_to_its_limit() {
        assert_eq!(translate("A: b\r\n", &KEEP).unwrap(), None);
        assert_eq!(translate("A: b\r\n\r", &KEEP).unwrap(), None);
        let within = format!("A: {}\n\n", "x".repeat(HEAD_BYTES - 5));
        assert!(translate(&within, &KEEP).unwrap().is_some());
        for past in [
            format!("A: {}\n\n", "x".repeat(HEAD_BYTES)),
            "x".repeat(HEAD_BYTES),
            format!("A: b\n{}", "B: c\n".repeat(HEAD_BYTES / 5)),
        ] {
            assert_eq!(translate(&past, &KEEP).unwrap_err(), CgiError::TooLarge);
        }
    }
}
