//! What is wrong, where, and what to do about it.

use crate::{SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Cannot be loaded.
    Error,
    /// Can be loaded, but is probably not meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Stable code in kebab-case: `unknown-field`, `not-yet`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// Where; `None` where no text is to blame.
    pub at: Option<Span>,
    /// What to do: "did you mean `pools`?".
    pub help: Option<String>,
    /// Other places that matter: "first defined here".
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(
        code: &'static str,
        at: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            at: at.into(),
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: &'static str,
        at: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, at, message)
        }
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place that matters.
    pub fn related(mut self, at: Span, note: impl Into<String>) -> Self {
        self.related.push((at, note.into()));
        self
    }
}

/// All findings of one run, in the order they were found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Adds an error.
    pub fn error(
        &mut self,
        code: &'static str,
        at: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, at, message));
    }

    /// Adds the findings of another run.
    pub fn extend(&mut self, other: Diagnostics) {
        self.items.extend(other.items);
    }

    /// Whether anything forbids loading.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|d| d.severity == Severity::Error)
    }

    /// Puts findings into the order of the text: by file, then by place; those without a place come first. What was
    /// found twice (a value that several routes inherit) stays once.
    pub fn sort(&mut self) {
        self.items
            .sort_by_key(|d| d.at.map(|at| (at.file, at.start)));
        self.items
            .dedup_by(|a, b| a.code == b.code && a.at == b.at && a.message == b.message);
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// One line each, `file:line:column: severity[code]: message`, for logs.
    pub fn lines(&self, sources: &SourceMap) -> Vec<String> {
        self.items.iter().map(|d| line(d, sources)).collect()
    }
}

fn line(d: &Diagnostic, sources: &SourceMap) -> String {
    let severity = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    match d.at {
        Some(at) => {
            let (l, c) = sources.line_column(at);
            format!(
                "{}:{l}:{c}: {severity}[{}]: {}",
                sources.name(at.file).display(),
                d.code,
                d.message
            )
        }
        None => format!("{severity}[{}]: {}", d.code, d.message),
    }
}
