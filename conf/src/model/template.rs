//! Strings with variables.

use seawall_diag::Span;

/// A string with variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Literals and variables in order.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// `$name`, `${name}` or `$1`, without the `$`.
    Variable {
        /// Name; a digit for a capture.
        name: String,
        /// Where it was written.
        at: Span,
    },
}

impl Template {
    /// A template without variables.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            parts: if text.is_empty() {
                Vec::new()
            } else {
                vec![Part::Literal(text)]
            },
        }
    }

    /// The text, if there are no variables.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}
