//! Paths in their normal form, which is what sites, routes, the WAF and the cache compare, and hosts.
//!
//! The normal form is nginx's `$uri`: percent-decoded once, dot segments removed, slashes merged when asked. Most paths are in it already:
//! [`is_normal`] tells so without touching anything else.

use thiserror::Error;

pub use crate::host::{normal_host, split_host_port, valid_host};

/// Why a path has no normal form. The request gets a 400.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum UriError {
    /// It does not start with a slash.
    #[error("path-not-absolute")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits.
    #[error("bad-escape")]
    BadEscape,
    /// `%00`.
    #[error("nul-in-path")]
    Nul,
    /// `..` above the root.
    #[error("above-root")]
    AboveRoot,
}

impl UriError {
    /// The reason in kebab-case, for a log line and a counter's label.
    pub fn as_str(self) -> &'static str {
        match self {
            UriError::NotAbsolute => "path-not-absolute",
            UriError::BadEscape => "bad-escape",
            UriError::Nul => "nul-in-path",
            UriError::AboveRoot => "above-root",
        }
    }
}

/// Whether `path`, without its query, is its own normal form whatever `merge_slashes` says: it starts with a slash, and has no escape, no empty and no
/// dot segment, no control byte, no space.
#[inline]
pub fn is_normal(path: &[u8]) -> bool {
    let mut previous = b'/';
    let mut special = path.first() != Some(&b'/');
    let mut dots = false;
    for &byte in path.get(1..).unwrap_or_default() {
        special |= byte <= 0x20 || matches!(byte, b'%' | b'?' | b'#' | 0x7f);
        special |= previous == b'/' && byte == b'/';
        dots |= previous == b'/' && byte == b'.';
        previous = byte;
    }
    // `/.well-known` begins a segment with a dot and is normal all the same.
    !special && (!dots || !path.split(|&byte| byte == b'/').any(is_dot_segment))
}

fn is_dot_segment(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Puts the normal form of `path`, which has no query, into `out`, which is cleared.
///
/// As in nginx an escaped slash or dot counts like a plain one, so that no route can be evaded by an escape; `%25`, `%3F` and `%23` are
/// characters of the path, and it is decoded once only. An empty segment is dropped when `merge_slashes` says so, else kept, and `..` takes one back.
///
/// # Errors
/// When it does not start with a slash, has a bad escape or a NUL, or leaves the root; `out` is then of no use.
pub fn normalize(path: &[u8], merge_slashes: bool, out: &mut Vec<u8>) -> Result<(), UriError> {
    out.clear();
    if path.first() != Some(&b'/') {
        return Err(UriError::NotAbsolute);
    }
    out.reserve(path.len());
    out.push(b'/');
    let mut rest = path.get(1..).unwrap_or_default();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let byte = match *first {
            b'?' | b'#' => break,
            b'%' => {
                let byte = escaped(rest)?;
                rest = rest.get(2..).unwrap_or_default();
                byte
            }
            byte => byte,
        };
        match byte {
            0 => return Err(UriError::Nul),
            b'/' => end_segment(out, merge_slashes, true)?,
            byte => out.push(byte),
        }
    }
    end_segment(out, merge_slashes, false)
}

