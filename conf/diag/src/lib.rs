//! Files, spans and diagnostics with carets, rendered for people and as JSON.
//!
//! Every room that reads text an operator wrote (YAML, nginx.conf, SecLang, zone files) reports what is wrong with
//! it through these types, so that all errors look alike: file, line, column, a caret under the text, a stable code
//! and what to do. A reader collects *all* errors of a file before it gives up.

mod diagnostic;
mod json;
mod render;
mod source;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use render::QUOTED_SOURCE_BYTES_MAX;
pub use source::{FileId, SourceMap, Span};
