//! Fills: one request to the origin, read by all who asked for the same meanwhile.
//!
//! The leader holds a [`Fill`] and pushes what the origin sends; the others hold a [`FillReader`] each and stream along, on whatever
//! thread they live. Between them is a list of pieces behind a short lock, and a notifier. A fill belongs to nobody's connection: it
//! ends when it is finished, aborted or dropped, and nothing else ends it.

mod leader;
mod pieces;
mod reader;
mod reservation;
mod retention;
pub(crate) mod shared;
mod table;

pub use leader::{Fill, FillError, Responded};
pub(crate) use leader::{renewed, selecting};
pub use reader::{FillChunk, FillReader, FillStart};
pub(crate) use reservation::Reservation;
pub use shared::FillHead;
pub(crate) use table::{Claim, FillTable, Terms};
