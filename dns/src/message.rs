//! Writing the sections of an answer, with names compressed (RFC 1035 §4.1.4).
//!
//! The writer starts behind the question and never goes past its limit: an RRset goes in whole or not at all.
//! When answers are rendered ahead, it notes where it wrote pointers, so that they can be moved when the question's
//! name is longer than the one it was rendered for (see [`crate::set::Rendered`]).

use crate::limits::COMPRESSION_NAMES_MAX;
use crate::query::HEADER;
use crate::rdata::{Piece, pieces};
use crate::set::Answers;

/// The highest place a pointer can lead to.
const POINTER_MAX: u16 = 0x3FFF;

/// The RRset did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Which section is written; sections are written in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// The name in the question.
    Question,
    /// Another name.
    Name(&'a [u8]),
}

/// A name in the message that later ones may point to. Names of other lengths are not even looked at.
#[derive(Clone, Copy, Default)]
struct Known {
    len: u8,
    at: u16,
}

/// Where an owner's name comes from, for the records that follow its first one.
#[derive(Clone, Copy)]
enum Place<'a> {
    Question,
    /// It is there already.
    At(u16),
    /// Still to be written.
    Name(&'a [u8]),
}

impl<'a> From<Owner<'a>> for Place<'a> {
    fn from(owner: Owner<'a>) -> Self {
        match owner {
            Owner::Question => Self::Question,
            Owner::Name(name) => Self::Name(name),
        }
    }
}

pub(crate) struct Writer<'a> {
    message: &'a mut [u8],
    at: usize,
    limit: usize,
    known: [Known; COMPRESSION_NAMES_MAX],
    known_len: usize,
    counts: [u16; 3],
    pointers: Option<&'a mut Vec<u16>>,
    /// The question's own name stands for any name the wildcard matches: only its ancestors can be pointed to.
    wildcard: bool,
}

impl<'a> Writer<'a> {
    /// Writes behind the question, which ends at `at`, and not past `limit`.
    pub fn new(message: &'a mut [u8], at: usize, limit: usize) -> Self {
        let limit = limit.min(message.len());
        let known = [Known::default(); COMPRESSION_NAMES_MAX];
        let mut writer = Self {
            message,
            at,
            limit,
            known,
            known_len: 0,
            counts: [0; 3],
            pointers: None,
            wildcard: false,
        };
        writer.learn_question(0);
        writer
    }

    /// As `new`, noting the places of pointers.
    pub fn rendering(
        message: &'a mut [u8],
        at: usize,
        limit: usize,
        wildcard: bool,
        pointers: &'a mut Vec<u16>,
    ) -> Self {
        let mut writer = Self::new(message, at, limit);
        writer.pointers = Some(pointers);
        writer.wildcard = wildcard;
        if wildcard {
            writer.known_len = 0;
            writer.learn_question(1);
        }
        writer
    }

    /// Where the message ends so far.
    pub fn end(&self) -> usize {
        self.at
    }

    /// Records in the three sections.
    pub fn counts(&self) -> [u16; 3] {
        self.counts
    }

    /// Writes an RRset whole, or leaves the message as it was.
    pub fn rrset(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        set: &Answers<'_>,
    ) -> Result<(), Full> {
        self.whole(section, |writer| writer.records(&mut owner.into(), set))
    }

    /// Writes an RRset and its signatures, both or neither.
    pub fn signed(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        set: &Answers<'_>,
        signatures: &Answers<'_>,
    ) -> Result<(), Full> {
        self.whole(section, |writer| {
            let mut place = owner.into();
            let count = writer.records(&mut place, set)?;
            Ok(count + writer.records(&mut place, signatures)?)
        })
    }

    /// Writes records of a section, all or none.
    fn whole(
        &mut self,
        section: Section,
        write: impl FnOnce(&mut Self) -> Result<u16, Full>,
    ) -> Result<(), Full> {
        let (at, known) = (self.at, self.known_len);
        let pointers = self.pointers.as_ref().map_or(0, |p| p.len());
        match write(self) {
            Ok(count) => {
                if let Some(total) = self.counts.get_mut(section as usize) {
                    *total += count;
                }
                Ok(())
            }
            Err(full) => {
                (self.at, self.known_len) = (at, known);
                if let Some(p) = self.pointers.as_mut() {
                    p.truncate(pointers);
                }
                Err(full)
            }
        }
    }

