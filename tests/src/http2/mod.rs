//! HTTP/2 frame by frame: a client that can break every rule, because it knows frames and no states.
//!
//! Deliberately small and our own: header blocks are written as plain literals, and of what comes back only frames and
//! `:status` are read. For behaviour rather than violations use the `h2` crate.

mod connection;
pub mod frame;
mod health;
pub mod hpack;
mod origin;

pub use connection::{Connection, Said};
pub use frame::Frame;
pub use health::HealthOrigin;
pub use origin::{Asked, Http2Origin};
