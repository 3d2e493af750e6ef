//! The name that a TLS client asks for, read from its first message without answering it.
//!
//! Only what is needed to choose where a connection goes is looked at (RFC 8446 §4.1.2, RFC 6066 §3): the rest of the
//! message is the business of whoever answers. Versions before TLS 1.3 look the same here, SSL 2 is not taken.

/// Bytes of a first message at most, its records' heads included (OpenSSL: 16 KiB; a browser's has two).
pub const HELLO_BYTES_MAX: usize = 16 * 1024 + 512;

const RECORD_HEAD: usize = 5;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// Bytes of a record (RFC 8446 §5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientHello {
    /// The beginning of one.
    More,
    /// A whole one, with the name it asks for in lower case and without a final dot.
    Whole(Option<String>),
    /// No TLS, or broken, or longer than [`HELLO_BYTES_MAX`].
    Not,
}

/// Reads the name from the beginning of a connection.
pub fn client_hello(bytes: &[u8]) -> ClientHello {
    match message(bytes) {
        Ok(Some(message)) => match name(&message) {
            Some(name) => ClientHello::Whole(name),
            None => ClientHello::Not,
        },
        Ok(None) if bytes.len() < HELLO_BYTES_MAX => ClientHello::More,
        _ => ClientHello::Not,
    }
}

struct Broken;

/// The handshake message, put together from its records; without its head.
fn message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut message: Vec<u8> = Vec::new();
    loop {
        match bytes {
            [kind, ..] if *kind != HANDSHAKE => return Err(Broken),
            [_, major, ..] if *major != 3 => return Err(Broken),
            _ => {}
        }
        let Some((head, rest)) = bytes.split_first_chunk::<RECORD_HEAD>() else {
            return Ok(None);
        };
        let [_, _, _, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > RECORD_BYTES_MAX {
            return Err(Broken);
        }
        let here = rest.get(..length).unwrap_or(rest);
        message.extend_from_slice(here);
        if let Some((&[kind, a, b, c], body)) = message.split_first_chunk::<4>() {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if kind != CLIENT_HELLO || length > HELLO_BYTES_MAX {
                return Err(Broken);
            }
            if let Some(whole) = body.get(..length) {
                return Ok(Some(whole.to_vec()));
            }
        } else if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Broken);
        }
        match rest.get(length..) {
            Some(next) => bytes = next,
            None => return Ok(None),
        }
    }
}

/// Takes a vector off the front whose length is said in so many bytes.
fn vector<'a>(bytes: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0, |n, b| n << 8 | usize::from(*b));
    let (held, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(held)
}

/// The name within a client hello; the outer `None` is a broken message.
fn name(message: &[u8]) -> Option<Option<String>> {
    // Version and random.
    let mut rest = message.get(34..)?;
    let _session = vector(&mut rest, 1)?;
    let _ciphers = vector(&mut rest, 2)?;
    let _compression = vector(&mut rest, 1)?;
    if rest.is_empty() {
        return Some(None);
    }
    let mut extensions = vector(&mut rest, 2)?;
    if !rest.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.is_empty() {
        let (kind, after) = extensions.split_first_chunk::<2>()?;
        extensions = after;
        let held = vector(&mut extensions, 2)?;
        if u16::from_be_bytes(*kind) == SERVER_NAME {
            // Twice would be two answers to one question.
            if found.is_some() {
                return None;
            }
            found = Some(host_name(held)?);
        }
    }
    Some(found)
}

fn host_name(mut held: &[u8]) -> Option<String> {
    let mut list = vector(&mut held, 2)?;
    let (kind, rest) = list.split_first()?;
    list = rest;
    let name = vector(&mut list, 2)?;
    // There is one kind of name, and a list has one of a kind.
    if *kind != HOST_NAME || !list.is_empty() || !held.is_empty() {
        return None;
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 255 || !name.iter().all(plain) {
        return None;
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    String::from_utf8(name.to_ascii_lowercase()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// What rustls says first.
    fn hello(name: &str) -> Vec<u8> {
        let config = crate::client_config(&crate::ClientOptions::default()).unwrap();
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    fn records(hello: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in hello[RECORD_HEAD..].chunks(size) {
            out.extend_from_slice(&[HANDSHAKE, 3, 1]);
            out.extend_from_slice(&(piece.len() as u16).to_be_bytes());
            out.extend_from_slice(piece);
        }
        out
    }

    #[test]
    fn the_name_is_found_however_it_is_cut() {
        let hello = hello("Shop.Test");
        let whole = ClientHello::Whole(Some("shop.test".into()));
        assert_eq!(client_hello(&hello), whole);
        for size in [1, 3, 100, 16_000] {
            let cut = records(&hello, size);
            if cut.len() > HELLO_BYTES_MAX {
                continue;
            }
            assert_eq!(client_hello(&cut), whole, "records of {size}");
            for end in 0..cut.len() {
                assert_eq!(client_hello(&cut[..end]), ClientHello::More);
            }
        }
        let more = [&hello[..], b"early data"].concat();
        assert_eq!(client_hello(&more), whole);
    }

    #[test]
    fn an_address_is_no_name() {
        assert_eq!(client_hello(&hello("127.0.0.1")), ClientHello::Whole(None));
    }

    #[test]
    fn what_is_no_hello_is_seen_at_once() {
        for garbage in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x02",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\xff\xff",
            b"\x16\x03\x01\x00\x05\x02",
            b"\x80\x2e\x01\x03\x01",
        ] {
            assert_eq!(client_hello(garbage), ClientHello::Not, "{garbage:?}");
        }
        assert_eq!(client_hello(b""), ClientHello::More);
    }

    #[test]
    fn a_hello_without_end_is_given_up() {
        // A first record that is full and a second one that would be.
        let mut endless = vec![HANDSHAKE, 3, 1, 0x40, 0, CLIENT_HELLO, 0, 0x42, 0];
        endless.resize(5 + RECORD_BYTES_MAX, 0);
        endless.extend([HANDSHAKE, 3, 1, 0x40, 0]);
        endless.resize(HELLO_BYTES_MAX - 1, 0);
        assert_eq!(client_hello(&endless), ClientHello::More);
        endless.push(0);
        assert_eq!(client_hello(&endless), ClientHello::Not);
        assert_eq!(
            client_hello(&[HANDSHAKE, 3, 1, 0x40, 0, CLIENT_HELLO, 1, 0, 0]),
            ClientHello::Not
        );
    }

    #[test]
    fn a_damaged_hello_breaks_nothing() {
        let hello = hello("shop.test");
        for at in 0..hello.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = hello.clone();
                damaged[at] ^= flip;
                if let ClientHello::Whole(Some(name)) = client_hello(&damaged) {
                    assert!(name.bytes().all(|b| b.is_ascii_graphic()), "{name:?}");
                }
            }
        }
    }
}
