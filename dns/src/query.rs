//! A query as it arrived, read strictly: what is not one whole question with at most one OPT is FORMERR.

use crate::cookie::Cookie;
use crate::limits::{LABEL_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX};
use crate::name::wire_len;
use std::net::IpAddr;

pub(crate) const HEADER: usize = 12;
/// Options of OPT (RFC 7871 §6, RFC 7873 §4, RFC 7828 §3.1, RFC 7830 §3).
pub(crate) const CLIENT_SUBNET: u16 = 8;
pub(crate) const COOKIE: u16 = 10;
const TCP_KEEPALIVE: u16 = 11;
pub(crate) const PADDING: u16 = 12;

/// Response codes (RFC 1035 §4.1.1, RFC 6891 §9, RFC 6672 §2.2).
pub(crate) mod rcode {
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const YXDOMAIN: u16 = 6;
    pub const BADVERS: u16 = 16;
}

/// A name in lower case with the places of its labels. Holds no pointer into the query.
pub(crate) struct QName {
    bytes: [u8; NAME_BYTES_MAX],
    len: u8,
    /// Where each label starts; the last one is the root's.
    starts: [u8; LABELS_MAX + 1],
    labels: u8,
}

impl QName {
    /// Reads the uncompressed name at the start of `wire`.
    pub fn read(wire: &[u8]) -> Option<Self> {
        let mut name = Self {
            bytes: [0; NAME_BYTES_MAX],
            len: 0,
            starts: [0; LABELS_MAX + 1],
            labels: 0,
        };
        let (mut at, mut labels) = (0, 0);
        loop {
            let len = usize::from(*wire.get(at)?);
            if len > LABEL_BYTES_MAX || at + len >= NAME_BYTES_MAX {
                return None;
            }
            *name.starts.get_mut(labels)? = at as u8;
            at += 1 + len;
            if len == 0 {
                break;
            }
            labels += 1;
        }
        let source = wire.get(..at)?;
        for (to, from) in name.bytes.iter_mut().zip(source) {
            // Lengths are at most 63 and no letters, so that the whole name can be lowered at once.
            *to = from.to_ascii_lowercase();
        }
        name.len = at as u8;
        name.labels = labels as u8;
        Some(name)
    }

    /// The name in lower case.
    pub fn wire(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many labels there are, the root not counted.
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// The last `n` labels.
    pub fn last(&self, n: usize) -> &[u8] {
        self.wire()
            .get(self.offset_of_last(n)..)
            .unwrap_or_default()
    }

    /// Where the last `n` labels start.
    pub fn offset_of_last(&self, n: usize) -> usize {
        let first = self.labels().saturating_sub(n);
        self.starts.get(first).map_or(0, |s| usize::from(*s))
    }
}

/// What the OPT record says (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    pub cookie: Option<Cookie>,
    pub subnet: Option<Subnet>,
    /// Whether it says how long a TCP connection may be idle.
    pub keepalive: bool,
    /// Whether it is padded, and wants its answer to be.
    pub padded: bool,
}

impl Edns {
    /// Reads the options. Of several with one code the first one counts.
    fn read_options(&mut self, mut data: &[u8]) -> Result<(), Malformed> {
        while !data.is_empty() {
            let ([c0, c1, l0, l1], rest) = data.split_first_chunk().ok_or(Malformed)?;
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            let (option, tail) = rest.split_at_checked(len).ok_or(Malformed)?;
            match u16::from_be_bytes([*c0, *c1]) {
                COOKIE if self.cookie.is_none() => {
                    self.cookie = Some(Cookie::read(option).ok_or(Malformed)?);
                }
                CLIENT_SUBNET if self.subnet.is_none() => {
                    self.subnet = Some(Subnet::read(option).ok_or(Malformed)?);
                }
                TCP_KEEPALIVE => self.keepalive = true,
                PADDING => self.padded = true,
                _ => {}
            }
            data = tail;
        }
        Ok(())
    }
}

