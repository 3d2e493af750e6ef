//! What the pipeline wrote to its error log: shown where a test does not hold.

use seawall_conf::model::LogLevel;
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// Lines that are kept.
const LINES_MAX: usize = 5;

/// The last lines since the request began.
#[derive(Default)]
pub struct Said(Mutex<Vec<String>>);

impl Said {
    /// Forgets them.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// All of them.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl seawall_edge::log::ErrorLog for Said {
    fn enabled(&self, level: LogLevel) -> bool {
        level <= LogLevel::Warn
    }

    fn line(&self, _: LogLevel, _: u64, text: fmt::Arguments<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(text.to_string());
        }
    }
}
