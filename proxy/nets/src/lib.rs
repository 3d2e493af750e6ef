//! What is known of an address: where it is ([`Databases`]).
//!
//! A leaf, because several rooms ask the same: DNS answers by place, routes let countries pass or not, and keys of limits
//! and caches name them. Everything is read once and then only looked up: without locks, and without allocating.
#![forbid(unsafe_code)]

mod place;

pub use place::{BadDatabase, Databases, Place};
