//! The files that rule files name: other rule files, lists of phrases and addresses.

use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Where files come from.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The files that a path names, whose last part may have `*` and `?`, sorted by name.
    ///
    /// # Errors
    /// Whatever keeps the directory from being read.
    fn matching(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::other("the file is larger than 32 MiB"));
        }
        std::fs::read(path)
    }

    fn matching(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let name = pattern.file_name().unwrap_or_default().to_string_lossy();
        if !name.contains(['*', '?']) {
            return Ok(vec![pattern.to_path_buf()]);
        }
        let directory = pattern.parent().unwrap_or(Path::new("."));
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let entry = path.file_name().unwrap_or_default().to_string_lossy();
            if is_match(name.as_bytes(), entry.as_bytes()) && path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// No files: only what is in the sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::other("these rules may read no files"))
    }

    fn matching(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::Error::other("these rules may include no files"))
    }
}

/// Whether a name matches a pattern with `*` and `?`. As the shell has it, a leading dot is only matched by itself.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where to go on after a `*` that took too little.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b) if *b == b'?' || Some(b) == name.get(n) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((after, taken)) => {
                    (p, n) = (after, taken + 1);
                    star = Some((after, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_names() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.example", false),
            ("REQUEST-9?1*.conf", "REQUEST-901-INIT.conf", true),
            ("*a*b", "xaxbxb", true),
            ("*", ".hidden", false),
            ("a", "a", true),
            ("a", "b", false),
        ] {
            assert_eq!(
                is_match(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
