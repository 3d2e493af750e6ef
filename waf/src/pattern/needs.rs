//! What every match of a pattern must contain, proven from its syntax.
//!
//! If each match of a pattern has at least one byte of a set, a value with none of these bytes cannot match it. Of the
//! sets that can be proven the most telling one is kept: `sleep\s*\(` needs an `s`, but also a `(`, and it is the
//! parenthesis that names and words lack.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::byteset::ByteSet;

/// What a text needs to have to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// One of these bytes, unless nothing is known.
    pub(crate) bytes: Option<ByteSet>,
    /// This many bytes.
    pub(crate) length: usize,
}

impl Need {
    /// Whether a text that has what this needs always has what `other` needs.
    pub(crate) fn implies(&self, other: &Need) -> bool {
        let bytes = match (self.bytes, other.bytes) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine.within(&theirs),
        };
        bytes && self.length >= other.length
    }
}

/// What a text needs to have to be worth a search.
pub(crate) fn need(hir: &Hir) -> Need {
    Need {
        bytes: needed(hir),
        length: hir.properties().minimum_len().unwrap_or(0),
    }
}

/// A set of which every match has a byte; `None` if there is none or nothing could be proven.
fn needed(hir: &Hir) -> Option<ByteSet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => literal
            .0
            .iter()
            .map(|b| ByteSet::from_iter([*b]))
            .min_by_key(commonness),
        HirKind::Class(class) => class_bytes(class),
        HirKind::Repetition(repetition) if repetition.min == 0 => None,
        HirKind::Repetition(repetition) => needed(&repetition.sub),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(needed).min_by_key(commonness),
        HirKind::Alternation(parts) => parts
            .iter()
            .map(needed)
            .try_fold(ByteSet::default(), |all, part| Some(all.union(part?))),
    }
}

fn class_bytes(class: &Class) -> Option<ByteSet> {
    match class {
        Class::Bytes(class) => Some(class.ranges().iter().fold(ByteSet::default(), |set, r| {
            set.union(ByteSet::range(r.start(), r.end()))
        })),
        // With Unicode off these have ASCII only; anything else is not worth a proof.
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .try_fold(ByteSet::default(), |set, r| {
                let (start, end) = (u8::try_from(r.start()).ok()?, u8::try_from(r.end()).ok()?);
                (end < 0x80).then(|| set.union(ByteSet::range(start, end)))
            }),
    }
}

/// How likely a benign value has one of these bytes.
pub(crate) fn commonness(set: &ByteSet) -> u32 {
    set.iter()
        .map(|b| match b {
            b'a'..=b'z' => 40,
            b'A'..=b'Z' | b'0'..=b'9' => 20,
            b'-' | b'_' | b'.' => 12,
            b'/' | b' ' | b'=' | b'&' | b',' | b';' | b':' => 8,
            b'(' | b')' | b'+' | b'%' | b'?' | b'*' => 4,
            _ => 1,
        })
        .sum()
}
