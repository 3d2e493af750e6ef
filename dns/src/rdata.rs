//! The shape of record data, once for every type: the parser reads by it, generic data is checked by it, the
//! message writer finds the names to compress in it.

use crate::RType;
use crate::dnssec::bitmap;
use crate::name::wire_len;

/// A field of record data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A name that is never compressed (RFC 3597 §4).
    Name,
    /// A name of a type that RFC 1035 defined, which may be compressed.
    Compressible,
    U8,
    U16,
    U32,
    /// Seconds, or `1h30m`.
    Period,
    /// A character-string (RFC 1035 §3.3).
    Text,
    /// One or more character-strings, to the end.
    Texts,
    /// A CAA tag (RFC 8659 §4.1).
    Tag,
    /// One quoted text to the end, without a length.
    RestText,
    /// Hexadecimal to the end, in any number of words.
    Hex,
    /// Base64 to the end.
    Base64,
    /// A DNSSEC algorithm, by number or mnemonic.
    Algorithm,
    /// An EUI of so many bytes, `00-00-5e-...`.
    Eui(u8),
    /// Service parameters (RFC 9460 §2.1).
    Params,
    /// A location (RFC 1876).
    Location,
    /// A record type, by mnemonic or `TYPEnnn`.
    Type,
    /// A moment, `YYYYMMDDHHmmSS` in UTC or seconds (RFC 4034 §3.2).
    Time,
    /// A bitmap of types to the end (RFC 4034 §4.1.2).
    Types,
    /// A salt of NSEC3 in hexadecimal, `-` for none (RFC 5155 §3.3).
    Salt,
    /// A hash in base32hex without padding (RFC 5155 §3.3).
    Hash,
}

/// The fields of a type; `None` where only generic data (`\# length hex`, RFC 3597) can be written.
pub(crate) fn fields(rtype: RType) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        RType::A => &[V4],
        RType::AAAA => &[V6],
        RType::NS | RType::CNAME | RType::PTR => &[Compressible],
        RType::DNAME => &[Name],
        RType::SOA => &[
            Compressible,
            Compressible,
            U32,
            Period,
            Period,
            Period,
            Period,
        ],
        RType::MX => &[U16, Compressible],
        RType::TXT | RType::SPF => &[Texts],
        RType::HINFO => &[Text, Text],
        RType::RP => &[Name, Name],
        RType::AFSDB | RType::KX => &[U16, Name],
        RType::SRV => &[U16, U16, U16, Name],
        RType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RType::CAA => &[U8, Tag, RestText],
        RType::URI => &[U16, U16, RestText],
        RType::SSHFP => &[U8, U8, Hex],
        RType::TLSA | RType::SMIMEA => &[U8, U8, U8, Hex],
        RType::DS | RType::CDS => &[U16, Algorithm, U8, Hex],
        RType::DNSKEY | RType::CDNSKEY => &[U16, U8, Algorithm, Base64],
        RType::OPENPGPKEY => &[Base64],
        RType::LOC => &[Location],
        RType::EUI48 => &[Eui(6)],
        RType::EUI64 => &[Eui(8)],
        RType::SVCB | RType::HTTPS => &[U16, Name, Params],
        RType::RRSIG => &[Type, Algorithm, U8, Period, Time, Time, U16, Name, Base64],
        RType::NSEC => &[Name, Types],
        RType::NSEC3 => &[U8, U8, U16, Salt, Hash, Types],
        RType::NSEC3PARAM => &[U8, U8, U16, Salt],
        _ => return None,
    })
}

