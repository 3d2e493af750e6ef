//! The YAML syntax.
//!
//! A file becomes a tree ([`tree`]), included files are joined to it ([`include`]), and each room of the
//! configuration is read by the file named after it. Rooms that are named by others (listeners, lists, caches, rule
//! sets, pools) are read before those that name them, so that one pass resolves every reference.

mod access;
mod acme;
mod buffering;
mod cache;
mod cases;
mod challenge;
mod compress;
mod content;
mod difference;
mod dns;
mod dnssec;
mod document;
mod exposure;
mod fastcgi;
mod format;
mod http2;
mod include;
mod layer;
mod limit;
mod listen;
mod lists;
mod log;
mod mask;
mod pools;
mod program;
mod read;
mod redirects;
mod regressions;
mod rewrite;
mod rooms;
mod routes;
mod schema;
mod schema_sites;
mod schema_table;
mod screen;
mod sites;
mod split;
mod streams;
mod syslog;
mod tls;
mod tree;
mod unreachable;
mod when;

pub(crate) use cases::cases;
pub use difference::{Change, ChangeKind, Named, difference};
pub(crate) use document::load;
pub use format::{FormatError, format};
pub use include::FILES_MAX;
pub use mask::{MASK, masked, unmasked};
pub(crate) use read::directory;
pub(crate) use regressions::regressions;
pub use schema::schema;
pub use tree::{DEPTH_MAX, NODES_MAX};
