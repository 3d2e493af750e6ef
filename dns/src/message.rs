//! Writing the sections of an answer, with names compressed (RFC 1035 §4.1.4).
//!
//! The writer starts behind the question and never goes past its limit: an RRset goes in whole or not at all.
//! When answers are rendered ahead, it notes where it wrote pointers, so that they can be moved when the question's
//! name is longer than the one it was rendered for (see [`crate::set::Rendered`]).

use crate::limits::COMPRESSION_NAMES_MAX;
use crate::name::{ancestor, labels};
use crate::query::HEADER;
use crate::rdata::{Piece, pieces};
use crate::set::Answers;

/// The highest place a pointer can lead to.
const POINTER_MAX: usize = 0x3FFF;

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

/// A name in the message that later ones may point to.
#[derive(Clone, Copy, Default)]
struct Known {
    hash: u32,
    at: u16,
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
        let (at, known) = (self.at, self.known_len);
        let pointers = self.pointers.as_ref().map_or(0, |p| p.len());
        let written = self.records(owner, set);
        match written {
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

    /// Writes an RRset and its signatures, both or neither.
    pub fn signed(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        set: &Answers<'_>,
        signatures: &Answers<'_>,
    ) -> Result<(), Full> {
        let (at, known, counts) = (self.at, self.known_len, self.counts);
        let pointers = self.pointers.as_ref().map_or(0, |p| p.len());
        self.rrset(section, owner, set)?;
        let written = self.rrset(section, owner, signatures);
        if written.is_err() {
            (self.at, self.known_len, self.counts) = (at, known, counts);
            if let Some(p) = self.pointers.as_mut() {
                p.truncate(pointers);
            }
        }
        written
    }

    fn records(&mut self, owner: Owner<'_>, set: &Answers<'_>) -> Result<u16, Full> {
        let mut count = 0;
        for data in set.records() {
            match owner {
                Owner::Question => self.pointer(HEADER as u16, self.wildcard)?,
                Owner::Name(name) => self.name(name)?,
            }
            self.bytes(&set.rtype.0.to_be_bytes())?;
            self.bytes(&[0, 1])?;
            self.bytes(&set.ttl.to_be_bytes())?;
            let len_at = self.at;
            self.bytes(&[0, 0])?;
            for piece in pieces(set.rtype, data) {
                match piece {
                    Piece::Bytes(bytes) => self.bytes(bytes)?,
                    Piece::Name(name) => self.name(name)?,
                }
            }
            let len = (self.at - len_at - 2) as u16;
            if let Some(place) = self.message.get_mut(len_at..len_at + 2) {
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

    /// Writes a name, as a pointer from the first ancestor on that the message already has.
    fn name(&mut self, name: &[u8]) -> Result<(), Full> {
        let hashes = Hashes::of(name);
        let mut rest = name;
        for index in 0..hashes.len {
            let hash = hashes.values.get(index).copied().unwrap_or_default();
            if let Some(to) = self.find(hash, rest) {
                return self.pointer(to, false);
            }
            self.learn(hash, self.at);
            let label = 1 + usize::from(rest.first().copied().unwrap_or(0));
            self.bytes(rest.get(..label).ok_or(Full)?)?;
            rest = rest.get(label..).unwrap_or_default();
        }
        self.bytes(&[0])
    }

    fn find(&self, hash: u32, name: &[u8]) -> Option<u16> {
        let known = self.known.get(..self.known_len)?;
        known
            .iter()
            .find(|k| k.hash == hash && same_name(self.message, usize::from(k.at), name))
            .map(|k| k.at)
    }

    fn learn(&mut self, hash: u32, at: usize) {
        if at > POINTER_MAX {
            return;
        }
        if let Some(place) = self.known.get_mut(self.known_len) {
            *place = Known {
                hash,
                at: at as u16,
            };
            self.known_len += 1;
        }
    }

    fn learn_question(&mut self, skip: usize) {
        let end = self.at.saturating_sub(4).max(HEADER);
        let name = self.message.get(HEADER..end).unwrap_or_default();
        let hashes = Hashes::of(name);
        let len = name.len();
        for index in skip..hashes.len {
            let name = self.message.get(HEADER..end).unwrap_or_default();
            let at = HEADER + len - ancestor(name, index).len();
            self.learn(hashes.values.get(index).copied().unwrap_or_default(), at);
        }
    }
}

/// A hash of each of a name's ancestors, itself first, the root left out.
struct Hashes {
    values: [u32; crate::limits::LABELS_MAX],
    len: usize,
}

impl Hashes {
    fn of(name: &[u8]) -> Self {
        let mut hashes = Self {
            values: [0; crate::limits::LABELS_MAX],
            len: 0,
        };
        for label in labels(name) {
            let hash = label.iter().fold(0x811C_9DC5u32, |h, b| {
                (h ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
            });
            if let Some(place) = hashes.values.get_mut(hashes.len) {
                *place = hash;
                hashes.len += 1;
            }
        }
        let mut below = 0u32;
        for value in hashes.values.iter_mut().take(hashes.len).rev() {
            below = below.rotate_left(5).wrapping_mul(0x9E37_79B1) ^ *value;
            *value = below;
        }
        hashes
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