/// The client's network as a resolver tells it (RFC 7871 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub address: IpAddr,
    pub bits: u8,
}

impl Subnet {
    /// Reads an option's data. `None` where it is malformed (RFC 7871 §7.1.1).
    fn read(data: &[u8]) -> Option<Self> {
        let ([0, family, bits, scope], rest) = data.split_first_chunk()? else {
            return None;
        };
        let most = if *family == 1 { 32 } else { 128 };
        let fits = matches!(family, 1 | 2)
            && *scope == 0
            && *bits <= most
            && rest.len() == usize::from(bits.div_ceil(8));
        let spare = bits % 8;
        let tail = spare == 0 || rest.last().is_none_or(|b| b & (0xFF >> spare) == 0);
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(rest)
            .for_each(|(to, from)| *to = *from);
        let [a, b, c, d, ..] = bytes;
        let address = if *family == 1 {
            IpAddr::from([a, b, c, d])
        } else {
            IpAddr::from(bytes)
        };
        (fits && tail).then_some(Self {
            address,
            bits: *bits,
        })
    }
}

/// The first question of a message.
pub(crate) struct Question {
    pub name: QName,
    pub qtype: u16,
    pub class: u16,
    /// Where it ends in the message.
    pub end: usize,
}

/// A message that may be answered.
pub(crate) struct Query {
    pub flags: u16,
    pub question: Option<Question>,
    /// Whether there is a record in the authority section: the client's SOA in IXFR (RFC 1995 §3).
    pub has_authority: bool,
    /// `Err` where the message is malformed behind its question.
    pub edns: Result<Option<Edns>, Malformed>,
}

/// The message does not hold what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Query {
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }

    /// Reads what follows the header. `None` for less than a header.
    pub fn read(message: &[u8]) -> Option<Self> {
        let (header, _) = message.split_first_chunk::<HEADER>()?;
        let word = |i: usize| u16::from_be_bytes([header[i], header[i + 1]]);
        let question = if word(4) == 1 {
            question(message)
        } else {
            None
        };
        let edns = match &question {
            Some(question) => additional(message, question.end, [word(6), word(8), word(10)]),
            None => Err(Malformed),
        };
        Some(Self {
            flags: word(2),
            question,
            has_authority: word(8) > 0,
            edns,
        })
    }
}

fn question(message: &[u8]) -> Option<Question> {
    let name = QName::read(message.get(HEADER..)?)?;
    let at = HEADER + name.wire().len();
    let ([t0, t1, c0, c1], _) = message.get(at..)?.split_first_chunk()?;
    Some(Question {
        name,
        qtype: u16::from_be_bytes([*t0, *t1]),
        class: u16::from_be_bytes([*c0, *c1]),
        end: at + 4,
    })
}

/// Reads the records behind the question: at most one OPT, nothing left over. A query has no answers; an authority
/// section is allowed for IXFR (RFC 1995 §3), TSIG and SIG(0) close the additional one.
fn additional(
    message: &[u8],
    mut at: usize,
    [answers, authority, additional]: [u16; 3],
) -> Result<Option<Edns>, Malformed> {
    if answers > 0 || authority > 1 || additional > 3 {
        return Err(Malformed);
    }
    let mut edns = None;
    for index in 0..authority + additional {
        let name = message
            .get(at..)
            .and_then(record_name_len)
            .ok_or(Malformed)?;
        let fixed = message
            .get(at + name..)
            .and_then(|m| m.first_chunk::<10>())
            .ok_or(Malformed)?;
        let [t0, t1, p0, p1, _, version, z0, _, l0, l1] = *fixed;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let data = message
            .get(at + name + 10..)
            .and_then(|m| m.get(..len))
            .ok_or(Malformed)?;
        at += name + 10 + len;
        if u16::from_be_bytes([t0, t1]) != crate::RType::OPT.0 {
            continue;
        }
        if name != 1 || index < authority || edns.is_some() {
            return Err(Malformed);
        }
        let mut opt = Edns {
            payload: u16::from_be_bytes([p0, p1]),
            version,
            dnssec_ok: z0 & 0x80 != 0,
            cookie: None,
            subnet: None,
            keepalive: false,
            padded: false,
        };
        opt.read_options(data)?;
        edns = Some(opt);
    }
    if at == message.len() {
        Ok(edns)
    } else {
        Err(Malformed)
    }
}

