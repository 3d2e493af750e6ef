//! One signature over one RRset (RFC 4034 §3, §6).

use super::key::Key;
use crate::rdata::{Field, field_len, fields};
use crate::{Error, Name, RType};

/// From when to when a signature holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub inception: u32,
    pub expiration: u32,
}

/// Signs an RRset. Gives the data of its RRSIG.
pub(crate) fn sign(
    key: &Key,
    origin: &Name,
    owner: &Name,
    rtype: RType,
    ttl: u32,
    records: &[Box<[u8]>],
    validity: Validity,
) -> Result<Box<[u8]>, Error> {
    let wildcard = usize::from(owner.is_wildcard());
    let mut rrsig = Vec::with_capacity(18 + origin.wire().len() + super::key::SIGNATURE_BYTES);
    rrsig.extend(rtype.0.to_be_bytes());
    rrsig.push(key.algorithm.number());
    rrsig.push((owner.labels() - wildcard) as u8);
    rrsig.extend(ttl.to_be_bytes());
    rrsig.extend(validity.expiration.to_be_bytes());
    rrsig.extend(validity.inception.to_be_bytes());
    rrsig.extend(key.tag.to_be_bytes());
    rrsig.extend_from_slice(origin.lower().wire());
    let mut sorted: Vec<_> = records.iter().map(|d| canonical(rtype, d)).collect();
    // RFC 4034 §6.3: by their bytes, each once.
    sorted.sort_unstable();
    sorted.dedup();
    let owner = owner.lower();
    let mut message = rrsig.clone();
    for data in sorted {
        message.extend_from_slice(owner.wire());
        message.extend(rtype.0.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    rrsig.extend(key.sign(&message)?);
    Ok(rrsig.into())
}

/// What an RRSIG's data says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub algorithm: u8,
    pub tag: u16,
    pub validity: Validity,
}

impl Head {
    /// Reads the fixed part of an RRSIG's data.
    pub fn read(data: &[u8]) -> Option<Self> {
        let fixed: &[u8; 18] = data.first_chunk()?;
        let [
            _,
            _,
            algorithm,
            _,
            _,
            _,
            _,
            _,
            e0,
            e1,
            e2,
            e3,
            i0,
            i1,
            i2,
            i3,
            t0,
            t1,
        ] = *fixed;
        Some(Self {
            algorithm,
            tag: u16::from_be_bytes([t0, t1]),
            validity: Validity {
                inception: u32::from_be_bytes([i0, i1, i2, i3]),
                expiration: u32::from_be_bytes([e0, e1, e2, e3]),
            },
        })
    }
}

/// Record data in canonical form: names in lower case, in the types that RFC 4034 §6.2 names (as RFC 6840 §5.1 corrects
/// it: not in NSEC). Types made later keep theirs as they are.
fn canonical(rtype: RType, data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let lowered = matches!(
        rtype,
        RType::NS
            | RType::MD
            | RType::MF
            | RType::MB
            | RType::MG
            | RType::MR
            | RType::MINFO
            | RType::RT
            | RType::PX
            | RType::CNAME
            | RType::SOA
            | RType::PTR
            | RType::MX
            | RType::RP
            | RType::AFSDB
            | RType::SIG
            | RType::NAPTR
            | RType::KX
            | RType::SRV
            | RType::DNAME
            | RType::RRSIG
    );
    let Some(fields) = fields(rtype).filter(|_| lowered) else {
        return data;
    };
    let mut at = 0;
    for field in fields {
        let rest = data.get_mut(at..).unwrap_or_default();
        let Some(len) = field_len(*field, rest) else {
            break;
        };
        if matches!(field, Field::Name | Field::Compressible)
            && let Some(name) = rest.get_mut(..len)
        {
            name.make_ascii_lowercase();
        }
        at += len;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_where_the_rfc_says_so() {
        assert_eq!(canonical(RType::MX, b"\0\x0a\x02MX\0"), b"\0\x0a\x02mx\0");
        assert_eq!(
            canonical(RType::SRV, b"\0\x01\0\x01\0\x50\x02Ab\0"),
            b"\0\x01\0\x01\0\x50\x02ab\0"
        );
        let naptr = b"\0\x01\0\x01\x01U\x01E\x00\x02Ab\0";
        assert_eq!(
            canonical(RType::NAPTR, naptr),
            b"\0\x01\0\x01\x01U\x01E\x00\x02ab\0"
        );
        for kept in [RType::NSEC, RType::HTTPS, RType::TXT] {
            assert_eq!(canonical(kept, b"\x02AB\0"), b"\x02AB\0");
        }
    }
}