    fn records(&mut self, owner: &mut Place<'_>, set: &Answers<'_>) -> Result<u16, Full> {
        let mut count = 0;
        let ([t0, t1], [l0, l1, l2, l3]) = (set.rtype.0.to_be_bytes(), set.ttl.to_be_bytes());
        for data in set.records() {
            match *owner {
                Place::Question => self.pointer(HEADER as u16, self.wildcard)?,
                Place::At(at) => self.pointer(at, false)?,
                Place::Name(name) => {
                    if let Some(at) = self.name(name)? {
                        *owner = Place::At(at);
                    }
                }
            }
            self.bytes(&[t0, t1, 0, 1, l0, l1, l2, l3, 0, 0])?;
            let data_at = self.at;
            for piece in pieces(set.rtype, data) {
                match piece {
                    Piece::Bytes(bytes) => self.bytes(bytes)?,
                    Piece::Name(name) => drop(self.name(name)?),
                }
            }
            let len = (self.at - data_at) as u16;
            if let Some(place) = self.message.get_mut(data_at - 2..data_at) {
                place.copy_from_slice(&len.to_be_bytes());
            }
            count += 1;
        }
        Ok(count)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.message
            .get_mut(self.at..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    fn pointer(&mut self, to: u16, fixed: bool) -> Result<(), Full> {
        let at = self.at as u16;
        self.bytes(&(0xC000 | to).to_be_bytes())?;
        if let Some(pointers) = self.pointers.as_mut().filter(|_| !fixed) {
            pointers.push(at);
        }
        Ok(())
    }

    /// Writes a name, as a pointer from the first ancestor on that the message already has. Gives where the whole name
    /// is to be found from now on, unless that is too far back for pointers.
    fn name(&mut self, name: &[u8]) -> Result<Option<u16>, Full> {
        let (start, mut rest, mut known) = (self.at, name, None);
        while let Some(label @ 1..) = rest.first() {
            known = self.find(rest);
            if known.is_some() {
                break;
            }
            // Only shorter names are looked for before these bytes are there.
            self.learn(rest.len(), start + name.len() - rest.len());
            rest = rest.get(1 + usize::from(*label)..).ok_or(Full)?;
        }
        let new = name.len() - rest.len();
        self.bytes(name.get(..new).ok_or(Full)?)?;
        match known {
            Some(to) => self.pointer(to, false)?,
            None => self.bytes(&[0])?,
        }
        Ok(match known {
            Some(to) if new == 0 => Some(to),
            _ => u16::try_from(start).ok().filter(|at| *at <= POINTER_MAX),
        })
    }

    fn find(&self, name: &[u8]) -> Option<u16> {
        let known = self.known.get(..self.known_len)?;
        known
            .iter()
            .find(|k| {
                usize::from(k.len) == name.len() && same_name(self.message, usize::from(k.at), name)
            })
            .map(|k| k.at)
    }

    fn learn(&mut self, len: usize, at: usize) {
        let at = u16::try_from(at).ok().filter(|at| *at <= POINTER_MAX);
        if let (Some(at), Some(place)) = (at, self.known.get_mut(self.known_len)) {
            // No name is longer than 255 bytes.
            *place = Known { len: len as u8, at };
            self.known_len += 1;
        }
    }

    /// Learns the question's name and its ancestors, but for the first `skip` of them.
    fn learn_question(&mut self, skip: usize) {
        let end = self.at.saturating_sub(4).max(HEADER);
        let mut at = HEADER;
        for index in 0.. {
            let label = self.message.get(at..end).and_then(|rest| rest.first());
            let Some(label @ 1..) = label.copied() else {
                break;
            };
            if index >= skip {
                self.learn(end - at, at);
            }
            at += 1 + usize::from(label);
        }
    }
}

/// Whether the name at `at`, whose pointers all lead backwards because this writer wrote them, is `name`.
fn same_name(message: &[u8], mut at: usize, mut name: &[u8]) -> bool {
    loop {
        let Some(&len) = message.get(at) else {
            return false;
        };
        if len >= 0xC0 {
            let Some(&low) = message.get(at + 1) else {
                return false;
            };
            let to = usize::from(len & 0x3F) << 8 | usize::from(low);
            if to >= at {
                return false;
            }
            at = to;
            continue;
        }
        let label = 1 + usize::from(len);
        let (Some(theirs), Some(ours)) = (message.get(at..at + label), name.get(..label)) else {
            return false;
        };
        if !theirs.eq_ignore_ascii_case(ours) {
            return false;
        }
        if len == 0 {
            return true;
        }
        at += label;
        name = name.get(label..).unwrap_or_default();
    }
}