fn escaped(digits: &[u8]) -> Result<u8, UriError> {
    let digit = |at: usize| {
        let digit = (*digits.get(at)? as char).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    match (digit(0), digit(1)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(UriError::BadEscape),
    }
}

/// The last segment of `out` is complete: a dot segment is carried out, any other is closed by a slash if one follows.
fn end_segment(out: &mut Vec<u8>, merge_slashes: bool, slash: bool) -> Result<(), UriError> {
    let start = memchr::memrchr(b'/', out).map_or(0, |at| at + 1);
    match out.get(start..).unwrap_or_default() {
        b"." => out.truncate(start),
        b".." => {
            // The slash before `..` goes, then the segment before that; the slash it started with stays.
            let parent = out.get(..start.saturating_sub(1)).unwrap_or_default();
            let slash = memchr::memrchr(b'/', parent).ok_or(UriError::AboveRoot)?;
            out.truncate(slash + 1);
        }
        b"" if merge_slashes || !slash => {}
        _ if slash => out.push(b'/'),
        _ => {}
    }
    Ok(())
}

/// Appends `decoded` to `out` as nginx escapes a path before it sends it: controls, space, non-ASCII and `"#%<>?\^`{|}`.
pub fn escape_path(decoded: &[u8], out: &mut Vec<u8>) {
    out.reserve(decoded.len());
    for &byte in decoded {
        if needs_escape(byte) {
            let hex = |digit: u8| b"0123456789ABCDEF"[usize::from(digit & 0xf)];
            out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte)]);
        } else {
            out.push(byte);
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' ' | b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str, merge: bool) -> Result<String, UriError> {
        let mut out = b"old".to_vec();
        normalize(path.as_bytes(), merge, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn paths_become_what_nginx_calls_uri() {
        for (path, want) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("//a///b//", "/a/b/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../", "/a/"),
            ("/a/b/../../c", "/c"),
            ("/%61%2Fb", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a%2f..%2fb", "/b"),
            ("/%252e", "/%2e"),
            ("/a%3Fb%23c%25", "/a?b#c%"),
            ("/.well-known/x..y/...", "/.well-known/x..y/..."),
            ("/a+b", "/a+b"),
            ("/a%20b%0a", "/a b\n"),
            ("/a?b", "/a"),
        ] {
            assert_eq!(normal(path, true).as_deref(), Ok(want), "{path}");
        }
    }

    #[test]
    fn empty_segments_stay_when_asked_to() {
        assert_eq!(normal("//a//b/", false).as_deref(), Ok("//a//b/"));
        assert_eq!(normal("/a//../b", false).as_deref(), Ok("/a/b"));
        assert_eq!(normal("//..", false).as_deref(), Ok("/"));
    }

    #[test]
    fn what_has_no_normal_form_is_refused() {
        for (path, why) in [
            ("", UriError::NotAbsolute),
            ("*", UriError::NotAbsolute),
            ("a/b", UriError::NotAbsolute),
            ("/%", UriError::BadEscape),
            ("/%4", UriError::BadEscape),
            ("/%4g", UriError::BadEscape),
            ("/%+1", UriError::BadEscape),
            ("/a%00b", UriError::Nul),
            ("/..", UriError::AboveRoot),
            ("/../a", UriError::AboveRoot),
            ("/a/../../b", UriError::AboveRoot),
            ("/a/..%2f..", UriError::AboveRoot),
            ("//../..", UriError::AboveRoot),
        ] {
            assert_eq!(normal(path, true), Err(why), "{path}");
        }
    }

    #[test]
    fn the_quick_check_knows_normal_paths() {
        for path in [
            "/",
            "/a/b.c",
            "/.well-known/acme",
            "/...",
            "/a/",
            "/\u{e9}",
            "/a..b",
        ] {
            assert!(is_normal(path.as_bytes()), "{path}");
        }
        for path in [
            "", "a", "*", "//", "/a//b", "/.", "/..", "/a/.", "/./a", "/a/../b", "/%61", "/a b",
            "/a?b", "/a#b", "/\u{7f}", "/\n",
        ] {
            assert!(!is_normal(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn escapes_are_those_of_nginx() {
        let mut out = Vec::new();
        escape_path(
            "/a b\"#%<>?\\^`{|}\u{7f}\u{e9}&+;=@:!$'()*,[]~".as_bytes(),
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "/a%20b%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D%7F%C3%A9&+;=@:!$'()*,[]~"
        );
    }

    proptest! {
        #[test]
        fn the_normal_form_of_anything_is_safe_and_stable(path in "/[a-c./%2eE5F0?]{0,24}", merge: bool) {
            let mut out = Vec::new();
            if normalize(path.as_bytes(), merge, &mut out).is_ok() {
                prop_assert_eq!(out.first(), Some(&b'/'));
                prop_assert!(!out.split(|&byte| byte == b'/').any(is_dot_segment));
                prop_assert!(!merge || !out.windows(2).any(|pair| pair == b"//"));
                // Escaped and read again it is the same.
                let (mut wire, mut again) = (Vec::new(), Vec::new());
                escape_path(&out, &mut wire);
                prop_assert_eq!(normalize(&wire, merge, &mut again), Ok(()));
                prop_assert_eq!(again, out);
            }
        }

        #[test]
        fn a_normal_path_is_its_own_normal_form(path in "/[a-c./%2]{0,12}", merge: bool) {
            let mut out = Vec::new();
            if is_normal(path.as_bytes()) {
                prop_assert_eq!(normalize(path.as_bytes(), merge, &mut out), Ok(()));
                prop_assert_eq!(out, path.into_bytes());
            }
        }
    }
}
