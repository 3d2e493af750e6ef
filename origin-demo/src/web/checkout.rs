pub use super::catalogue::missing as form;
pub use super::catalogue::missing as place;
pub use super::catalogue::missing as confirmation;
