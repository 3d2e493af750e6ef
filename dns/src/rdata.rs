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
    /// A character-string that may be missing, to the end (RFC 1183 §3.2).
    OptionalText,
    /// Four groups of hexadecimal digits (RFC 6742).
    Locator,
    /// The kind of a certificate, by number or mnemonic (RFC 4398 §2.1).
    CertificateKind,
    /// The scheme of a generalised NOTIFY, by number or mnemonic (RFC 9859 §2).
    Scheme,
    /// Address prefixes to the end (RFC 3123).
    Prefixes,
    /// An NSAP address, `0x...` with dots anywhere (RFC 1706).
    Nsap,
    /// Precedence, kind of gateway, algorithm, gateway, key (RFC 4025).
    IpsecKey,
    /// Precedence, discovery bit, kind of relay, relay (RFC 8777).
    Relay,
    /// Algorithm, identity, key, servers (RFC 8005).
    Host,
    /// Address, protocol, ports (RFC 1035 §3.4.2).
    Services,
    /// Base64 to the end, `-` for none.
    OptionalBase64,
    /// A number of 64 bits.
    U64,
}

/// The fields of a type; `None` where only generic data (`\# length hex`, RFC 3597) can be written.
pub(crate) fn fields(rtype: RType) -> Option<&'static [Field]> {
    use Field::*;
    Some(match rtype {
        RType::A => &[V4],
        RType::AAAA => &[V6],
        RType::NS
        | RType::CNAME
        | RType::PTR
        | RType::MD
        | RType::MF
        | RType::MB
        | RType::MG
        | RType::MR => &[Compressible],
        RType::MINFO => &[Compressible, Compressible],
        RType::DNAME | RType::NSAP_PTR => &[Name],
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
        RType::TXT
        | RType::SPF
        | RType::NINFO
        | RType::AVC
        | RType::RESINFO
        | RType::WALLET
        | RType::CLA => &[Texts],
        RType::HINFO => &[Text, Text],
        RType::X25 => &[Text],
        RType::ISDN => &[Text, OptionalText],
        RType::GPOS => &[Text, Text, Text],
        RType::RP | RType::TALINK => &[Name, Name],
        RType::AFSDB | RType::KX | RType::RT | RType::LP => &[U16, Name],
        RType::PX => &[U16, Name, Name],
        RType::NID | RType::L64 => &[U16, Locator],
        RType::L32 => &[U16, V4],
        RType::APL => &[Prefixes],
        RType::NSAP => &[Nsap],
        RType::EID | RType::NIMLOC => &[Hex],
        RType::CERT => &[CertificateKind, U16, Algorithm, Base64],
        RType::DHCID | RType::HHIT | RType::BRID => &[Base64],
        RType::IPSECKEY => &[IpsecKey],
        RType::AMTRELAY => &[Relay],
        RType::HIP => &[Host],
        RType::WKS => &[Services],
        RType::SINK => &[U8, U8, U8, Base64],
        RType::DOA => &[U32, U32, U8, Text, OptionalBase64],
        RType::CSYNC => &[U32, U16, Types],
        RType::ZONEMD => &[U32, U8, U8, Hex],
        RType::DSYNC => &[Type, Scheme, U16, Name],
        RType::IPN => &[U64],
        RType::SRV => &[U16, U16, U16, Name],
        RType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RType::CAA => &[U8, Tag, RestText],
        RType::URI => &[U16, U16, RestText],
        RType::SSHFP => &[U8, U8, Hex],
        RType::TLSA | RType::SMIMEA => &[U8, U8, U8, Hex],
        RType::DS | RType::CDS | RType::TA | RType::DLV => &[U16, Algorithm, U8, Hex],
        RType::DNSKEY | RType::CDNSKEY | RType::KEY | RType::RKEY => &[U16, U8, Algorithm, Base64],
        RType::OPENPGPKEY => &[Base64],
        RType::LOC => &[Location],
        RType::EUI48 => &[Eui(6)],
        RType::EUI64 => &[Eui(8)],
        RType::SVCB | RType::HTTPS => &[U16, Name, Params],
        RType::RRSIG | RType::SIG => &[Type, Algorithm, U8, Period, Time, Time, U16, Name, Base64],
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
        RType::NS
        | RType::CNAME
        | RType::PTR
        | RType::MB
        | RType::MG
        | RType::MR
        | RType::MD
        | RType::MF => (0, 1),
        RType::MINFO => (0, 2),
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
        RType::MX | RType::KX | RType::AFSDB | RType::RT => 2,
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

pub(crate) fn skip(field: Field, data: &[u8]) -> Option<&[u8]> {
    let len = match field {
        Field::V4 | Field::U32 | Field::Period | Field::Time => 4,
        Field::V6 | Field::Location => 16,
        Field::Locator | Field::U64 => 8,
        Field::Name | Field::Compressible => wire_len(data)?,
        Field::U8 | Field::Algorithm | Field::Scheme => 1,
        Field::U16 | Field::Type | Field::CertificateKind => 2,
        Field::Eui(n) => usize::from(n),
        Field::Text | Field::Salt => 1 + usize::from(*data.first()?),
        Field::Hash => 1 + usize::from(*data.first().filter(|n| **n > 0)?),
        Field::OptionalText if data.is_empty() => 0,
        Field::OptionalText => 1 + usize::from(*data.first()?),
        Field::Types => Some(data.len()).filter(|_| bitmap::is_well_formed(data))?,
        Field::Prefixes => return skip_prefixes(data),
        Field::IpsecKey => return skip_ipsec_key(data),
        Field::Relay => return skip_relay(data),
        Field::Host => return skip_host(data),
        Field::Services => Some(data.len()).filter(|n| *n >= 5)?,
        Field::Nsap => Some(data.len()).filter(|n| *n > 0)?,
        Field::OptionalBase64 => data.len(),
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

/// How many bytes a field takes at the start of `data`.
pub(crate) fn field_len(field: Field, data: &[u8]) -> Option<usize> {
    skip(field, data).map(|rest| data.len() - rest.len())
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

fn skip_prefixes(mut data: &[u8]) -> Option<&[u8]> {
    while let Some(([family0, family1, prefix, len], rest)) = data.split_first_chunk() {
        let (bytes, bits) = match (family0, family1) {
            (0, 1) => (4, 32),
            (0, 2) => (16, 128),
            _ => (127, 255),
        };
        let len = usize::from(len & 0x7F);
        if len > bytes || *prefix > bits {
            return None;
        }
        data = rest.get(len..)?;
    }
    data.is_empty().then_some(data)
}

/// The gateway that a kind announces: none, IPv4, IPv6 or a name.
fn skip_gateway(kind: u8, data: &[u8]) -> Option<&[u8]> {
    let len = match kind {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => wire_len(data)?,
        _ => return None,
    };
    data.get(len..)
}

fn skip_ipsec_key(data: &[u8]) -> Option<&[u8]> {
    let ([_, kind, _], rest) = data.split_first_chunk()?;
    skip_gateway(*kind, rest).map(|_| [].as_slice())
}

fn skip_relay(data: &[u8]) -> Option<&[u8]> {
    let ([_, kind], rest) = data.split_first_chunk()?;
    skip_gateway(kind & 0x7F, rest).filter(|rest| rest.is_empty())
}

fn skip_host(data: &[u8]) -> Option<&[u8]> {
    let ([identity, _, k0, k1], rest) = data.split_first_chunk()?;
    let key = usize::from(u16::from_be_bytes([*k0, *k1]));
    let mut rest = rest.get(usize::from(*identity) + key..)?;
    while !rest.is_empty() {
        rest = rest.get(wire_len(rest)?..)?;
    }
    Some(rest)
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
        assert!(is_well_formed(RType::NSEC, b"\0\0\x01\x40"));
        assert!(
            !is_well_formed(RType::NSEC, b"\0\0\x02\x40\0"),
            "a zero at the end"
        );
        assert!(!is_well_formed(RType::APL, &[0, 1, 33, 0]));
        assert!(!is_well_formed(RType::IPSECKEY, &[1, 4, 2]));
        assert!(
            !is_well_formed(RType::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x50\0\x01\0\0"),
            "keys out of order"
        );
        assert!(is_well_formed(RType::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x50"));
    }
}
