//! HTTP/1 sans-io: heads, URIs, dates, structured fields, framing.
#![forbid(unsafe_code)]

pub mod date;
mod field;
mod method;
mod name;

pub use field::{Field, Fields, Members, Range32, members, trim};
pub use method::Method;
pub use name::Name;
