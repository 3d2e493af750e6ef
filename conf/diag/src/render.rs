//! Findings as text with carets, for people.

use crate::{Diagnostic, Diagnostics, Severity, SourceMap, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use std::ops::Range;

/// The longest source text that is quoted from; a longer file's findings are printed as lines.
pub const QUOTED_SOURCE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Diagnostics {
    /// All findings with file, line, column, the line itself, a caret under the text, the code and the help.
    ///
    /// `color` asks for ANSI colours; a terminal is the caller's to detect.
    pub fn render(&self, sources: &SourceMap, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for finding in self.iter() {
            out.push_str(&render_one(finding, sources, &renderer));
            out.push('\n');
        }
        out
    }
}

fn render_one(finding: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(finding.message.as_str())
        .id(finding.code);
    let mut group = Group::with_title(title);
    if let Some(at) = finding.at {
        let mut snippet =
            snippet(sources, at).annotation(AnnotationKind::Primary.span(range(sources, at)));
        for (place, note) in finding
            .related
            .iter()
            .filter(|(place, _)| place.file == at.file)
        {
            let place = range(sources, *place);
            snippet = snippet.annotation(AnnotationKind::Context.span(place).label(note.as_str()));
        }
        group = group.element(snippet);
    }
    for (place, note) in finding
        .related
        .iter()
        .filter(|(p, _)| finding.at.is_none_or(|at| at.file != p.file))
    {
        let annotation = AnnotationKind::Context
            .span(range(sources, *place))
            .label(note.as_str());
        group = group.element(snippet(sources, *place).annotation(annotation));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

fn snippet<'a>(sources: &'a SourceMap, at: Span) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = sources.text(at.file);
    let text = if text.len() > QUOTED_SOURCE_BYTES_MAX {
        ""
    } else {
        text
    };
    Snippet::source(text).path(sources.name(at.file).to_string_lossy().into_owned())
}

/// The bytes to underline: whole characters within the text and within one line, and at least one where there is one.
fn range(sources: &SourceMap, at: Span) -> Range<usize> {
    let text = sources.text(at.file);
    if text.len() > QUOTED_SOURCE_BYTES_MAX {
        return 0..0;
    }
    let start = floor(text, at.start as usize);
    let line_end = text
        .get(start..)
        .and_then(|t| t.find('\n'))
        .map_or(text.len(), |i| start + i);
    let mut end = floor(text, at.end as usize).clamp(start, line_end);
    if end == start {
        end = text
            .get(start..line_end)
            .and_then(|t| t.chars().next())
            .map_or(start, |c| start + c.len_utf8());
    }
    start..end
}

fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
