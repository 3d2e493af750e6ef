//! Lines as fields of HTTP/2.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields of one HTTP/1 connection, which streams do not have (RFC 9113 §8.2.2).
fn is_of_connection(name: &HeaderName) -> bool {
    name == header::CONNECTION
        || name == header::TRANSFER_ENCODING
        || name == header::UPGRADE
        || name == "keep-alive"
        || name == "proxy-connection"
}

/// Field lines as fields; names become lower case, values share one allocation. What is no field line is left out.
pub(super) fn fields(lines: &[u8]) -> HeaderMap {
    let all = Bytes::copy_from_slice(lines);
    let mut map = HeaderMap::with_capacity(12);
    let mut at = 0;
    while at < all.len() {
        let rest = all.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        at += end + 1;
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let Ok(name) = HeaderName::from_bytes(name) else {
            continue;
        };
        if is_of_connection(&name) {
            continue;
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(all.slice_ref(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_fields_without_those_of_a_connection() {
        let map = fields(
            b"Server: seawall\r\nSet-Cookie: a=1\r\nset-cookie:  b=2 \r\nConnection: close\r\nKeep-Alive: 5\r\nX: \xe9\r\n\r\n",
        );
        let cookies: Vec<_> = map.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(map["x"].as_bytes(), b"\xe9");
        assert_eq!(map.len(), 4);
    }
}
