//! The fields of a head: ranges over the buffer that was parsed, in the order and case they came in.

use crate::Name;

/// A range over a head's buffer, in half the room of a `Range<usize>`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Range32 {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Range32 {
    /// A range; offsets past 4 GiB, which no head limit allows, are clamped.
    #[inline]
    pub fn new(start: usize, end: usize) -> Range32 {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Range32 {
            start: clamp(start),
            end: clamp(end),
        }
    }

    /// The bytes it stands for; empty when `buf` is not the buffer it was made over.
    #[inline]
    pub fn of<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        buf.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// One field line.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The known name, or [`Name::Other`].
    pub id: Name,
    /// The name as written.
    pub name: Range32,
    /// The value without the white space around it.
    pub value: Range32,
}

/// The fields of one head together with the buffer they lie in.
#[derive(Copy, Clone, Debug)]
pub struct Fields<'a> {
    /// The lines, in order.
    pub fields: &'a [Field],
    /// The buffer that was parsed.
    pub buf: &'a [u8],
    /// The union of [`Name::bit`] over `fields`.
    pub present: u128,
}

impl<'a> Fields<'a> {
    /// No fields at all.
    pub const EMPTY: Fields<'static> = Fields {
        fields: &[],
        buf: &[],
        present: 0,
    };

    /// Whether a known name is there: one bit test.
    #[inline]
    pub fn has(&self, name: Name) -> bool {
        self.present & name.bit() != 0
    }

    /// The value of the first line of that name.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&'a [u8]> {
        if !self.has(name) {
            return None;
        }
        let field = self.fields.iter().find(|field| field.id == name)?;
        Some(field.value.of(self.buf))
    }

    /// The values of all lines of that name.
    #[inline]
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let buf = self.buf;
        let fields = if self.has(name) { self.fields } else { &[] };
        fields
            .iter()
            .filter(move |field| field.id == name)
            .map(move |field| field.value.of(buf))
    }

    /// The value of the first line whose name is `name`, known or not, whatever its case.
    pub fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.find_all(name).next()
    }

    /// The values of all lines whose name is `name`.
    pub fn find_all<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let id = Name::lookup(name);
        let buf = self.buf;
        let fields = if id == Name::Other || self.has(id) {
            self.fields
        } else {
            &[]
        };
        fields
            .iter()
            .filter(move |field| {
                field.id == id
                    && (id != Name::Other || field.name.of(buf).eq_ignore_ascii_case(name))
            })
            .map(move |field| field.value.of(buf))
    }

    /// Every line as (id, name as written, value).
    pub fn iter(&self) -> impl Iterator<Item = (Name, &'a [u8], &'a [u8])> + use<'a> {
        let buf = self.buf;
        self.fields
            .iter()
            .map(move |field| (field.id, field.name.of(buf), field.value.of(buf)))
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The members of a comma-separated field over all its lines (RFC 9110 §5.6.1): trimmed, empty ones skipped, commas in quoted strings kept.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(name).flat_map(members)
    }
}

/// The members of one comma-separated value (RFC 9110 §5.6.1).
pub fn members(value: &[u8]) -> Members<'_> {
    Members { rest: value }
}

/// Iterator of [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = member_end(self.rest);
            let (member, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let member = trim(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

/// Where the first comma outside a quoted string is, or the end. A quote that is never closed runs to the end.
fn member_end(value: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    value.len()
}

/// `value` without optional white space (space and tab, RFC 9110 §5.6.3) around it.
#[inline]
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields over a buffer of `name: value` lines.
    fn fields_of(buf: &[u8]) -> (Vec<Field>, u128) {
        let mut fields = Vec::new();
        let mut at = 0;
        for line in buf.split_inclusive(|&byte| byte == b'\n') {
            let colon = line.iter().position(|&byte| byte == b':').unwrap();
            fields.push(Field {
                id: Name::lookup(&line[..colon]),
                name: Range32::new(at, at + colon),
                value: Range32::new(at + colon + 2, at + line.len() - 1),
            });
            at += line.len();
        }
        let present = fields.iter().fold(0, |set, field| set | field.id.bit());
        (fields, present)
    }

    const BUF: &[u8] = b"Host: a\nX-One: 1\nVIA: 1.1 b, \"c,d\\\"e\" ,\nx-one: 2\nVia: , 1.0 f\n";

    #[test]
    fn first_and_all_values_come_in_order_known_or_not() {
        let (lines, present) = fields_of(BUF);
        let fields = Fields {
            fields: &lines,
            buf: BUF,
            present,
        };
        assert!(fields.has(Name::Via) && !fields.has(Name::Cookie) && !fields.has(Name::Other));
        assert_eq!(fields.get(Name::Host), Some(&b"a"[..]));
        assert_eq!(fields.get(Name::Cookie), None);
        assert_eq!(fields.all(Name::Via).count(), 2);
        assert_eq!(fields.find(b"X-ONE"), Some(&b"1"[..]));
        assert_eq!(
            fields.find_all(b"x-one").collect::<Vec<_>>(),
            [b"1".as_slice(), b"2"]
        );
        assert_eq!(fields.find(b"host"), Some(&b"a"[..]));
        assert_eq!(fields.find(b"x-two"), None);
        assert_eq!(fields.iter().nth(2).map(|line| line.1), Some(&b"VIA"[..]));
        assert_eq!(fields.len(), 5);
    }

    #[test]
    fn lists_join_lines_skip_empty_members_and_respect_quotes() {
        let (lines, present) = fields_of(BUF);
        let fields = Fields {
            fields: &lines,
            buf: BUF,
            present,
        };
        assert_eq!(
            fields.list(Name::Via).collect::<Vec<_>>(),
            [b"1.1 b".as_slice(), b"\"c,d\\\"e\"", b"1.0 f"]
        );
        assert_eq!(members(b"\"open, never closed").count(), 1);
        assert_eq!(members(b" , ,").count(), 0);
    }

    #[test]
    fn a_range_over_another_buffer_is_empty() {
        assert_eq!(Range32::new(3, 9).of(b"abcd"), b"");
        assert_eq!(Range32 { start: 9, end: 3 }.of(&[0; 20]), b"");
        assert!(Range32 { start: 9, end: 3 }.is_empty());
        assert_eq!(Range32 { start: 9, end: 3 }.len(), 0);
    }
}
