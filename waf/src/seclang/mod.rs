//! SecLang: from text to directives with spans. Nothing here knows how rules are run.

mod actions;
pub(crate) mod ast;
mod names;
mod operators;
mod parse;
mod settings;
mod targets;
mod text;

pub(crate) use parse::parse;
