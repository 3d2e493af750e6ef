//! Paths without `.`, `..` and doubled slashes.

/// Normalises a path; with `windows`, backslashes are slashes.
///
/// A `..` at the root of an absolute path is dropped, one at the beginning of a relative path stays. A slash at the end
/// stays, and none is added.
pub(super) fn normalize(input: &[u8], windows: bool, out: &mut Vec<u8>) {
    let slash = |b: &u8| *b == b'/' || (windows && *b == b'\\');
    let absolute = input.first().is_some_and(slash);
    let trailing = input.last().is_some_and(slash);
    let root = usize::from(absolute);
    if absolute {
        out.push(b'/');
    }
    // Where the part begins that a `..` may take away: after the `..` that had nothing to take.
    let mut floor = root;
    for segment in input.split(slash) {
        match segment {
            b"" | b"." => continue,
            b".." if out.len() > floor => {
                let parent = out
                    .iter()
                    .rposition(|b| *b == b'/')
                    .filter(|i| *i >= floor)
                    .unwrap_or(floor);
                out.truncate(parent);
                continue;
            }
            b".." if absolute => continue,
            _ => {}
        }
        if out.len() > root {
            out.push(b'/');
        }
        out.extend_from_slice(segment);
        if segment == b".." {
            floor = out.len();
        }
    }
    if trailing && out.len() > root {
        out.push(b'/');
    }
}
