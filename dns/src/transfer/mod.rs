//! Zones from server to server: AXFR (RFC 5936), IXFR (RFC 1995), NOTIFY (RFC 1996), catalogs (RFC 9432).

mod catalog;
mod incoming;
mod notify;
mod outgoing;
mod secondary;

pub use notify::notify_peers;
pub(crate) use outgoing::Outgoing;
pub(crate) use secondary::file_name;
pub use secondary::{Report, Secondaries};
