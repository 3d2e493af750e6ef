//! Encoding of a response's status and lines.

use super::integer;
use crate::{Name, scan};

/// The change of the table's size that forgets it (RFC 7541 §6.3): before the first block behind SETTINGS that shrink it.
pub const EMPTY_TABLE: u8 = 0x20;

/// A literal that no intermediary may index either (RFC 7541 §7.1.3).
const NEVER_INDEXED: u8 = 0x10;

/// Appends `:status`.
pub fn status(status: u16, out: &mut Vec<u8>) {
    let index = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            // A literal with the name of index 8.
            let digit = |n: u16| b'0' + (n % 10) as u8;
            out.extend_from_slice(&[8, 3, digit(status / 100), digit(status / 10), digit(status)]);
            return;
        }
    };
    out.push(0x80 | index);
}

/// Appends field lines (`Name: value` and a line end). Names become lower case; fields of one connection of HTTP/1 are left out
/// (RFC 9113 §8.2.2), and so is what is no field line.
pub fn fields(lines: &[u8], out: &mut Vec<u8>) {
    let mut rest = lines;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        field(name, value, out);
    }
}

fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if scan::value_end(value, 0) < value.len() {
        return;
    }
    let id = Name::lookup(name);
    match id {
        Name::Connection
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::KeepAlive
        | Name::ProxyConnection => return,
        Name::Other if name.is_empty() || scan::token_end(name, 0) < name.len() => return,
        _ => {}
    }
    // Secrets of a user, and what is short enough to be guessed piece by piece.
    let first = match id {
        Name::SetCookie
        | Name::Cookie
        | Name::Authorization
        | Name::ProxyAuthorization
        | Name::AuthenticationInfo => NEVER_INDEXED,
        _ => 0,
    };
    match index_of(id) {
        0 => {
            out.push(first);
            integer::write(0, 7, name.len(), out);
            let at = out.len();
            out.extend_from_slice(name);
            out.get_mut(at..).unwrap_or_default().make_ascii_lowercase();
        }
        index => integer::write(first, 4, index, out),
    }
    integer::write(0, 7, value.len(), out);
    out.extend_from_slice(value);
}

/// Where a name is in the static table, or 0.
fn index_of(name: Name) -> usize {
    match name {
        Name::AcceptRanges => 18,
        Name::AccessControlAllowOrigin => 20,
        Name::Age => 21,
        Name::Allow => 22,
        Name::CacheControl => 24,
        Name::ContentDisposition => 25,
        Name::ContentEncoding => 26,
        Name::ContentLanguage => 27,
        Name::ContentLength => 28,
        Name::ContentLocation => 29,
        Name::ContentRange => 30,
        Name::ContentType => 31,
        Name::Date => 33,
        Name::ETag => 34,
        Name::Expires => 36,
        Name::LastModified => 44,
        Name::Link => 45,
        Name::Location => 46,
        Name::ProxyAuthenticate => 48,
        Name::Refresh => 52,
        Name::RetryAfter => 53,
        Name::Server => 54,
        Name::SetCookie => 55,
        Name::StrictTransportSecurity => 56,
        Name::Vary => 59,
        Name::Via => 60,
        Name::WwwAuthenticate => 61,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::hpack::{Decoder, Sink};

    #[derive(Default)]
    struct List(Vec<(Vec<u8>, Vec<u8>)>);

    impl Sink for List {
        fn field(&mut self, name: &[u8], value: &[u8], _: bool) -> bool {
            self.0.push((name.to_vec(), value.to_vec()));
            true
        }
    }

    fn decoded(block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut list = List::default();
        Decoder::new().decode(block, &mut list).unwrap();
        list.0
    }

    #[test]
    fn every_status_reads_as_it_was_written() {
        for code in 100..600 {
            let mut block = Vec::new();
            status(code, &mut block);
            let expected = (b":status".to_vec(), code.to_string().into_bytes());
            assert_eq!(decoded(&block), [expected]);
        }
    }

    #[test]
    fn lines_become_fields_without_those_of_a_connection() {
        let mut block = Vec::new();
        fields(
            b"Server: seawall\r\nSet-Cookie: a=1\r\nset-cookie:  b=2 \r\nConnection: close\r\nKeep-Alive: 5\r\n\
              X-Y: \xe9\r\nno line\r\nBad Name: x\r\nNul: \0\r\nEmpty:\r\n: x\r\n\r\n",
            &mut block,
        );
        let list = decoded(&block);
        let expected: [(&[u8], &[u8]); 5] = [
            (b"server", b"seawall"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-y", b"\xe9"),
            (b"empty", b""),
        ];
        let expected = expected.map(|(name, value)| (name.to_vec(), value.to_vec()));
        assert_eq!(list, expected);
        // The literal of a cookie says that nobody may index it.
        let mut cookie = Vec::new();
        fields(b"Set-Cookie: a=1\r\n", &mut cookie);
        assert_eq!(cookie, b"\x1f\x28\x03a=1");
    }

    #[test]
    fn the_names_of_the_static_table_are_where_the_encoder_looks() {
        for name in super::super::table::STATIC.map(|(name, _)| name) {
            let index = index_of(Name::lookup(name));
            if index != 0 {
                assert_eq!(super::super::table::STATIC[index - 1].0, name);
            }
        }
    }

    #[test]
    fn long_names_and_values_are_whole() {
        let line = format!("X-{}: {}\r\n", "Y".repeat(300), "z".repeat(70_000));
        let mut block = Vec::new();
        fields(line.as_bytes(), &mut block);
        let list = decoded(&block);
        assert_eq!((list[0].0.len(), list[0].1.len()), (302, 70_000));
    }
}
