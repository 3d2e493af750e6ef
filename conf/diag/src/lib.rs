//! Files, spans and diagnostics with carets, rendered for people and as JSON.
//!
//! Every room that reads text an operator wrote (YAML, nginx.conf, SecLang, zone files) reports what is wrong with
//! it through these types, so that all errors look alike: file, line, column, a caret under the text, a stable code
//! and what to do. A reader collects *all* errors of a file before it gives up.
//!
//! A crate of its own, and a leaf, because engines that know nothing of the configuration (the WAF, DNS) read files too.
//! A [`Span`] is a file's number and two offsets, cheap to keep in every value; line and column are worked out only when
//! something is reported.
//!
//! Limits: [`QUOTED_SOURCE_BYTES_MAX`]; how large a file may be is its reader's business. Tested in `tests/rendering.rs`
//! and by the golden errors of `seawall-conf`.

mod diagnostic;
mod json;
mod render;
mod source;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use render::QUOTED_SOURCE_BYTES_MAX;
pub use source::{FileId, SourceMap, Span};
