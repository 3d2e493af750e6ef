//! Source files and spans in them.

use std::path::{Path, PathBuf};

/// A file in a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The file it lies in.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of `file` from byte `start` up to, not including, byte `end`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self {
            file,
            start: start.min(u32::MAX as usize) as u32,
            end: end.min(u32::MAX as usize) as u32,
        }
    }
}

/// The texts that were read, in the order they were read.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<(PathBuf, String)>,
}

impl SourceMap {
    /// Keeps a text under the name it is to be reported with.
    pub fn add(&mut self, name: impl Into<PathBuf>, text: String) -> FileId {
        self.files.push((name.into(), text));
        FileId((self.files.len() - 1) as u32)
    }

    /// The name of a file; empty for an unknown id.
    pub fn name(&self, file: FileId) -> &Path {
        self.files
            .get(file.0 as usize)
            .map_or(Path::new(""), |f| &f.0)
    }

    /// The text of a file; empty for an unknown id.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| &f.1)
    }

    /// Takes a text out while it is read, so that who reads it can add others; [`Self::give_back`] puts it back.
    pub fn lend(&mut self, file: FileId) -> String {
        let place = self.files.get_mut(file.0 as usize);
        place.map_or_else(String::new, |f| std::mem::take(&mut f.1))
    }

    /// Puts a text back in its place.
    pub fn give_back(&mut self, file: FileId, text: String) {
        if let Some(place) = self.files.get_mut(file.0 as usize) {
            place.1 = text;
        }
    }

    /// Line and column (both from 1; the column counts characters) of the start of a span.
    pub fn line_column(&self, span: Span) -> (u32, u32) {
        let text = self.text(span.file).as_bytes();
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.iter().filter(|b| **b == b'\n').count() as u32 + 1;
        let bol = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |i| i + 1);
        // Continuation bytes of UTF-8 are not characters of their own.
        let column = before
            .get(bol..)
            .unwrap_or_default()
            .iter()
            .filter(|b| **b & 0xC0 != 0x80)
            .count() as u32
            + 1;
        (line, column)
    }

    /// All files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Path, &str)> {
        self.files
            .iter()
            .enumerate()
            .map(|(i, (n, t))| (FileId(i as u32), n.as_path(), t.as_str()))
    }
}
