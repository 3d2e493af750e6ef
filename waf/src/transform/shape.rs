//! White space, comments and shell noise.

use super::encoding::copy_until;

/// The non-breaking space of ISO 8859-1.
pub(super) const NBSP: u8 = 0xa0;

/// White space as C's isspace has it.
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

/// Without white space at the beginning.
pub(super) fn trim_left(input: &[u8]) -> &[u8] {
    let start = input
        .iter()
        .position(|b| !is_space(*b))
        .unwrap_or(input.len());
    input.get(start..).unwrap_or_default()
}

/// Without white space at the end.
pub(super) fn trim_right(input: &[u8]) -> &[u8] {
    let end = input
        .iter()
        .rposition(|b| !is_space(*b))
        .map_or(0, |i| i + 1);
    input.get(..end).unwrap_or_default()
}

/// A run of white space becomes one blank.
pub(super) fn compress_whitespace(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    loop {
        rest = copy_until(rest, rest.iter().position(|b| is_space(*b)), out);
        if rest.is_empty() {
            return;
        }
        out.push(b' ');
        rest = trim_left(rest);
    }
}

/// What two shells would read alike: no quotes, carets and backslashes, one blank for `,`, `;` and white space, none
/// before `/` and `(`, lower case.
pub(super) fn cmd_line(input: &[u8], out: &mut Vec<u8>) {
    let mut blank = false;
    for &b in input {
        match b {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !blank {
                    out.push(b' ');
                }
                blank = true;
            }
            b'/' | b'(' => {
                if blank {
                    out.pop();
                }
                blank = false;
                out.push(b);
            }
            _ => {
                blank = false;
                out.push(b.to_ascii_lowercase());
            }
        }
    }
}

/// Each `/* ... */` becomes one blank; so does one that is never closed. A `*/` alone stays.
pub(super) fn replace_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some(open) = memchr::memmem::find(rest, b"/*") {
        let (before, comment) = rest.split_at(open);
        out.extend_from_slice(before);
        out.push(b' ');
        let inside = comment.get(2..).unwrap_or_default();
        rest = match memchr::memmem::find(inside, b"*/") {
            Some(close) => inside.get(close + 2..).unwrap_or_default(),
            None => &[],
        };
    }
    out.extend_from_slice(rest);
}

/// Without comments: `/* ... */` and `<!-- ... -->` are left out; what follows `--` or `#` is, up to the end.
pub(super) fn remove_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some((b, after)) = rest.split_first() {
        let (open, close): (&[u8], &[u8]) = match rest {
            [b'/', b'*', ..] => (b"/*", b"*/"),
            [b'<', b'!', b'-', b'-', ..] => (b"<!--", b"-->"),
            [b'-', b'-', ..] | [b'#', ..] => return,
            _ => {
                out.push(*b);
                rest = after;
                continue;
            }
        };
        let inside = rest.get(open.len()..).unwrap_or_default();
        rest = match memchr::memmem::find(inside, close) {
            Some(end) => inside.get(end + close.len()..).unwrap_or_default(),
            None => &[],
        };
    }
}

/// Without the characters that begin and end comments: `/*`, `*/`, `<!--`, `-->`, `--`, `#`.
pub(super) fn remove_comments_char(input: &[u8], out: &mut Vec<u8>) {
    const MARKS: &[&[u8]] = &[b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    let mut rest = input;
    while let Some((b, after)) = rest.split_first() {
        match MARKS.iter().find_map(|mark| rest.strip_prefix(*mark)) {
            Some(tail) => rest = tail,
            None => {
                out.push(*b);
                rest = after;
            }
        }
    }
}
