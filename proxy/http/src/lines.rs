//! The lines of a head, scanned strictly from left to right.
//!
//! Nothing is decided by looking ahead: a head that arrives in pieces is refused for the same reason, at the latest with its last byte, as one that
//! arrives whole. The buffer is cut at the head's limit first, so that "needs more" at the cut is "too large".

use crate::{Field, Name, Policy, Range32, Refusal, field::trim, scan};

/// Why scanning stopped before the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The rest has not arrived.
    Partial,
    /// Never acceptable.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

pub(crate) type Scan<T> = Result<T, Stop>;

/// A position in a head.
pub(crate) struct Lines<'a> {
    pub buf: &'a [u8],
    pub at: usize,
    pub policy: Policy,
}

/// What the field section told at a glance.
pub(crate) struct Seen {
    /// Names that are there.
    pub present: u128,
    /// Names that are there more than once.
    pub repeated: u128,
}

impl<'a> Lines<'a> {
    /// The byte at `at`, if it has arrived.
    #[inline]
    pub fn byte(&self, at: usize) -> Scan<u8> {
        self.buf.get(at).copied().ok_or(Stop::Partial)
    }

    /// Steps over the line end at `at`, where a scan of allowed bytes stopped; any other byte there is a fault.
    #[inline]
    pub fn end_line(&mut self, mut at: usize) -> Scan<()> {
        match self.byte(at)? {
            b'\r' => {
                at += 1;
                while self.policy == Policy::Nginx && self.byte(at)? == b'\r' {
                    at += 1;
                }
                if self.byte(at)? != b'\n' {
                    return Err(Refusal::BareCr.into());
                }
            }
            b'\n' if self.policy == Policy::Nginx => {}
            b'\n' => return Err(Refusal::BareLf.into()),
            0 => return Err(Refusal::Nul.into()),
            _ => return Err(Refusal::ControlByte.into()),
        }
        self.at = at + 1;
        Ok(())
    }

    /// All field lines and the empty line after them.
    pub fn fields(&mut self, most: usize, out: &mut Vec<Field>) -> Scan<Seen> {
        let mut seen = Seen {
            present: 0,
            repeated: 0,
        };
        loop {
            if matches!(self.byte(self.at)?, b'\r' | b'\n') {
                self.end_line(self.at)?;
                return Ok(seen);
            }
            if out.len() >= most {
                return Err(Refusal::TooManyFields.into());
            }
            let field = match self.policy {
                Policy::Rfc => Some(self.field()?),
                Policy::Nginx => self.nginx_field()?,
            };
            if let Some(field) = field {
                let bit = field.id.bit();
                seen.repeated |= seen.present & bit;
                seen.present |= bit;
                out.push(field);
            }
        }
    }

    /// One field line under [`Policy::Rfc`].
    #[inline]
    fn field(&mut self) -> Scan<Field> {
        let start = self.at;
        let (id, known_end) = self.known_name(start);
        // A known name is a token; any other is looked at byte by byte.
        let colon = match id {
            Name::Other => scan::token_end(self.buf, start),
            _ => known_end,
        };
        if self.byte(colon)? != b':' || colon == start {
            return Err(self.name_fault(start, colon));
        }
        let mut from = colon + 1;
        while let Some(b' ' | b'\t') = self.buf.get(from) {
            from += 1;
        }
        let stop = scan::value_end(self.buf, from);
        self.end_line(stop)?;
        Ok(self.range_field(id, start, colon, from, stop))
    }

    /// One field line as nginx reads it; `None` when it would be dropped (`ignore_invalid_headers on`, `underscores_in_headers off`).
    fn nginx_field(&mut self) -> Scan<Option<Field>> {
        let start = self.at;
        let (known, known_end) = self.known_name(start);
        // A known name is one that nginx takes; any other is looked at byte by byte.
        let (colon, valid) = match known {
            Name::Other => self.nginx_name(start)?,
            _ => (known_end, true),
        };
        let from = match self.byte(colon)? {
            b':' => colon + 1,
            // A field without a colon has no value.
            _ => colon,
        };
        let stop = scan::loose_value_end(self.buf, from);
        self.end_line(stop)?;
        let id = match known {
            // It ends where no colon is, and was not looked up to there.
            Name::Other if colon != known_end => {
                Name::lookup(self.buf.get(start..colon).unwrap_or_default())
            }
            known => known,
        };
        Ok(valid.then(|| self.range_field(id, start, colon, from, stop)))
    }

    /// The known name that starts at `start`, and where it ends: at a colon, or with what has arrived. The search ends where no known name could reach.
    #[inline]
    fn known_name(&self, start: usize) -> (Name, usize) {
        let reach = self.buf.len().min(start + Name::LONGEST + 1);
        let window = self.buf.get(..reach).unwrap_or_default();
        let end = scan::colon(window, start);
        let rest = self.buf.get(start..).unwrap_or_default();
        (Name::lookup_prefix(rest, end - start), end)
    }

    /// Where the name that starts at `start` ends, by a colon or by the line's end, and whether nginx would keep its line.
    fn nginx_name(&self, start: usize) -> Scan<(usize, bool)> {
        let mut valid = true;
        let mut at = start;
        loop {
            match self.byte(at)? {
                b':' | b'\r' | b'\n' if at > start => return Ok((at, valid)),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => {}
                0..=0x20 | 0x7f | b':' => return Err(self.name_fault(start, at)),
                _ => valid = false,
            }
            at += 1;
        }
    }

    /// What is wrong with a name that stops at `at` without a colon.
    #[cold]
    fn name_fault(&self, start: usize, at: usize) -> Stop {
        let refusal = match self.buf.get(at) {
            None => return Stop::Partial,
            Some(b' ' | b'\t') if at == start => Refusal::ObsFold,
            Some(b' ' | b'\t') => Refusal::SpaceBeforeColon,
            Some(b':') => Refusal::EmptyName,
            Some(0) => Refusal::Nul,
            Some(b'\r') if self.buf.get(at + 1).is_none() => return Stop::Partial,
            Some(b'\r') if self.buf.get(at + 1) != Some(&b'\n') => Refusal::BareCr,
            Some(b'\r' | b'\n') => Refusal::NoColon,
            Some(_) => Refusal::BadName,
        };
        Stop::Refused(refusal)
    }

    #[inline]
    fn range_field(&self, id: Name, start: usize, colon: usize, from: usize, stop: usize) -> Field {
        let raw = self.buf.get(from..stop).unwrap_or_default();
        let value = trim(raw);
        let lead = value.as_ptr() as usize - raw.as_ptr() as usize;
        Field {
            id,
            name: Range32::new(start, colon),
            value: Range32::new(from + lead, from + lead + value.len()),
        }
    }
}