/// A piece of record data as the message writer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes that are sent as they are.
    Bytes(&'a [u8]),
    /// A name that may be compressed.
    Name(&'a [u8]),
}

/// Splits record data into what is copied and what is compressed. Data that does not fit its type is copied.
pub(crate) fn pieces(rtype: RType, data: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let (prefix, names) = match rtype {
        RType::NS | RType::CNAME | RType::PTR => (0, 1),
        RType::MX => (2, 1),
        RType::SOA => (0, 2),
        _ => (data.len(), 0),
    };
    let (head, mut rest) = data.split_at_checked(prefix).unwrap_or((data, &[]));
    let mut names = names;
    let mut head = Some(head).filter(|h| !h.is_empty());
    std::iter::from_fn(move || {
        if let Some(head) = head.take() {
            return Some(Piece::Bytes(head));
        }
        if names > 0 {
            names -= 1;
            if let Some((name, tail)) = wire_len(rest).and_then(|n| rest.split_at_checked(n)) {
                rest = tail;
                return Some(Piece::Name(name));
            }
        }
        let tail = std::mem::take(&mut rest);
        (!tail.is_empty()).then_some(Piece::Bytes(tail))
    })
}

/// The host whose addresses belong into the additional section (RFC 1034 §4.3.2 step 6, RFC 2782).
pub(crate) fn additional_target(rtype: RType, data: &[u8]) -> Option<&[u8]> {
    let at = match rtype {
        RType::NS => 0,
        RType::MX | RType::KX | RType::AFSDB => 2,
        RType::SRV => 6,
        _ => return None,
    };
    let name = data.get(at..)?;
    name.get(..wire_len(name)?)
}

/// Whether generic data is well-formed data of its type (RFC 3597 §5 asks for it where the type is known).
pub(crate) fn is_well_formed(rtype: RType, data: &[u8]) -> bool {
    let Some(fields) = fields(rtype) else {
        return true;
    };
    let mut rest = data;
    for field in fields {
        match skip(*field, rest) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    rest.is_empty()
}

fn skip(field: Field, data: &[u8]) -> Option<&[u8]> {
    let len = match field {
        Field::V4 | Field::U32 | Field::Period | Field::Time => 4,
        Field::V6 | Field::Location => 16,
        Field::Name | Field::Compressible => wire_len(data)?,
        Field::U8 | Field::Algorithm => 1,
        Field::U16 | Field::Type => 2,
        Field::Eui(n) => usize::from(n),
        Field::Text | Field::Salt => 1 + usize::from(*data.first()?),
        Field::Hash => 1 + usize::from(*data.first().filter(|n| **n > 0)?),
        Field::Types => Some(data.len()).filter(|_| bitmap::is_well_formed(data))?,
        Field::Tag => 1 + usize::from(*data.first().filter(|n| **n > 0)?),
        Field::Texts => {
            let mut rest = skip(Field::Text, data)?;
            while !rest.is_empty() {
                rest = skip(Field::Text, rest)?;
            }
            data.len()
        }
        Field::Params => return skip_params(data),
        Field::RestText => data.len(),
        Field::Hex | Field::Base64 => Some(data.len()).filter(|n| *n > 0)?,
    };
    data.get(len..)
}

/// Keys in strictly increasing order, each value inside (RFC 9460 §2.2).
fn skip_params(mut data: &[u8]) -> Option<&[u8]> {
    let mut last = None;
    while let Some(([k0, k1, l0, l1], rest)) = data.split_first_chunk() {
        let key = u16::from_be_bytes([*k0, *k1]);
        if last.is_some_and(|last| key <= last) {
            return None;
        }
        last = Some(key);
        data = rest.get(usize::from(u16::from_be_bytes([*l0, *l1]))..)?;
    }
    data.is_empty().then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_old_types_are_found_for_compression() {
        let mx = b"\x00\x0a\x04mail\x00";
        let found: Vec<_> = pieces(RType::MX, mx).collect();
        assert_eq!(
            found,
            [Piece::Bytes(b"\x00\x0a"), Piece::Name(b"\x04mail\x00")]
        );
        let soa = [b"\x01m\x00\x01r\x00".as_slice(), &[7; 20]].concat();
        assert_eq!(pieces(RType::SOA, &soa).count(), 3);
        let srv = b"\0\0\0\0\0\0\x01a\0";
        assert_eq!(
            pieces(RType::SRV, srv).collect::<Vec<_>>(),
            [Piece::Bytes(srv)],
            "RFC 2782 forbids it"
        );
    }

    #[test]
    fn generic_data_of_a_known_type_has_to_fit() {
        assert!(is_well_formed(RType::A, &[192, 0, 2, 1]));
        assert!(!is_well_formed(RType::A, &[192, 0, 2]));
        assert!(!is_well_formed(RType::MX, &[0, 1, 5, b'a']));
        assert!(is_well_formed(RType(65280), &[1, 2, 3]));
        assert!(!is_well_formed(RType::TXT, &[]));
        assert!(
            !is_well_formed(RType::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x50\0\x01\0\0"),
            "keys out of order"
        );
        assert!(is_well_formed(RType::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x50"));
    }
}
