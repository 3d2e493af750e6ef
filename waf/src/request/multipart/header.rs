//! The boundary in the content type, and the names in `Content-Disposition`.

use super::{BOUNDARY_BYTES_MAX, Flags};

/// The boundary of a content type; `None` if there is none that can be meant.
pub(super) fn boundary(content_type: &[u8], flags: &mut Flags) -> Option<Vec<u8>> {
    let lower = content_type.to_ascii_lowercase();
    let at = memchr::memmem::find(&lower, b"boundary")?;
    let before = content_type.get(..at)?.trim_ascii_end();
    flags.missing_semicolon |= before.last() != Some(&b';');
    let after = content_type.get(at + 8..)?;
    let value = after.trim_ascii_start().strip_prefix(b"=")?;
    flags.boundary_whitespace |=
        after.first() != Some(&b'=') || value.first().is_some_and(u8::is_ascii_whitespace);
    let value = value.trim_ascii_start();
    let (value, rest) = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            flags.boundary_quoted = true;
            let end = memchr::memchr(b'"', quoted)?;
            quoted.split_at_checked(end)?
        }
        None => {
            let end = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
            let (cut, rest) = value.split_at_checked(end)?;
            flags.boundary_whitespace |= cut.trim_ascii_end().len() != cut.len();
            (cut.trim_ascii_end(), rest)
        }
    };
    // A second one could be the one that the origin reads. A boundary may well have the word in it: browsers' do.
    if memchr::memmem::find(&rest.to_ascii_lowercase(), b"boundary").is_some() {
        return None;
    }
    let valid = !value.is_empty()
        && value.len() <= BOUNDARY_BYTES_MAX
        && value.iter().all(|b| is_boundary_byte(*b) || *b == b' ');
    flags.boundary_whitespace |= value.contains(&b' ');
    valid.then(|| value.to_vec())
}

/// A byte that boundaries are made of (RFC 2046 §5.1.1), without the blank.
pub(super) fn is_boundary_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b)
}

/// The names of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) name: Option<Vec<u8>>,
    pub(super) filename: Option<Vec<u8>>,
}

/// Reads `form-data; name="a"; filename="b"`; `None` if it is something else.
pub(super) fn disposition(text: &[u8], flags: &mut Flags) -> Option<Names> {
    let text = text.trim_ascii();
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    if !text
        .get(..end)?
        .trim_ascii()
        .eq_ignore_ascii_case(b"form-data")
    {
        return None;
    }
    let mut names = Names::default();
    let mut rest = text.get(end..)?;
    loop {
        rest = rest.trim_ascii_start();
        let Some(after) = rest.strip_prefix(b";") else {
            // Something behind a value that no semicolon separates.
            flags.invalid_quoting |= !rest.is_empty();
            return Some(names);
        };
        let after = after.trim_ascii_start();
        if after.is_empty() {
            return Some(names);
        }
        let equals = memchr::memchr2(b'=', b';', after).unwrap_or(after.len());
        let key = after.get(..equals)?.trim_ascii().to_ascii_lowercase();
        let Some(value) = after.get(equals..)?.strip_prefix(b"=") else {
            flags.invalid_part = true;
            rest = after.get(equals..)?;
            continue;
        };
        let (value, tail) = parameter(value.trim_ascii_start(), flags);
        rest = tail;
        let slot = match key.as_slice() {
            b"name" => &mut names.name,
            b"filename" => &mut names.filename,
            // RFC 7578 §4.2 forbids it here; who reads it takes it before `filename`.
            b"filename*" => {
                flags.invalid_part = true;
                &mut names.filename
            }
            _ => continue,
        };
        // A second one could be the one that the origin reads.
        flags.invalid_part |= slot.is_some();
        slot.get_or_insert(value);
    }
}

/// A value, quoted or not, and what follows it.
fn parameter<'a>(text: &'a [u8], flags: &mut Flags) -> (Vec<u8>, &'a [u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        flags.invalid_quoting |= text.first() == Some(&b'\'');
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        flags.invalid_quoting |= value.contains(&b'"');
        return (value.trim_ascii_end().to_vec(), rest);
    };
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [b'\\', c @ (b'"' | b'\\'), tail @ ..] => {
                value.push(*c);
                rest = tail;
            }
            [b'"', tail @ ..] => return (value, tail),
            [c, tail @ ..] => {
                value.push(*c);
                rest = tail;
            }
            [] => {
                flags.invalid_quoting = true;
                return (value, rest);
            }
        }
    }
}
