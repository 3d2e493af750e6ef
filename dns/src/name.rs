//! Domain names in wire form, as they were written: comparing is what ignores case.

use crate::Error;
use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};
use std::fmt;

/// An absolute name: length-prefixed labels, closed by the root's zero. Never longer than 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    wire: Box<[u8]>,
}

impl Name {
    /// Reads a name as a zone file writes it (RFC 1035 §5.1): `\X` and `\DDD` escapes, `@` for the origin,
    /// relative without a dot at its end.
    pub fn parse(text: &str, origin: Option<&Name>) -> Result<Self, Error> {
        let relative = || Error::NotAbsolute(text.to_owned());
        match text {
            "@" => return origin.cloned().ok_or_else(relative),
            "." => return Ok(Self::root()),
            "" => return Err(Error::EmptyLabel),
            _ => {}
        }
        // Room for a name that is too long by no more than a label, whose length shows that.
        let mut wire = smallvec::SmallVec::<[u8; 320]>::new();
        let mut rest = text.as_bytes();
        // Where the length of the label stands that is being read.
        let mut label = 0;
        wire.push(0);
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'.' => {
                    close_label(&mut wire, label)?;
                    label = wire.len();
                    wire.push(0);
                }
                b'\\' => {
                    let (byte, tail) = unescape(rest).ok_or(Error::BadEscape)?;
                    wire.push(byte);
                    rest = tail;
                }
                _ => wire.push(byte),
            }
        }
        // A dot at the end leaves an empty label, which is the root's.
        if wire.len() > label + 1 {
            close_label(&mut wire, label)?;
            wire.extend_from_slice(&origin.ok_or_else(relative)?.wire);
        }
        if wire.len() > NAME_BYTES_MAX {
            return Err(Error::NameTooLong);
        }
        Ok(Self {
            wire: wire.as_slice().into(),
        })
    }

    /// The root, `.`.
    pub fn root() -> Self {
        Self {
            wire: Box::new([0]),
        }
    }

    /// Takes exactly the bytes of an uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        (wire_len(wire)? == wire.len()).then(|| Self { wire: wire.into() })
    }

    /// The name as it is sent, uncompressed.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The canonical form (RFC 4034 §6.2): lower case.
    pub fn lower(&self) -> Self {
        Self {
            wire: self.wire.to_ascii_lowercase().into(),
        }
    }

    /// How many labels there are, the root not counted.
    pub fn labels(&self) -> usize {
        labels(&self.wire).count()
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &Name) -> bool {
        let extra = self.labels().checked_sub(other.labels());
        extra.is_some_and(|n| ancestor(&self.wire, n).eq_ignore_ascii_case(&other.wire))
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        (self.wire.len() > 1).then(|| Self {
            wire: ancestor(&self.wire, 1).into(),
        })
    }

    /// Whether the first label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.wire.starts_with(b"\x01*")
    }
}

/// Writes the length of a label that begins at `at`, now that it ends.
fn close_label(wire: &mut [u8], at: usize) -> Result<(), Error> {
    match wire.len() - at - 1 {
        0 => return Err(Error::EmptyLabel),
        n if n > LABEL_BYTES_MAX => return Err(Error::LabelTooLong),
        n => {
            if let Some(len) = wire.get_mut(at) {
                *len = n as u8;
            }
        }
    }
    if wire.len() >= NAME_BYTES_MAX {
        Err(Error::NameTooLong)
    } else {
        Ok(())
    }
}

/// What follows a backslash: three digits or one other character; and the rest.
pub(crate) fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a, b, c, rest @ ..] if a.is_ascii_digit() => {
            if !b.is_ascii_digit() || !c.is_ascii_digit() {
                return None;
            }
            let value = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
            Some((u8::try_from(value).ok()?, rest))
        }
        [a, ..] if a.is_ascii_digit() => None,
        [a, rest @ ..] => Some((*a, rest)),
        [] => None,
    }
}

/// The labels of a name in wire form, the root not counted.
pub(crate) fn labels(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&len, rest) = wire.split_first()?;
        let label = rest.get(..usize::from(len)).filter(|l| !l.is_empty())?;
        wire = rest.get(usize::from(len)..)?;
        Some(label)
    })
}

