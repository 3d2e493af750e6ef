//! Changes of a server's state, for the log.

use std::time::{Duration, Instant};

/// A server's state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// Its active check succeeds again.
    Up,
    /// Its active check fails.
    Down,
    /// Requests to it failed: left out.
    Ejected {
        /// Until one request may try it again.
        until: Instant,
        /// The same, counted from now.
        for_: Duration,
        /// What for.
        why: Ejection,
    },
    /// It has answered a request or a check after its ejection.
    Readmitted,
}

/// Why a server was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejection {
    /// Requests to it failed in a row.
    InARow,
    /// Too many of the requests to it failed.
    Ratio,
}

impl Ejection {
    fn reason(self) -> &'static str {
        match self {
            Self::InARow => "requests to it failed in a row",
            Self::Ratio => "too many of the requests to it failed",
        }
    }
}

impl Transition {
    /// A sentence for the log, without a final dot.
    pub fn sentence(&self, pool: &str, server: &str) -> String {
        match self {
            Self::Up => format!("pool {pool}: server {server} is up again: its check succeeds"),
            Self::Down => format!("pool {pool}: server {server} is down: its check fails"),
            Self::Ejected { for_, why, .. } => {
                let seconds = for_.as_secs_f64();
                format!(
                    "pool {pool}: server {server} is ejected for {seconds} s: {}",
                    why.reason()
                )
            }
            Self::Readmitted => {
                format!("pool {pool}: server {server} is readmitted: it answers again")
            }
        }
    }

    /// Whether this is bad news.
    pub fn is_worse(&self) -> bool {
        matches!(self, Self::Down | Self::Ejected { .. })
    }
}
