//! The PROXY protocol, versions 1 and 2: who a connection is from, said by the proxy before it
//! (HAProxy's `doc/proxy-protocol.txt`, revision of 2020).
//!
//! [`parse`] reads the header from the bytes so far and says how long it is; it reads nothing and decides nothing: whether a
//! peer may say such a thing is for the caller, before it looks. What is doubtful is an error, as a header that two readers
//! understand differently lets a client name its own address.

mod encode;
mod v1;
mod v2;

pub use encode::{encode_v1, encode_v2};

use std::net::SocketAddr;
use thiserror::Error;

/// The longest header of version 1, its CRLF included.
pub const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken, its values included (nginx: 4096).
pub const V2_BYTES_MAX: usize = 4096;
/// How every header of version 2 begins: nothing that speaks in text could.
pub const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 or 2.
    pub version: u8,
    /// What it says of the connection.
    pub said: Said,
    /// Values of version 2, as they came; [`Header::values`] takes them apart.
    pub values: Box<[u8]>,
}

/// What a header says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The proxy speaks for itself (`LOCAL`: a health check): the connection's own addresses hold.
    Local,
    /// The addresses are not known, or of a kind that is no use here (unix sockets): the connection's own hold.
    Unknown,
    /// A TCP connection.
    Stream {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
    /// A datagram.
    Datagram {
        /// The client.
        source: SocketAddr,
        /// Where it sent it.
        destination: SocketAddr,
    },
}

/// Types of values (`PP2_TYPE_*`).
pub mod value {
    /// The application protocol agreed on by ALPN.
    pub const ALPN: u8 = 0x01;
    /// The host name asked for (SNI).
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum of the header.
    pub const CRC32C: u8 = 0x03;
    /// An id that the proxy gave the connection.
    pub const UNIQUE_ID: u8 = 0x05;
    /// TLS as the proxy saw it.
    pub const SSL: u8 = 0x20;
    /// The network namespace.
    pub const NETNS: u8 = 0x30;
}

/// Why a header is refused: the connection is closed without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The bytes are no header of either version.
    #[error("no PROXY protocol header")]
    Missing,
    /// Version 1 is not ended by CRLF within [`V1_BYTES_MAX`].
    #[error("PROXY protocol header is too long")]
    TooLong,
    /// A line of version 1 whose words are not those of the protocol.
    #[error("broken PROXY protocol line")]
    Line,
    /// An address or port that cannot be read.
    #[error("broken address in the PROXY protocol header")]
    Address,
    /// Version 2 with another version, command, family or transport.
    #[error("unknown version, command or family in the PROXY protocol header")]
    Kind,
    /// Version 2 whose length does not fit what it holds.
    #[error("broken length in the PROXY protocol header")]
    Length,
    /// Version 2 whose checksum is wrong.
    #[error("wrong checksum in the PROXY protocol header")]
    Checksum,
}

