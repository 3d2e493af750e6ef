//! A request's hold on a server.

use crate::server::Server;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
};

/// A request's hold on a server: counted in flight until dropped. Keeps the server's counts alive, not the pool.
#[derive(Debug)]
pub struct Lease {
    /// The server's index in its pool, for [`Pool::report`](crate::Pool::report) and [`Tried`](crate::Tried).
    pub index: usize,
    server: Arc<Server>,
}

impl Lease {
    /// Takes hold of a server, unless it is at its `max_conns`: of several threads that see the last slot, one gets it.
    pub(crate) fn claim(index: usize, server: &Arc<Server>) -> Option<Self> {
        let in_flight = &server.health.in_flight;
        match server.options.max_conns {
            0 => _ = in_flight.fetch_add(1, Relaxed),
            max => {
                // In one order with the queue's length: see `queue`.
                let below = |count: u32| (count < max).then_some(count + 1);
                in_flight.fetch_update(SeqCst, SeqCst, below).ok()?;
            }
        }
        Some(Self {
            index,
            server: Arc::clone(server),
        })
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
        match &self.server.queue {
            None => _ = self.server.health.in_flight.fetch_sub(1, Relaxed),
            Some(queue) => {
                self.server.health.in_flight.fetch_sub(1, SeqCst);
                queue.signal();
            }
        }
    }
}
