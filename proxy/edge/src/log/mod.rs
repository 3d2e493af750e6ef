//! Access and error logs.

mod access;
mod error;
pub mod privacy;

pub use access::{AccessLogs, LogBuffers, LogFile};
pub use error::{ErrorLog, LogLevel, Stderr};
