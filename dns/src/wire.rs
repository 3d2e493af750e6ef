//! Messages from other servers, read record by record: transfers, updates, notifications and their signatures.

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};
use crate::query::HEADER;
use crate::rdata::{Field, fields, skip};
use crate::{Name, RType};

/// The header's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub id: u16,
    pub flags: u16,
    pub counts: [u16; 4],
}

impl Header {
    pub fn read(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let word = |i: usize| u16::from_be_bytes([header[i], header[i + 1]]);
        Some(Self {
            id: word(0),
            flags: word(2),
            counts: [word(4), word(6), word(8), word(10)],
        })
    }

    pub fn opcode(self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }

    pub fn rcode(self) -> u16 {
        self.flags & 15
    }
}

/// A record of a message, its names expanded.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub owner: Name,
    pub rtype: RType,
    pub class: u16,
    pub ttl: u32,
    pub data: Vec<u8>,
}

/// Reads a name that may be compressed, and where it ends. Pointers lead backwards only, so that it ends.
pub(crate) fn name(message: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut wire = Vec::new();
    let (mut at, mut end, mut least) = (start, None, start);
    loop {
        let len = usize::from(*message.get(at)?);
        if len >= 0xC0 {
            let to = (len & 0x3F) << 8 | usize::from(*message.get(at + 1)?);
            end.get_or_insert(at + 2);
            if to >= least {
                return None;
            }
            (at, least) = (to, to);
            continue;
        }
        if len > LABEL_BYTES_MAX {
            return None;
        }
        wire.extend_from_slice(message.get(at..at + 1 + len)?);
        if wire.len() > NAME_BYTES_MAX {
            return None;
        }
        at += 1 + len;
        if len == 0 {
            return Some((Name::from_wire(&wire)?, end.unwrap_or(at)));
        }
    }
}

/// Reads a question: name, type, class, and where it ends.
pub(crate) fn question(message: &[u8], at: usize) -> Option<(Name, RType, u16, usize)> {
    let (name, at) = name(message, at)?;
    let [t0, t1, c0, c1] = *message.get(at..)?.first_chunk()?;
    let rtype = RType(u16::from_be_bytes([t0, t1]));
    Some((name, rtype, u16::from_be_bytes([c0, c1]), at + 4))
}

/// Reads a record, and where it ends.
pub(crate) fn record(message: &[u8], start: usize) -> Option<(Received, usize)> {
    let (owner, at) = name(message, start)?;
    let [t0, t1, c0, c1, a, b, c, d, l0, l1] = *message.get(at..)?.first_chunk()?;
    let rtype = RType(u16::from_be_bytes([t0, t1]));
    let (from, len) = (at + 10, usize::from(u16::from_be_bytes([l0, l1])));
    let end = from + len;
    let data = expanded(rtype, message.get(..end)?, from)?;
    let received = Received {
        owner,
        rtype,
        class: u16::from_be_bytes([c0, c1]),
        ttl: u32::from_be_bytes([a, b, c, d]),
        data,
    };
    Some((received, end))
}

/// Record data with its names written out (RFC 3597 §4). What does not fit its type is kept as it is; only data that
/// points somewhere it cannot is refused.
fn expanded(rtype: RType, message: &[u8], from: usize) -> Option<Vec<u8>> {
    let raw = message.get(from..)?;
    let named = fields(rtype).filter(|f| {
        f.iter()
            .any(|f| matches!(f, Field::Name | Field::Compressible))
    });
    let Some(fields) = named.filter(|_| !raw.is_empty()) else {
        return Some(raw.to_vec());
    };
    let (mut out, mut at) = (Vec::with_capacity(raw.len() + 32), from);
    for field in fields {
        if matches!(field, Field::Name | Field::Compressible) {
            let (name, end) = name(message, at)?;
            out.extend_from_slice(name.wire());
            at = end;
            continue;
        }
        let rest = message.get(at..)?;
        let tail = skip(*field, rest)?;
        let used = rest.len() - tail.len();
        out.extend_from_slice(rest.get(..used)?);
        at += used;
    }
    (at == message.len()).then_some(out)
}

/// Appends a record with its names written out.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    owner: &Name,
    rtype: RType,
    class: u16,
    ttl: u32,
    data: &[u8],
) {
    out.extend_from_slice(owner.wire());
    out.extend(rtype.0.to_be_bytes());
    out.extend(class.to_be_bytes());
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

/// Starts a message that asks one question.
pub(crate) fn ask(id: u16, flags: u16, name: &Name, rtype: RType) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend(id.to_be_bytes());
    out.extend(flags.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(name.wire());
    out.extend(rtype.0.to_be_bytes());
    out.extend([0, 1]);
    out
}

/// Starts the answer to a message: its id, opcode and RD, and its question where it can be read.
pub(crate) fn reply(query: &[u8], rcode: u16, authoritative: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let Some(header) = Header::read(query) else {
        return out;
    };
    let flags =
        0x8000 | header.flags & 0x7910 | if authoritative { 0x0400 } else { 0 } | rcode & 15;
    let asked = question(query, HEADER).filter(|_| header.counts[0] == 1);
    out.extend(header.id.to_be_bytes());
    out.extend(flags.to_be_bytes());
    out.extend([0, u8::from(asked.is_some()), 0, 0, 0, 0, 0, 0]);
    if let Some((.., end)) = asked {
        out.extend_from_slice(query.get(HEADER..end).unwrap_or_default());
    }
    out
}

/// Adds to one of the header's counts.
pub(crate) fn count(message: &mut [u8], section: usize, more: i32) {
    let at = 4 + section * 2;
    if let Some(place) = message.get_mut(at..).and_then(|m| m.first_chunk_mut::<2>()) {
        let n = i32::from(u16::from_be_bytes(*place)) + more;
        *place = (n.clamp(0, 65_535) as u16).to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded_and_loops_refused() {
        let mut message = ask(1, 0, &Name::parse("www.z.test.", None).unwrap(), RType::MX);
        message.extend(b"\xc0\x0c\0\x0f\0\x01\0\0\0\x05\0\x09\0\x0a\x04mail\xc0\x10");
        let (mx, end) = record(&message, 28).unwrap();
        assert_eq!(end, message.len());
        assert_eq!(
            (mx.owner.to_string(), mx.ttl),
            ("www.z.test.".to_owned(), 5)
        );
        assert_eq!(mx.data, b"\0\x0a\x04mail\x01z\x04test\0");
        for bytes in [
            &b"\xc0\x00"[..],
            b"\x01a\xc0\x00",
            b"\xc0\x02\xc0\x00",
            b"\xc0\x05",
        ] {
            assert!(name(bytes, 0).is_none());
        }
        assert!(record(&message[..end - 1], 28).is_none());
    }
}
