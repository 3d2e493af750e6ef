//! What is known of an address: where it is ([`Databases`]), and on which lists ([`Entries`], compiled to a [`Table`]).
//!
//! A leaf, because several rooms ask the same: DNS answers by place, routes let countries pass or not, and keys of limits
//! and caches name them. Everything is read once and then only looked up: without locks, and without allocating.
#![forbid(unsafe_code)]

mod list;
mod place;
mod table;

pub use list::{BYTES_MAX, ENTRIES_MAX, Entries, FAULTS_MAX, Fault};
pub use place::{BadDatabase, Databases, Place};
pub use table::Table;