impl Header {
    /// The client, where the header names one for a TCP connection.
    pub fn source(&self) -> Option<SocketAddr> {
        match self.said {
            Said::Stream { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What the client connected to.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.said {
            Said::Stream { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// The values of version 2, type and bytes, in the order sent.
    pub fn values(&self) -> impl Iterator<Item = (u8, &[u8])> {
        v2::Values(&self.values)
    }

    /// The first value of a type.
    pub fn value(&self, kind: u8) -> Option<&[u8]> {
        self.values().find(|(k, _)| *k == kind).map(|(_, v)| v)
    }
}

/// Reads a header from the beginning of `bytes`: with its length, or `None` while more bytes are needed.
///
/// # Errors
/// As soon as no bytes to come could make it a header.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err(ProxyError::Missing),
    }
}

/// Whether `bytes`, which are shorter or longer than `whole`, begin as it does.
fn begins(bytes: &[u8], whole: &[u8]) -> bool {
    bytes.iter().zip(whole).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same whatever the pieces it comes in, and with whatever follows it.
    fn in_pieces(header: &[u8]) -> Header {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end} bytes");
        }
        let (parsed, len) = parse(header).unwrap().unwrap();
        assert_eq!(len, header.len());
        let longer = [header, b"\r\nmore"].concat();
        assert_eq!(parse(&longer), Ok(Some((parsed.clone(), len))));
        parsed
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn version_one_names_both_ends() {
        let four = in_pieces(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
        assert_eq!(four.source(), Some(address("192.0.2.1:56324")));
        assert_eq!(four.destination(), Some(address("198.51.100.2:443")));
        let six = in_pieces(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
        assert_eq!(six.source(), Some(address("[2001:db8::1]:1")));
        let unknown = in_pieces(b"PROXY UNKNOWN\r\n");
        assert_eq!(unknown.said, Said::Unknown);
        assert_eq!(
            in_pieces(b"PROXY UNKNOWN ffff:f...f:ffff what ever\r\n").said,
            Said::Unknown
        );
    }

    #[test]
    fn version_one_is_read_strictly() {
        use ProxyError::{Address, Line, Missing, TooLong};
        let cases: &[(&[u8], ProxyError)] = &[
            (b"GET / HTTP/1.1\r\n", Missing),
            (b"POST / HTTP/1.1\r\n", Missing),
            (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", Line),
            (b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Line),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Line),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", Line),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", Line),
            (b"PROXY TCP4 1.1.1.1\r2.2.2.2 1 2\r\n", Line),
            (b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", Address),
            (b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", Address),
            (b"PROXY TCP4 ::1 ::2 1 2\r\n", Address),
            (b"PROXY TCP6 1.1.1.1 ::2 1 2\r\n", Address),
            (b"PROXY TCP6 fe80::1%1 ::2 1 2\r\n", Address),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", Address),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Address),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", Address),
        ];
        for (bytes, error) in cases {
            assert_eq!(parse(bytes), Err(*error), "{}", bytes.escape_ascii());
        }
        let mut long = b"PROXY UNKNOWN ".to_vec();
        long.resize(V1_BYTES_MAX - 2, b'x');
        long.extend_from_slice(b"\r\n");
        assert!(parse(&long).unwrap().is_some());
        long.insert(20, b'x');
        assert_eq!(parse(&long), Err(TooLong));
        assert_eq!(parse(&long[..V1_BYTES_MAX]), Err(TooLong));
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for (a, b) in [
            ("192.0.2.1:5", "192.0.2.2:6"),
            ("[2001:db8::1]:7", "[::1]:8"),
        ] {
            let ends = (address(a), address(b));
            let said = Said::Stream {
                source: ends.0,
                destination: ends.1,
            };
            let mut bytes = Vec::new();
            encode_v1(Some(ends), &mut bytes);
            assert_eq!(in_pieces(&bytes).said, said);
            bytes.clear();
            encode_v2(said, &[(value::AUTHORITY, b"a.test")], &mut bytes);
            let header = in_pieces(&bytes);
            assert_eq!(header.said, said);
            assert_eq!(header.value(value::AUTHORITY), Some(&b"a.test"[..]));
            assert_eq!(header.value(value::ALPN), None);
        }
        for said in [Said::Local, Said::Unknown] {
            let mut bytes = Vec::new();
            encode_v2(said, &[], &mut bytes);
            assert_eq!(in_pieces(&bytes).said, said);
        }
        let mut bytes = Vec::new();
        encode_v1(None, &mut bytes);
        assert_eq!(bytes, b"PROXY UNKNOWN\r\n");
    }

    #[test]
    fn ends_of_two_families_are_both_said_as_ipv6() {
        let ends = (address("192.0.2.1:5"), address("[2001:db8::2]:6"));
        let mut bytes = Vec::new();
        encode_v1(Some(ends), &mut bytes);
        assert_eq!(
            bytes.escape_ascii().to_string(),
            r"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 5 6\r\n"
        );
        assert_eq!(parse(&bytes).unwrap().unwrap().0.source(), Some(ends.0));
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&(rest.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn version_two_is_read_strictly() {
        use ProxyError::{Kind, Length, Missing};
        let ends = [192, 0, 2, 1, 192, 0, 2, 2, 0, 5, 0, 6];
        assert_eq!(
            in_pieces(&v2(0x21, 0x11, &ends)).source(),
            Some(address("192.0.2.1:5"))
        );
        // Datagrams and unix sockets are said and do not become a TCP client.
        assert!(in_pieces(&v2(0x21, 0x12, &ends)).source().is_none());
        assert_eq!(in_pieces(&v2(0x21, 0x31, &[0; 216])).said, Said::Unknown);
        assert_eq!(in_pieces(&v2(0x21, 0x00, &[])).said, Said::Unknown);
        // LOCAL: whatever stands there is skipped.
        assert_eq!(in_pieces(&v2(0x20, 0x00, &[1, 2, 3])).said, Said::Local);
        assert_eq!(in_pieces(&v2(0x20, 0x11, &ends)).said, Said::Local);
        let bad = [
            (v2(0x11, 0x11, &ends), Kind),
            (v2(0x22, 0x11, &ends), Kind),
            (v2(0x21, 0x41, &ends), Kind),
            (v2(0x21, 0x13, &ends), Kind),
            (v2(0x21, 0x10, &ends), Kind),
            (v2(0x21, 0x11, &ends[..11]), Length),
            (v2(0x21, 0x21, &ends), Length),
            (v2(0x21, 0x11, &[&ends[..], &[4]].concat()), Length),
            (v2(0x21, 0x11, &[&ends[..], &[4, 0, 2, 0]].concat()), Length),
            (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Missing),
            (b"\r\nGET / HTTP/1.1\r\n".to_vec(), Missing),
        ];
        for (bytes, error) in bad {
            assert_eq!(parse(&bytes), Err(error), "{}", bytes.escape_ascii());
        }
        let filler = [&ends[..], &[4, 0, 1, 0]].concat();
        assert!(in_pieces(&v2(0x21, 0x11, &filler)).source().is_some());
    }

    #[test]
    fn a_version_two_header_is_bounded() {
        let fits = V2_BYTES_MAX - 16;
        assert!(parse(&v2(0x20, 0, &vec![0; fits])).unwrap().is_some());
        let over = v2(0x20, 0, &vec![0; fits + 1]);
        assert_eq!(parse(&over[..16]), Err(ProxyError::TooLong));
    }

    #[test]
    fn a_checksum_is_checked_where_it_is_sent() {
        let said = Said::Stream {
            source: address("192.0.2.1:5"),
            destination: address("192.0.2.2:6"),
        };
        let mut bytes = Vec::new();
        encode_v2(said, &[(value::CRC32C, &[0; 4])], &mut bytes);
        assert_eq!(parse(&bytes), Err(ProxyError::Checksum));
        let sum = v2::crc32c(&bytes);
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(in_pieces(&bytes).said, said);
        bytes[17] ^= 1;
        assert_eq!(parse(&bytes), Err(ProxyError::Checksum));
    }

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(v2::crc32c(b"123456789"), 0xe306_9283);
    }
}
