//! Entity tags and their comparison (RFC 9110 §8.8.3, §13.1.1, §13.1.2).
//!
//! A tag is opaque: quotes and an optional `W/` are all that is looked at, and a backslash is a character like another. Lists are read up to the first
//! member that is no tag.

/// The opaque tag with its quotes, and whether the tag is weak; `None` when `tag` is no entity tag.
fn split(tag: &[u8]) -> Option<(&[u8], bool)> {
    let (opaque, weak) = match tag.strip_prefix(b"W/") {
        Some(opaque) => (opaque, true),
        None => (tag, false),
    };
    match opaque {
        [b'"', inner @ .., b'"'] if inner.iter().all(|&byte| is_tag_byte(byte)) => {
            Some((opaque, weak))
        }
        _ => None,
    }
}

fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// Whether `tag` is an entity tag, weak or strong.
pub fn is_etag(tag: &[u8]) -> bool {
    split(tag).is_some()
}

/// Whether `tag` is an entity tag and marked as weak.
pub fn is_weak(tag: &[u8]) -> bool {
    matches!(split(tag), Some((_, true)))
}

/// Strong comparison: equal and neither weak. For `If-Match`, `If-Range` and ranges.
pub fn strong_eq(a: &[u8], b: &[u8]) -> bool {
    matches!((split(a), split(b)), (Some((a, false)), Some((b, false))) if a == b)
}

/// Weak comparison: equal but for `W/`. For `If-None-Match`.
pub fn weak_eq(a: &[u8], b: &[u8]) -> bool {
    matches!((split(a), split(b)), (Some((a, _)), Some((b, _))) if a == b)
}

/// Whether a line of `If-None-Match` matches the current representation, so that the answer is 304 (or 412). `*` matches any that exists; `current`
/// is its tag, if it has one.
pub fn if_none_match(line: &[u8], current: Option<&[u8]>) -> bool {
    is_any(line) || current.is_some_and(|current| tags(line).any(|tag| weak_eq(tag, current)))
}

/// Whether a line of `If-Match` matches the current representation, so that the request may go on.
pub fn if_match(line: &[u8], current: Option<&[u8]>) -> bool {
    is_any(line) || current.is_some_and(|current| tags(line).any(|tag| strong_eq(tag, current)))
}

fn is_any(line: &[u8]) -> bool {
    crate::trim(line) == b"*"
}

/// The tags of a list. Not [`members`](crate::members): a backslash does not escape a quote here.
pub fn tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let open = if rest.starts_with(b"W/") { 2 } else { 0 };
        if rest.get(open) != Some(&b'"') {
            return None;
        }
        let len = memchr::memchr(b'"', rest.get(open + 1..)?)?;
        let (tag, tail) = rest.split_at_checked(open + len + 2)?;
        rest = tail;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_follows_the_table_of_the_rfc() {
        for (a, b, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("1", "1", false, false),
            ("w/\"1\"", "\"1\"", false, false),
        ] {
            assert_eq!(strong_eq(a.as_bytes(), b.as_bytes()), strong, "{a} {b}");
            assert_eq!(weak_eq(a.as_bytes(), b.as_bytes()), weak, "{a} {b}");
        }
        assert!(
            is_etag(b"\"\"") && !is_etag(b"\"") && !is_etag(b"\"a\"b\"") && !is_etag(b"\"a b\"")
        );
        assert!(is_weak(b"W/\"\"") && !is_weak(b"\"W/\""));
    }

    #[test]
    fn lists_match_by_member() {
        let line = b"\"a\", W/\"b,c\" ,,\"d\\\", \"e\"";
        assert_eq!(tags(line).count(), 4);
        assert!(if_none_match(line, Some(b"\"b,c\"")) && !if_match(line, Some(b"\"b,c\"")));
        assert!(if_match(line, Some(b"\"d\\\"")) && if_match(line, Some(b"\"e\"")));
        assert!(!if_none_match(line, Some(b"\"x\"")) && !if_none_match(line, None));
        assert!(if_none_match(b" * ", None) && if_match(b"*", Some(b"\"x\"")));
        assert!(!if_none_match(b"\"a\", *", None));
        assert_eq!(tags(b"\"a\", junk, \"b\"").count(), 1);
        assert_eq!(
            tags(b"W/").count() + tags(b"\"").count() + tags(b"").count(),
            0
        );
    }
}
