//! Asking a server one thing, and its answer in words: for people at a terminal.

use crate::query::HEADER;
use crate::wire::{Header, ask, count, question, record};
use crate::{Error, Name, RType, edit};
use std::fmt::Write;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    name: Name,
    rtype: RType,
    id: u16,
    secure: bool,
}

impl Question {
    /// For a name, absolute whether or not it ends in a dot, and a type by its name or as `TYPEnnn`; `secure` asks for
    /// signatures. `None` for a type that there is not.
    pub fn new(name: &str, rtype: &str, id: u16, secure: bool) -> Result<Option<Self>, Error> {
        let name = Name::parse(name, Some(&Name::root()))?;
        Ok(RType::parse(rtype).map(|rtype| Self {
            name,
            rtype,
            id,
            secure,
        }))
    }

    /// As a message.
    pub fn message(&self) -> Vec<u8> {
        let mut message = ask(self.id, 0, &self.name, self.rtype);
        message.extend([0, 0, 41, 4, 208, 0, 0, u8::from(self.secure) << 7, 0, 0, 0]);
        count(&mut message, 3, 1);
        message
    }

    /// Whether a message is an answer to it.
    pub fn is_answered_by(&self, answer: &[u8]) -> bool {
        Header::read(answer).is_some_and(|h| h.id == self.id && h.flags & 0x8000 != 0)
    }
}

/// An answer as lines of a zone file, its sections under their names. `None` for what is no message.
pub fn described(answer: &[u8]) -> Option<String> {
    let header = Header::read(answer)?;
    let code = crate::RCODES.get(usize::from(header.rcode()))?;
    let mut out = format!("; {code}");
    for (bit, name) in [(0x0400, "authoritative"), (0x0200, "truncated")] {
        if header.flags & bit != 0 {
            out.push_str(", ");
            out.push_str(name);
        }
    }
    out.push('\n');
    let mut at = HEADER;
    for _ in 0..header.counts[0] {
        (.., at) = question(answer, at)?;
    }
    let sections = ["answer", "authority", "additional"];
    for (name, records) in sections.iter().zip(header.counts.iter().skip(1)) {
        let mut lines = String::new();
        for _ in 0..*records {
            let (received, end) = record(answer, at)?;
            at = end;
            if received.rtype != RType::OPT {
                let line = edit::line(
                    &received.owner,
                    received.ttl,
                    received.rtype,
                    &received.data,
                );
                // Writing to a String does not fail.
                let _ = writeln!(lines, "{line}");
            }
        }
        if !lines.is_empty() {
            let _ = write!(out, "; {name}\n{lines}");
        }
    }
    Some(out)
}
