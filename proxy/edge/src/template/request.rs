//! Parts of a request that variables and others ask for.

use crate::tx::Tx;
use seawall_http::Name;

/// The request line as received (nginx: `$request`).
pub(crate) fn request_line(tx: &Tx, out: &mut Vec<u8>) {
    let bytes = tx.rb.bytes();
    let start = tx.head.method_text.start as usize;
    let line = bytes.get(start..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    out.extend_from_slice(line.get(..end).unwrap_or_default());
}

/// The user of Basic credentials, unverified (nginx: `$remote_user`).
pub(super) fn remote_user(tx: &Tx, out: &mut Vec<u8>) {
    let Some(value) = tx.fields().get(Name::Authorization) else {
        return;
    };
    let Some((scheme, rest)) = value.split_at_checked(6) else {
        return;
    };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return;
    }
    if let Some(decoded) = base64_decode(rest) {
        let end = memchr::memchr(b':', &decoded).unwrap_or(decoded.len());
        out.extend_from_slice(decoded.get(..end).unwrap_or_default());
    }
}

fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n) = (0u32, 0);
    for &b in text.iter().take_while(|b| **b != b'=') {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(v);
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
    }
    Some(out)
}

/// The value of an argument; the name is compared without regard to case, as nginx does.
pub(super) fn argument<'a>(args: &'a [u8], name: &[u8]) -> &'a [u8] {
    args.split(|b| *b == b'&')
        .find_map(|pair| {
            let (key, value) = pair.split_at_checked(name.len())?;
            (key.eq_ignore_ascii_case(name) && value.first() == Some(&b'='))
                .then(|| value.get(1..).unwrap_or_default())
        })
        .unwrap_or_default()
}

/// The value of a cookie, if there is one of that name.
pub fn cookie<'a>(tx: &'a Tx, name: &[u8]) -> Option<&'a [u8]> {
    for header in tx.fields().all(Name::Cookie) {
        for pair in header.split(|b| *b == b';') {
            let pair = pair.trim_ascii_start();
            if let Some((key, value)) = pair.split_at_checked(name.len())
                && key.eq_ignore_ascii_case(name)
                && value.first() == Some(&b'=')
            {
                return value.get(1..);
            }
        }
    }
    None
}

/// The first value of a field in a block of header lines.
pub fn line_value<'a>(lines: &'a [u8], name: &[u8]) -> &'a [u8] {
    for line in lines.split(|b| *b == b'\n') {
        if let Some((key, rest)) = line.split_at_checked(name.len())
            && key.eq_ignore_ascii_case(name)
            && rest.first() == Some(&b':')
        {
            return rest.get(1..).unwrap_or_default().trim_ascii();
        }
    }
    b""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_by_whole_name() {
        assert_eq!(argument(b"ab=1&b=2&B=3", b"b"), b"2");
        assert_eq!(argument(b"b", b"b"), b"");
        assert_eq!(argument(b"", b"b"), b"");
    }

    #[test]
    fn header_lines_are_searched_by_name() {
        let lines = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-A:  b \r\n";
        assert_eq!(line_value(lines, b"x-a"), b"b");
        assert_eq!(line_value(lines, b"x"), b"");
    }
}
