//! Multipart forms (RFC 7578): fields become arguments, files become `FILES`.
//!
//! What origins read differently is told by flags (`MULTIPART_STRICT_ERROR` and those that it sums up), so that rules can
//! refuse what the next one may understand in another way. A body that cannot be parsed is an error; what was read up to
//! there counts.

mod header;

use super::body::Body;
use super::{Place, Store, TooManyArgs};
use crate::program::Program;
use crate::variable::Source;
use header::{boundary, disposition};

/// Bytes of the headers of one part.
const HEADER_BYTES_MAX: usize = 8 << 10;
/// Bytes of a boundary (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MultipartError {
    TooManyArgs,
    Text(&'static str),
}

impl From<TooManyArgs> for MultipartError {
    fn from(_: TooManyArgs) -> Self {
        MultipartError::TooManyArgs
    }
}

/// What is not as it should be. Each is a variable of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    boundary_quoted: bool,
    boundary_whitespace: bool,
    data_before: bool,
    data_after: bool,
    header_folding: bool,
    invalid_header_folding: bool,
    lf_line: bool,
    crlf_line: bool,
    missing_semicolon: bool,
    invalid_quoting: bool,
    invalid_part: bool,
    too_many_parts: bool,
    unmatched_boundary: bool,
}

impl Flags {
    fn strict_error(&self) -> bool {
        self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.invalid_header_folding
            || self.lf_line
            || self.missing_semicolon
            || self.invalid_quoting
            || self.invalid_part
            || self.too_many_parts
    }

    fn variables(&self) -> [(Source, bool); 14] {
        [
            (Source::StrictError, self.strict_error()),
            (Source::UnmatchedBoundary, self.unmatched_boundary),
            (Source::BoundaryQuoted, self.boundary_quoted),
            (Source::BoundaryWhitespace, self.boundary_whitespace),
            (Source::DataBefore, self.data_before),
            (Source::DataAfter, self.data_after),
            (Source::HeaderFolding, self.header_folding),
            (Source::InvalidHeaderFolding, self.invalid_header_folding),
            (Source::LfLine, self.lf_line),
            (Source::CrlfLfLines, self.lf_line && self.crlf_line),
            (Source::MissingSemicolon, self.missing_semicolon),
            (Source::InvalidQuoting, self.invalid_quoting),
            (Source::InvalidPart, self.invalid_part),
            (Source::FileLimitExceeded, self.too_many_parts),
        ]
    }
}

/// A part; its texts are places in the body.
#[derive(Debug, Default)]
struct Part<'a> {
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
    /// Header lines without their ends; folded ones are joined.
    headers: Vec<Vec<u8>>,
    header_bytes: usize,
    data: &'a [u8],
}

impl Store {
    /// Adds the parts of a body. The content type is the request's own.
    pub(super) fn load_multipart(
        &mut self,
        body: &Body<'_>,
        program: &Program,
    ) -> Result<(), MultipartError> {
        let content_type = self.first(Source::Headers, Some(b"content-type"));
        let content_type = content_type.unwrap_or_default().to_vec();
        let mut parser = Parser {
            flags: Flags::default(),
            parts: Vec::new(),
            parts_max: program.limits.parts_max,
        };
        let parsed = boundary(&content_type, &mut parser.flags)
            .ok_or("Multipart: no valid boundary in the content type")
            .and_then(|boundary| parser.parse(body.bytes, &boundary));
        let Parser { flags, parts, .. } = parser;
        let stored = self.push_parts(&parts, program);
        for (source, set) in flags.variables() {
            if program.uses(source) {
                // A body that cannot be parsed is one of the errors that are summed up.
                let set = set || (source == Source::StrictError && parsed.is_err());
                self.push_text(source, if set { b"1" } else { b"0" });
            }
        }
        stored?;
        match parsed {
            Err(text) if !body.cut => Err(MultipartError::Text(text)),
            _ => Ok(()),
        }
    }

