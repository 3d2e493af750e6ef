//! Files of directives, and those that they include.

use std::path::{Path, PathBuf};

use seawall_diag::{Diagnostic, FileId, SourceMap, Span};

use super::Compiler;
use crate::files::Files;
use crate::seclang::ast::Directive;

/// How deep files may include one another.
const INCLUDE_DEPTH_MAX: usize = 16;
/// Files of one program.
const FILES_MAX: usize = 2000;

impl Compiler {
    /// Reads the directives of a file; an `Include` in place.
    pub(super) fn file(
        &mut self,
        sources: &mut SourceMap,
        file: FileId,
        reader: &dyn Files,
        depth: usize,
    ) {
        self.files_read += 1;
        if !self.has_room_for_source(sources.text(file).len(), None) {
            return;
        }
        let directory = sources.name(file).parent().map(Path::to_path_buf);
        let directory = directory.unwrap_or_default();
        let directives = crate::seclang::parse(file, sources.text(file), &mut self.found);
        for directive in directives {
            self.directory.clone_from(&directory);
            match directive {
                Directive::Include(pattern, optional) => {
                    self.close_open();
                    let path = directory.join(&pattern.value);
                    self.include(sources, &path, pattern.at, optional, reader, depth);
                }
                other => self.directive(other, reader),
            }
        }
        // A chain ends with its file.
        self.close_open();
    }

    fn include(
        &mut self,
        sources: &mut SourceMap,
        pattern: &Path,
        at: Span,
        optional: bool,
        reader: &dyn Files,
        depth: usize,
    ) {
        if depth >= INCLUDE_DEPTH_MAX {
            self.found
                .error("include-depth", at, "files include one another too deep");
            return;
        }
        let paths = match reader.matching(pattern) {
            Ok(paths) => paths,
            Err(e) => {
                self.unreadable(pattern, at, &e);
                return;
            }
        };
        if paths.is_empty() && !optional {
            let message = format!("no file matches \"{}\"", pattern.display());
            self.found.push(
                Diagnostic::error("no-file", at, message).help("IncludeOptional may match none"),
            );
        }
        for path in paths {
            if self.files_read >= FILES_MAX {
                self.found
                    .error("too-many-files", at, "more files than a rule set may have");
                return;
            }
            match reader.read(&path) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let file = sources.add(path, text);
                    self.file(sources, file, reader, depth + 1);
                }
                Err(e) => self.unreadable(&path, at, &e),
            }
        }
    }

    fn unreadable(&mut self, path: &Path, at: Span, error: &std::io::Error) {
        let message = format!("cannot read \"{}\": {error}", path.display());
        self.found.error("unreadable", at, message);
    }

    /// The lines of the data files that an argument names, without comments and blanks around them.
    pub(super) fn data_lines(
        &mut self,
        argument: &str,
        at: Span,
        reader: &dyn Files,
    ) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        for name in argument.split_ascii_whitespace() {
            let path: PathBuf = self.directory.join(name);
            let bytes = match reader.read(&path) {
                Ok(bytes) => bytes,
                Err(e) => {
                    self.unreadable(&path, at, &e);
                    return None;
                }
            };
            if !self.has_room_for_source(bytes.len(), Some(at)) {
                return None;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let kept = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.extend(kept.map(str::to_owned));
        }
        Some(lines)
    }
}
