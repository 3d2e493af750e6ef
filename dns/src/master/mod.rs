//! Zone files as RFC 1035 §5 describes them, with `$TTL` (RFC 2308 §4) and generic data (RFC 3597 §5).
//!
//! An own parser, because an operator should see every mistake of a file at once, each under a caret, and because
//! a type nobody has heard of yet is still only bytes. The scanner makes entries of tokens, the reader makes records
//! of entries by the table in [`crate::rdata`], the check looks at what only the whole zone can show.

mod check;
mod fields;
mod location;
mod params;
mod reader;
mod scan;
mod signed;
pub(crate) mod words;

pub(crate) use check::check;
pub(crate) use params::KEYS;
pub(crate) use reader::{Reader, record_line, record_within};
