//! The error log as the pipeline sees it: levels and one line at a time. The daemon owns the file.

pub use seawall_conf::model::LogLevel;
use std::fmt;

/// Where errors go. Implementations write whole lines in nginx's syntax and never block for long.
pub trait ErrorLog: Send + Sync {
    /// Whether a level is written at all; asked before anything is formatted.
    fn enabled(&self, level: LogLevel) -> bool;
    /// Writes one line; `connection` is nginx's `*N`, 0 for none.
    fn line(&self, level: LogLevel, connection: u64, text: fmt::Arguments<'_>);
}

/// Everything from `Warn` on goes to standard error: for tests.
pub struct Stderr;

impl ErrorLog for Stderr {
    fn enabled(&self, level: LogLevel) -> bool {
        level <= LogLevel::Warn
    }

    fn line(&self, level: LogLevel, connection: u64, text: fmt::Arguments<'_>) {
        eprintln!("[{level:?}] *{connection} {text}");
    }
}
