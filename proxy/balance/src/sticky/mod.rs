//! Sessions that stay with their server: by an id in a cookie, or learned.

mod ids;
mod learned;

pub use ids::StickyIds;
pub use learned::StickyTable;
