//! Asking a parent for the DS RRset of a zone. The messages only: who asks brings them there and back, over TCP, as what is
//! believed here lets an old key go and must not be forged by whoever guesses an id.

use crate::name::wire_len;
use crate::query::HEADER;
use crate::{Name, RType};

/// DS records that are looked at.
const DS_MAX: usize = 64;

/// A question for a zone's DS RRset, recursion desired.
pub fn ds_query(zone: &Name, id: u16) -> Vec<u8> {
    let [i0, i1] = id.to_be_bytes();
    let mut query = vec![i0, i1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(zone.wire());
    query.extend(RType::DS.0.to_be_bytes());
    query.extend([0, 1]);
    query
}

/// The DS records in an answer to [`ds_query`], as record data: none where the answer says that there are none, and
/// `None` where it is no answer.
pub fn ds_answer(zone: &Name, id: u16, message: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let header = message.first_chunk::<HEADER>()?;
    let [i0, i1, flags, code, _, questions, a0, a1, ..] = *header;
    let is_answer = u16::from_be_bytes([i0, i1]) == id && flags & 0x82 == 0x80 && questions == 1;
    // NXDOMAIN would mean that the zone is not delegated at all.
    if !is_answer || code & 15 != 0 {
        return None;
    }
    let question = message.get(HEADER..)?;
    let name = wire_len(question)?;
    if !question.get(..name)?.eq_ignore_ascii_case(zone.wire()) {
        return None;
    }
    let mut at = HEADER + name + 4;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes([a0, a1]) {
        at += skip_name(message.get(at..)?)?;
        let [t0, t1, _, _, _, _, _, _, l0, l1] = *message.get(at..)?.first_chunk()?;
        let data = message.get(at + 10..)?;
        let data = data.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
        at += 10 + data.len();
        if u16::from_be_bytes([t0, t1]) == RType::DS.0 && found.len() < DS_MAX {
            found.push(data.into());
        }
    }
    Some(found)
}

/// The bytes of a name that may end in a pointer, which is not followed.
fn skip_name(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(at + 1),
            192.. => return Some(at + 2),
            len @ 1..=63 => at += 1 + len,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_anything_else_is_none() {
        let zone = Name::parse("shop.test.", None).unwrap();
        let query = ds_query(&zone, 7);
        let mut answer = query.clone();
        (answer[2], answer[7]) = (0x80, 2);
        let record = |rtype: u8, data: &[u8]| {
            let head = [0xC0, 12, 0, rtype, 0, 1, 0, 0, 0, 60, 0, data.len() as u8];
            [&head[..], data].concat()
        };
        answer.extend(record(43, &[1, 2, 13, 2]));
        answer.extend(record(46, &[9]));
        let found = ds_answer(&zone, 7, &answer).unwrap();
        assert_eq!(found, [Box::from([1u8, 2, 13, 2])]);
        assert!(ds_answer(&zone, 8, &answer).is_none(), "another id");
        assert!(ds_answer(&zone, 7, &query).is_none(), "no answer");
        let other = Name::parse("blog.test.", None).unwrap();
        assert!(ds_answer(&other, 7, &answer).is_none());
        for cut in 0..answer.len() {
            assert!(ds_answer(&zone, 7, &answer[..cut]).is_none(), "{cut}");
        }
        answer[3] = 3;
        assert!(ds_answer(&zone, 7, &answer).is_none(), "NXDOMAIN");
    }
}
