//! Malformed and ambiguous messages, what may become of each, and an origin that records what reached it.
//!
//! A case says what is sent, where that is ruled on, and every outcome that the rule allows: refused with one of these
//! statuses, or passed on in a form that can be read in one way only. The judge is the origin: what a client is told
//! counts for nothing while a second reader could see another request than the first.
//!
//! The same cases run against any server ([`http1::run`] takes an address), so that ours stands in a table with others.

pub mod http1;
pub mod http2;
mod peers;
mod recorder;

pub use peers::{Peer, Version};
pub use recorder::{Recorded, Recorder};
