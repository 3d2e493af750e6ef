//! Streams: connections and datagrams that are carried as they are, to a server of a pool.
//!
//! The pool is the same object that requests use: its balancer chooses, its health counts, a connection that cannot be
//! made is tried on another server. Bytes go both ways through one scratch buffer of the thread; a connection owns
//! memory only for what its other side does not take yet, at most [`pump::PIECE_BYTES`] each way.

mod connect;
mod log;
pub mod metrics;
mod pump;
mod tcp;
pub mod udp;

pub use log::StreamLog;
pub use metrics::{StreamFamilies, StreamMetrics};
pub use tcp::{carry, serve};

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What became of a session, for its log line (nginx: `$status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended in its own time.
    Ended,
    /// What came first could not be read.
    Bad,
    /// Forbidden.
    Forbidden,
    /// A fault of ours.
    #[allow(dead_code, reason = "nginx's words are kept together")]
    Internal,
    /// No server could be connected to.
    NoServer,
    /// Too many at once.
    TooMany,
}

impl Status {
    /// nginx's number.
    pub fn code(self) -> u16 {
        match self {
            Status::Ended => 200,
            Status::Bad => 400,
            Status::Forbidden => 403,
            Status::Internal => 500,
            Status::NoServer => 502,
            Status::TooMany => 503,
        }
    }
}

/// What is known of a session, for its log line.
#[derive(Debug, Default)]
pub struct Session {
    /// `$connection`
    pub serial: u64,
    /// `$remote_addr`, `$remote_port`
    pub client: Option<SocketAddr>,
    /// `$remote_addr` of a unix socket.
    pub client_text: String,
    /// `$server_addr`, `$server_port`
    pub server: Option<SocketAddr>,
    /// `$protocol`
    pub udp: bool,
    /// `$ssl_preread_server_name`
    pub name: Option<String>,
    /// Servers tried, the last one used (`$upstream_addr`).
    pub tried: Vec<Arc<str>>,
    /// `$upstream_connect_time` of the last one.
    pub connect_ms: u64,
    /// `$bytes_received`: from the client.
    pub received: u64,
    /// `$bytes_sent`: to the client.
    pub sent: u64,
    /// Milliseconds from its begin to its end (`$session_time`).
    pub ms: u64,
    /// `$status`
    pub status: u16,
    /// `$proxy_protocol_addr`
    pub proxied: Option<SocketAddr>,
}

/// A place among the sessions that a stream may have at once.
pub struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes a place; `None` when all are taken.
    pub fn take(open: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let place = Self(open.clone());
        // The count goes up first, so that two threads cannot both take the last place.
        (open.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let open = Arc::new(AtomicUsize::new(0));
        let first = Place::take(&open, 1).unwrap();
        assert!(Place::take(&open, 1).is_none());
        assert_eq!(open.load(Ordering::Relaxed), 1);
        drop(first);
        assert!(Place::take(&open, 1).is_some());
    }
}
