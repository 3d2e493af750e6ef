//! The YAML syntax.
//!
//! A file becomes a tree ([`tree`]), included files are joined to it ([`include`]), and each room of the
//! configuration is read by the file named after it. Rooms that are named by others (listeners, caches, rule sets,
//! pools) are read before those that name them, so that one pass resolves every reference.

mod access;
mod acme;
mod buffering;
mod cache;
mod compress;
mod content;
mod dns;
mod dnssec;
mod document;
mod exposure;
mod fastcgi;
mod http2;
mod include;
mod layer;
mod limit;
mod listen;
mod log;
mod pools;
mod program;
mod read;
mod redirects;
mod rewrite;
mod rooms;
mod routes;
mod sites;
mod split;
mod streams;
mod tls;
mod tree;
mod unreachable;
mod when;

pub(crate) use document::load;
pub use include::FILES_MAX;
pub(crate) use read::directory;
pub use tree::{DEPTH_MAX, NODES_MAX};
