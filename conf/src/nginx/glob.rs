//! `include` patterns, as glob(3) without braces: `*`, `?` and `[...]` within one path segment each.

use crate::load::open_failed;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The files a pattern stands for, sorted. A path without a pattern stands for itself, there or not; a pattern that
/// nothing matches is an empty list (ngx_conf_include).
///
/// # Errors
/// A directory that may not be listed, in nginx's words. nginx passes over it; but our worker reads with fewer rights than
/// the keeper that checked the file, and a list that is silently shorter there would lose sites.
pub(crate) fn expand(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    let mut wild = false;
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|p| p.push(component));
            continue;
        };
        let name = name.to_string_lossy();
        if !name.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|p| p.push(name.as_ref()));
            continue;
        }
        wild = true;
        let name: Vec<char> = name.chars().collect();
        let mut next = Vec::new();
        for directory in &found {
            let mut names: Vec<OsString> = match std::fs::read_dir(directory) {
                Ok(entries) => entries.flatten().map(|e| e.file_name()).collect(),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(open_failed(directory, &e));
                }
                Err(_) => continue,
            };
            names.sort();
            for entry in names {
                let text: Vec<char> = entry.to_string_lossy().chars().collect();
                // A leading dot is matched only by a dot.
                if (text.first() != Some(&'.') || name.first() == Some(&'.'))
                    && matches(&name, &text)
                {
                    next.push(directory.join(&entry));
                }
            }
        }
        found = next;
    }
    if wild {
        // One that may not be looked at is there for whom reading it is told or done otherwise.
        found.retain(|p| p.try_exists().unwrap_or(true));
    }
    Ok(found)
}

/// Whether a text matches a pattern. Backtracks to the last `*` only, so the work is at most their product.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(pattern, p, text[t]),
            Some(c) if *c == text[t] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|c| *c == '*')
}

/// Matches `[abc]`, `[a-z]`, `[!x]` at `p`; the index after it where it matches. An unclosed `[` is itself.
fn class(pattern: &[char], p: usize, c: char) -> Option<usize> {
    let inside = pattern.get(p + 1..).unwrap_or_default();
    let negated = matches!(inside.first(), Some('!' | '^'));
    let from = usize::from(negated);
    let Some(end) = inside
        .iter()
        .skip(from + 1)
        .position(|c| *c == ']')
        .map(|i| i + from + 1)
    else {
        return (c == '[').then_some(p + 1);
    };
    let set = inside.get(from..end).unwrap_or_default();
    let mut i = 0;
    let mut hit = false;
    while i < set.len() {
        if set.get(i + 1) == Some(&'-') && i + 2 < set.len() {
            hit |= (set[i]..=set[i + 2]).contains(&c);
            i += 3;
        } else {
            hit |= set[i] == c;
            i += 1;
        }
    }
    (hit != negated).then_some(p + 1 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, text: &str) -> bool {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        matches(&chars(pattern), &chars(text))
    }

    #[test]
    fn patterns_match_as_globs_do() {
        assert!(
            hit("*.conf", "a.conf")
                && hit("a?c", "abc")
                && hit("[a-c]x", "bx")
                && hit("[!a]x", "bx")
        );
        assert!(hit("*a*b*", "xxaybz") && hit("[", "[") && hit("*", ""));
        assert!(!hit("*.conf", "a.con") && !hit("[!b]x", "bx") && !hit("?", ""));
    }
}