/// The bytes of a record's owner, which may end in a pointer; where that leads does not matter here.
pub(crate) fn record_name_len(message: &[u8]) -> Option<usize> {
    if let Some(len) = wire_len(message) {
        return Some(len);
    }
    let mut at = 0;
    loop {
        let byte = usize::from(*message.get(at)?);
        match byte {
            0xC0.. => return message.get(at + 1).map(|_| at + 2),
            0..=LABEL_BYTES_MAX if at + byte < NAME_BYTES_MAX => at += 1 + byte,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut m = vec![0, 1, 0, 0];
        m.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        m.extend_from_slice(rest);
        m
    }

    const QUESTION: &[u8] = b"\x03WwW\x04test\0\0\x01\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

    #[test]
    fn a_question_is_lowered_and_its_labels_found() {
        let query = Query::read(&message([1, 0, 0, 1], &[QUESTION, OPT].concat())).unwrap();
        let question = query.question.unwrap();
        assert_eq!(question.name.wire(), b"\x03www\x04test\0");
        assert_eq!(
            (
                question.name.labels(),
                question.name.last(1),
                question.name.last(0)
            ),
            (2, &b"\x04test\0"[..], &b"\0"[..])
        );
        assert_eq!(
            query.edns,
            Ok(Some(Edns {
                payload: 1232,
                version: 0,
                dnssec_ok: true,
                cookie: None,
                subnet: None,
                keepalive: false,
                padded: false,
            }))
        );
    }

    #[test]
    fn what_does_not_add_up_is_malformed() {
        let pointer = b"\xc0\x0c\0\x01\0\x01";
        let two_opts = [QUESTION, OPT, OPT].concat();
        let named_opt = [QUESTION, b"\x01a", OPT].concat();
        let trailing = [QUESTION, b"x"].concat();
        let long_opt = [QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0\x09"].concat();
        let bad_option = [QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x03\0\x09x"].concat();
        for (counts, rest) in [
            ([1, 0, 0, 0], &b""[..]),
            ([0, 0, 0, 0], b""),
            ([2, 0, 0, 0], QUESTION),
            ([1, 0, 0, 0], &QUESTION[..8]),
            ([1, 0, 0, 0], pointer),
            ([1, 1, 0, 0], QUESTION),
            ([1, 0, 0, 3], QUESTION),
            ([1, 0, 0, 2], &two_opts),
            ([1, 0, 0, 1], &named_opt),
            ([1, 0, 0, 0], &trailing),
            ([1, 0, 0, 1], &long_opt),
            ([1, 0, 0, 1], &bad_option),
        ] {
            assert_eq!(
                Query::read(&message(counts, rest)).unwrap().edns,
                Err(Malformed),
                "{counts:?} {rest:?}"
            );
        }
        assert!(Query::read(&[0; 11]).is_none());
    }

    #[test]
    fn the_longest_name_fits_and_one_more_byte_does_not() {
        let label = |n: usize| [&[n as u8][..], &vec![b'a'; n]].concat();
        let longest = [label(63), label(63), label(63), label(61), vec![0]].concat();
        assert_eq!(QName::read(&longest).unwrap().wire().len(), 255);
        assert!(
            QName::read(&[label(63), label(63), label(63), label(62), vec![0]].concat()).is_none()
        );
        let most = [[1, b'a'].repeat(127), vec![0]].concat();
        assert_eq!(QName::read(&most).unwrap().labels(), 127);
        assert!(QName::read(&[64; 80]).is_none());
    }
}
