pub use super::catalogue::missing as results;