/// The name without its first `n` labels.
pub(crate) fn ancestor(mut wire: &[u8], n: usize) -> &[u8] {
    for _ in 0..n {
        let Some(&len) = wire.first() else { break };
        wire = wire.get(1 + usize::from(len)..).unwrap_or_default();
    }
    wire
}

/// How many bytes the uncompressed name at the start of `wire` takes; `None` if there is no whole one.
pub(crate) fn wire_len(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*wire.get(at)?);
        at += 1 + len;
        if len > LABEL_BYTES_MAX || at > NAME_BYTES_MAX {
            return None;
        }
        if len == 0 {
            return Some(at);
        }
    }
}

/// A key whose byte order is the canonical order of names (RFC 4034 §6.1): labels from the right in lower case,
/// each closed by a zero, so that a name's key is a prefix of the keys below it. Zeros inside are escaped.
pub(crate) fn canonical_key(wire: &[u8]) -> Box<[u8]> {
    let labels: smallvec::SmallVec<[&[u8]; 16]> = labels(wire).collect();
    let mut key = Vec::with_capacity(wire.len());
    for label in labels.iter().rev() {
        for byte in label.iter() {
            match byte.to_ascii_lowercase() {
                low @ 0..=1 => key.extend([1, low + 1]),
                byte => key.push(byte),
            }
        }
        key.push(0);
    }
    key.into()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.len() == 1 {
            return f.write_str(".");
        }
        for label in labels(&self.wire) {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(byte))?
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    #[test]
    fn escapes_and_case_survive_a_round_trip() {
        for text in [
            ".",
            "Example.Test.",
            "esc\\.aped.test.",
            "sp\\032ace.test.",
            "b\\000\\255.test.",
            "\\@.test.",
        ] {
            assert_eq!(name(text).to_string(), text);
        }
    }

    #[test]
    fn relative_names_take_the_origin() {
        let origin = name("example.test.");
        assert_eq!(
            Name::parse("www", Some(&origin)).unwrap().to_string(),
            "www.example.test."
        );
        assert_eq!(Name::parse("@", Some(&origin)).unwrap(), origin);
        assert_eq!(
            Name::parse("www", None),
            Err(Error::NotAbsolute("www".into()))
        );
    }

    #[test]
    fn limits_hold() {
        let label = "a".repeat(63);
        assert!(Name::parse(&format!("{label}."), None).is_ok());
        assert_eq!(
            Name::parse(&format!("{label}a."), None),
            Err(Error::LabelTooLong)
        );
        let longest = format!("{label}.{label}.{label}.{}.", "b".repeat(61));
        assert_eq!(name(&longest).wire().len(), 255);
        assert_eq!(
            Name::parse(
                &format!("{label}.{label}.{label}.{}.", "b".repeat(62)),
                None
            ),
            Err(Error::NameTooLong)
        );
        let relative = format!("{label}.{label}.{label}");
        assert_eq!(
            Name::parse(&relative, Some(&name(&format!("{label}.")))),
            Err(Error::NameTooLong)
        );
    }

    #[test]
    fn broken_names_are_refused() {
        assert_eq!(Name::parse("a..b.", None), Err(Error::EmptyLabel));
        assert_eq!(Name::parse(".a.", None), Err(Error::EmptyLabel));
        for text in ["a\\", "a\\25", "a\\256.", "a\\2x5."] {
            assert_eq!(Name::parse(text, None), Err(Error::BadEscape), "{text}");
        }
    }

    #[test]
    fn kinship_ignores_case_and_counts_labels() {
        assert!(name("a.EXAMPLE.test.").is_within(&name("example.test.")));
        assert!(name("example.test.").is_within(&name("example.test.")));
        assert!(!name("xexample.test.").is_within(&name("example.test.")));
        assert!(name("test.").is_within(&name(".")));
        assert_eq!(name("a.b.").parent().unwrap(), name("b."));
        assert_eq!(name(".").parent(), None);
    }

    #[test]
    fn canonical_order_is_that_of_rfc_4034() {
        let sorted = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
        ];
        let mut names: Vec<_> = sorted.iter().rev().map(|t| name(t)).collect();
        names.sort_by_key(|n| canonical_key(n.wire()));
        assert_eq!(
            names.iter().map(Name::to_string).collect::<Vec<_>>(),
            sorted
        );
    }
}