    fn push_parts(&mut self, parts: &[Part<'_>], program: &Program) -> Result<(), TooManyArgs> {
        let name_of = |part: &Part<'_>| part.name.clone().unwrap_or_default();
        let mut stored = Ok(());
        for part in parts.iter().filter(|p| p.filename.is_none()) {
            let (name, value) = (self.keep(&name_of(part)), self.keep(part.data));
            stored = self.push_arg(Source::ArgsPost, name, value, program.limits.args_max);
            if stored.is_err() {
                break;
            }
        }
        let files = || parts.iter().filter(|p| p.filename.is_some());
        let mut bytes = 0;
        for part in files() {
            bytes += part.data.len();
            let filename = part.filename.as_deref().unwrap_or_default();
            let (name, value) = (self.keep(&name_of(part)), self.keep(filename));
            self.push(Source::Files, name, value);
        }
        type Text = fn(&Part<'_>) -> Vec<u8>;
        let by_part: [(Source, bool, Text); 4] = [
            (Source::FilesSizes, true, |p| {
                p.data.len().to_string().into_bytes()
            }),
            (Source::FilesContent, true, |p| p.data.to_vec()),
            (Source::PartFilename, true, |p| {
                p.filename.clone().unwrap_or_default()
            }),
            (Source::PartName, false, |p| {
                p.name.clone().unwrap_or_default()
            }),
        ];
        for (source, of_files, text) in by_part {
            if !program.uses(source) {
                continue;
            }
            for part in parts.iter().filter(|p| !of_files || p.filename.is_some()) {
                let (name, value) = (self.keep(&name_of(part)), self.keep(&text(part)));
                self.push(source, name, value);
            }
        }
        for part in parts {
            for header in &part.headers {
                let (name, value) = (self.keep(&name_of(part)), self.keep(header));
                self.push(Source::PartHeaders, name, value);
            }
        }
        let size = self.keep(bytes.to_string().as_bytes());
        self.push(Source::FilesSize, Place::default(), size);
        stored
    }
}

struct Parser<'a> {
    flags: Flags,
    parts: Vec<Part<'a>>,
    parts_max: usize,
}

/// Where in the body a line stands.
enum State {
    Before,
    /// In the headers of the last part.
    Headers,
    /// In its data, which begin there.
    Data(usize),
    After,
}

/// What a line is to the boundary.
enum Line {
    Boundary,
    LastBoundary,
    Other,
}

impl<'a> Parser<'a> {
    fn parse(&mut self, body: &'a [u8], boundary: &[u8]) -> Result<(), &'static str> {
        let mut state = State::Before;
        let mut at = 0;
        while at < body.len() {
            let rest = body.get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
            let line = rest.get(..end).unwrap_or_default();
            let kind = self.line(line, boundary);
            match (&state, kind) {
                (
                    State::Before | State::Headers | State::Data(_),
                    kind @ (Line::Boundary | Line::LastBoundary),
                ) => {
                    self.ending(line);
                    match state {
                        State::Data(start) => self.end_data(body, start, at),
                        // Headers that no empty line ends.
                        State::Headers => self.flags.invalid_part = true,
                        _ => {}
                    }
                    self.check_part()?;
                    state = match kind {
                        Line::Boundary => {
                            if self.parts.len() >= self.parts_max {
                                self.flags.too_many_parts = true;
                                return Err("Multipart: more parts than the limit");
                            }
                            self.parts.push(Part::default());
                            State::Headers
                        }
                        _ => State::After,
                    };
                }
                (State::Before, Line::Other) => self.flags.data_before = true,
                (State::Headers, Line::Other) => {
                    self.ending(line);
                    if self.header(line)? {
                        state = State::Data(at + end);
                    }
                }
                (State::Data(_), Line::Other) => {}
                (State::After, _) => {
                    self.flags.data_after |= !line.trim_ascii().is_empty();
                }
            }
            at += end;
        }
        match state {
            State::After => Ok(()),
            State::Data(start) => {
                self.end_data(body, start, body.len());
                let _ = self.check_part();
                Err("Multipart: the last boundary is missing")
            }
            State::Headers | State::Before => Err("Multipart: the last boundary is missing"),
        }
    }

    /// Which end of line is used.
    fn ending(&mut self, line: &[u8]) {
        if line.ends_with(b"\r\n") {
            self.flags.crlf_line = true;
        } else if line.ends_with(b"\n") {
            self.flags.lf_line = true;
        }
    }

    fn line(&mut self, line: &[u8], boundary: &[u8]) -> Line {
        let Some(dashed) = line.strip_prefix(b"--") else {
            return Line::Other;
        };
        let Some(rest) = dashed.strip_prefix(boundary) else {
            // It looks as if another reader could take it for one.
            let text = dashed.trim_ascii();
            self.flags.unmatched_boundary |= !text.is_empty()
                && text.len() <= BOUNDARY_BYTES_MAX
                && text.iter().all(|b| header::is_boundary_byte(*b));
            return Line::Other;
        };
        match rest.strip_prefix(b"--") {
            Some(end) if end.trim_ascii().is_empty() => Line::LastBoundary,
            _ if rest.trim_ascii().is_empty() => {
                self.flags.boundary_whitespace |= !matches!(rest, b"\r\n" | b"\n" | b"");
                Line::Boundary
            }
            _ => {
                self.flags.unmatched_boundary = true;
                Line::Other
            }
        }
    }

    /// Takes a header line of the last part; an empty one ends the headers.
    fn header(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let Some(part) = self.parts.last_mut() else {
            return Ok(false);
        };
        if text.is_empty() {
            return Ok(true);
        }
        part.header_bytes += text.len();
        if part.header_bytes > HEADER_BYTES_MAX {
            return Err("Multipart: headers longer than the limit");
        }
        if matches!(text.first(), Some(b' ' | b'\t')) {
            self.flags.header_folding = true;
            match part.headers.last_mut() {
                Some(last) => {
                    last.push(b' ');
                    last.extend_from_slice(text.trim_ascii());
                }
                None => self.flags.invalid_header_folding = true,
            }
            return Ok(false);
        }
        if !text.contains(&b':') {
            self.flags.invalid_part = true;
            return Err("Multipart: a header without a colon");
        }
        part.headers.push(text.to_vec());
        Ok(false)
    }

    /// The data end before the line end that precedes the boundary.
    fn end_data(&mut self, body: &'a [u8], start: usize, end: usize) {
        let data = body.get(start..end).unwrap_or_default();
        let data = match data.strip_suffix(b"\n") {
            Some(shorter) => shorter.strip_suffix(b"\r").unwrap_or_else(|| {
                self.flags.lf_line = true;
                shorter
            }),
            None => data,
        };
        if let Some(part) = self.parts.last_mut() {
            part.data = data;
        }
    }

    /// Reads the names of the part that has ended.
    fn check_part(&mut self) -> Result<(), &'static str> {
        let Some(part) = self.parts.last_mut() else {
            return Ok(());
        };
        let mut found = None;
        for header in &part.headers {
            let colon = memchr::memchr(b':', header).unwrap_or(header.len());
            let name = header.get(..colon).unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"content-disposition") {
                // A second one could be the one that the origin reads.
                self.flags.invalid_part |= found.is_some();
                found = Some(header.get(colon + 1..).unwrap_or_default());
            }
        }
        let names = found.and_then(|text| disposition(text, &mut self.flags));
        match names {
            Some(names) => (part.name, part.filename) = (names.name, names.filename),
            None => self.flags.invalid_part = true,
        }
        if part.name.is_none() {
            self.flags.invalid_part = true;
            return Err("Multipart: a part without a name");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
