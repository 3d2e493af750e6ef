//! Access and error logs.

mod access;
mod behind;
mod error;
mod named;
pub mod privacy;
mod syslog;

pub use access::{AccessLogs, Buffering, LogBuffers, LogFile, Unopened};
pub use error::{ErrorLog, LogLevel, Stderr};
pub use named::{NamedFiles, OpenLogs};
pub use syslog::Syslog;

use std::sync::Arc;

/// Where an access log's lines go.
#[derive(Clone)]
pub enum LogSink {
    /// Into a file, by the thread's buffer.
    File(Arc<LogFile>),
    /// Into the file that the request names.
    Files(Arc<NamedFiles>),
    /// To a syslog server.
    Syslog(Arc<Syslog>),
}
