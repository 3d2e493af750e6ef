//! A request's hold on a server.

use crate::server::Server;
use std::{
    ops::Deref,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// A request's hold on a server: counted in flight until dropped. Keeps the server's counts alive, not the pool.
#[derive(Debug)]
pub struct Lease {
    /// The server's index in its pool, for [`Pool::report`](crate::Pool::report) and [`Tried`](crate::Tried).
    pub index: usize,
    server: Arc<Server>,
}

impl Lease {
    pub(crate) fn new(index: usize, server: &Arc<Server>) -> Self {
        server.health.in_flight.fetch_add(1, Relaxed);
        Self {
            index,
            server: Arc::clone(server),
        }
    }
}

impl Deref for Lease {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.server.health.in_flight.fetch_sub(1, Relaxed);
    }
}
